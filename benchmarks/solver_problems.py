"""The problems that bench_solver.py gives to every side: standardised features, labels, and the least objective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from labelled import read_idx
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
STRENGTHS = tuple(float(c) for c in np.logspace(-4, 1, 10))
NEAR = 1e-4  # of the least objective, relative to it: what is called as good
MODEL, SIZE = "efficientnet_lite0", 128
MADE_UP = 100  # classes


def network_features(idx: Path, count: int, cache: Path) -> tuple[Floats, Labels]:
    """Features (count, 1280) of Fashion-MNIST's training pictures at 128 x 128 pixels, drawn with seed 0."""
    import os

    os.environ["NEOCOG_CACHE"] = str(cache)
    from neocog.api.estimators import ImageEmbedder

    order = np.random.default_rng(0).permutation(60_000)[:count]
    pictures = read_idx(idx / "train-images-idx3-ubyte.gz")[order]
    labels = read_idx(idx / "train-labels-idx1-ubyte.gz")[order].astype(np.int64)
    return standardised(ImageEmbedder(MODEL, img_size=SIZE).fit_transform(pictures)), labels


def made_up_features(count: int, dim: int = 1280) -> tuple[Floats, Labels]:
    """100 overlapping classes; variances along the axes fall like 1 / j, and a ReLU comes last, as in networks."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % MADE_UP
    hidden = 0.5 * rng.standard_normal((MADE_UP, dim))[labels] + rng.standard_normal((count, dim))
    hidden /= np.sqrt(np.arange(1, dim + 1))
    mixed = hidden @ rng.standard_normal((dim, dim)) / np.sqrt(dim)
    return standardised(np.maximum(mixed, 0)), labels


def least_of(problem: Path) -> Path:
    """Where the least objectives of a problem's file are kept."""
    return problem.with_suffix(".json")


def tolerances_of(problem: Path) -> Path:
    return problem.with_name(f"{problem.stem}-tolerances.json")


def standardised(x: NDArray[np.floating]) -> Floats:
    spread = x.std(axis=0, dtype=np.float64)
    return ((x - x.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, np.inf)).astype(np.float32)


def objective(
    x: Floats, labels: Labels, weight: NDArray[np.floating], bias: NDArray[np.floating], c: float
) -> float:
    """scikit-learn's in double precision: c times the summed cross-entropy plus half of the squared weights."""
    weight = weight.astype(np.float64)
    logits = x.astype(np.float64) @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), labels]
    return float(c * losses.sum() + np.square(weight).sum() / 2)
