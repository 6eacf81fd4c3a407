import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.layers.standardised_conv import StdConv2d
from reference import loops

LAYERS = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.sampled_from((1, 2)))


def layer_of(cin: int, cout: int, kernel: int, groups: int, **options: object) -> StdConv2d:
    torch.manual_seed(0)
    layer = StdConv2d(groups * cin, groups * cout, kernel, groups=groups, **options).double()
    layer.weight.data = 2 * layer.weight.data + 1
    return layer


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@settings(max_examples=30)
@given(LAYERS, st.sampled_from((1e-10, 1e-8, 0.1)))
def test_each_filter_is_standardised_on_its_own(sizes: tuple[int, int, int, int], eps: float) -> None:
    layer = layer_of(*sizes, eps=eps)
    expected = loops.standardise(layer.weight.detach().numpy(), eps)
    np.testing.assert_allclose(layer.standardised().detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_default_eps_is_timms() -> None:
    layer = layer_of(2, 3, 3, 1)
    layer.weight.data *= 1e-4  # where eps matters
    expected = loops.standardise(layer.weight.detach().numpy(), 1e-8)
    np.testing.assert_allclose(layer.standardised().detach().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "bias": False}])
def test_it_convolves_as_torch_does_with_those_weights(groups: int, options: dict[str, int]) -> None:
    layer, x = layer_of(2, 3, 3, groups, **options), random(2, 2 * groups, 7, 8)
    weight = torch.from_numpy(loops.standardise(layer.weight.detach().numpy(), 1e-8))
    arguments = {name: value for name, value in options.items() if name != "bias"}
    expected = F.conv2d(x, weight, layer.bias, groups=groups, **arguments)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-11)


def test_reflected_padding_works_as_in_torchs_convolution() -> None:
    layer, x = layer_of(2, 3, 3, 1, padding=1, padding_mode="reflect"), random(1, 2, 5, 5)
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), layer.standardised(), layer.bias)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@settings(max_examples=20)
@given(st.floats(0.5, 100), st.floats(-5, 5))
def test_the_scale_and_mean_of_the_parameters_do_not_matter(scale: float, shift: float) -> None:
    layer, x = layer_of(2, 3, 3, 1), random(1, 2, 5, 5)
    before = layer(x)
    layer.weight.data = scale * layer.weight.data + shift
    torch.testing.assert_close(layer(x), before, rtol=1e-6, atol=1e-6)


def test_the_gradient_reaches_the_parameters_through_the_standardisation() -> None:
    layer, x = layer_of(2, 2, 2, 1, eps=0.1), random(1, 2, 3, 3)

    def output(weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(output, layer.weight.detach().clone().requires_grad_())


def test_parameters_are_those_of_a_convolution_and_stay_as_they_are() -> None:
    layer, plain = StdConv2d(2, 4, 3, eps=1e-10), torch.nn.Conv2d(2, 4, 3)
    layer.load_state_dict(plain.state_dict(), strict=True)
    layer(torch.randn(1, 2, 4, 4))
    assert torch.equal(layer.weight, plain.weight)


def test_a_filter_of_one_weight_becomes_zero() -> None:
    layer = StdConv2d(3, 3, 1, groups=3, bias=False)
    assert torch.equal(layer(torch.ones(1, 3, 2, 2)), torch.zeros(1, 3, 2, 2))


def test_it_works_on_the_meta_device() -> None:
    layer = StdConv2d(4, 6, 3, groups=2, padding=1, device="meta")
    assert layer(torch.empty(2, 4, 5, 5, device="meta")).shape == (2, 6, 5, 5)
