"""Features in the plane: against numpy and literal loops, and the same for the same seed."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.inside.embedding import components, plane, purity


def rows_of(seed: int = 0, n: int = 60, width: int = 9) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three classes, each around a place of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    rows = rng.normal(size=(n, width)) * np.arange(1, width + 1) + 8 * rng.normal(size=(3, width))[labels]
    return rows.astype(np.float32), labels


def by_hand(rows: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> dict[int, float]:
    """Class -> the mean over its pictures of the share of the k nearest others that are of it."""
    found: dict[int, list[float]] = {}
    known = [i for i in range(len(rows)) if labels[i] >= 0]
    for i in known:
        others = [j for j in known if j != i]
        others.sort(key=lambda j: float(((rows[i].astype(float) - rows[j]) ** 2).sum()))
        same = sum(labels[j] == labels[i] for j in others[:k]) / k
        found.setdefault(int(labels[i]), []).append(same)
    return {label: float(np.mean(shares)) for label, shares in found.items()}


@pytest.mark.parametrize("k", [1, 10])
def test_purity_is_that_of_a_literal_loop(k: int) -> None:
    rows, labels = rows_of()
    labels[::7] = -1
    found = purity(rows, labels, 4, k)
    expected = by_hand(rows, labels, k)
    for label, share in expected.items():
        assert found.by_class[label] == pytest.approx(share)
    assert np.isnan(found.by_class[3])
    counts = [int((labels == c).sum()) for c in range(4)]
    assert found.counts.tolist() == counts
    weighted = sum(expected[c] * counts[c] for c in range(3)) / sum(counts)
    assert found.mean == pytest.approx(weighted)


def test_chance_is_the_share_of_pairs_of_one_class() -> None:
    rows, labels = rows_of(n=40)
    pairs = [labels[i] == labels[j] for i in range(40) for j in range(40) if i != j]
    assert purity(rows, labels, 3).chance == pytest.approx(float(np.mean(pairs)))


def test_copies_are_neighbours_but_a_picture_is_none_of_its_own() -> None:
    rows = np.repeat(np.arange(12.0), 2)[:, None].astype(np.float32)
    assert purity(rows, np.repeat(np.arange(12), 2), 12, k=1).mean == 1.0
    assert purity(rows, np.tile([0, 1], 12), 2, k=1).mean == 0.0


def test_purity_needs_enough_labels() -> None:
    rows, labels = rows_of(n=20)
    labels[11:] = -1
    with pytest.raises(UserError, match="at least 12 pictures with a label, got 11"):
        purity(rows, labels, 3)


def test_components_are_those_of_the_singular_values_up_to_their_signs() -> None:
    rows, _ = rows_of()
    centred = rows.astype(float) - rows.mean(axis=0, dtype=float)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found, kept = components(rows, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :4] * sizes[:4]), atol=1e-4)
    assert kept == pytest.approx(float((sizes[:4] ** 2).sum() / (sizes**2).sum()), rel=1e-6)
    points, share = plane(rows, "pca")
    np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)
    assert share == pytest.approx(float((sizes[:2] ** 2).sum() / (sizes**2).sum()), rel=1e-6)
    assert plane(rows)[1] == pytest.approx(1.0)  # of nine numbers there are nine components


def test_one_number_a_picture_still_has_a_plane() -> None:
    rows, _ = rows_of(width=1)
    found, _ = plane(rows, "pca")
    assert found.shape == (60, 2)
    assert not found[:, 1].any()
    assert np.isfinite(plane(rows)[0]).all()


def test_t_sne_is_the_same_for_a_seed_and_keeps_neighbours_together() -> None:
    rows, labels = rows_of()
    (first, _), (again, _) = plane(rows, seed=3), plane(rows, seed=3)
    assert np.array_equal(first, again)
    assert first.shape == (60, 2)
    assert purity(first, labels, 3).mean > purity(rows, labels, 3).chance + 0.3


def test_a_plane_of_too_few_or_by_another_method_is_refused() -> None:
    rows, _ = rows_of()
    with pytest.raises(UserError, match="at least 3 pictures, got 2"):
        plane(rows[:2])
    with pytest.raises(UserError, match="unknown method 'tnse'; did you mean tsne"):
        plane(rows, "tnse")


def test_umap_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"pip install 'neocog\[umap\]', or take tsne"):
        plane(rows_of()[0], "umap")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # numba's and pynndescent's own
def test_umap_is_the_same_for_a_seed_and_keeps_neighbours_together() -> None:
    pytest.importorskip("umap", minversion="0.5")
    rows, labels = rows_of()
    first, _ = plane(rows, "umap", seed=3)
    assert np.array_equal(first, plane(rows, "umap", seed=3)[0])
    assert purity(first, labels, 3).mean > purity(rows, labels, 3).chance + 0.3
