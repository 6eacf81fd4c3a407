import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UserError
from neocog.layers import activations
from neocog.layers.activations import ACTIVATIONS, Maxout, ScaledTanh
from reference import loops

FORMULAS = {name: getattr(activations, name) for name in loops.SQUASHES}
POINTS = st.lists(st.floats(-20, 20), min_size=1, max_size=5)


def test_each_name_has_a_loop_a_formula_and_a_module() -> None:
    assert set(ACTIVATIONS) == {*loops.SQUASHES, "maxout"}


@pytest.mark.parametrize("name", loops.SQUASHES)
@settings(max_examples=40)
@given(POINTS)
def test_the_formula_and_the_module_are_the_loop(name: str, points: list[float]) -> None:
    x = torch.tensor(points, dtype=torch.float64)
    expected = [loops.SQUASHES[name](point) for point in points]
    np.testing.assert_allclose(FORMULAS[name](x).numpy(), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ACTIVATIONS[name]()(x).numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", loops.SQUASHES)
def test_the_formulas_gradient_is_the_modules(name: str) -> None:
    xs = [
        torch.linspace(-4, 4, 17, dtype=torch.float64, requires_grad=True) for _ in range(2)
    ]  # 0 is among them
    for function, x in zip((FORMULAS[name], ACTIVATIONS[name]()), xs, strict=True):
        function(x).sum().backward()
    torch.testing.assert_close(xs[0].grad, xs[1].grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", loops.SQUASHES)
def test_the_formulas_hold_far_out_in_single_precision(name: str) -> None:
    x = torch.tensor([-1e4, -200.0, -90.0, 90.0, 200.0, 1e4])
    torch.testing.assert_close(FORMULAS[name](x), ACTIVATIONS[name]()(x))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu"])
def test_gradients_of_the_rectifiers_hold_far_out(name: str) -> None:
    xs = [torch.tensor([-1e4, -200.0, 200.0, 1e4], requires_grad=True) for _ in range(2)]
    for function, x in zip((FORMULAS[name], ACTIVATIONS[name]()), xs, strict=True):
        function(x).sum().backward()
    torch.testing.assert_close(xs[0].grad, xs[1].grad)


def test_slopes_and_scales_below_zero() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(activations.leaky_relu(x, 0.2), torch.nn.LeakyReLU(0.2)(x))
    torch.testing.assert_close(activations.elu(x, 1.5), torch.nn.ELU(1.5)(x))


def test_lenets_squash_goes_through_one_and_its_limit_is_1_7159() -> None:
    f = ScaledTanh()
    np.testing.assert_allclose(f(torch.tensor([-1.0, 0.0, 1.0])).numpy(), [-1, 0, 1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(float(f(torch.tensor(50.0))), 1.7159, rtol=1e-6)


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))


@settings(max_examples=40)
@given(SHAPES, st.integers(1, 4), st.integers(2, 4))
def test_maxout_takes_the_largest_of_consecutive_channels(
    sizes: tuple[int, int, int], pieces: int, rank: int
) -> None:
    batch, outputs, side = sizes
    x = torch.randn(batch, outputs * pieces, *[side] * (rank - 2), dtype=torch.float64)
    assert (Maxout(pieces)(x).numpy() == loops.maxout(x.numpy(), pieces)).all()


def test_maxout_of_two_linear_maps_is_relu_or_the_absolute_value() -> None:
    """Goodfellow et al. (2013), figure 1: one unit that is ReLU, one that is |x|."""
    x = torch.linspace(-3, 3, 13)[:, None]
    slopes = torch.tensor([[0.0, 1.0, -1.0, 1.0]])
    torch.testing.assert_close(Maxout()(x * slopes), torch.hstack([x.relu(), x.abs()]))


def test_maxout_sends_the_gradient_to_the_largest() -> None:
    x = torch.tensor([[1.0, 5.0, 2.0, -1.0, -3.0, -2.0]], requires_grad=True)
    Maxout(3)(x).sum().backward()
    assert x.grad.tolist() == [[0, 1, 0, 1, 0, 0]]


@pytest.mark.parametrize("pieces", [3, 0])
def test_channels_must_divide_into_pieces(pieces: int) -> None:
    message = f"maxout needs channels in groups of {pieces}, got 4 channels; give the layer before it outputs"
    with pytest.raises(UserError, match=message):
        Maxout(pieces)(torch.zeros(1, 4, 2, 2))
