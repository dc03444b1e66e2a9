#!/usr/bin/env python3
"""Reference values for the heads that the page learns from a few marked tiles, from scikit-learn.

Writes label.json beside this script. Needs scikit-learn 1.2 or later:

    python3 tests/reference/label.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

REGULARISER = 1e-3
CLASSES, WIDTH = 4, 24
rng = np.random.default_rng(7)
centres = rng.normal(size=(CLASSES, WIDTH))


def draw(labels):
    """Overlapping clouds around a common offset, of any length, as raw embeddings are."""
    values = 3 + centres[labels] + 2.2 * rng.normal(size=(len(labels), WIDTH))
    return (values * rng.uniform(0.5, 4, size=(len(labels), 1))).astype(np.float32)


def unit(rows):
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fitted(rows, labels):
    """On unit rows, centred and brought to unit root-mean-square length; C weighs the sum of losses, we their mean."""
    mean = rows.mean(0)
    spread = np.sqrt(((rows - mean) ** 2).sum(1).mean())
    model = LogisticRegression(C=1 / (REGULARISER * len(rows)), tol=1e-12, max_iter=100_000)
    model.fit((rows - mean) / spread, labels)
    return lambda others: model.predict_proba((others - mean) / spread)


# More tiles of some classes than of others, in no order.
labels = rng.permutation(np.repeat(np.arange(CLASSES), [9, 6, 5, 3]))
tiles, others = draw(labels), draw(rng.integers(0, CLASSES, 12))
left_out = [
    int(fitted(np.delete(unit(tiles), row, 0), np.delete(labels, row))(unit(tiles[row : row + 1])).argmax())
    for row in range(len(tiles))
]
result = {
    "classes": CLASSES,
    "width": WIDTH,
    "tiles": tiles.ravel().tolist(),
    "labels": labels.tolist(),
    "others": others.ravel().tolist(),
    "probabilities": fitted(unit(tiles), labels)(unit(others)).ravel().tolist(),
    "left_out": left_out,
}
Path(__file__).with_name("label.json").write_text(json.dumps(result) + "\n")
