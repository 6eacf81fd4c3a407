"""Nearest vectors against scikit-learn's exact search and a literal sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from neocog.errors import UserError
from neocog.retrieval.contents import labels_of_copies, numbered, numbered_together
from neocog.retrieval.nearest import BLOCK, QUERIES, Neighbours, nearest

Matrix = NDArray[np.float32]
METRICS = {"cosine": "cosine", "l2": "euclidean"}


def apart(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers under which each row is only itself."""
    return np.arange(n), np.arange(n)


def literal(
    queries: Matrix, base: Matrix, k: int, metric: str, numbers: tuple[NDArray, NDArray]
) -> list[list[int]]:
    """Every distance in exact arithmetic as far as float64 has it for small whole numbers, then one sort."""
    found = []
    for q, own in zip(queries.astype(np.float64), numbers[0], strict=True):
        order = []
        for j, b in enumerate(base.astype(np.float64)):
            if numbers[1][j] == own:
                continue
            # -cosine |cosine| |q|^2 falls as the cosine rises, and is equal for equal cosines of whole numbers
            far = ((q - b) ** 2).sum() if metric == "l2" else -np.sign(q @ b) * (q @ b) ** 2 / (b @ b)
            order.append((float(far), int(numbers[1][j]), j))
        found.append([j for _, _, j in sorted(order)[:k]])
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_of_many_vectors_the_distances_are_scikit_learns(metric: str) -> None:
    """More queries and more rows than are held at once, so that blocks meet."""
    rng = np.random.default_rng(0)
    base = rng.normal(1, 1, (BLOCK + 700, 12)).astype(np.float32)
    queries = rng.normal(1, 1, (QUERIES + 50, 12)).astype(np.float32)
    found = nearest(queries, base, 7, metric, (np.full(len(queries), -1), np.arange(len(base))))
    search = NearestNeighbors(n_neighbors=7, metric=METRICS[metric], algorithm="brute").fit(
        base.astype(np.float64)
    )
    distances, indices = search.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=0, atol=1e-12 if metric == "l2" else 1e-14)
    assert (found.indices >= BLOCK).any()


@st.composite
def crowded(draw: st.DrawFn) -> tuple[str, Matrix, NDArray[np.int64], int]:
    """Vectors with many equal distances, which float64 holds exactly; for cosine they lie along axes."""
    metric = draw(st.sampled_from(sorted(METRICS)))
    n = draw(st.integers(1, 9))
    if metric == "l2":
        rows = draw(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=n, max_size=n))
    else:
        axes = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
        lengths = draw(st.lists(st.sampled_from([-2, -1, 1, 4]), min_size=n, max_size=n))
        rows = [[length * (axis == i) for i in range(3)] for axis, length in zip(axes, lengths, strict=True)]
    numbers = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    return metric, np.array(rows, np.float32), numbers, draw(st.integers(1, n))


@given(crowded())
def test_among_ties_the_order_of_the_contents_decides(
    made: tuple[str, Matrix, NDArray[np.int64], int],
) -> None:
    metric, base, own, k = made
    found = nearest(base, base, k, metric, (own, own))
    wanted = literal(base, base, k, metric, (own, own))
    assert [row[row >= 0].tolist() for row in found.indices] == wanted
    assert (np.isinf(found.distances) == (found.indices < 0)).all()


def test_a_vector_without_direction_is_at_right_angles_to_all() -> None:
    base = np.array([[0, 0], [3, 0], [-1, 0], [0, 0]], np.float32)
    found = nearest(base, base, 3, "cosine", apart(4))
    np.testing.assert_array_equal(found.distances[0], [1, 1, 1])
    np.testing.assert_array_equal(found.indices[0], [1, 2, 3])
    np.testing.assert_array_equal(found.distances[1], [1, 1, 2])


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_pictures_changes_nothing(metric: str) -> None:
    """Digits of 64 pixels, of which each stands there twice under its content's number."""
    pixels = load_digits().data[:300].astype(np.float32)
    pixels, contents = np.repeat(pixels, 2, axis=0), np.repeat(np.arange(300), 2)
    plain = nearest(pixels, pixels, 8, metric, (contents, contents))
    mixed = np.random.default_rng(1).permutation(600)
    again = nearest(pixels[mixed], pixels[mixed], 8, metric, (contents[mixed], contents[mixed]))
    np.testing.assert_array_equal(contents[plain.indices][mixed], contents[mixed][again.indices])
    np.testing.assert_array_equal(plain.distances[mixed], again.distances)
    assert (contents[plain.indices] != contents[:, None]).all()


