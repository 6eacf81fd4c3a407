import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UserError
from neocog.layers.stochastic_depth import StochasticDepth
from reference import loops

SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=4).map(lambda rest: (5, *rest))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 3


@settings(max_examples=40)
@given(SHAPES, st.sampled_from((0.1, 0.5, 0.8, 1.0)), st.integers(0, 1000))
def test_a_sample_is_kept_whole_or_dropped_whole(shape: tuple[int, ...], p: float, seed: int) -> None:
    x = random(*shape)
    generator = torch.Generator().manual_seed(seed)
    kept = torch.empty(shape[0], dtype=torch.float64).bernoulli_(1 - p, generator=generator).numpy()
    got = StochasticDepth(p, torch.Generator().manual_seed(seed))(x)
    np.testing.assert_allclose(got.numpy(), loops.drop(x.numpy(), kept, 1 / (1 - p) if p < 1 else 1.0))


@settings(max_examples=20)
@given(SHAPES, st.booleans())
def test_without_dropping_or_in_evaluation_it_is_the_identity(shape: tuple[int, ...], train: bool) -> None:
    x = random(*shape)
    assert StochasticDepth(0.0).train(train)(x) is x
    assert StochasticDepth(0.7).eval()(x) is x


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_samples_survive_at_their_rate_and_the_expected_output_is_the_input(p: float) -> None:
    drawn = 100_000
    out = StochasticDepth(p, torch.Generator().manual_seed(0))(torch.ones(drawn, 1, dtype=torch.float64))
    error = 5 * (p * (1 - p) / drawn) ** 0.5  # five standard errors of the rate
    assert abs(float((out > 0).double().mean()) - (1 - p)) < error
    assert abs(float(out.mean()) - 1) < error / (1 - p)


def test_the_gradient_of_a_dropped_branch_is_zero() -> None:
    x = random(40, 3).requires_grad_()
    out = StochasticDepth(0.5, torch.Generator().manual_seed(0))(x)
    out.sum().backward()
    dropped = (out == 0).all(1)
    assert 0 < int(dropped.sum()) < 40
    assert torch.equal(x.grad, (2 * ~dropped[:, None]).double().expand(40, 3))


def test_the_generator_alone_decides() -> None:
    x, layer = random(200, 2), StochasticDepth(0.5, torch.Generator().manual_seed(3))
    twin = copy.deepcopy(layer)
    before = torch.get_rng_state()
    outputs = [layer(x), layer(x)]
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(*outputs)
    assert torch.equal(twin(x), outputs[0])


def test_without_a_generator_torchs_seed_decides() -> None:
    torch.manual_seed(1)
    first = StochasticDepth(0.5)(random(50, 2))
    torch.manual_seed(1)
    assert torch.equal(StochasticDepth(0.5)(random(50, 2)), first)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(UserError, match=f"p must be a probability between 0 and 1, got {p}; 0 drops nothing"):
        StochasticDepth(p)
