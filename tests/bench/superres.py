#!/usr/bin/env python3
"""The tables of super-resolution: Sentinel-2 tiles enlarged by every mode, and compared with what they were.

    python3 tests/bench/superres.py TRAINER OSCD/images OUT --encoder MODEL.safetensors [--by ours|camera|sensor]

TRAINER is the program. How the coarse picture came about:

ours     The tile of the second date is reduced by the very reduction that the modes invert: the easiest case.
camera   It is reduced by optics of unknown width, square detectors and noise, another draw for every tile, seeded.
sensor   Nothing is reduced: the satellite's own 20 m band B8A is enlarged twice and compared with its 10 m band B08 of the
         same moment, whose range of wavelengths holds B8A's. Optics and noise are real, and unknown. The truth's values are
         brought to the coarse band's by a regression, so what the two bands show differently counts as error in every mode.
         Norcia, Bercy and Paris, whose bands are there; grey, so without a feature distance.

In all three the first date of the place is the reference: a real pair at two dates. `detail` is a regression on it, without a
network. Tiles lie along the diagonal. What follows goes to `trainer superres` as it is. Tiles that are there already are not
made again: the same command goes on where it was stopped. Needs Pillow and NumPy.

The cities are OSCD's test cities but for those that the defaults were chosen on (montpellier, norcia, rio; bordeaux, pisa,
saclay_e, beirut and rennes besides). The feature distance is of use only from an encoder that has not seen them: the record of
its run is asked, and a model that has seen any of them, or has no record, is refused (`--unrecorded` takes the latter).
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

CITIES = "brasilia chongqing dubai lasvegas milano saclay_w valencia"
SENSED = "bercy norcia paris"
# LOW and HIGH of the optics' deviation in coarse pixels, noise: at the Nyquist frequency optics and detectors together let 41 to
# 11 % through, as Sentinel-2's let about 15 to 30 %.
CAMERA = "0.3,0.6,0.01"
COLUMNS = ["psnr_db", "psnr_luma_db", "ssim", "feature_distance"]


def corners(size, px, count):
    """Upper left corners along the diagonal, at even places."""
    for number in range(count):
        share = (number + 1) / (count + 1)
        yield number, *(2 * (round(share * side - px / 2) // 2) for side in size)


def pairs(folder, city, px, count):
    """What is reduced is the truth itself; the reference beside it."""
    dates = [Image.open(folder / city / "pair" / f"img{date}.png").convert("RGB") for date in (1, 2)]
    for number, left, top in corners(dates[1].size, px, count):
        reference, truth = (date.crop((left, top, left + px, top + px)) for date in dates)
        yield f"{city}-{number}", {"reference": reference, "truth": truth}


def sensed(folder, city, px, count):
    """A band of 20 m, the truth in the band of 10 m that holds it, and that at the other date; 8 bits in one stretch."""
    def band(date, name):
        return np.asarray(Image.open(next((folder / city / f"imgs_{date}").glob(f"*_{name}.tif"))), dtype=np.float64)

    reference, truth, coarse = band(1, "B08"), band(2, "B08"), band(2, "B8A")
    for number, left, top in corners(truth.shape[::-1], px, count):
        fine = (slice(top, top + px), slice(left, left + px))
        low = coarse[top // 2 : (top + px) // 2, left // 2 : (left + px) // 2]
        squares = truth[fine].reshape(px // 2, 2, px // 2, 2).mean((1, 3))
        slope, offset = np.polyfit(squares.ravel(), low.ravel(), 1)
        black, white = np.quantile(low, [0.01, 0.99])

        def grey(values):
            return Image.fromarray(np.clip((values - black) / (white - black) * 255, 0, 255).round().astype(np.uint8))

        yield f"{city}-{number}", {
            "low": grey(low), "truth": grey(slope * truth[fine] + offset), "reference": grey(slope * reference[fine] + offset)}


def ask_record(args, cities):
    """Ends the program where the encoder's run has seen a city that it is to measure."""
    command = [args.trainer, "inspect-data", args.oscd, "--kind", "mosaic", "--keep-place", ",".join(cities), "--seen-by", args.encoder]
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    said = [line for line in answer.stdout.splitlines() if line.startswith("seen by ")]
    if not said and args.unrecorded and "is not on record" in answer.stderr:
        return "which pictures it was trained on is not on record"
    if answer.returncode != 0 or not said:
        sys.exit(answer.stderr.strip())
    if ": 0 of " not in said[0]:
        sys.exit(f"error: {said[0]}\nhint: measure with an encoder whose training left these cities out (keep_places, skip_places)")
    return said[0]


