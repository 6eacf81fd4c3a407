"""A teacher's probabilities as training pictures, held against the paper's rule in words and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.data.loading.loader import Loader
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Held, Labelled
from neocog.errors import UserError
from neocog.training.student import Joined, pseudo_labels, with_pseudo

THREE = np.array(  # classes 0, 0, 0, 1 and nothing that is sure
    [[0.7, 0.2, 0.1], [0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.34, 0.33, 0.33]], np.float32
)


def test_the_surest_are_kept_and_the_rare_repeated() -> None:
    found = pseudo_labels(THREE, 0.4, per_class=2)
    assert found.indices.tolist() == [1, 0, 3, 3]
    assert np.array_equal(found.targets, THREE[[1, 0, 3, 3]])
    assert found.confident.tolist() == [3, 1, 0]


def test_confidence_is_the_papers_and_must_be_exceeded() -> None:
    exact = np.array([[0.3, 0.25, 0.25, 0.2], [0.31, 0.25, 0.24, 0.2]], np.float32)
    assert pseudo_labels(exact).indices.tolist() == [1]


def test_without_a_number_a_class_gets_the_mean() -> None:
    assert pseudo_labels(THREE, 0.4).indices.tolist() == [1, 0, 3, 3]  # (3 + 1) / 2


@given(
    st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), min_size=1, max_size=30),
    st.floats(0, 0.33),
    st.integers(1, 9),
)
def test_every_class_that_was_seen_gets_as_many_and_none_much_more_often(
    rows: list[tuple[float, ...]], confidence: float, per_class: int
) -> None:
    p = np.array(rows, np.float32)
    p /= p.sum(axis=1, keepdims=True)
    found = pseudo_labels(p, confidence, per_class)
    classes = p.argmax(axis=1)
    for c in range(3):
        drawn = found.indices[classes[found.indices] == c]
        there = [i for i in range(len(p)) if classes[i] == c and p[i].max() > confidence]
        assert len(drawn) == (per_class if there else 0)
        assert set(drawn) <= set(there)
        times = [int((drawn == i).sum()) for i in there]
        assert not times or max(times) - min(times) <= 1
        out = [p[i].max() for i, n in zip(there, times, strict=True) if not n]
        assert not out or max(out) <= p[drawn].max(axis=1).min()


@pytest.mark.parametrize(
    ("p", "confidence", "per_class", "message"),
    [
        (THREE, 1.0, None, "confidence must lie in 0..1, below 1, got 1.0"),
        (THREE, 0.3, 0, "per_class must be at least 1, got 0"),
        (THREE, 0.95, 1, "more than 0.95 sure of some picture, the surest of 5 has 0.900"),
        (THREE[:0], 0.3, 1, "the surest of 0 has 0.000"),
    ],
)
def test_what_cannot_teach_is_refused(
    p: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    confidence: float,
    per_class: int | None,
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        pseudo_labels(p, confidence, per_class)


def test_a_student_is_shown_both_with_the_right_targets() -> None:
    """Every picture's pixels say which one it is: 0 to 4 labelled, 100 to 104 not."""
    first = np.arange(5, dtype=np.uint8).repeat(4).reshape(5, 2, 2, 1)
    labelled = Labelled(first, np.array([2, 0, 1]), np.array([3, 0, 4]))
    pictures = with_pseudo(labelled, Held(first + 100), pseudo_labels(THREE, 0.4, 2))
    wanted = {3: [0, 0, 1], 0: [1, 0, 0], 4: [0, 1, 0], 101: THREE[1], 100: THREE[0], 103: THREE[3]}
    seen = []
    with Loader(pictures, Order(size=7, batch_size=4, seed=1)) as loader:
        for batch in loader:
            for pixels, target in zip(batch.pixels, batch.labels, strict=True):
                number = int(pixels.unique())
                seen.append(number)
                assert target.tolist() == pytest.approx(wanted[number])
    assert sorted(seen) == [0, 3, 4, 100, 101, 103, 103]
    assert pictures.source.name(3) == "[3]"
    assert pictures.source.name(6) == "[1]"  # the first holds 5


class Broken(Held):
    def fill(self, indices, out):  # type: ignore[no-untyped-def]
        super().fill(indices, out)
        return [(row, f"no {i}") for row, i in enumerate(indices) if i == 1]


def test_what_cannot_be_read_keeps_its_row() -> None:
    pixels = np.zeros((3, 1, 1, 1), np.uint8)
    both = Joined(Broken(pixels), 3, Broken(pixels))
    out = np.empty((5, 1, 1, 1), np.uint8)
    assert both.fill(np.array([4, 0, 1, 5, 3]), out) == [(0, "no 1"), (2, "no 1")]


def test_pictures_of_another_shape_are_refused() -> None:
    labelled = Labelled(np.zeros((2, 2, 2, 1), np.uint8), np.array([0, 1]))
    with pytest.raises(UserError, match=r"of the labelled ones' shape \(2, 2, 1\), got \(3, 3, 1\)"):
        with_pseudo(labelled, Held(np.zeros((5, 3, 3, 1), np.uint8)), pseudo_labels(THREE, 0.4))
