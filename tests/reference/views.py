#!/usr/bin/env python3
"""Reference values for trainer::views, from torchvision.

Writes trainer/tests/fixtures/views.json. Run from the repository root: python3 tests/reference/views.py
Inputs are given by a formula that the Rust test repeats; only outputs are stored. Random windows are compared by the
statistics of many draws, because the generators differ.
"""

import json
import math
from pathlib import Path

import numpy
import torch
import torchvision.transforms as transforms
import torchvision.transforms.functional as vision

HEIGHT, WIDTH = 11, 13
RATIO = (3 / 4, 4 / 3)
DRAWS = 100_000


def tile():
    """[3, HEIGHT, WIDTH], values n / 255 with n from a multiplicative hash of the position; two grey pixels."""
    index = numpy.arange(3 * HEIGHT * WIDTH, dtype=numpy.uint64)
    values = (((index * 2654435761) >> 13) & 255).astype(numpy.float32) / numpy.float32(255)
    pixels = values.reshape(3, HEIGHT, WIDTH)
    pixels[:, 0, 0] = 0.0
    pixels[:, 0, 1] = 1.0
    return torch.from_numpy(pixels)


def blur(pixels, sigma):
    size = 2 * max(1, math.ceil(3 * sigma)) + 1
    return vision.gaussian_blur(pixels, [size, size], [sigma, sigma])


OPERATIONS = {
    "brightness": vision.adjust_brightness,
    "contrast": vision.adjust_contrast,
    "saturation": vision.adjust_saturation,
    "hue": vision.adjust_hue,
    "grey": lambda pixels, _: vision.rgb_to_grayscale(pixels, num_output_channels=3),
    "blur": blur,
    "flip": lambda pixels, _: vision.hflip(pixels),
}


def chain(*steps):
    pixels = tile()
    for operation, factor in steps:
        pixels = OPERATIONS[operation](pixels, factor)
    return {"steps": [list(step) for step in steps], "output": [round(float(v), 6) for v in pixels.flatten()]}


def statistics(draw, height, width):
    """Mean and standard deviation of height, width, top and left of a window, and the share of None."""
    image = torch.zeros(3, height, width)
    drawn = [draw(image) for _ in range(DRAWS)]
    windows = numpy.array([window for window in drawn if window is not None], dtype=numpy.float64)
    return {
        "source": [height, width],
        "mean": windows.mean(0).tolist(),
        "std": windows.std(0).tolist(),
        "missing": 1 - len(windows) / DRAWS,
    }


def crop(image):
    top, left, height, width = transforms.RandomResizedCrop.get_params(image, (0.2, 1.0), RATIO)
    return (height, width, top, left)


def erasing(image):
    top, left, height, width, _ = transforms.RandomErasing.get_params(image, (0.02, 0.6), (0.3, 3.3), [0.0])
    whole = height == image.shape[1] and width == image.shape[2]  # torchvision's way to say that nothing fitted
    return None if whole else (height, width, top, left)


def fallback(height, width):
    # a share of 50 never fits
    window = transforms.RandomResizedCrop.get_params(torch.zeros(3, height, width), (50.0, 50.0), RATIO)
    return {"source": [height, width], "window": list(window)}


def main():
    torch.manual_seed(0)
    cases = [chain((name, factor)) for name in ("brightness", "contrast", "saturation") for factor in (0.6, 1.0, 1.37)]
    cases += [chain(("saturation", 0.0)), chain(("contrast", 0.0))]
    cases += [chain(("hue", shift)) for shift in (-0.5, -0.1, 0.0, 0.03, 0.1, 0.5)]
    cases += [chain(("grey", 0.0)), chain(("flip", 0.0))]
    cases += [chain(("blur", sigma)) for sigma in (0.1, 0.5, 1.0, 1.45, 2.0)]
    cases += [
        chain(("brightness", 1.4), ("contrast", 0.7), ("saturation", 1.3), ("hue", -0.08)),
        chain(("hue", 0.1), ("saturation", 0.6), ("brightness", 1.4), ("contrast", 1.4)),
        chain(("saturation", 1.4), ("hue", 0.07), ("contrast", 1.2), ("brightness", 0.8), ("grey", 0.0), ("blur", 1.2), ("flip", 0.0)),
    ]
    golden = {
        "torchvision": __import__("torchvision").__version__,
        "cases": cases,
        "draws": DRAWS,
        "crops": [statistics(crop, *size) for size in ((64, 64), (40, 90))],
        "erasing": [statistics(erasing, 64, 64)],
        "fallbacks": [fallback(*size) for size in ((64, 64), (4, 400), (400, 4), (50, 64), (7, 11), (3, 1))],
    }
    path = Path("trainer/tests/fixtures/views.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