def enlarge(args, options, number, folder, pictures):
    """The entries of metrics.json for one tile."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    command = [args.trainer, "superres", "--reference", folder / "reference.png", "--out", folder / "out", *options]
    if args.by == "sensor":
        command += ["--scale", "2", "--input", folder / "low.png", "--truth", folder / "truth.png"]
    else:
        command += ["--reduce", "--input", folder / "truth.png"]
        command += ["--encoder", args.encoder] if args.encoder else []
    if args.by == "camera":
        command += ["--camera", CAMERA, "--seed", str(number)]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return {entry["mode"]: entry for entry in json.loads((folder / "out" / "metrics.json").read_text())["results"]}


def table(results, encoder):
    modes = list(next(iter(results.values())))
    rows = {mode: [[result[mode]["quality"].get(column, np.nan) for column in COLUMNS] for result in results.values()] for mode in modes}
    values = {mode: np.array(row, dtype=float) for mode, row in rows.items()}
    named = f"feature distance ({encoder})" if encoder else "feature distance"
    lines = [
        f"| {len(results)} tiles | PSNR, dB | above bicubic, dB (standard error) | PSNR of luma, dB | SSIM of luma | {named} | best PSNR | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    best = np.argmax(np.stack([values[mode][:, 0] for mode in modes]), axis=0)
    for index, mode in enumerate(modes):
        psnr, luma, ssim, distance = values[mode].mean(0)
        gained = values[mode][:, 0] - values.get("bicubic", values[mode])[:, 0]
        error = gained.std(ddof=1) / len(gained) ** 0.5 if len(gained) > 1 else np.nan
        gain = f"{gained.mean():+.2f} ({error:.2f})" if mode != "bicubic" else ""
        distance = "" if np.isnan(distance) else f"{distance:.4f}"
        secs = np.mean([result[mode]["secs"] for result in results.values()])
        said = f"{mode}: a regression on the other date" if mode == "detail" else mode
        lines.append(f"| {said} | {psnr:.2f} | {gain} | {luma:.2f} | {ssim:.4f} | {distance} | {(best == index).sum()} | {secs:.1f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer")
    parser.add_argument("oscd", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--by", choices=["ours", "camera", "sensor"], default="ours", help="where the coarse picture comes from")
    parser.add_argument("--encoder", type=pathlib.Path, help="exported model for the feature distance")
    parser.add_argument("--unrecorded", action="store_true", help="take a model that has no record of its training")
    parser.add_argument("--px", type=int, default=128, help="side of a tile")
    parser.add_argument("--tiles", type=int, default=3, help="tiles of a city")
    parser.add_argument("--cities", nargs="+")
    args, options = parser.parse_known_args()
    cities = args.cities or (SENSED if args.by == "sensor" else CITIES).split()
    is_measured = args.encoder and args.by != "sensor"
    record = ask_record(args, cities) if is_measured else "no feature distance is measured"
    print(record, flush=True)
    results = {}
    read = sensed if args.by == "sensor" else pairs
    for city in cities:
        for name, pictures in read(args.oscd, city, args.px, args.tiles):
            results[name] = enlarge(args, options, len(results), args.out / args.by / name, pictures)
            print(name, *(f"{mode} {entry['quality']['psnr_db']:.2f}" for mode, entry in results[name].items()), flush=True)
    text = f"{record}\n\n{table(results, args.encoder.stem if is_measured else '')}"
    (args.out / args.by / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
