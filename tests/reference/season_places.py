"""Makes public/seasons: six places of SpaceNet 7 and twelve of the demonstration's Blue Marble set that look different, month by month.

Blue Marble's JPEG bytes are copied as they are; SpaceNet 7's lossless pictures become JPEG, by Pillow.

usage: python3 tests/reference/season_places.py muds_rgb.tar index.json public/demo/blue_marble.tar public/seasons
"""

import io

import json
import pathlib
import sys
import tarfile

from PIL import Image

# Chosen by eye for difference: snow, deserts, coasts, mountains, crops, and rain and dry seasons on both sides of the
# equator. A place's name in the set is the row and column of its first pixel in a map of 5400 x 2700.
PLACES = {
    "r0448c3008": "Gulf of Riga, Baltic Sea",
    "r0320c3072": "Lapland, Finland",
    "r0704c1216": "Nebraska, United States",
    "r0640c2752": "French Alps",
    "r0576c3584": "Kazakh steppe",
    "r0256c2304": "Fjords of East Greenland",
    "r0896c3136": "Nile and Gulf of Suez, Egypt",
    "r0896c2752": "Sahara, Algeria",
    "r1152c3008": "Savanna between Chad and Sudan",
    "r1408c3136": "Lake Tanganyika, Tanzania",
    "r1536c3392": "North-west Madagascar",
    "r2112c1600": "Strait of Magellan, Patagonia",
}
# The six of the ten places that were kept out of training, the neighbours and the least different ones left out.
SPACENET_PLACES = {
    "L15-1298E-1322N_5193_2903_13": "The Volga at Astrakhan, Russia",
    "L15-1481E-1119N_5927_3715_13": "Amaravati, India, under construction",
    "L15-0361E-1300N_1446_2989_13": "Meridian, Idaho, United States",
    "L15-0683E-1006N_2732_4164_13": "Manaus, Brazil, and the rain forest",
    "L15-1014E-1375N_4056_2688_13": "Solihull, England",
    "L15-0632E-0892N_2528_4620_13": "Loa river at Calama, Chile",
}
PIXELS_PER_DEGREE, WINDOW = 15, 64
JPEG_QUALITY = 90
SETS = [
    {
        "title": "SpaceNet 7, July 2017 to January 2020, a picture a month, 5 km from north to south",
        "note": "The shipped model was not trained on these places. Some months are hazy or cloudy.",
        "credit": "SpaceNet 7 (MUDS): imagery © Planet Labs, CC BY-SA 4.0, reduced to 128 × 128 pixels and compressed; "
        "what is made of these pictures is shared alike",
    },
    {
        "title": "Blue Marble: Next Generation, 2004, a picture a month, 470 km from north to south",
        "note": "The shipped model has seen these places, without labels, when it was trained.",
        "credit": "Blue Marble: Next Generation, NASA Earth Observatory, Reto Stöckli",
    },
]


def months_of(pictures: dict, folder: str) -> list[str]:
    return sorted(path for path in pictures if path.startswith(folder + "/"))


def spacenet(source: str, index: str, out: pathlib.Path) -> list[dict]:
    about = {place["place"]: place for place in json.loads(pathlib.Path(index).read_text())}
    places = []
    with tarfile.open(source) as tar:
        pictures = {member.name.removeprefix("./"): member for member in tar if member.isfile()}
        for folder, name in SPACENET_PLACES.items():
            # L15-1298E-1322N_5193_2903_13 → sn7-1298e-1322n
            place = "sn7-" + folder.split("_")[0].removeprefix("L15-").lower()
            (out / place).mkdir(parents=True, exist_ok=True)
            dates = []
            for path in months_of(pictures, folder):
                # The publisher says the month; the day in the name is the middle of it.
                dates.append(pathlib.PurePath(path).stem.removesuffix("-15"))
                picture = Image.open(io.BytesIO(tar.extractfile(pictures[path]).read())).convert("RGB")
                picture.save(out / place / f"{dates[-1]}.jpg", quality=JPEG_QUALITY, optimize=True)
            latitude, longitude = about[folder]["lat"], about[folder]["lon"]
            places.append({"id": place, "set": 0, "name": name, "latitude": round(latitude, 1), "longitude": round(longitude, 1), "dates": dates})
    return places


def blue_marble(source: str, out: pathlib.Path) -> list[dict]:
    places = []
    with tarfile.open(source) as tar:
        pictures = {member.name: member for member in tar if member.isfile()}
        for folder, name in PLACES.items():
            (out / folder).mkdir(parents=True, exist_ok=True)
            months = months_of(pictures, folder)
            assert len(months) == 12, folder
            dates = []
            for path in months:
                # The set says 2004-03-01 for what is the whole of March.
                dates.append(pathlib.PurePath(path).stem.removesuffix("-01"))
                (out / folder / f"{dates[-1]}.jpg").write_bytes(tar.extractfile(pictures[path]).read())
            top, left = int(folder[1:5]), int(folder[6:10])
            latitude = round(90 - (top + WINDOW / 2) / PIXELS_PER_DEGREE, 1)
            longitude = round((left + WINDOW / 2) / PIXELS_PER_DEGREE - 180, 1)
            places.append({"id": folder, "set": 1, "name": name, "latitude": latitude, "longitude": longitude, "dates": dates})
    return places


def main() -> None:
    muds, index, marble, out = *sys.argv[1:4], pathlib.Path(sys.argv[4])
    content = {"format_version": 1, "sets": SETS, "places": spacenet(muds, index, out) + blue_marble(marble, out)}
    (out / "index.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


main()
