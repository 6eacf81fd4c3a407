"""Figures of retrieval against torchmetrics and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_precision,
)

from neocog.retrieval.nearest import nearest
from neocog.retrieval.ranked import Found, average_precisions, judged

PIXELS, LABELS = (array[:400] for array in load_digits(return_X_y=True))
NAMES = tuple(map(str, range(10)))
FAR = {"cosine": cosine_distances, "l2": euclidean_distances}


def features(seed: int = 0) -> NDArray[np.float32]:
    """Pixels with a little noise, so that no two distances are equal."""
    noise = np.random.default_rng(seed).normal(0, 0.5, PIXELS.shape)
    return (PIXELS + noise).astype(np.float32)


def figures(x: NDArray[np.float32], labels: NDArray[np.int64], k: int, metric: str) -> Found:
    numbers = np.arange(len(x))
    found = judged(
        nearest(x, x, k, metric, (numbers, numbers)),
        average_precisions(x, labels, numbers, metric),
        labels,
        NAMES,
    )
    assert found
    return found


@pytest.mark.parametrize("metric", FAR)
def test_every_figure_is_that_of_torchmetrics_and_scikit_learn(metric: str) -> None:
    x, labels = features(), LABELS.astype(np.int64)
    far = FAR[metric](x.astype(np.float64))
    found = figures(x, labels, 9, metric)
    rows = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        near, same = -far[i, others], labels[others] == labels[i]
        given = (
            torch.from_numpy(near - near.min() + 1),
            torch.from_numpy(same),
        )  # of scores below 0 none counts there
        rows.append(
            [
                *(retrieval_hit_rate(*given, top_k=k).item() for k in (1, 5, 9)),
                retrieval_precision(*given, top_k=9).item(),
                retrieval_average_precision(*given).item(),
                average_precision_score(same, near),
            ]
        )
    wanted = np.array(rows)
    one, five, nine, precision, torch_map, sklearn_map = wanted.mean(axis=0)
    assert found.recall == pytest.approx({1: one, 5: five, 9: nine}, abs=1e-12)
    assert found.precision == pytest.approx(precision, abs=1e-7)
    assert found.map == pytest.approx(sklearn_map, abs=2e-6)
    assert found.map == pytest.approx(torch_map, abs=2e-6)
    assert (found.n, found.alone, found.k) == (400, 0, 9)
    for i, name in enumerate(NAMES):
        own = wanted[labels == i].mean(axis=0)
        row = found.per_class[name]
        assert row.n == (labels == i).sum()
        assert (row.recall_at_1, row.recall_at_k) == pytest.approx((own[0], own[2]), abs=1e-12)
        assert row.map == pytest.approx(own[5], abs=1e-5)
        first = np.where(np.eye(400, dtype=bool), np.inf, far)[labels == i].argmin(axis=1)
        wrong = [int(label) for label in labels[first] if label != i]
        assert row.confused == (NAMES[max(sorted(set(wrong)), key=wrong.count)] if wrong else "")


def test_equally_far_pictures_come_in_together() -> None:
    """scikit-learn's own rule, on whole numbers whose distances are exact in single precision."""
    x = np.array([[0], [2], [2], [2], [4], [4], [8]], np.float32)
    labels = np.array([0, 0, 1, 0, 1, 0, 1])
    found = average_precisions(x, labels, np.arange(7), "l2")
    for i in range(7):
        others = np.arange(7) != i
        near = -np.abs(x[others, 0] - x[i, 0])
        wanted = average_precision_score(labels[others] == labels[i], near)
        assert found[i] == pytest.approx(wanted, abs=1e-12)


def test_pictures_without_another_of_their_class_count_in_no_figure() -> None:
    x, labels = features()[:60], LABELS[:60].astype(np.int64)
    labels = np.where(labels == 3, 9, labels)
    lone = np.flatnonzero(labels == 7)
    labels[lone[1:]] = -1  # one seven is left, the others have no label
    found = figures(x, labels, 3, "l2")
    assert found.alone == 1
    assert found.n == 60 - len(lone)
    assert found.per_class["7"].map is None
    assert found.per_class["7"].n == 1
    assert found.per_class["3"].n == 0


def test_copies_are_nobodys_neighbours_and_count_in_no_figure() -> None:
    """Each picture twice under one number: the figures are those of the pictures alone, but for the second copies."""
    x, labels = features()[:80], LABELS[:80].astype(np.int64)
    twice, numbers = np.concatenate([x, x]), np.tile(np.arange(80), 2)
    found = average_precisions(twice, np.tile(labels, 2), numbers, "cosine")
    far = cosine_distances(x.astype(np.float64))
    for i in range(80):
        others = np.tile(np.arange(80) != i, 2)
        wanted = average_precision_score(np.tile(labels == labels[i], 2)[others], -np.tile(far[i], 2)[others])
        assert found[i] == pytest.approx(wanted, abs=1e-6)
        assert found[i + 80] == pytest.approx(found[i], abs=1e-6)


def test_no_class_of_two_pictures_gives_no_figures() -> None:
    x = features()[:3]
    labels = np.array([0, 1, -1])
    near = nearest(x, x, 1, "l2", (np.arange(3), np.arange(3)))
    assert judged(near, average_precisions(x, labels, np.arange(3), "l2"), labels, NAMES) is None
