"""Crops by exact geometry; part features as what the feature says of each crop, in its place; missing parts."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import trees
from neocog.classical.parts.boxes import CUB_BODY, CUB_HEAD, DECAF_CROP, Parted, crop, group_boxes, window
from neocog.classical.parts.pooling import PartPooling
from neocog.classical.tiny import TinyImages
from neocog.data.source import open_dataset
from neocog.errors import UserError

MISSING = (np.nan,) * 4


class Colour(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The mean of each channel; with `centre`, less that of the crops it was fitted on."""

    def __init__(self, centre: bool = False) -> None:
        self.centre = centre

    def fit(self, X: list[np.ndarray], y: object = None) -> "Colour":
        self.mean_ = np.mean([p.mean(axis=(0, 1)) for p in X], axis=0) if self.centre else np.zeros(3)
        return self

    def transform(self, X: list[np.ndarray]) -> np.ndarray:
        return np.array([p.mean(axis=(0, 1)) - self.mean_ for p in X])


def picture(*marks: tuple[int, int, int, int, int]) -> np.ndarray:
    """Black, 40 high and 60 wide, with rectangles (x, y, width, height, brightness)."""
    made = np.zeros((40, 60, 3), np.uint8)
    for x, y, w, h, value in marks:
        made[y : y + h, x : x + w] = value
    return made


def test_decafs_crop_is_half_as_large_again_about_the_same_middle() -> None:
    """A box of 20 x 10 at (10, 20): its middle is (20, 25), so 30 x 15 reach from (5, 17.5) to (35, 32.5)."""
    assert window(np.array([10.0, 20, 20, 10]), (100, 100), DECAF_CROP) == (17, 33, 5, 35)
    assert window(np.array([10.0, 20, 20, 10]), (100, 100)) == (20, 30, 10, 30)
    assert window(np.array([10.0, 20, 20, 10]), (30, 32), DECAF_CROP) == (17, 30, 5, 32)  # the picture ends


places = st.floats(-20, 60)
extents = st.floats(0.1, 50)


@given(places, places, extents, extents, st.floats(0.5, 3))
def test_a_window_holds_every_pixel_that_the_box_touches_and_no_other(
    x: float, y: float, w: float, h: float, times: float
) -> None:
    left, right = x + w / 2 - times * w / 2, x + w / 2 + times * w / 2
    top, bottom = y + h / 2 - times * h / 2, y + h / 2 + times * h / 2
    touched = np.array(
        [[c + 1 > left and c < right and r + 1 > top and r < bottom for c in range(30)] for r in range(20)]
    )
    found = window(np.array([x, y, w, h]), (20, 30), times)
    ours = np.zeros((20, 30), bool)
    if found is not None:
        ours[found[0] : found[1], found[2] : found[3]] = True
    assert (ours == touched).all()


@pytest.mark.parametrize(
    "box", [MISSING, (0, 0, 0, 5), (0, 0, -1, 5), (70, 0, 5, 5), (0, -9, 5, 5), (0, 0, np.inf, 5)]
)
def test_a_box_without_pixels_has_no_crop(box: tuple[float, ...]) -> None:
    assert crop(picture(), np.array(box)) is None


def test_a_crop_is_a_view_of_these_pixels() -> None:
    made = picture((10, 20, 20, 10, 200))
    found = crop(made, np.array([10.0, 20, 20, 10]))
    assert found is not None
    assert found.shape == (10, 20, 3)
    assert (found == 200).all()


def test_groups_of_points_have_the_box_around_those_seen() -> None:
    points = np.array([[10, 5, 1], [30, 9, 1], [99, 99, 0], [20, 25, 1], [np.nan, 3, 1]], float)
    boxes = group_boxes(points, [(0, 1, 2), (3,), (2,), (4,)], margin=0.25)
    assert boxes[0].tolist() == [
        10 - 5,
        5 - 5,
        20 + 10,
        4 + 10,
    ]  # a quarter of the longer side, 20, all round
    whole = 0.25 * (20 + 10)  # the box around 10..30 and 5..25 is 20 x 20 and grows by 5 on each side, to 30
    assert boxes[1].tolist() == [20 - whole, 25 - whole, 2 * whole, 2 * whole]
    assert np.isnan(boxes[2:]).all()


def test_head_and_body_are_cubs_parts() -> None:
    assert sorted(CUB_HEAD + CUB_BODY) == list(range(15))
    assert {trees.CUB_PARTS[i] for i in CUB_HEAD} == {
        "beak",
        "crown",
        "forehead",
        "left eye",
        "nape",
        "right eye",
        "throat",
    }


def pairs() -> list[Parted]:
    return [
        Parted(
            picture((0, 0, 10, 10, 100), (30, 20, 10, 10, 200)),
            np.array([(0, 0, 10, 10), (30, 20, 10, 10)], float),
        ),
        Parted(picture((5, 5, 8, 8, 50)), np.array([(5, 5, 8, 8), MISSING], float)),
        Parted(picture((40, 30, 6, 6, 70)), np.array([(900, 0, 5, 5), (40, 30, 6, 6)], float)),
    ]


