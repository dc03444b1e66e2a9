#!/usr/bin/env python3
"""Reference values for the benchmark's metrics, from scikit-learn, torchmetrics and SciPy.

Writes metrics.json beside this script. Needs scikit-learn 1.2, torchmetrics 1.0 and SciPy, or later:

    python3 tests/reference/metrics.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binom
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, precision_score, recall_score
from torchmetrics.classification import MulticlassCalibrationError, MulticlassF1Score, MulticlassJaccardIndex
from torchmetrics.functional.classification import multilabel_average_precision

rng = np.random.default_rng(18)


def or_none(value):
    return None if value is None or not np.isfinite(value) else float(value)


def multi_label(name, scores, truth, batch):
    """`None` where scikit-learn warns that nothing is true."""
    scores = np.round(scores, 3).astype(np.float32)
    any_true = truth.any()
    columns = [
        average_precision_score(truth[:, at], scores[:, at]) if truth[:, at].any() else None
        for at in range(truth.shape[1])
    ]
    known = [value for value in columns if value is not None]
    if any_true:
        # The two libraries agree on what average precision is.
        torchmetrics = multilabel_average_precision(
            torch.from_numpy(scores), torch.from_numpy(truth.astype(int)), num_labels=truth.shape[1], average="micro"
        )
        assert abs(torchmetrics.item() - average_precision_score(truth, scores, average="micro")) < 1e-5
    parts = [(truth[at : at + batch], scores[at : at + batch]) for at in range(0, len(truth), batch)]
    weighted = [(len(t), average_precision_score(t.ravel(), s.ravel())) for t, s in parts if t.any()]
    predicted = scores > 0.5
    with_any = (truth | predicted).any(axis=0)
    return {
        "name": name,
        "classes": truth.shape[1],
        "scores": scores.ravel().tolist(),
        "truth": truth.ravel().tolist(),
        "batch": batch,
        "micro_map": average_precision_score(truth.ravel(), scores.ravel()) if any_true else None,
        "macro_map": float(np.mean(known)) if known else None,
        "batch_averaged_map": sum(n * v for n, v in weighted) / sum(n for n, _ in weighted) if weighted else None,
        "micro_f1": f1_score(truth.ravel(), predicted.ravel()) if (truth | predicted).any() else None,
        "macro_f1": f1_score(truth[:, with_any], predicted[:, with_any], average="macro", zero_division=0)
        if with_any.sum() > 1
        else None,
        "per_class": columns,
    }


def pixels(name, truth, predicted, classes):
    """`truth` −1 is ignored."""
    kept = truth >= 0
    result = {"name": name, "classes": classes, "truth": truth.tolist(), "predicted": predicted.tolist()}
    if not kept.any():
        return result | {"mean_iou": None, "mean_f1": None, "overall_accuracy": None, "iou": [None] * classes,
                         "precision": [None] * classes, "recall": [None] * classes}
    t, p = truth[kept], predicted[kept]
    args = dict(num_classes=classes, ignore_index=-1)
    tensors = torch.from_numpy(predicted), torch.from_numpy(truth)
    labels = list(range(classes))

    def of_class(function, is_known):
        values = function(t, p, labels=labels, average=None, zero_division=0)
        return [float(value) if is_known(at) else None for at, value in enumerate(values)]

    return result | {
        "mean_iou": MulticlassJaccardIndex(average="macro", **args)(*tensors).item(),
        "mean_f1": MulticlassF1Score(average="macro", **args)(*tensors).item(),
        "overall_accuracy": float((t == p).mean()),
        "iou": of_class(jaccard_score, lambda at: (t == at).any() or (p == at).any()),
        "precision": of_class(precision_score, lambda at: (p == at).any()),
        "recall": of_class(recall_score, lambda at: (t == at).any()),
    }


def calibration(rows, classes):
    probabilities = rng.dirichlet(np.full(classes, 0.6), rows).astype(np.float32)
    labels = np.where(rng.random(rows) < 0.6, probabilities.argmax(1), rng.integers(0, classes, rows))
    error = MulticlassCalibrationError(num_classes=classes, n_bins=15, norm="l1")
    value = error(torch.from_numpy(probabilities), torch.from_numpy(labels)).item()
    right = probabilities.argmax(1) == labels
    return {"confidences": probabilities.max(1).tolist(), "right": right.tolist(), "error": value}


def thresholds(rows):
    """Probabilities in the middle of a step of 1/1000, so that no rounding decides."""
    probabilities = ((rng.integers(0, 1000, rows) + 0.5) / 1000).astype(np.float32)
    truth = rng.random(rows) < probabilities**2
    steps = np.arange(1001) / 1000
    scores = [f1_score(truth, probabilities >= step, zero_division=0) for step in steps]
    best = int(np.argmax(scores))
    at = [0.1, 0.5, 0.9]
    return {
        "probabilities": probabilities.tolist(),
        "truth": truth.tolist(),
        "best": float(steps[best]),
        "best_f1": float(scores[best]),
        "at": [
            {
                "threshold": t,
                "precision": precision_score(truth, probabilities >= t),
                "recall": recall_score(truth, probabilities >= t),
                "f1": f1_score(truth, probabilities >= t),
                "iou": jaccard_score(truth, probabilities >= t),
            }
            for t in at
        ],
    }


def labels(rows, classes, share):
    return rng.random((rows, classes)) < share


truth = labels(90, 7, 0.3)
tied = np.round(rng.random((60, 5)), 1)
absent = labels(40, 4, 0.4)
absent[:, 2] = False
maps = rng.integers(0, 5, 600)
noisy = np.where(rng.random(600) < 0.6, maps, rng.integers(0, 5, 600))
with_holes = np.where(rng.random(600) < 0.2, -1, maps)
result = {
    "multi_label": [
        multi_label("random", 0.6 * rng.random((90, 7)) + 0.4 * truth, truth, 32),
        multi_label("ties", tied, labels(60, 5, 0.3), 16),
        multi_label("a label that never occurs", rng.random((40, 4)), absent, 7),
        multi_label("no positives", rng.random((10, 3)) * 0.5, labels(10, 3, 0.0), 4),
        multi_label("all positive", rng.random((10, 3)), labels(10, 3, 2.0), 4),
        multi_label("a batch without a label", np.sort(rng.random((12, 2)), 0), np.arange(24).reshape(12, 2) >= 9, 4),
    ],
    "pixels": [
        pixels("random", maps, noisy, 5),
        pixels("ignored", with_holes, noisy, 5),
        pixels("a class that never occurs", with_holes % 4 * (with_holes >= 0) - (with_holes < 0), noisy % 4, 6),
        pixels("a class that is only predicted", np.zeros(30, int), np.arange(30) % 2, 3),
        pixels("one class", np.full(20, 2), np.full(20, 2), 3),
        pixels("nothing right", np.zeros(20, int), np.ones(20, int), 2),
        pixels("ignored only", np.full(20, -1), np.arange(20) % 2, 2),
    ],
    "calibration": [calibration(200, 6), calibration(3, 2)],
    "thresholds": thresholds(400),
    # The number of hits in a resample is binomial; its quantiles are exact.
    "bootstrap": [
        {"right": hits, "rows": rows, "low": binom.ppf(0.025, rows, hits / rows) / rows,
         "high": binom.ppf(0.975, rows, hits / rows) / rows}
        for hits, rows in [(450, 500), (30, 40), (5, 1000)]
    ],
}
for case in result["multi_label"]:
    for key in ("micro_map", "macro_map", "batch_averaged_map", "micro_f1", "macro_f1"):
        case[key] = or_none(case[key])
Path(__file__).with_name("metrics.json").write_text(json.dumps(result) + "\n")
