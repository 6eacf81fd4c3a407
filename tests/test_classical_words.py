"""Bags of words and pyramids against counting by hand; what is learned is the same on every run."""

import pickle
import re

import numpy as np
import pytest
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from neocog.classical.dense_sift import DenseSift
from neocog.classical.fisher import FisherVector
from neocog.classical.histogram_kernels import histogram_intersection
from neocog.classical.sampling import sampled
from neocog.classical.transformer import Extractor, Local
from neocog.classical.words import BagOfWords, assigned, dictionary
from neocog.errors import UserError
from reference import encodings as literal


class Colours(Extractor):
    """Every pixel that is not black, described by its colour."""

    def extract(self, picture: np.ndarray) -> Local:
        rows, cols = np.nonzero(picture.any(axis=2))
        places = np.column_stack([rows, cols]).astype(np.float32) + 0.5
        found = picture[rows, cols].astype(np.float32) / 255
        return Local(found, places, np.full(len(rows), 0.5, np.float32), picture.shape[:2])


def pictures(number: int = 4, height: int = 8, width: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, 256, (height, width, 3), np.uint8) for _ in range(number)]


def learned(**settings: object) -> BagOfWords:
    return BagOfWords(Colours(), words=5, sample=300, **settings).fit(pictures())  # type: ignore[arg-type]


def places_and_colours(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    local = Colours().extract(picture)
    return local.descriptors.astype(float), local.places / np.array(picture.shape[:2])


def test_a_histogram_counts_nearest_words() -> None:
    bag = learned()
    picture = pictures(7)[6]
    counts = literal.histogram(places_and_colours(picture)[0], bag.words_.astype(float))
    np.testing.assert_allclose(bag.transform([picture])[0], counts / 96, atol=1e-6)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_intersection_of_two_pyramids_is_the_papers_kernel(levels: int) -> None:
    bag = learned(levels=levels)
    both = pictures(6)[4:]
    found = bag.transform(both)
    assert found.shape == (2, 5 * (4**levels - 1) // 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    one, other = (places_and_colours(picture) for picture in both)
    wanted = literal.pyramid_match(one, other, bag.words_.astype(float), levels - 1)
    assert histogram_intersection(found, found)[0, 1] == pytest.approx(wanted, abs=1e-5)


def test_soft_words_are_the_literal_ones() -> None:
    descriptors, _ = places_and_colours(pictures()[0])
    words = learned().words_
    found = assigned(descriptors.astype(np.float32), words, 0.3)
    for row, descriptor in zip(found[:20], descriptors, strict=False):
        np.testing.assert_allclose(row, literal.uncertainty(descriptor, words.astype(float), 0.3), atol=1e-5)
    np.testing.assert_allclose(learned(softness=0.3).transform(pictures())[0], found.mean(axis=0), atol=1e-5)
    narrow = assigned(descriptors.astype(np.float32), words, 1e-3)
    np.testing.assert_allclose(narrow, assigned(descriptors.astype(np.float32), words, None), atol=1e-5)


def test_a_large_picture_is_counted_in_parts() -> None:
    bag = learned(levels=2)
    picture = pictures(1, 90, 110)[0]
    quarters = [picture[r : r + 45, c : c + 55] for r in (0, 45) for c in (0, 55)]
    whole = bag.transform([picture])[0].reshape(5, 5)
    for quarter, row in zip(quarters, whole[1:], strict=True):
        counts = literal.histogram(places_and_colours(quarter)[0], bag.words_.astype(float))
        np.testing.assert_allclose(row, counts / 9900 / 2, atol=1e-6)


def test_where_nothing_is_found_there_are_zeros() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert not learned(levels=2).transform([black]).any()
    assert not learned(softness=1.0).transform([black]).any()


def test_words_lie_in_the_middle_of_clusters() -> None:
    rng = np.random.default_rng(1)
    middles = rng.random((6, 10)).astype(np.float32) * 10
    descriptors = (middles[:, None] + rng.normal(0, 0.01, (6, 200, 10))).reshape(-1, 10).astype(np.float32)
    words = dictionary(descriptors, 6, seed=0)
    apart = np.linalg.norm(words[:, None] - middles, axis=2)
    assert sorted(apart.argmin(axis=1)) == list(range(6))
    assert apart.min(axis=1).max() < 0.02


def test_the_same_words_on_any_number_of_threads_and_after_pickling() -> None:
    rng = np.random.default_rng(2)
    photographs = [rng.integers(0, 256, (60, 70), np.uint8) for _ in range(4)]
    tables = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            bag = BagOfWords(DenseSift(step=4), words=20).fit(photographs)
        tables.append(pickle.loads(pickle.dumps(bag)).words_)
    np.testing.assert_array_equal(*tables)
    other = BagOfWords(DenseSift(step=4), words=20, random_state=1).fit(photographs)
    assert (other.words_ != tables[0]).any()


def test_every_picture_gives_equally_many_descriptors() -> None:
    small, large = pictures(2, 3, 4)[0], pictures(1, 40, 40)[0]
    found = sampled(Colours(), [small, large, large], most=60, needed=1, seed=0)
    assert len(found) == 12 + 20 + 20
    of_the_small = {tuple(row) for row in (small.reshape(-1, 3) / np.float32(255)).astype(np.float32)}
    assert {tuple(row) for row in found[:12]} == of_the_small
    assert len(np.unique(found[12:32], axis=0)) == 20


def test_too_few_different_descriptors_for_the_words() -> None:
    one_colour = [np.full((5, 5, 3), 9, np.uint8)] * 3
    message = "5 must be found at least, got 1 different descriptors in 3 pictures; give more or larger"
    with pytest.raises(UserError, match=message):
        BagOfWords(Colours(), words=5).fit(one_colour)


def test_a_picture_too_small_to_look_at_teaches_nothing_and_has_no_histogram() -> None:
    rng = np.random.default_rng(3)
    photographs = [rng.integers(0, 256, (40, 40), np.uint8) for _ in range(3)]
    banner = rng.integers(0, 256, (5, 200), np.uint8)
    with_it, without = (
        BagOfWords(DenseSift(step=4, sides=None), words=6).fit(some)
        for some in ([banner, *photographs], photographs)
    )
    assert with_it.words_.shape == without.words_.shape
    with pytest.raises(UserError, match="^picture 1: a picture looked at with 5 x 200 pixels is too small"):
        with_it.transform([photographs[0], banner])
    with pytest.raises(
        UserError, match="6 must be found at least, got 0 different descriptors in 1 pictures"
    ):
        BagOfWords(DenseSift(sides=None), words=6).fit([banner])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": 0}, "levels must be at least 1 (the whole picture), got 0"),
        ({"softness": 0.0}, "softness must be above 0, or None for the nearest word, got 0.0"),
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        learned(**settings)


def test_pictures_that_cannot_be_learned_from_are_named() -> None:
    with pytest.raises(UserError, match="^picture 1: a picture must be a uint8 array"):
        BagOfWords(Colours(), words=2).fit([pictures()[0], "cat.jpg"])  # type: ignore[list-item]
    with pytest.raises(UserError, match="at least one picture to learn from, got none"):
        BagOfWords(Colours()).fit([])


def test_the_intersection_is_a_kernel_that_a_machine_takes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 7)), rng.random((4, 7))
    wanted = [[sum(min(a, b) for a, b in zip(row, other, strict=True)) for other in y] for row in x]
    np.testing.assert_allclose(histogram_intersection(x, y), wanted)
    assert np.linalg.eigvalsh(histogram_intersection(x, x)).min() > -1e-10
    assert histogram_intersection(x[:0], y).shape == (0, 4)
    labels = (x[:, 0] > 0.5).astype(int)
    assert SVC(kernel=histogram_intersection, C=100).fit(x, labels).score(x, labels) == 1


