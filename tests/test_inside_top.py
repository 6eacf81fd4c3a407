"""Top-k over a stream against sorting everything at once, for any batches in any order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neocog.inside.patches.top import NONE, Top
from neocog.inside.patches.top_pictures import Strongest, labels_of

# few different numbers, so that most of them are equal; zeros of both signs are
VALUES = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 0.5, 1.0, 6.0])


@st.composite
def streams(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray], int]:
    """(pictures, channels) values, the pictures in batches in any order, k."""
    n, channels = draw(st.integers(1, 24)), draw(st.integers(1, 5))
    values = draw(arrays(np.float32, (n, channels), elements=VALUES))
    order = np.array(draw(st.permutations(range(n))), np.int64)
    ends = sorted(draw(st.lists(st.integers(0, n), max_size=6)))
    return values, np.split(order, ends), draw(st.integers(1, 9))


@given(streams())
def test_top_is_a_sort_of_everything(stream: tuple[np.ndarray, list[np.ndarray], int]) -> None:
    values, batches, k = stream
    top = Top(k, values.shape[1])
    for batch in batches:
        top.add(values[batch], batch)
    for channel in range(values.shape[1]):
        wanted = sorted(range(len(values)), key=lambda i: (-values[i, channel], i))[:k]
        assert top.pictures[: len(wanted), channel].tolist() == wanted
        assert top.values[: len(wanted), channel].tolist() == [values[i, channel] for i in wanted]
        assert (top.pictures[len(wanted) :, channel] == NONE).all()


def strongest(values: list[list[float]], pictures: list[list[int]]) -> Strongest:
    rows = np.array(values, np.float32)
    zero = np.zeros(len(rows), np.float32)
    return Strongest(rows, np.array(pictures, np.int64), zero, zero + 1)


def test_duplicates_have_the_same_pictures_and_proportions() -> None:
    rows = {
        0: ([4, 2, 1], [7, 1, 2]),
        1: ([8, 4, 2.001], [7, 1, 2]),
        2: ([4, 2, 1], [7, 2, 1]),
        3: ([4, 3, 1], [7, 1, 2]),
        4: ([6, 6, 6], [0, 1, 2]),
        5: ([6, 6, 6], [0, 1, 2]),
        6: ([5, 0, 0], [9, 0, 1]),
        7: ([5, 0, 0], [9, 0, 1]),
        8: ([0, 0, 0], [0, 1, 2]),
        9: ([0, 0, 0], [0, 1, 2]),
    }
    found = strongest([values for values, _ in rows.values()], [pictures for _, pictures in rows.values()])
    # 2 has another order, 3 another proportion; 4 to 9 tie at a ceiling or at zero
    assert found.duplicates() == ((0, 1),)
    assert found.silent().tolist() == [8, 9]


def test_outstanding_counts_standard_deviations_above_the_mean() -> None:
    rng = np.random.default_rng(3)
    everything = rng.gamma(1.0, size=(200, 6)).astype(np.float32)
    everything[:, 2] = 1
    everything[:5, 4] += 20
    top = Top(5, 6)
    top.add(everything, np.arange(200))
    found = Strongest(top.values.T, top.pictures.T, everything.mean(0), everything.std(0))
    fifth = np.sort(everything, axis=0)[-5]
    scores = [
        (fifth[i] - everything[:, i].mean()) / everything[:, i].std() if i != 2 else -1 for i in range(6)
    ]
    assert found.outstanding().tolist() == sorted(range(6), key=lambda i: -scores[i])
    assert found.outstanding()[0] == 4


def test_labels_are_counted_most_frequent_first() -> None:
    labels = np.array([0, 1, 1, 2, 2, -1, 5])
    assert labels_of(labels, np.array([0, 3, 4, 1, 2, 5])) == ((1, 2), (2, 2), (-1, 1), (0, 1))
