"""Many strengths at once, against scikit-learn's solvers that go on until nothing moves."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from neocog.errors import UserError
from neocog.probing.logistic import rough_path, solve_path
from neocog.probing.losses import OneClass
from neocog.probing.losses_torch import OneClassOn

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]
Layer = tuple[Floats, Floats]
STRENGTHS = (1e-4, 1e-2, 1.0, 10.0)
NEAR = 1e-4  # the promised distance from the least objective, relative to it


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The products are small: two threads would mostly wait for each other."""
    with threadpool_limits(1):
        yield


def correlated(counts: list[int], dim: int, apart: float = 1.0, seed: int = 0) -> tuple[Floats, Labels]:
    """Standardised features whose variances along their axes fall like 1 / j**2, as those of networks do."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    hidden = apart * rng.normal(size=(len(counts), dim))[labels] + rng.normal(size=(len(labels), dim))
    x = (hidden / np.arange(1, dim + 1)) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    order = rng.permutation(len(labels))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x[order].astype(np.float32), labels[order]


def objective(x: Floats, labels: Labels, layer: Layer, c: float, weights: Doubles | None = None) -> float:
    """scikit-learn's in double precision: C times the summed cross-entropy plus half of the squared weights."""
    weight, bias = (part.astype(float) for part in layer)
    squares = np.square(weight[1] - weight[0]).sum() if len(weight) == 2 else np.square(weight).sum()
    logits = x.astype(float) @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), labels]
    return float(c * (losses if weights is None else weights * losses).sum() + squares / 2)


def least(x: Floats, labels: Labels, c: float, weights: Doubles | None = None) -> float:
    """The objective by Newton's method with the whole Hessian."""
    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-9, max_iter=1000)
    model.fit(x.astype(float), labels, weights)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return objective(x, labels, (weight, bias), c, weights)


def assert_least(x: Floats, labels: Labels, layers: list[Layer], strengths: tuple[float, ...]) -> None:
    for c, layer in zip(strengths, layers, strict=True):
        best = least(x, labels, c)
        assert objective(x, labels, layer, c) <= best * (1 + NEAR) + 1e-7


