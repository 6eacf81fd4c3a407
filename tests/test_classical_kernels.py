"""Sums of kernels against one machine on all columns; learned weights against other solvers and fine grids."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics.pairwise import chi2_kernel, rbf_kernel
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from neocog.classical.catalogue import CLASSICAL
from neocog.classical.kernels.balanced import Balanced
from neocog.classical.kernels.combination import KernelCombination
from neocog.classical.kernels.matrices import Part, intersection, side_by_side
from neocog.classical.kernels.weights import (
    WEIGHTINGS,
    Setting,
    by_accuracy,
    by_alignment,
    by_margin,
    centred,
)
from neocog.classical.lbp import LocalBinaryPatterns
from neocog.classical.pictures import TooSmall
from neocog.classical.tiny import TinyImages
from neocog.errors import UserError

SETTING = Setting(strength=1.0, folds=3, seed=0)


def views(classes: int = 3, n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4 + 3 + 5): a good view, a poor one, and noise."""
    rng = np.random.default_rng(seed)
    good, labels = make_blobs(n, 4, centers=classes, cluster_std=2.5, random_state=seed)
    poor = np.eye(classes)[labels][:, :3] @ rng.standard_normal(
        (min(classes, 3), 3)
    ) + 2 * rng.standard_normal((n, 3))
    return np.hstack([good, poor, rng.standard_normal((n, 5))]), labels


PARTS = (Part("good", 4), Part("poor", 3), Part("noise", 5))


def kernels_of(X: np.ndarray) -> np.ndarray:
    found = [block @ block.T for block in np.split(X, [4, 7], axis=1)]
    return np.stack([kernel / np.trace(kernel) * len(kernel) for kernel in found])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_sum_of_linear_kernels_is_one_machine_on_all_columns(classes: int) -> None:
    X, y = views(classes)
    ours = KernelCombination(PARTS, scale="none", strength=3.0).fit(X[:60], y[:60])
    plain = SVC(kernel="linear", C=3.0, tol=1e-6)  # a third of each kernel is columns over the root of 3
    peer = (plain if classes == 2 else OneVsRestClassifier(plain)).fit(X[:60] / np.sqrt(3), y[:60])
    np.testing.assert_allclose(
        ours.decision_function(X[60:]), peer.decision_function(X[60:] / np.sqrt(3)), atol=2e-3
    )
    assert (ours.predict(X[60:]) == peer.predict(X[60:] / np.sqrt(3))).all()


