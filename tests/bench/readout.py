#!/usr/bin/env python3
"""Which readout suits an encoder: k-NN-20 and linear accuracy on the validation part, from its feature maps.

    trainer export --encoder runs/seco --out folder --onnx          # without --data: no readout in it
    python3 tests/bench/readout.py folder/compact-s.onnx eurosat_rgb.tar train.csv val.csv

Runs the network in ONNX Runtime, and shares no code with the trainer. Needs onnx, onnxruntime, scikit-learn, Pillow.
"""

import csv
import io
import sys
import tarfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from sklearn.linear_model import LogisticRegression

BATCH, NEIGHBOURS = 256, 20


def tiles(tar, lists):
    wanted = {row[0]: (part, row[1]) for part, path in enumerate(lists) for row in csv.reader(open(path)) if row}
    found = [([], []), ([], [])]
    for member in tarfile.open(tar):
        name = "/".join(member.name.split("/")[-2:])
        if name in wanted:
            part, label = wanted[name]
            found[part][0].append(np.asarray(Image.open(io.BytesIO(tar_read(tar, member))).convert("RGB")))
            found[part][1].append(label)
    return [(np.stack(pixels), np.array(labels)) for pixels, labels in found]


def tar_read(tar, member):
    with open(tar, "rb") as file:
        file.seek(member.offset_data)
        return file.read(member.size)


def feature_maps(path):
    """A session that gives the outputs of the stem and of every stage, the last stage first."""
    model = onnx.load(path)
    last = {}
    for node in model.graph.node:
        # `conv1.relu`, `maxpool` behind it, and `layer1.0`: what is inside a block has more dots.
        if node.op_type in ("Relu", "MaxPool") and node.output[0].count(".") <= 1:
            last[node.output[0].split(".")[0].replace("maxpool", "conv1")] = node.output[0]
    names = list(reversed(last.values()))
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return onnxruntime.InferenceSession(model.SerializeToString()), names


def moments(session, names, pixels):
    rows = []
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH].astype(np.float32).transpose(0, 3, 1, 2) / 255
        maps = session.run(names, {"tiles": batch})
        rows.append(np.concatenate([m.mean((2, 3)) for m in maps] + [m.std((2, 3)) for m in maps], axis=1))
    return np.concatenate(rows), maps[0].shape[1]


def knn(train, labels, test, truth):
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = unit(test) @ unit(train).T
    near = np.argpartition(-similarity, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    classes, index = np.unique(labels, return_inverse=True)
    votes = np.stack([np.bincount(row, minlength=len(classes)) for row in index[near]])
    return 100 * (classes[votes.argmax(1)] == truth).mean()


def linear(train, labels, test, truth):
    scale = train.std(0)
    fits = (LogisticRegression(C=c, max_iter=100).fit(train / scale, labels) for c in (0.03, 0.1))
    return 100 * max((fit.predict(test / scale) == truth).mean() for fit in fits)


def main():
    path, tar, *lists = sys.argv[1:]
    (train_pixels, labels), (test_pixels, truth) = tiles(tar, lists)
    session, names = feature_maps(path)
    train, width = moments(session, names, train_pixels)
    test, _ = moments(session, names, test_pixels)
    print(f"{len(labels)} training and {len(truth)} validation tiles; {train.shape[1]} moments of {', '.join(names)}")

    def report(name, a, b):
        print(f"{name:44} k-NN-20 {knn(a, labels, b, truth):.1f} %  linear {linear(a, labels, b, truth):.1f} %", flush=True)

    report("mean of the last feature map", train[:, :width], test[:, :width])
    mean, std = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / std, (test - mean) / std
    report("moments, standardised", train, test)
    values, vectors = np.linalg.eigh(np.cov(train.T))
    deviations, vectors = np.sqrt(np.maximum(values[::-1], 1e-8)), vectors[:, ::-1]
    for components in sorted({256, 512, train.shape[1]}):
        for power in (0.5, 0.75, 1.0):
            rotate = lambda rows: rows @ vectors[:, :components] / deviations[:components] ** power
            report(f"{components} components over deviation^{power}", rotate(train), rotate(test))


if __name__ == "__main__":
    main()