PROBLEMS = {
    "two classes": ([40, 60], 12),
    "two classes, one rare": ([60, 3], 12),
    "three": ([30, 50, 40], 15),
    "twelve": ([12] * 12, 16),
    "fewer pictures than features": ([8, 9, 10], 60),
    "one picture of each class": ([1] * 6, 20),
    "many more features than pictures": ([2, 2], 90),
    "a feature": ([20, 30, 40], 1),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("apart", [0.3, 10.0], ids=["overlapping", "separable"])
def test_the_objective_of_every_strength_is_the_least(name: str, apart: float) -> None:
    counts, dim = PROBLEMS[name]
    x, labels = correlated(counts, dim, apart)
    assert_least(x, labels, solve_path(x, labels, len(counts), STRENGTHS), STRENGTHS)


@pytest.mark.parametrize("name", PROBLEMS)
def test_roughly_it_is_near_the_least_and_in_the_order_given(name: str) -> None:
    counts, dim = PROBLEMS[name]
    x, labels = correlated(counts, dim)
    strengths = (1.0, 1e-4, 10.0, 1e-2)
    for c, layer in zip(strengths, rough_path(x, labels, len(counts), strengths), strict=True):
        assert objective(x, labels, layer, c) <= least(x, labels, c) * 1.005 + 1e-7


@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    dim=st.integers(1, 30),
    constant=st.booleans(),
    twice=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_it_is_the_least_for_any_shape(
    counts: list[int], dim: int, constant: bool, twice: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    x = rng.normal(size=(len(labels), dim))
    if twice:
        x = np.concatenate([x, x[:, :1]], axis=1)
    if constant:
        x[:, 0] = 3
    x = x.astype(np.float32)
    assert_least(x, labels, solve_path(x, labels, len(counts), (0.01, 1.0)), (0.01, 1.0))


def test_solutions_come_in_the_order_of_the_strengths() -> None:
    x, labels = correlated([20, 30, 25], 8)
    mixed = (1.0, 1e-4, 10.0, 1e-2)
    assert_least(x, labels, solve_path(x, labels, 3, mixed), mixed)


def test_each_strength_alone_gives_the_solution_that_it_has_among_others() -> None:
    x, labels = correlated([20, 30, 25], 8)
    for c, (weight, bias) in zip(STRENGTHS, solve_path(x, labels, 3, STRENGTHS), strict=True):
        ((alone, its_bias),) = solve_path(x, labels, 3, (c,))
        assert np.abs(x @ weight.T + bias - x @ alone.T - its_bias).max() <= 0.05


def test_a_picture_that_weighs_two_counts_as_two() -> None:
    x, labels = correlated([20, 30, 25], 8)
    weights = np.random.default_rng(0).integers(0, 4, len(x)).astype(float)
    rows = np.repeat(np.arange(len(x)), weights.astype(int))
    for c, layer in zip(STRENGTHS, solve_path(x, labels, 3, STRENGTHS, weights), strict=True):
        best = least(x[rows], labels[rows], c)
        assert best - 1e-7 <= objective(x[rows], labels[rows], layer, c) <= best * (1 + NEAR)


@pytest.mark.parametrize("counts", [[20, 30, 25], [20, 30]])
def test_weights_of_any_size_are_scikit_learns_sample_weights(counts: list[int]) -> None:
    x, labels = correlated(counts, 8)
    weights = np.random.default_rng(0).gamma(1, 5, len(x))
    for c, layer in zip(STRENGTHS, solve_path(x, labels, len(counts), STRENGTHS, weights), strict=True):
        best = least(x, labels, c, weights)
        assert best * (1 - 1e-6) <= objective(x, labels, layer, c, weights) <= best * (1 + NEAR)


@pytest.mark.parametrize(
    "weights", [np.array([1.0, -1.0, 1.0]), np.zeros(3), np.array([1.0, np.nan, 1.0]), np.ones(2)]
)
def test_weights_that_make_no_sense_are_refused(weights: Doubles) -> None:
    with pytest.raises(UserError, match="sample_weight"):
        solve_path(np.eye(3, dtype=np.float32), np.array([0, 1, 2]), 3, (1.0,), weights)


def test_a_class_without_pictures_is_given_none_of_the_probability() -> None:
    x, labels = correlated([20, 30], 6)
    ((weight, bias),) = solve_path(x, labels, 3, (1.0,))
    logits = x @ weight.T + bias
    assert np.isfinite(logits).all()
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert (odds[:, 2] / odds.sum(axis=1)).max() < 1e-2


def test_two_classes_have_opposite_rows() -> None:
    x, labels = correlated([20, 30], 6)
    for weight, bias in solve_path(x, labels, 2, STRENGTHS):
        assert (weight.shape, bias.shape) == ((2, 6), (2,))
        assert weight[0] == pytest.approx(-weight[1], rel=1e-4, abs=1e-6)
        assert bias[0] == pytest.approx(-bias[1], rel=1e-4, abs=1e-6)


def test_rows_of_weights_sum_to_zero() -> None:
    """At the optimum: what all classes share changes no probability, and costs."""
    x, labels = correlated([20, 30, 25, 10], 12)
    for weight, bias in solve_path(x, labels, 4, STRENGTHS):
        assert np.abs(weight.sum(axis=0)).max() <= 1e-4 * np.abs(weight).max()
        assert abs(bias.sum()) <= 1e-4 * np.abs(bias).max()


def test_the_features_given_are_left_as_they_are_and_the_same_bits_come_again() -> None:
    x, labels = correlated([20, 30, 25], 40)
    before = x.copy()
    one, other = (solve_path(x, labels, 3, STRENGTHS) for _ in range(2))
    assert (x == before).all()
    for mine, yours in zip(one, other, strict=True):
        assert [part.tobytes() for part in mine] == [part.tobytes() for part in yours]
        assert [part.dtype for part in mine] == [np.float32, np.float32]


@pytest.mark.parametrize("counts", [[20, 30, 25], [20, 30]])
@pytest.mark.parametrize("weighted", [False, True])
def test_torch_reaches_the_least_objective_too(counts: list[int], weighted: bool) -> None:
    """On torch's CPU: the same products as on an accelerator."""
    x, labels = correlated(counts, 40)
    weights = np.random.default_rng(0).gamma(1, 5, len(x)) if weighted else None
    for c, layer in zip(
        STRENGTHS, solve_path(x, labels, len(counts), STRENGTHS, weights, device="cpu"), strict=True
    ):
        best = least(x, labels, c, weights)
        assert best * (1 - 1e-6) <= objective(x, labels, layer, c, weights) <= best * (1 + NEAR)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_gradients_are_finite_differences_and_curvatures_those_of_gradients(kind: str) -> None:
    x, labels = correlated([30, 50, 40], 5)
    shares = np.random.default_rng(0).dirichlet(np.ones(len(x))).astype(np.float32)
    loss = (
        OneClass.of(x, labels, 3, shares)
        if kind == "numpy"
        else OneClassOn.of(x, labels, 3, shares, torch.device("cpu"))
    )
    layer = np.random.default_rng(1).normal(size=loss.shape)
    value, gradient = loss(layer)
    assert value == pytest.approx(
        objective(x, labels, (layer[:, :-1], layer[:, -1]), 1, shares) - np.square(layer[:, :-1]).sum() / 2,
        rel=1e-5,
    )
    step = 1e-2
    for i in range(layer.size):
        move = step * np.eye(layer.size)[i].reshape(layer.shape)
        (up, rises), (down, falls) = loss(layer + move), loss(layer - move)
        assert gradient.flat[i] == pytest.approx((up - down) / (2 * step), abs=1e-4)
        k, j = divmod(i, layer.shape[1])
        if j == layer.shape[1] - 1:
            assert loss.curvature(layer)[k] == pytest.approx((rises - falls)[k, j] / (2 * step), abs=1e-4)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_what_whitens_is_the_mean_of_the_classes_hessians(kind: str) -> None:
    x, labels = correlated([30, 50, 40], 5)
    shares = np.full(len(x), 1 / len(x), np.float32)
    loss = (
        OneClass.of(x, labels, 3, shares)
        if kind == "numpy"
        else OneClassOn.of(x, labels, 3, shares, torch.device("cpu"))
    )
    layer = np.random.default_rng(1).normal(size=loss.shape)
    logits = x @ layer[:, :-1].T + layer[:, -1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    literal = sum((x.T * (p[:, k] * (1 - p[:, k]))) @ x for k in range(3)) / (3 * len(x))
    assert np.allclose(loss.hessian(layer), literal, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n", "dim", "classes"),
    [(1, 3, 2), (63, 3, 2), (65, 3, 2), (512, 3, 4), (513, 3, 4), (1100, 7, 3), (700, 400, 40)],
)
def test_slices_of_pictures_add_up(n: int, dim: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(n, dim)).astype(np.float32), rng.integers(0, classes, n)
    shares = rng.dirichlet(np.ones(n)).astype(np.float32)
    layer = rng.normal(size=(classes, dim + 1)) / 10
    logits = x @ layer[:, :-1].T + layer[:, -1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    residual = (p - np.eye(classes)[labels]) * shares[:, None]
    value, gradient = OneClass.of(x, labels, classes, shares)(layer)
    assert value == pytest.approx(-(shares * np.log(p[np.arange(n), labels])).sum(), rel=1e-5)
    assert np.allclose(gradient[:, :-1], residual.T @ x, atol=1e-6)
    assert np.allclose(gradient[:, -1], residual.sum(axis=0), atol=1e-6)
