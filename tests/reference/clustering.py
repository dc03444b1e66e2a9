"""Goldens of the clustering methods: k-means and PCA whitening by scikit-learn, the two-level loss by PyTorch.

usage: python3 clustering.py OUT_FOLDER        (scikit-learn 1.x, PyTorch 1.13)
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from patterns import digest, uniform
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA


def blobs() -> np.ndarray:
    """Five overlapping groups of unequal spread: rows i, i + 5, … belong together."""
    rows = uniform("rows", (300, 12)).double().numpy()
    centres = uniform("centres", (5, 12)).double().numpy()
    return 0.45 * rows * (1 + np.arange(300)[:, None] % 3) + centres[np.arange(300) % 5]


def euclidean() -> dict:
    rows = blobs()
    found = KMeans(7, init=rows[:7], n_init=1, max_iter=10, tol=0).fit(rows)
    return {"labels": found.labels_.tolist(), "centroids": digest(torch.from_numpy(found.cluster_centers_), 84)}


def cosine() -> dict:
    """Spherical k-means as scikit-learn has none: its loop, written out."""
    rows = blobs()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centroids = rows[:7].copy()
    for _ in range(10):
        labels = (rows @ centroids.T).argmax(1)
        for cluster in range(7):
            mean = rows[labels == cluster].sum(0)
            centroids[cluster] = mean / np.linalg.norm(mean)
    return {"labels": (rows @ centroids.T).argmax(1).tolist(), "centroids": digest(torch.from_numpy(centroids), 84)}


def whitening() -> dict:
    rows = blobs()
    white = PCA(9, whiten=True, svd_solver="full").fit_transform(rows)
    # The sign of a component is anybody's choice.
    return {"magnitudes": digest(torch.from_numpy(np.abs(white)), 256)}


def two_level() -> dict:
    """Five super-classes of three sub-classes each, every super-class with a classifier of its own."""
    n, width, supers, subs = 10, 8, 5, 3
    features = uniform("features", (n, width)).requires_grad_(True)
    above = uniform("super", (supers, width)).requires_grad_(True)
    below = [uniform(f"sub{s}", (subs, width)).requires_grad_(True) for s in range(supers)]
    y = torch.arange(n) * 3 % supers
    z = torch.arange(n) * 2 % subs
    super_loss = F.cross_entropy(features @ above.T, y)
    # Term by term: each sample meets the classifier of its own super-class only.
    sub_loss = sum(F.cross_entropy((features[i] @ below[y[i]].T)[None], z[i : i + 1]) for i in range(n)) / n
    (super_loss + sub_loss).backward()
    return {
        "super_loss": super_loss.item(),
        "sub_loss": sub_loss.item(),
        "features": digest(features.grad, 80),
        "super": digest(above.grad, 40),
        "sub": digest(torch.cat([w.grad for w in below]), 120),
    }


def main() -> None:
    golden = {"euclidean": euclidean(), "cosine": cosine(), "whitening": whitening(), "two_level": two_level()}
    (pathlib.Path(sys.argv[1]) / "clustering.json").write_text(json.dumps(golden))


main()
