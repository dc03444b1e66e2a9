#!/usr/bin/env python3
"""The table of super-resolution: OSCD tiles reduced, enlarged again by every mode, and compared with what they were.

    python3 tests/bench/superres.py TRAINER OSCD/images OUT --encoder public/models/compact-s.safetensors

TRAINER is the program. Of each city two tiles of its second date are taken, a quarter and three quarters down the
diagonal; the same place at the first date is the reference. What follows OUT goes to `trainer superres` as it is. Tiles
that are there already are not made again: the same command goes on where it was stopped. Needs Pillow and NumPy.

The cities are not those that the defaults were chosen on: bordeaux, montpellier, norcia, pisa, saclay_e (and beirut,
rennes, rio for the prior's gain).
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np
from PIL import Image

CITIES = "abudhabi aguasclaras beihai brasilia chongqing dubai lasvegas milano saclay_w valencia"
COLUMNS = ["psnr_db", "psnr_luma_db", "ssim", "feature_distance"]


def tiles(folder, city, px):
    dates = [Image.open(folder / city / "pair" / f"img{date}.png").convert("RGB") for date in (1, 2)]
    for number, share in enumerate((0.25, 0.75)):
        left, top = (round(share * side) - px // 2 for side in dates[1].size)
        yield f"{city}-{number}", *(date.crop((left, top, left + px, top + px)) for date in dates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer")
    parser.add_argument("oscd", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--px", type=int, default=128, help="side of a tile before its reduction")
    parser.add_argument("--cities", nargs="+", default=CITIES.split())
    args, options = parser.parse_known_args()
    results = {}
    for city in args.cities:
        for name, reference, truth in tiles(args.oscd, city, args.px):
            folder = args.out / name
            folder.mkdir(parents=True, exist_ok=True)
            reference.save(folder / "reference.png")
            truth.save(folder / "truth.png")
            command = [args.trainer, "superres", "--reduce", "--input", folder / "truth.png"]
            command += ["--reference", folder / "reference.png", "--out", folder / "out", *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            entries = json.loads((folder / "out" / "metrics.json").read_text())["results"]
            results[name] = {entry["mode"]: entry for entry in entries}
            print(name, *(f"{mode} {entry['quality']['psnr_db']:.2f}" for mode, entry in results[name].items()), flush=True)
    modes = list(next(iter(results.values())))
    values = {mode: np.array([[r[mode]["quality"].get(c, np.nan) for c in COLUMNS] for r in results.values()]) for mode in modes}
    lines = [
        f"| {len(results)} tiles | PSNR, dB | PSNR of luma, dB | SSIM of luma | feature distance | best PSNR | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    best = np.argmax(np.stack([values[mode][:, 0] for mode in modes]), axis=0)
    for index, mode in enumerate(modes):
        psnr, luma, ssim, distance = values[mode].mean(0)
        secs = np.mean([result[mode]["secs"] for result in results.values()])
        lines.append(f"| {mode} | {psnr:.2f} | {luma:.2f} | {ssim:.4f} | {distance:.4f} | {(best == index).sum()} | {secs:.1f} |")
    (args.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


main()