def test_thousands_of_equal_vectors_are_told_in_order() -> None:
    base = np.ones((BLOCK + 10, 4), np.float32)
    numbers = np.random.default_rng(0).permutation(len(base))
    found = nearest(base[:3], base, 5, "l2", (np.full(3, -1), numbers))
    np.testing.assert_array_equal(numbers[found.indices], np.tile(np.arange(5), (3, 1)))
    np.testing.assert_array_equal(found.distances, np.zeros((3, 5)))


@pytest.mark.parametrize("metric", METRICS)
def test_small_differences_of_long_vectors_are_seen(metric: str) -> None:
    """Single precision alone cannot tell these: lengths of 28,000, differences of 0.001 to 0.064."""
    rng = np.random.default_rng(0)
    steps = rng.permutation(np.arange(1, 65)) * 2.0**-10
    base = np.full((64, 8), 10_000, np.float32)
    base[np.arange(64), rng.integers(1, 8, 64)] += steps.astype(np.float32)
    base[:, 0] += 0.5  # so that no two lie in one direction
    query = np.full((1, 8), 10_000, np.float32)
    query[0, 0] += 0.5
    found = nearest(query, base, 5, metric, (np.array([-1]), np.arange(64)))
    np.testing.assert_array_equal(found.indices[0], np.argsort(steps)[:5])
    if metric == "l2":
        np.testing.assert_allclose(found.distances[0], np.sort(steps)[:5], rtol=1e-12)


def test_fewer_than_k_are_left_where_the_others_are_copies() -> None:
    base = np.eye(3, dtype=np.float32)
    found = nearest(base, base, 2, "l2", (np.array([0, 0, 1]), np.array([0, 0, 1])))
    assert found.indices.tolist() == [[2, -1], [2, -1], [0, 1]]
    assert found.there.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("rows", "k", "metric", "words"),
    [
        (np.eye(3, dtype=np.float32), 4, "l2", "k must lie between 1 and the number of pictures, 3, got 4"),
        (np.eye(3, dtype=np.float32), 0, "l2", "got 0"),
        (np.eye(3, dtype=np.float32), 1, "cosin", "unknown metric 'cosin'; did you mean cosine?"),
        (np.array([[1, 2], [1, np.nan]], np.float32), 1, "l2", "those of row 1 are not"),
        (np.array([[1, 2], [1, np.inf]], np.float32), 1, "cosine", "those of row 1 are not"),
    ],
)
def test_what_cannot_be_searched_is_told(rows: Matrix, k: int, metric: str, words: str) -> None:
    with pytest.raises(UserError, match=words.replace("?", r"\?")):
        nearest(rows, rows, k, metric, apart(len(rows)))


def test_features_of_other_lengths_are_told() -> None:
    with pytest.raises(UserError, match=r"rows of one length, got \(2, 2\) to look for among \(3, 3\)"):
        nearest(
            np.eye(2, dtype=np.float32), np.eye(3, dtype=np.float32), 1, "l2", (np.arange(2), np.arange(3))
        )


@given(st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=12))
def test_contents_are_numbered_in_the_order_of_their_hashes(hashes: list[bytes]) -> None:
    given_ = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 3)
    wanted = [sorted(set(hashes)).index(one) for one in hashes]
    assert numbered(given_).tolist() == wanted
    first, second = numbered_together(given_[:1], given_)
    assert first.tolist() == wanted[:1]
    assert second.tolist() == wanted


def test_neighbours_say_how_many_there_are() -> None:
    assert Neighbours(np.array([[2, -1]]), np.array([[0.5, np.inf]])).there.tolist() == [1]


@given(
    st.lists(st.integers(0, 6), max_size=8),
    st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 2)), max_size=12),
)
def test_a_query_has_the_label_on_which_its_copies_agree(
    queries: list[int], base: list[tuple[int, int]]
) -> None:
    numbers, labels = np.array([list(pair) for pair in base], np.int64).reshape(-1, 2).T
    found = labels_of_copies(np.array(queries, np.int64), numbers, labels)
    for query, label in zip(queries, found, strict=True):
        said = {one for number, one in base if number == query}
        assert label == (said.pop() if len(said) == 1 else -1)
