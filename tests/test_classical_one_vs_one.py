"""Part-based one-vs-one features: parts come to their places, and a feature reads the part that tells."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from neocog.classical.parts.aligned import FIRST, SECOND, Landmarked, aligned, both_seen, cells, gradients
from neocog.classical.parts.one_vs_one import PartOneVsOne, connected
from neocog.errors import UserError
from striped import flock


@pytest.mark.parametrize(("ax", "ay", "bx", "by"), [(20, 30, 60, 30), (60, 30, 20, 50), (30, 70, 40, 20)])
def test_both_parts_come_to_their_places(ax: int, ay: int, bx: int, by: int) -> None:
    """Each part is a lone bright pixel, whose middle lies half a pixel on; the patch is brightest at its place."""
    picture = np.zeros((96, 96), np.uint8)
    picture[ay, ax], picture[by, bx] = 250, 120
    points = np.array([[ax + 0.5, ay + 0.5, 1], [bx + 0.5, by + 0.5, 1]])
    patch = aligned(picture, points, 0, 1)[:, :, 0]
    assert patch.shape == (64, 128)
    for half, (row, column) in ((patch[:, :64], FIRST), (patch[:, 64:], SECOND)):
        rows, columns = np.nonzero(half > 0.5 * half.max())
        assert rows.mean() == pytest.approx(row, abs=0.5)
        assert columns.mean() + (64 if column > 64 else 0) == pytest.approx(column, abs=0.5)
    assert patch[:, :64].max() > patch[:, 64:].max()  # the first part is on the left


def test_alignment_turns_and_scales_and_neither_shears_nor_mirrors() -> None:
    """Parts one below the other, 32 apart, so twice as large: what lay 10 to the left lies 20 below the first part."""
    picture = np.zeros((96, 96), np.uint8)
    picture[30, 30] = 250
    points = np.array([[40.5, 30.5, 1], [40.5, 62.5, 1]])
    patch = aligned(picture, points, 0, 1)[:, :, 0]
    rows, columns = np.nonzero(patch > 0.5 * patch.max())
    assert rows.mean() == pytest.approx(FIRST[0] + 20, abs=0.5)
    assert columns.mean() == pytest.approx(FIRST[1], abs=0.5)


def test_alignment_is_the_identity_where_the_parts_already_lie_there() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    points = np.array([[FIRST[1] + 0.5, FIRST[0] + 0.5, 1], [SECOND[1] + 0.5, SECOND[0] + 0.5, 1]])
    np.testing.assert_allclose(aligned(picture, points, 0, 1), picture, atol=1e-9)


def test_gradients_are_shared_between_the_two_nearest_directions() -> None:
    """A ramp of slope 3 at 30 degrees: of its 3, a third of the way from 0 to 45 degrees, 1 to 0 and 2 to 45."""
    down, right = np.mgrid[:64, :128].astype(float)
    ramp = 3 * (right * np.cos(np.pi / 6) + down * np.sin(np.pi / 6))
    found = gradients(np.repeat(ramp[:, :, None], 3, axis=2))
    wanted = np.zeros(8)
    wanted[0], wanted[1] = 3 * (1 - 30 / 45), 3 * 30 / 45
    np.testing.assert_allclose(found, np.broadcast_to(wanted, (64, 128, 8)), atol=1e-9)


@pytest.mark.parametrize("size", [8, 16])
def test_cells_are_sums_of_length_one(size: int) -> None:
    values = np.random.default_rng(1).random((64, 128, 4))
    found = cells(values, size)
    for row, column in np.ndindex(64 // size, 128 // size):
        block = values[row * size : (row + 1) * size, column * size : (column + 1) * size].sum(axis=(0, 1))
        np.testing.assert_allclose(found[row, column], block / np.linalg.norm(block), atol=1e-12)


def test_what_hangs_together_by_sides() -> None:
    strong = np.array([[0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]], bool)
    assert connected(strong, (1, 1)).astype(int).tolist() == [
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert connected(strong, (2, 1)).astype(int).tolist() == [
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize("tell", [0, 1])
def test_the_feature_about_the_part_that_tells_is_the_one_that_tells(tell: int) -> None:
    (X, y), (other, truth) = flock(60, 0, tell), flock(60, 1000, tell)
    made = PartOneVsOne().fit(X, y)
    assert [feature.parts for feature in made.features_] == [(0, 1), (1, 0)]
    right = ((made.transform(other) > 0) == truth[:, None]).mean(axis=0)
    assert right[tell] > 0.9
    assert right[tell] > right[1 - tell] + 0.2


def test_a_feature_reads_the_cells_about_its_own_part() -> None:
    X, y = flock(40, 0)
    [feature] = PartOneVsOne([(0, 1)]).fit(X, y).features_
    rows, columns = np.nonzero(feature.read)
    assert feature.read[3, 3]  # the part lies at 31.5, 31.5: the fourth cell of 8 pixels
    assert columns.mean() < 8  # on the left half, where its part is


def test_the_cells_read_are_the_stronger_half_as_far_as_they_hang_together() -> None:
    X, y = flock(30, 0)
    [feature] = PartOneVsOne([(0, 1)]).fit(X, y).features_
    rows = np.array([cells(gradients(aligned(b.picture, b.points, 0, 1)), 8).ravel() for b in X])
    weights = LinearSVC(C=1.0, dual=False, max_iter=10_000).fit(rows, y).coef_.reshape(8, 16, 8)
    strength = {place: float(np.sqrt((weights[place] ** 2).sum())) for place in np.ndindex(8, 16)}
    half = sorted(strength.values())[64 - 1 : 64 + 1]
    strong = {place for place, value in strength.items() if value >= sum(half) / 2} | {(3, 3)}
    wanted, ahead = set(), [(3, 3)]
    while ahead:
        r, c = ahead.pop()
        if (r, c) in strong - wanted:
            wanted.add((r, c))
            ahead += [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
    assert {(int(r), int(c)) for r, c in np.argwhere(feature.read)} == wanted
    assert 1 < len(wanted) < 65


def test_the_value_is_a_machines_on_the_cells_that_it_reads() -> None:
    (X, y), (other, _) = flock(40, 0), flock(10, 1000)
    X, y = X[::2] + X[1:12:2], np.r_[y[::2], y[1:12:2]]  # 20 of one class and 6 of the other
    made = PartOneVsOne([(0, 1)], strength=0.5).fit(X, y)
    [feature] = made.features_

    def described(birds: list[Landmarked]) -> np.ndarray:
        return np.array(
            [cells(gradients(aligned(b.picture, b.points, 0, 1)), 8)[feature.read].ravel() for b in birds]
        )

    peer = LinearSVC(C=0.5, dual=True, max_iter=200_000, tol=1e-8, random_state=0).fit(described(X), y)
    np.testing.assert_allclose(
        made.transform(other)[:, 0], peer.decision_function(described(other)), atol=5e-3
    )
    before = made.transform(other)
    made.features_ = [replace(feature, offset=feature.offset + 3)]  # its own is near 0: cells have length 1
    np.testing.assert_allclose(made.transform(other), before + 3, atol=1e-5)


def test_colours_tell_where_shapes_do_not() -> None:
    rng = np.random.default_rng(3)
    X, y = [], np.arange(40) % 2
    for name in y:
        picture = np.full((64, 96, 3), 60, np.uint8)
        picture[20:44, 12:36] = ((200, 60, 60), (60, 60, 200))[name]
        picture = (picture + rng.integers(0, 20, picture.shape)).astype(np.uint8)
        X.append(Landmarked(picture, np.array([[24, 32, 1], [72, 32, 1]], float)))
    made = PartOneVsOne([(0, 1)], base="colours", cell=16).fit(X[:20], y[:20])
    assert ((made.transform(X[20:])[:, 0] > 0) == y[20:]).all()


def test_a_part_that_is_not_seen_gives_zero_and_trains_nothing() -> None:
    X, y = flock(24, 0)
    blind = [Landmarked(b.picture, b.points * (1, 1, 0)) for b in X[:4]]
    whole = PartOneVsOne([(0, 1)]).fit(X, y)
    assert (whole.transform(blind) == 0).all()
    one = PartOneVsOne([(0, 1)]).fit([*X, *blind], [*y, 0, 1, 0, 1])
    np.testing.assert_allclose(one.transform(X), whole.transform(X), atol=1e-6)
    assert not both_seen(np.array([[1, 1, 1], [1, 1, 1.0]]), 0, 1)  # at the same place nothing can be aligned


def test_class_pairs_are_all_or_as_many_as_asked() -> None:
    X, _ = flock(20, 0)
    y = np.array(["a", "b", "c", "d"])[np.arange(20) % 4]
    made = PartOneVsOne([(0, 1)]).fit(X, y)
    assert [f.classes for f in made.features_] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    few = [PartOneVsOne([(0, 1)], class_pairs=3, random_state=s).fit(X, y) for s in (0, 0)]
    assert [f.classes for f in few[0].features_] == [f.classes for f in few[1].features_]
    assert len(few[0].features_) == 3


def test_it_is_a_scikit_learn_estimator() -> None:
    X, y = flock(30, 0)
    made = PartOneVsOne([(0, 1)], class_pairs=1)
    assert clone(made).get_params() == made.get_params()
    machine = make_pipeline(made, LogisticRegression())
    search = GridSearchCV(machine, {"partonevsone__cell": [8, 16]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base": "colour"}, "unknown base 'colour'; did you mean colours"),
        ({"cell": 4}, "cell must be 8 or 16 pixels, got 4"),
        ({"part_pairs": [(0, 0)]}, r"two different parts of 0 to 1, got \(0, 0\)"),
        ({"part_pairs": [(0, 2)]}, r"two different parts of 0 to 1, got \(0, 2\)"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        PartOneVsOne(**options).fit(*flock(4, 0))  # type: ignore[arg-type]


def test_wrong_data_are_told() -> None:
    X, y = flock(4, 0)
    with pytest.raises(UserError, match="got none"):
        PartOneVsOne().fit([], [])
    with pytest.raises(UserError, match="no two classes show the same two parts"):
        PartOneVsOne().fit(X, [1, 1, 1, 1])
    with pytest.raises(UserError, match=r"as many parts, got \[1, 2\]"):
        PartOneVsOne().fit([*X, Landmarked(X[0].picture, X[0].points[:1])], [*y, 0])
    with pytest.raises(UserError, match="each picture must have 2 parts, picture 1 has 1"):
        PartOneVsOne().fit(X, y).transform([X[0], Landmarked(X[1].picture, X[1].points[:1])])
