"""Makes the embedded training set of the demonstration in public/demo.

1 000 EuroSAT tiles (100 a class: 60 train, 10 validation, 30 test, each from the AiTLAS split of that name) and 100
Blue Marble places of 64 x 64 pixels in 12 months. JPEG bytes of EuroSAT are copied as they are.

usage: python3 demo_set.py EUROSAT_TAR AITLAS_SPLIT_FOLDER BLUE_MARBLE_FOLDER OUT
"""

import csv
import io
import pathlib
import random
import sys
import tarfile

import numpy as np
from PIL import Image

PER_CLASS = {"train": 60, "val": 10, "test": 30}
PLACES, WINDOW = 100, 64


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))


def eurosat(source: str, splits: pathlib.Path, out: pathlib.Path, rng: random.Random) -> None:
    chosen = {}
    for split, count in PER_CLASS.items():
        rows = list(csv.reader(open(splits / f"aitlas_arena_{split}.csv")))
        by_class: dict[str, list[str]] = {}
        for name, label in rows:
            by_class.setdefault(label, []).append(name)
        picked = [n for label in sorted(by_class) for n in sorted(rng.sample(sorted(by_class[label]), count))]
        chosen[split] = picked
        lines = "".join(f"{name},{name.split('/')[0]}\n" for name in picked)
        (out / f"eurosat_{split}.csv").write_text(lines)
    wanted = {name for names in chosen.values() for name in names}
    with tarfile.open(source) as tar, tarfile.open(out / "eurosat.tar", "w", format=tarfile.USTAR_FORMAT) as small:
        members = {"/".join(m.name.split("/")[-2:]): m for m in tar if m.isfile()}
        for name in sorted(wanted):
            add(small, name, tar.extractfile(members[name]).read())


def blue_marble(folder: pathlib.Path, out: pathlib.Path, rng: random.Random) -> None:
    months = [np.asarray(Image.open(path)) for path in sorted(folder.glob("world.2004*.jpg"))]
    assert len(months) == 12
    height, width, _ = months[0].shape
    grid = [(top, left) for top in range(0, height - WINDOW, WINDOW) for left in range(0, width - WINDOW, WINDOW)]
    rng.shuffle(grid)
    with tarfile.open(out / "blue_marble.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        made = 0
        for top, left in grid:
            # West of 60° E: the east is left for tests.
            if left / width * 360 - 180 > 60 or made == PLACES:
                continue
            cube = np.stack([month[top : top + WINDOW, left : left + WINDOW] for month in months])
            # Land with texture: open sea is dark blue and flat in every month.
            blueness = (cube[..., 2].astype(int) - cube[..., 0]).mean()
            if cube.std(axis=(1, 2)).mean() < 18 or blueness > 10:
                continue
            for month, picture in enumerate(cube, start=1):
                data = io.BytesIO()
                Image.fromarray(picture).save(data, "JPEG", quality=85)
                add(tar, f"r{top:04}c{left:04}/2004-{month:02}-01.jpg", data.getvalue())
            made += 1
        assert made == PLACES, made


def main() -> None:
    source, splits, marble, out = sys.argv[1], *map(pathlib.Path, sys.argv[2:5])
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(2026)
    eurosat(source, splits, out, rng)
    blue_marble(marble, out, rng)


main()
