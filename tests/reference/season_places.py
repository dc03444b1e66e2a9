"""Makes public/seasons: twelve places of the demonstration's Blue Marble set that look different, month by month.

The JPEG bytes are copied as they are; nothing but the standard library is needed.

usage: python3 tests/reference/season_places.py public/demo/blue_marble.tar public/seasons
"""

import json
import pathlib
import sys
import tarfile

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
PIXELS_PER_DEGREE, WINDOW = 15, 64


def main() -> None:
    source, out = sys.argv[1], pathlib.Path(sys.argv[2])
    places = []
    with tarfile.open(source) as tar:
        pictures = {member.name: member for member in tar if member.isfile()}
        for folder, name in PLACES.items():
            (out / folder).mkdir(parents=True, exist_ok=True)
            months = sorted(path for path in pictures if path.startswith(folder + "/"))
            assert len(months) == 12, folder
            dates = []
            for path in months:
                # The set says 2004-03-01 for what is the whole of March.
                dates.append(pathlib.PurePath(path).stem.removesuffix("-01"))
                (out / folder / f"{dates[-1]}.jpg").write_bytes(tar.extractfile(pictures[path]).read())
            top, left = int(folder[1:5]), int(folder[6:10])
            places.append(
                {
                    "id": folder,
                    "name": name,
                    "latitude": round(90 - (top + WINDOW / 2) / PIXELS_PER_DEGREE, 1),
                    "longitude": round((left + WINDOW / 2) / PIXELS_PER_DEGREE - 180, 1),
                    "dates": dates,
                }
            )
    index = {
        "format_version": 1,
        "title": "Blue Marble: Next Generation, 2004, a picture a month, 470 km from north to south",
        "note": "The shipped model has seen these places, without labels, when it was trained.",
        "credit": "Blue Marble: Next Generation, NASA Earth Observatory, Reto Stöckli",
        "places": places,
    }
    (out / "index.json").write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n")


main()