def test_the_kernels_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.random((30, 6)), np.arange(30) % 2
    for kernel, peer in (("rbf", rbf_kernel), ("chi2", chi2_kernel)):
        made = KernelCombination((Part("all", 6, kernel, gamma=0.7),), scale="none").fit(X[:20], y[:20])
        plain = SVC(kernel="precomputed", tol=1e-6).fit(peer(X[:20], gamma=0.7), y[:20])
        np.testing.assert_allclose(
            made.decision_function(X[20:]),
            plain.decision_function(peer(X[20:], X[:20], gamma=0.7)),
            atol=1e-3,
        )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_intersection_is_the_sum_of_the_smaller(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((3, 5)), rng.random((4, 5))
    wanted = [[sum(min(x, y) for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    np.testing.assert_allclose(intersection(a, b), wanted, atol=1e-12)


def test_gamma_is_one_over_the_mean_distance_of_different_rows() -> None:
    X, y = views(2, 12)
    made = KernelCombination((Part("all", 12, "rbf"),)).fit(X, y)
    apart = [((X[i] - X[j]) ** 2).sum() for i, j in itertools.combinations(range(12), 2)]
    assert made.kernels_.gammas == (pytest.approx(1 / np.mean(apart)),)


def test_scaled_kernels_do_not_depend_on_units() -> None:
    """Columns in other units change nothing, by the mean of the diagonal as by the rows' lengths."""
    X, y = views()
    other = X * np.repeat([10.0, 0.01, 3.0], [4, 3, 5])
    for scale, weighting in itertools.product(("mean", "cosine"), ("uniform", "alignment")):
        one = KernelCombination(PARTS, weighting, scale).fit(X, y)
        two = KernelCombination(PARTS, weighting, scale).fit(other, y)
        np.testing.assert_allclose(one.decision_function(X), two.decision_function(other), atol=5e-3)


def test_cosine_is_the_sum_on_rows_of_length_one() -> None:
    X, y = views(2)
    blocks = [b / np.linalg.norm(b, axis=1, keepdims=True) for b in np.split(X, [4, 7], axis=1)]
    peer = SVC(kernel="linear", tol=1e-6).fit(np.hstack(blocks) / np.sqrt(3), y)
    ours = KernelCombination(PARTS, scale="cosine").fit(X, y)
    np.testing.assert_allclose(
        ours.decision_function(X), peer.decision_function(np.hstack(blocks) / np.sqrt(3)), atol=2e-3
    )


def test_accuracy_weighs_by_the_fourth_power() -> None:
    X, y = views()
    powers = []
    for block in np.split(X, [4, 7], axis=1):
        machine = OneVsRestClassifier(SVC(kernel="linear", C=1.0, tol=1e-4))
        scaled = block / np.sqrt((block**2).sum(axis=1).mean())
        held = cross_val_predict(machine, scaled, y, cv=StratifiedKFold(3, shuffle=True, random_state=0))
        powers.append((held == y).mean() ** 4)
    found = by_accuracy(kernels_of(X), y, SETTING)
    np.testing.assert_allclose(found, np.array(powers) / sum(powers), atol=0.02)
    assert found[0] > found[2]


@pytest.mark.parametrize("seed", range(4))
def test_alignment_is_the_quadratic_programmes(seed: int) -> None:
    """min vᵀMv - 2vᵀa, v >= 0, by scipy's SLSQP; and no mix on a grid is more like the labels' kernel."""
    X, y = views(seed=seed)
    kernels = kernels_of(X)
    middle = np.eye(90) - 1 / 90
    flat = np.stack([(middle @ k @ middle).ravel() for k in kernels])
    target = (middle @ (y[:, None] == y) @ middle).ravel()
    M, a = flat @ flat.T, flat @ target
    size = M.max()
    peer = minimize(
        lambda v: v @ M @ v / size - 2 * v @ a / size,
        np.ones(3),
        jac=lambda v: 2 * (M @ v - a) / size,
        bounds=[(0, None)] * 3,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    ).x
    found = by_alignment(kernels, y, SETTING)
    np.testing.assert_allclose(found, peer / peer.sum(), atol=1e-3)

    def alignment(v: np.ndarray) -> float:
        mix = v @ flat
        return float(mix @ target / np.linalg.norm(mix) / np.linalg.norm(target))

    grid = [np.array([i, j, 40 - i - j]) / 40 for i in range(41) for j in range(41 - i)]
    assert alignment(found) >= max(map(alignment, grid)) - 1e-9


def test_centring_is_taking_the_mean_from_the_features() -> None:
    X = np.random.default_rng(2).standard_normal((9, 4)) + 5
    np.testing.assert_allclose(centred(X @ X.T), (X - X.mean(0)) @ (X - X.mean(0)).T, atol=1e-10)


def dual(kernels: np.ndarray, y: np.ndarray, weights: np.ndarray, strength: float) -> float:
    """The machines' objective, summed over one-against-rest, by scikit-learn alone."""
    total = 0.0
    kernel = np.tensordot(weights, kernels, 1)
    for name in [1] if y.max() == 1 else range(int(y.max()) + 1):
        found = SVC(kernel="precomputed", C=strength, tol=1e-4).fit(kernel, y == name)
        pull = np.zeros(len(y))
        pull[found.support_] = found.dual_coef_[0]
        total += float(np.abs(pull).sum() - 0.5 * pull @ kernel @ pull)
    return total


@pytest.mark.parametrize(("classes", "strength"), [(2, 1.0), (2, 20.0), (3, 1.0)])
def test_the_margin_weights_are_the_best_of_a_fine_grid(classes: int, strength: float) -> None:
    X, y = views(classes, 45)
    kernels = kernels_of(X)
    found = by_margin(kernels, y, Setting(strength, 3, 0))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    steps = 30 if classes == 2 else 8
    grid = [np.array([i, j, steps - i - j]) / steps for i in range(steps + 1) for j in range(steps + 1 - i)]
    values = [dual(kernels, y, weights, strength) for weights in grid]
    ours = dual(kernels, y, found, strength)
    assert ours <= min(values) * (1 + 1e-3)
    assert ours < dual(kernels, y, np.full(3, 1 / 3), strength)


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS))
def test_two_copies_of_a_kernel_share_its_weight(weighting: str) -> None:
    X, y = views()
    kernels = kernels_of(X)
    found = WEIGHTINGS[weighting](np.stack([kernels[0], kernels[0]]), y, SETTING)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0


def test_it_is_a_scikit_learn_estimator() -> None:
    images, labels = load_digits(return_X_y=True)
    X, names = images[:200], np.array([f"digit {name}" for name in labels[:200]])
    split = FunctionTransformer(lambda rows: np.hstack([rows, rows[:, :32] ** 2]))
    made = KernelCombination((Part("all", 64, "intersection"), Part("upper", 32, "rbf")), folds=2)
    assert clone(made).get_params() == made.get_params()
    machine = make_pipeline(split, made)
    space = {"kernelcombination__weighting": sorted(WEIGHTINGS), "kernelcombination__strength": [10.0]}
    search = GridSearchCV(machine, space, cv=2).fit(X[:150], names[:150])
    assert search.score(X[150:], names[150:]) > 0.85
    assert set(search.predict(X[150:])) <= set(names)


def test_named_matrices_come_side_by_side() -> None:
    X, parts = side_by_side({"a": np.ones((3, 2)), "b": np.zeros((3, 4), np.float32)}, "rbf")
    assert X.tolist() == [[1, 1, 0, 0, 0, 0]] * 3
    assert [(p.name, p.width, p.kernel) for p in parts] == [("a", 2, "rbf"), ("b", 4, "rbf")]
    with pytest.raises(UserError, match="as many rows each"):
        side_by_side({"a": np.ones((3, 2)), "b": np.ones((2, 2))})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weighting": "margins"}, "unknown weighting 'margins'; did you mean margin"),
        ({"scale": "trace"}, "unknown scale 'trace'"),
        ({"parts": (Part("a", 3),)}, "the parts must have the matrix's 12 columns, got a 3"),
        ({"parts": (Part("a", 12, "chi2"),)}, "chi2 compares histograms; a has numbers below 0"),
        ({"parts": (Part("a", 12, "rfb"),)}, "unknown kernel 'rfb'; did you mean rbf"),
        ({"strength": 0.0}, "must be above 0, got 0.0"),
        ({"weighting": "accuracy", "folds": 50}, "50 folds need as many pictures of each class, got 30"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        KernelCombination(**options).fit(*views())  # type: ignore[arg-type]


def test_one_class_is_told() -> None:
    with pytest.raises(UserError, match="needs two classes, got 1 class"):
        KernelCombination().fit(np.ones((3, 2)), [1, 1, 1])


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (10.0, 0.01, 3.0)])
def test_balanced_features_side_by_side_are_the_sum_of_scaled_kernels(weights: tuple[float, ...]) -> None:
    X, y = views(2)
    blocks = [w * b for w, b in zip(weights, np.split(X, [4, 7], axis=1), strict=True)]
    wide = np.hstack([Balanced(FunctionTransformer()).fit(b[:60]).transform(b) for b in blocks])
    peer = SVC(kernel="linear", C=1 / 3, tol=1e-6).fit(wide[:60], y[:60])  # of the sum, not of its mean
    ours = KernelCombination(PARTS).fit(np.hstack(blocks)[:60], y[:60])
    np.testing.assert_allclose(
        ours.decision_function(np.hstack(blocks)[60:]), peer.decision_function(wide[60:]), atol=2e-3
    )


def test_a_picture_too_small_for_one_kind_of_features_teaches_it_nothing() -> None:
    """LBP has nothing to say of two rows of pixels; of such a picture alone it learns nothing, and says so."""
    draw = np.random.default_rng(0)
    large = [draw.integers(0, 256, (30 + i, 40), np.uint8) for i in range(4)]
    flat = draw.integers(0, 256, (2, 500), np.uint8)
    both = CLASSICAL["all"].build().set_params(**{"spatial-pyramid__feature__words": 8})
    both.fit([*large[:2], flat, *large[2:]])
    lengths = np.linalg.norm(LocalBinaryPatterns().transform(large), axis=1)
    lbp = dict(both.transformer_list)["lbp"]
    assert lbp.length_ == pytest.approx(np.sqrt((lengths**2).mean()), rel=1e-6)
    with pytest.raises(UserError, match="picture 0: 2 x 500 pixels are too few"):
        both.transform([flat])
    with pytest.raises(TooSmall, match="picture 1"):
        Balanced(LocalBinaryPatterns()).fit_transform([large[0], flat])
    with pytest.raises(UserError, match="large enough to learn from, got none among 1"):
        Balanced(LocalBinaryPatterns()).fit([flat])
    with pytest.raises(UserError, match=r"picture 1: a picture must be a uint8 array .* got float64"):
        Balanced(TinyImages()).fit([large[0], np.ones((3, 3))])


def test_balanced_features_in_one_go_are_those_in_two() -> None:
    pictures = list(np.random.default_rng(1).integers(0, 256, (5, 20, 20), np.uint8))
    apart = Balanced(LocalBinaryPatterns()).fit(pictures).transform(pictures)
    np.testing.assert_allclose(
        Balanced(LocalBinaryPatterns()).fit_transform(pictures), apart, rtol=1e-6, atol=0
    )
