"""Makes public/scenes: a small Sentinel-2 scene for the Classify page, three 10 m bands as a 16-bit GeoTIFF, and a picture.

usage: python3 tests/reference/scene_sample.py oscd/images/norcia/imgs_2 0 0 385 241 public/scenes norcia

The numbers are the first column and row, the width and the height. The folder holds one 16-bit GeoTIFF a band (`…_B04.tif`), as the Onera Satellite Change Detection dataset ships them. Needs
Pillow.
"""

import struct
import sys
import zlib
from array import array
from pathlib import Path

from PIL import Image, ImageOps

BANDS = ["B02", "B03", "B04"]
ROWS_PER_STRIP = 32
WHITE_DN = 2750  # reflectance 0.275: EuroSAT's white (shared/src/preprocess/normalisation.rs)
ASCII, SHORT, LONG, DOUBLE = 2, 3, 4, 12


def read(folder: Path, band: str, box: tuple[int, int, int, int]):
    (file,) = folder.glob(f"*_{band}.tif")
    picture = Image.open(file)
    tags = {tag: picture.tag_v2.get(tag) for tag in (33550, 33922)}
    return array("H", picture.crop(box).convert("I;16").tobytes()), tags


def strips(bands, width: int, height: int) -> list[bytes]:
    """Chunky rows, each value less its predecessor (predictor 2), deflated."""
    blocks = []
    for top in range(0, height, ROWS_PER_STRIP):
        data = array("H")
        for y in range(top, min(top + ROWS_PER_STRIP, height)):
            for band_values in zip(*[[0] + list(b[y * width : (y + 1) * width]) for b in bands]):
                data.extend(band_values)
            row = data[len(data) - (width + 1) * len(bands) :]
            del data[len(data) - (width + 1) * len(bands) :]
            data.extend((row[i] - row[i - len(bands)]) & 0xFFFF for i in range(len(bands), len(row)))
        blocks.append(zlib.compress(data.tobytes(), 9))
    return blocks


def tiff(bands, width: int, height: int, scale, tie) -> bytes:
    blocks = strips(bands, width, height)
    offsets, at = [], 8
    for block in blocks:
        offsets.append(at)
        at += len(block)
    items = "".join(f'<Item name="DESCRIPTION" sample="{i}" role="description">{b}</Item>' for i, b in enumerate(BANDS))
    count = len(bands)
    tags = [
        (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [16] * count), (259, SHORT, [8]), (262, SHORT, [1]),
        (273, LONG, offsets), (277, SHORT, [count]), (278, LONG, [ROWS_PER_STRIP]),
        (279, LONG, [len(block) for block in blocks]), (284, SHORT, [1]), (317, SHORT, [2]),
        (338, SHORT, [0] * (count - 1)), (339, SHORT, [1] * count), (33550, DOUBLE, scale), (33922, DOUBLE, tie),
        (34735, SHORT, [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326]),
        (42112, ASCII, f"<GDALMetadata>{items}</GDALMetadata>\0".encode()),
    ]
    directory_at = at + at % 2
    beside_at = directory_at + 2 + 12 * len(tags) + 4
    directory, beside = struct.pack("<H", len(tags)), b""
    for tag, kind, values in tags:
        code = {ASCII: "", SHORT: "H", LONG: "I", DOUBLE: "d"}[kind]
        data = values if kind == ASCII else struct.pack(f"<{len(values)}{code}", *values)
        directory += struct.pack("<HHI", tag, kind, len(values))
        if len(data) <= 4:
            directory += data.ljust(4, b"\0")
        else:
            directory += struct.pack("<I", beside_at + len(beside))
            beside += data + b"\0" * (len(data) % 2)
    header = struct.pack("<2sHI", b"II", 42, directory_at)
    return header + b"".join(blocks) + b"\0" * (at % 2) + directory + b"\0" * 4 + beside


def main() -> None:
    folder, (left, top, width, height) = Path(sys.argv[1]), map(int, sys.argv[2:6])
    out, name = Path(sys.argv[6]), sys.argv[7]
    found = [read(folder, band, (left, top, left + width, top + height)) for band in BANDS]
    bands, tags = [values for values, _ in found], found[0][1]
    scale, tie = list(tags[33550]), list(tags[33922])
    tie[3] += left * scale[0]
    tie[4] -= top * scale[1]
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.tif").write_bytes(tiff(bands, width, height, scale, tie))
    grey = [bytes(min(255, round(value * 255 / WHITE_DN)) for value in bands[BANDS.index(b)]) for b in ("B04", "B03", "B02")]
    picture = Image.merge("RGB", [Image.frombytes("L", (width, height), g) for g in grey])
    ImageOps.fit(picture, (128, 128), Image.Resampling.BOX).save(out / f"{name}.jpg", quality=85)


if __name__ == "__main__":
    main()