class Counted(DenseSift):
    """Counts how often it is asked."""

    asked = 0

    def extract(self, picture: np.ndarray) -> Local:
        Counted.asked += 1
        return super().extract(picture)


@pytest.mark.parametrize(("room", "looks"), [(2**28, 5), (0, 10)])
@pytest.mark.parametrize("system", [BagOfWords, FisherVector])
def test_learning_and_describing_in_one_go_looks_once_where_there_is_room(
    system: type, room: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neocog.classical.sampling.KEPT", room)
    seen = list(np.random.default_rng(3).integers(0, 256, (5, 40, 48), np.uint8))
    sizes = {"words": 6} if system is BagOfWords else {"gaussians": 2, "components": 4}
    wanted = system(DenseSift(sides=None), **sizes).fit(seen).transform(seen)
    Counted.asked = 0
    found = system(Counted(sides=None), **sizes).fit_transform(seen)
    assert Counted.asked == looks
    np.testing.assert_array_equal(found, wanted)


def test_a_picture_too_small_has_no_histogram_in_one_go_either() -> None:
    seen = [*np.random.default_rng(3).integers(0, 256, (3, 40, 48), np.uint8), np.zeros((4, 60), np.uint8)]
    with pytest.raises(UserError, match="picture 3: a picture looked at with 4 x 60 pixels is too small"):
        BagOfWords(DenseSift(sides=None), words=6).fit_transform(seen)
