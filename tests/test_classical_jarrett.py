"""Jarrett's stages against the formulas written out, other libraries, and the sizes that the paper prints."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from neocog.classical.jarrett import layers
from neocog.classical.jarrett.features import JARRETT_1, JARRETT_2, LAYERS, JarrettFeatures, Stage
from neocog.classical.jarrett.filters import WAYS, gabor_wave
from neocog.classical.jarrett.picture import prepared
from neocog.classical.jarrett.sparse import SPARSITY, predictive_sparse_decomposition, sparse_codes
from neocog.errors import UserError
from reference import jarrett as literal

SMALL = (Stage(filters=4, kernel=3, pool=4, step=2), Stage(filters=6, kernel=3, pool=2, step=1, fan_in=2))


def maps(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    return np.rint(images[:count] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), labels[:count]


def test_the_filter_bank_is_the_formula() -> None:
    x, kernels, gains = maps(0, 2, 9, 8), maps(1, 3, 2, 3, 3), np.array([1, 2, 0.5], np.float32)
    wanted = literal.filter_bank(x.astype(float), kernels.astype(float), gains.astype(float))
    np.testing.assert_allclose(layers.filter_bank(x, kernels, gains), wanted, atol=1e-5)


@pytest.mark.parametrize("floor", [None, 1.0])
def test_the_normalisation_is_the_formula(floor: float | None) -> None:
    x = maps(2, 2, 12, 11) * np.linspace(0.2, 3, 11, dtype=np.float32)  # some deviations above 1, some below
    wanted = literal.normalise(x.astype(float), literal.window(9, 2.25), floor)
    np.testing.assert_allclose(layers.normalise(x, floor), wanted, atol=1e-5)


@pytest.mark.parametrize("average", [True, False])
def test_pooling_is_the_formula(average: bool) -> None:
    x = maps(3, 2, 11, 10)
    np.testing.assert_allclose(
        layers.pool(x, 4, 3, average), literal.pool(x.astype(float), 4, 3, average), atol=1e-6
    )


def test_light_and_contrast_leave_no_trace_in_a_prepared_picture() -> None:
    """A law: standardising takes away any a·x + b."""
    picture = np.random.default_rng(4).integers(0, 100, (32, 24), np.uint8)
    np.testing.assert_allclose(
        prepared(picture, 32), prepared(picture * np.uint8(2) + np.uint8(17), 32), atol=1e-4
    )


def test_the_shorter_side_is_filled_up_around_the_picture() -> None:
    """A picture twice as wide as high: 24 rows less 8 in the middle of 40."""
    found = prepared(np.random.default_rng(9).integers(0, 256, (24, 48), np.uint8), 48)[0]
    assert found.shape == (40, 40)
    assert np.flatnonzero(found.any(axis=1)).tolist() == list(range(12, 28))
    assert found[12:28].all(axis=1).all()


def test_the_paper_sizes_are_the_papers() -> None:
    """143 pixels; 64 maps of 26 x 26; 256 of 18 x 18, pooled to 4 x 4."""
    picture = np.random.default_rng(6).integers(0, 256, (120, 200, 3), np.uint8)
    assert prepared(picture, 151).shape == (1, 143, 143)
    for stages, shape in ((JARRETT_1, (64, 26, 26)), (JARRETT_2, (256, 4, 4))):
        made = JarrettFeatures(stages).fit([picture])
        assert made.shape_ == shape
        found = made.transform([picture])
        assert found.shape == (1, np.prod(shape))
        assert found.dtype == np.float32
    kernels, _ = made.banks_[1]
    assert kernels.shape == (256, 64, 9, 9)
    assert {np.count_nonzero(k.any(axis=(1, 2))) for k in kernels} == {16}  # each reads 16 maps
    assert len({tuple(np.flatnonzero(k.any(axis=(1, 2)))) for k in kernels}) > 200  # and not the same ones


@pytest.mark.parametrize("name", LAYERS)
def test_two_stages_are_the_formulas_one_after_another(name: str) -> None:
    pictures, _ = digits(3)
    made = JarrettFeatures(SMALL, name, side=24).fit(pictures)
    x = prepared(pictures[1], 24).astype(float)
    for stage, (kernels, gains) in zip(SMALL, made.banks_, strict=True):
        x = literal.filter_bank(x, kernels.astype(float), gains.astype(float))
        x = np.abs(x) if name.startswith("R") else x
        x = literal.normalise(x, literal.window(9, 2.25), None) if "N" in name else x
        x = literal.pool(x, stage.pool, stage.step, average=name.endswith("PA"))
    np.testing.assert_allclose(made.transform(pictures[1:2])[0], x.ravel(), atol=1e-4)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_filters_depend_on_the_seed_alone(way: str) -> None:
    stages = (Stage(16, 5, 4, 4), Stage(4, 3, 2, 1, fan_in=3))[: 1 if way == "psd" else 2]  # which is slow
    pictures, _ = digits(40)
    made = JarrettFeatures(stages, filters=way, side=32)
    one, same, other = (clone(made).set_params(random_state=s).fit(pictures) for s in (0, 0, 1))
    for (a, b), (c, d) in zip(one.banks_, same.banks_, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    assert way == "gabor" or not np.array_equal(one.banks_[0][0], other.banks_[0][0])
    assert not np.array_equal(one.banks_[-1][0], other.banks_[-1][0])
    if way != "psd":  # whose filters have the length that foretells the code
        lengths = np.linalg.norm(one.banks_[0][0].reshape(16, -1), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_a_gabor_filter_prefers_its_own_wave() -> None:
    """Of gratings of 8 directions it answers most to that of its own, and not to an even ground."""
    down, right = np.mgrid[:9, :9] - 4.0
    for turn in range(8):
        angle = turn * np.pi / 8
        wave = gabor_wave(9, angle, 4.0, 0.0)
        answers = [
            abs(wave @ np.cos(2 * np.pi * (right * np.cos(a) + down * np.sin(a)) / 4).ravel())
            for a in np.arange(8) * np.pi / 8
        ]
        assert int(np.argmax(answers)) == turn
        assert abs(wave.sum()) < 1e-9


def test_a_sparse_code_is_a_lasso() -> None:
    """‖y - Wz‖² + ‖z - f‖² + λ‖z‖₁ is the lasso of [y; f] on [W; I], which scikit-learn solves by coordinates."""
    rng = np.random.default_rng(7)
    dictionary, batch, foretold = (
        rng.standard_normal((6, 9)),
        rng.standard_normal((4, 6)),
        rng.standard_normal((4, 9)),
    )
    ours = sparse_codes(batch, dictionary, foretold, steps=2000)
    design = np.vstack([dictionary, np.eye(9)])
    for row in range(4):
        aim = np.concatenate([batch[row], foretold[row]])
        peer = Lasso(SPARSITY / (2 * len(aim)), fit_intercept=False, tol=1e-10, max_iter=100_000).fit(
            design, aim
        )
        np.testing.assert_allclose(ours[row], peer.coef_, atol=1e-5)


def test_sparse_decomposition_finds_the_patterns_that_made_the_patches() -> None:
    """Patches are few of 12 planted patterns each; nearly every pattern comes out, which none does at the start."""
    draw = np.random.RandomState(8)
    planted = draw.standard_normal((12, 20))
    planted /= np.linalg.norm(planted, axis=1, keepdims=True)
    which = np.array([draw.permutation(12)[:2] for _ in range(4000)])
    patches = (planted[which] * draw.choice([-3.0, 3.0], (4000, 2, 1))).sum(axis=1)
    found = predictive_sparse_decomposition(patches, 12, draw, rounds=600)
    likeness = np.abs(planted @ found.dictionary).max(axis=1)
    assert (likeness > 0.95).sum() >= 10
    assert np.mean(found.energies[-20:]) < 0.5 * np.mean(found.energies[:5])
    np.testing.assert_allclose(np.linalg.norm(found.dictionary, axis=0), 1)


def gratings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Waves of 4 directions, each beginning anywhere, under noise."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:32, :32]
    labels = np.arange(count) % 4
    waves = [
        np.sin((right * np.cos(a) + down * np.sin(a)) * 2 * np.pi / 4 + rng.uniform(0, 2 * np.pi))
        for a in labels * np.pi / 4
    ]
    return (128 + 60 * np.stack(waves) + rng.normal(0, 20, (count, 32, 32))).clip(0, 255).astype(
        np.uint8
    ), labels


def test_without_rectification_averaging_cancels_what_the_filters_answered() -> None:
    """The paper's point: a wave's answers are as often above zero as below."""
    (pictures, labels), (other, truth) = gratings(120, 0), gratings(80, 1)
    accuracy = {}
    for name in ("R-N-PA", "PA"):
        features = JarrettFeatures((Stage(16, 5, 16, 4),), layers=name, side=32)
        machine = make_pipeline(features, StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        accuracy[name] = machine.fit(pictures, labels).score(other, truth)
    assert accuracy["R-N-PA"] > 0.95
    assert accuracy["PA"] < 0.6


@pytest.mark.parametrize("name", LAYERS)
def test_a_negative_has_the_same_features_where_they_are_rectified(name: str) -> None:
    pictures, _ = digits(3)
    made = JarrettFeatures((Stage(8, 5, 4, 4),), layers=name, side=24).fit(pictures)
    positive, negative = made.transform(pictures), made.transform(255 - pictures)
    if "R" in name:
        np.testing.assert_allclose(negative, positive, atol=1e-4)
    elif name != "N-PM":
        np.testing.assert_allclose(negative, -positive, atol=1e-4)


def test_random_filters_need_no_pictures() -> None:
    """They are those of the seed, whatever is shown; learned ones have to be fitted."""
    pictures, _ = digits(8)
    stages = (Stage(8, 5, 4, 4), Stage(4, 3, 2, 1, fan_in=3))
    made = [JarrettFeatures(stages, side=32) for _ in range(3)]
    found = [made[0].transform(pictures), made[1].fit(pictures[:2]).transform(pictures)]
    np.testing.assert_array_equal(found[0], made[2].fit(pictures).transform(pictures))
    np.testing.assert_array_equal(found[0], found[1])
    assert not get_tags(made[0]).requires_fit
    learned = JarrettFeatures(stages, filters="k-means", side=32)
    assert get_tags(learned).requires_fit
    with pytest.raises(NotFittedError):
        learned.transform(pictures)


def test_it_is_a_scikit_learn_estimator() -> None:
    pictures, labels = digits(90)
    made = JarrettFeatures((Stage(8, 5, 4, 4),), side=24)
    twin = clone(made)
    assert twin.get_params() == made.get_params()
    machine = make_pipeline(made, LogisticRegression(max_iter=2000))
    search = GridSearchCV(machine, {"jarrettfeatures__layers": ["R-N-PA", "PA"]}, cv=2).fit(pictures, labels)
    assert search.best_params_["jarrettfeatures__layers"] in LAYERS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": "R-N-PM"}, "unknown layers 'R-N-PM'; did you mean"),
        ({"filters": "kmeans"}, "unknown filters 'kmeans'; did you mean k-means?"),
        ({"side": 20}, "kernels of 9 and pooling over 10 need maps of 18 pixels, got 12"),
        ({"side": 4}, "side must be at least 9"),
        ({"stages": (Stage(4, 3, 2, 1), Stage(4, 3, 2, 1, fan_in=9)), "side": 32}, "fan_in must be 1 to 4"),
        ({"stages": (Stage(10, 9, 4, 4),), "filters": "gabor", "side": 32}, "Gabor filters come in 16s"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(").split("?")[0]):
        JarrettFeatures(**options).fit(digits(3)[0])  # type: ignore[arg-type]


def test_wrong_pictures_are_told() -> None:
    with pytest.raises(UserError, match="filters need a picture, got none"):
        JarrettFeatures().fit([])
    with pytest.raises(UserError, match=r"got uint8 \(5, 5, 4\)"):
        JarrettFeatures().fit_transform([np.zeros((5, 5, 4), np.uint8)])


def test_an_even_picture_has_numbers() -> None:
    made = JarrettFeatures((Stage(8, 5, 4, 4),), side=24).fit(digits(3)[0])
    assert np.isfinite(made.transform([np.full((30, 20, 3), 7, np.uint8), np.zeros((1, 1), np.uint8)])).all()
