#!/usr/bin/env python3
"""Reference values for shared::preprocess, from PyTorch, torchvision and Pillow.

Writes shared/tests/fixtures/preprocess.json. Run from the repository root: python3 tests/reference/preprocess.py
Inputs are given by a formula that the Rust test repeats; only outputs are stored.
"""

import json
from pathlib import Path

import numpy
import PIL.Image
import torch
import torchvision.transforms.functional as vision

BANDS = 2


def tile(height, width):
    """[BANDS, height, width], values n / 255 with n from a multiplicative hash of the position."""
    index = numpy.arange(BANDS * height * width, dtype=numpy.uint64)
    values = ((index * 2654435761) >> 13) & 255
    return (values.astype(numpy.float32) / numpy.float32(255)).reshape(BANDS, height, width)


def torch_resize(pixels, height, width):
    batch = torch.from_numpy(pixels)[None]
    return torch.nn.functional.interpolate(
        batch, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )[0].numpy()


def pillow_resize(pixels, height, width, kernel=PIL.Image.BILINEAR):
    planes = [PIL.Image.fromarray(plane, mode="F") for plane in pixels]
    resized = [plane.resize((width, height), kernel) for plane in planes]
    return numpy.stack([numpy.asarray(plane) for plane in resized])


def case(operation, source, arguments, output):
    height, width = source
    values = [float(f"{value:.9g}") for value in numpy.asarray(output, dtype=numpy.float32).ravel()]
    return {
        "operation": operation,
        "height": height,
        "width": width,
        "arguments": arguments,
        "shape": list(output.shape),
        "values": values,
    }


def main():
    cases = []
    sizes = [
        ((17, 23), (9, 5)),  # shrinking by odd factors
        ((32, 32), (16, 16)),  # by exactly two
        ((40, 33), (7, 7)),  # by much
        ((7, 9), (10, 15)),  # growing
        ((8, 8), (16, 16)),  # by exactly two
        ((5, 30), (11, 7)),  # growing one side, shrinking the other
        ((13, 6), (13, 6)),  # nothing to do
        ((9, 8), (1, 1)),
        ((1, 1), (3, 4)),
        ((2, 3), (5, 1)),
    ]
    for source, target in sizes:
        for name, resize in (("torch", torch_resize), ("pillow", pillow_resize)):
            cases.append(case(f"resize/{name}", source, list(target), resize(tile(*source), *target)))
    for source, target in sizes[:6] + sizes[7:]:
        for name, kernel in (("bicubic", PIL.Image.BICUBIC), ("lanczos", PIL.Image.LANCZOS)):
            output = pillow_resize(tile(*source), *target, kernel)
            cases.append(case(f"{name}/pillow", source, list(target), output))
    for source, px in [((30, 47), 12), ((47, 30), 12), ((11, 20), 15), ((20, 11), 15), ((9, 9), 14), ((12, 13), 12)]:
        fitted = vision.center_crop(vision.resize(torch.from_numpy(tile(*source)), px, antialias=True), [px, px])
        cases.append(case("fit", source, [px], fitted.numpy()))
    for source, window, px in [((20, 24), (3, 5, 11, 9), 8), ((20, 24), (0, 0, 20, 24), 6), ((20, 24), (17, 20, 3, 4), 9)]:
        top, left, height, width = window
        cropped = vision.crop(torch.from_numpy(tile(*source)), top, left, height, width)
        resized = vision.resize(cropped, [px, px], antialias=True)
        cases.append(case("resized_crop", source, [*window, px], resized.numpy()))
    for source, window in [((8, 9), (5, 4)), ((11, 7), (4, 4)), ((6, 6), (5, 6)), ((10, 12), (3, 5))]:
        cropped = vision.center_crop(torch.from_numpy(tile(*source)), list(window))
        cases.append(case("center_crop", source, list(window), cropped.numpy()))
    path = Path("shared/tests/fixtures/preprocess.json")
    written_by = f"PyTorch {torch.__version__}, Pillow {PIL.__version__}"
    text = ",\n".join(json.dumps(entry) for entry in cases)
    path.write_text(f'{{"written_by": "{written_by}", "cases": [\n{text}\n]}}\n')
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