def test_each_part_has_its_place_whatever_the_pose() -> None:
    found = PartPooling(Colour()).fit(pairs()).transform(pairs())
    assert found.dtype == np.float32
    assert found[:, [0, 3]].tolist() == [[100, 200], [50, 0], [0, 70]]


def test_a_missing_part_may_have_the_training_mean() -> None:
    found = PartPooling(Colour(), missing="mean").fit(pairs()).transform(pairs())
    assert found[:, [0, 3]].tolist() == [[100, 200], [50, 135], [75, 70]]


def test_one_feature_is_fitted_on_all_crops_and_the_given_one_stays_as_it_was() -> None:
    feature = Colour(centre=True)
    found = PartPooling(feature).fit(pairs()).transform(pairs())
    assert found[0, [0, 3]].tolist() == [100 - 105, 200 - 105]  # the mean of 100, 200, 50 and 70
    assert not hasattr(feature, "mean_")


def test_regions_are_weighted_sums_and_a_missing_parts_weight_goes_to_the_others() -> None:
    """Zhang et al. 2013: regions of several components' parts; here the first sums both, the second has one."""
    regions = [[0.25, 0.75], [0, 2]]
    found = PartPooling(Colour(), regions).fit(pairs()).transform(pairs())
    assert found[0, [0, 3]].tolist() == [0.25 * 100 + 0.75 * 200, 2 * 200]
    assert found[1, [0, 3]].tolist() == [50, 0]
    assert found[2, [0, 3]].tolist() == [70, 140]


def test_memory_is_that_of_the_result() -> None:
    """Eight parts in one region: all parts of all pictures at once would be 16 times as many bytes."""
    boxes = np.array([(5 * part, 0, 5, 5) for part in range(8)], float)
    X = [Parted(picture((0, 0, 40, 40, 100)), boxes)] * 300
    made = PartPooling(TinyImages(), [[1.0] * 8]).fit(X[:2])
    tracemalloc.start()
    found = made.transform(X)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (300, 3072)
    assert most < 2 * found.nbytes


def test_parts_tell_what_the_whole_picture_does_not() -> None:
    """Two classes with the same brightness in all, whose parts exchange it; each picture in another pose."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for i in range(60):
        first, second = ((80, 160), (160, 80))[i % 2]
        a, b = (int(v) for v in rng.integers(0, 15, 2))
        boxes = np.array([(a, b, 10, 10), (a + 30, b + 10, 10, 10)], float)
        X.append(Parted(picture((a, b, 10, 10, first), (a + 30, b + 10, 10, 10, second)), boxes))
        y.append(i % 2)
    whole = make_pipeline(Colour(), LogisticRegression())
    assert whole.fit([x.picture for x in X[:40]], y[:40]).score([x.picture for x in X[40:]], y[40:]) < 0.8
    parts = make_pipeline(PartPooling(Colour()), LogisticRegression())
    search = GridSearchCV(
        parts, {"partpooling__times": [1.0, DECAF_CROP], "partpooling__feature__centre": [True, False]}, cv=2
    )
    assert search.fit(X[:40], y[:40]).score(X[40:], y[40:]) == 1
    made = PartPooling(Colour(True), times=1.5)
    assert clone(made).get_params()["feature__centre"] is True


def test_wrong_input_is_told() -> None:
    with pytest.raises(UserError, match="need a picture to learn from, got none"):
        PartPooling(Colour()).fit([])
    with pytest.raises(UserError, match=r"boxes must be \(parts, 4\).*got shape \(4,\)"):
        PartPooling(Colour()).fit([Parted(picture(), np.zeros(4))])
    with pytest.raises(UserError, match="each picture must have 2 boxes, picture 1 has 1"):
        PartPooling(Colour()).fit(pairs()).transform([pairs()[0], Parted(picture(), np.zeros((1, 4)))])
    with pytest.raises(UserError, match=r"weights \(regions, 2\) of 0 or more, got shape \(1, 3\)"):
        PartPooling(Colour(), [[1, 2, 3]]).fit(pairs())
    with pytest.raises(UserError, match="unknown value of missing 'zero'; did you mean zeros"):
        PartPooling(Colour(), missing="zero").fit(pairs())
    with pytest.raises(UserError, match="got none in any picture"):
        PartPooling(Colour()).fit([Parted(picture(), np.array([MISSING]))])
    with pytest.raises(UserError, match="points must be"):
        group_boxes(np.zeros((3, 2)), [(0,)])


def test_the_columns_of_cub_200_2011_are_what_boxes_are_made_from(tmp_path: Path) -> None:
    """Part p of picture i lies at (10 i, p); in picture 3 the left eye, the seventh part, is not seen."""
    dataset = open_dataset(trees.cub200(tmp_path))
    points = np.asarray(dataset.columns["parts"], float)
    eye, head = ([group_boxes(p, [g])[0] for p in points] for g in ((6,), CUB_HEAD))
    assert [bool(np.isnan(box).any()) for box in eye] == [False, False, True, False]
    assert head[1].tolist() == [20, 2, 0, 13]  # the beak is the second part, the throat the fifteenth
    boxes = np.asarray(dataset.columns["box"], float)
    assert window(boxes[1], (500, 500), DECAF_CROP) == (
        0,
        360,
        100,
        331,
    )  # 30 - 66 .. 294 + 66, 139 - 38.25 ..
