"""Scenes in 16 bits, and in 8 as people write them, for `node tests/bench/cities.mjs OUT PICTURES --same`.

usage: python3 tests/bench/stretches.py oscd/images OUT

For each city of the Onera set that has its bands, and each of its two dates: OUT/<city>-<date>/16.tif, and the same pixels in 8 bits under
eleven stretches. Needs NumPy and Pillow.
"""

import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reference"))
from scene_sample import BANDS, read, tiff  # noqa: E402


def fixed(low, high, gamma=1.0):
    return lambda x: np.clip((x / 10_000 - low) / (high - low), 0, 1) ** (1 / gamma)


def cut(percent, gamma=1.0, together=False):
    def stretch(x):
        axes = (0, 1, 2) if together else (0, 1)
        low, high = np.percentile(x, [percent, 100 - percent], axis=axes)
        return np.clip((x - low) / np.maximum(high - low, 1), 0, 1) ** (1 / gamma)

    return stretch


def deviations(x):
    mean, deviation = x.mean((0, 1)), x.std((0, 1))
    return np.clip((x - mean + 2 * deviation) / (4 * deviation), 0, 1)


STRETCHES = {
    "0 to 0.275, as EuroSAT": fixed(0, 0.275),
    "0 to 0.3558, as ESA's true colour": fixed(0, 0.3558),
    "0 to 0.3": fixed(0, 0.3),
    "0 to 0.4": fixed(0, 0.4),
    "0.5 to 99.5 % of each band": cut(0.5),
    "1 to 99 % of each band": cut(1),
    "2 to 98 % of each band": cut(2),
    "mean ± 2 deviations of each band": deviations,
    "2 to 98 % of all bands together": cut(2, together=True),
    "0 to 0.3, gamma 1.4": fixed(0, 0.3, 1.4),
    "2 to 98 % of each band, gamma 1.5": cut(2, 1.5),
}


def main() -> None:
    images, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for city in sorted(images.iterdir()):
        for date in ("imgs_1", "imgs_2"):
            folder = city / date
            if not any(folder.glob("*_B04.tif")):
                continue
            width, height = Image.open(next(folder.glob("*_B04.tif"))).size
            found = [read(folder, band, (0, 0, width, height)) for band in BANDS]
            tags = found[0][1]
            to = out / f"{city.name}-{date[-1]}"
            to.mkdir(parents=True, exist_ok=True)
            bands = [values for values, _ in found]
            (to / "16.tif").write_bytes(tiff(bands, width, height, tags[33550], tags[33922]))
            # Blue, green, red as they are listed → red, green, blue.
            pixels = np.stack([np.array(values, dtype=np.float64).reshape(height, width) for values in reversed(bands)], axis=2)
            for name, stretch in STRETCHES.items():
                Image.fromarray(np.round(stretch(pixels) * 255).astype(np.uint8)).save(to / f"{name}.png")
            print(to)


main()
