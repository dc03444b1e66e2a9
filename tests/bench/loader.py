#!/usr/bin/env python3
"""Tiles a second of PyTorch's DataLoader with torchvision transforms beside our loader: same files, same machine.

usage: python3 tests/bench/loader.py DATA [--trainer target/debug/trainer] [--threads 2] [--seconds 20] [--px 64]

DATA is a folder <class>/<picture> or a tar of one (unpacked to a temporary folder first, for both). The views are
MoCo-v2's: random resized crop, colour jitter, grey, blur (PIL, as in MoCo's and SeCo's code), flip, normalise; two of
them a sample, batches of 256. PyTorch gets as many worker processes as our loader gets threads; both turns alternate.
"""

import argparse
import json
import random
import re
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import torch
import torchvision.transforms as transforms
from PIL import ImageFilter
from torchvision.datasets import ImageFolder

BATCH = 256


class Blur:
    """MoCo's Gaussian blur: PIL's filter with a radius drawn from .1 to 2."""

    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(0.1, 2.0)))


class TwoViews:
    def __init__(self, px):
        self.view = transforms.Compose([
            transforms.RandomResizedCrop(px, scale=(0.2, 1.0)),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.RandomApply([Blur()], p=0.5),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])

    def __call__(self, image):
        return self.view(image), self.view(image)


def pytorch_rate(folder, px, threads, seconds):
    data = ImageFolder(folder, TwoViews(px))
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, drop_last=True, num_workers=threads, persistent_workers=True
    )
    started, samples = None, 0
    while True:
        for (_first, _second), _label in loader:
            if started is None:  # the first batch starts the workers
                started = time.perf_counter()
                continue
            samples += BATCH
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                return samples / elapsed


def our_rate(trainer, folder, px, threads, seconds):
    command = [trainer, "inspect-data", folder, "--kind", "folder", "--bench", seconds, "--threads", threads]
    command += ["--px", px, "--batch", BATCH]
    printed = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    return float(re.search(r"loader: (\d+) samples/s", printed)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--trainer", default="target/debug/trainer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--px", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.data
        if folder.is_file():
            with tarfile.open(folder) as packed:
                packed.extractall(scratch)
            folder = Path(scratch)
        settings = (folder, arguments.px, arguments.threads, arguments.seconds)
        rounds = [
            {"pytorch": pytorch_rate(*settings), "ours": our_rate(arguments.trainer, *settings)}
            for _ in range(arguments.rounds)
        ]
    middle = {name: sorted(one[name] for one in rounds)[len(rounds) // 2] for name in ("pytorch", "ours")}
    print(json.dumps({
        "what": f"samples/s, two {arguments.px} px MoCo-v2 views each, {arguments.threads} threads",
        "pytorch": round(middle["pytorch"]),
        "ours": round(middle["ours"]),
        "ratio": round(middle["ours"] / middle["pytorch"], 2),
        "rounds": [{name: round(rate) for name, rate in one.items()} for one in rounds],
    }))


if __name__ == "__main__":
    main()
