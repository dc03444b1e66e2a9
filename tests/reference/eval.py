#!/usr/bin/env python3
"""Reference values for the trainer's evaluation, from scikit-learn, SciPy and NumPy.

Writes eval.json beside this script. Needs scikit-learn 1.2 or later:

    python3 tests/reference/eval.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import LinearSVC

CLASSES, WIDTH = 4, 6
rng = np.random.default_rng(20)
centres = rng.normal(size=(CLASSES, WIDTH))


def draw(count):
    """Overlapping clouds on different scales, so that mistakes are made and standardisation matters."""
    labels = rng.integers(0, CLASSES, count)
    values = (centres[labels] + 0.9 * rng.normal(size=(count, WIDTH))) * np.array([1, 10, 0.1, 1, 1, 3]) + 2
    return values.astype(np.float32), labels


def vote(near, similarities, labels):
    """Majority; of classes with equally many votes the one with the larger sum of similarities."""
    predictions = []
    for rows, weights in zip(near, similarities):
        counts, sums = np.zeros(CLASSES), np.zeros(CLASSES)
        np.add.at(counts, labels[rows], 1)
        np.add.at(sums, labels[rows], weights)
        tied = np.flatnonzero(counts == counts.max())
        predictions.append(int(tied[np.argmax(sums[tied])]))
    return predictions


def knn(train, train_labels, test, k, metric):
    distances, near = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(train).kneighbors(test)
    similarities = 1 - distances if metric == "cosine" else -(distances**2)
    return {"k": k, "metric": metric, "neighbours": near.tolist(), "predictions": vote(near, similarities, train_labels)}


train, train_labels = draw(120)
test, test_labels = draw(60)
mean, std = train.astype(np.float64).mean(0), train.astype(np.float64).std(0)
standard_train, standard_test = (train - mean) / std, (test - mean) / std

logistic = []
for regulariser in [1e-1, 1e-2, 1e-4]:
    # C weighs the sum of losses against half the squared norm; ours weighs half the squared norm against their mean.
    model = LogisticRegression(C=1 / (regulariser * len(train)), tol=1e-10, max_iter=10_000)
    model.fit(standard_train, train_labels)
    losses = -log_softmax(model.decision_function(standard_train), axis=1)[np.arange(len(train)), train_labels]
    logits = model.decision_function(standard_test)
    logistic.append(
        {
            "regulariser": regulariser,
            "objective": losses.mean() + regulariser / 2 * (model.coef_**2).sum(),
            "test_loss": -log_softmax(logits, axis=1)[np.arange(len(test)), test_labels].mean(),
            "predictions": logits.argmax(1).tolist(),
        }
    )

svm = []
for c in [0.1, 1.0, 1000.0]:
    # The same objective, but minimised by Newton's method in the primal.
    model = LinearSVC(C=c, dual=False, tol=1e-12, max_iter=100_000).fit(standard_train, train_labels)
    decisions = model.decision_function(standard_test)
    svm.append({"c": c, "decisions": decisions.ravel().tolist(), "predictions": decisions.argmax(1).tolist()})

logits = np.round(4 * rng.normal(size=(40, CLASSES)), 4)
labels = np.where(rng.random(40) < 0.7, logits.argmax(1), rng.integers(0, CLASSES, 40))


def likelihood(log_temperature):
    return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(40), labels].mean()


fitted = minimize_scalar(likelihood, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})

tile = rng.random((2, 5, 7)).astype(np.float32)
planes = tile.reshape(2, -1).astype(np.float64)
statistics = np.stack(
    [planes.mean(1), planes.std(1), planes.min(1), planes.max(1), *np.quantile(planes, [0.1, 0.5, 0.9], axis=1)], axis=1
)


def principal(components, power):
    """Scores of the test rows; scikit-learn divides by n - 1, we by n."""
    model = PCA(n_components=components, svd_solver="full").fit(standard_train)
    deviations = np.sqrt(model.explained_variance_ * (len(train) - 1) / len(train))
    scores = model.transform(standard_test) / deviations**power
    return {"components": components, "power": power, "scores": scores.ravel().tolist()}


result = {
    "classes": CLASSES,
    "width": WIDTH,
    "train": train.ravel().tolist(),
    "train_labels": train_labels.tolist(),
    "test": test.ravel().tolist(),
    "test_labels": test_labels.tolist(),
    "knn": [
        knn(train, train_labels, test, k, metric) for k in (1, 5, 20) for metric in ("cosine", "euclidean")
    ],
    "logistic": logistic,
    "svm": svm,
    "calibration": {
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        "temperature": float(np.exp(fitted.x)),
        "loss": float(fitted.fun),
    },
    "principal": [principal(WIDTH, 1.0), principal(3, 0.5), principal(4, 0.75)],
    "statistics": {"tile": tile.ravel().tolist(), "expected": statistics.ravel().tolist()},
}
Path(__file__).with_name("eval.json").write_text(json.dumps(result) + "\n")
