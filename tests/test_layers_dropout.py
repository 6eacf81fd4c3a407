import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UserError
from neocog.layers.dropout import Dropout
from reference import loops

P = st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1.0))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 3


def mask(p: float, shape: tuple[int, ...], seed: int) -> loops.Floats:
    """What a generator of this seed keeps: torch's bernoulli keeps where its number is 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(shape, dtype=torch.float64).bernoulli_(1 - p, generator=generator).numpy()


@settings(max_examples=30)
@given(P, st.integers(0, 1000), st.sampled_from(("train", "test")))
def test_it_drops_number_by_number(p: float, seed: int, scaling: str) -> None:
    x = random(3, 4, 2)
    layer = Dropout(p, scaling, torch.Generator().manual_seed(seed))
    factor = 1 / (1 - p) if scaling == "train" and p < 1 else 1.0
    np.testing.assert_allclose(layer(x).numpy(), loops.drop(x.numpy(), mask(p, (3, 4, 2), seed), factor))


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_scaled_while_training_it_is_torchs(p: float) -> None:
    x = random(50, 40)
    torch.manual_seed(5)
    theirs = torch.nn.Dropout(p)(x)
    torch.manual_seed(5)
    torch.testing.assert_close(Dropout(p)(x), theirs, rtol=1e-15, atol=0)
    assert Dropout(p).eval()(x) is x


def test_scaled_at_test_time_it_halves_as_alexnets_paper_says() -> None:
    x = random(5, 4)
    assert torch.equal(Dropout(0.5, "test").eval()(x), x / 2)
    torch.testing.assert_close(Dropout(0.2, "test").eval()(x), 0.8 * x)


@pytest.mark.parametrize("scaling", ["train", "test"])
def test_training_and_evaluation_expect_the_same_output(scaling: str) -> None:
    p, drawn = 0.3, 200_000
    layer = Dropout(p, scaling, torch.Generator().manual_seed(0))
    x = torch.full((drawn,), 2.0, dtype=torch.float64)
    trained = float(layer(x).mean())
    deviation = 2.0 * (p / (1 - p) if scaling == "train" else p * (1 - p)) ** 0.5 / drawn**0.5
    assert abs(trained - float(layer.eval()(x)[0])) < 5 * deviation


def test_each_number_is_dropped_on_its_own() -> None:
    kept = Dropout(0.5, "test", torch.Generator().manual_seed(0))(torch.ones(2000, 6, dtype=torch.float64))
    likeness = np.corrcoef(kept.numpy().T) - np.eye(6)
    assert np.abs(likeness).max() < 5 / 2000**0.5  # five standard errors


def test_the_generator_alone_decides_the_mask() -> None:
    x, seed = random(40, 5), torch.Generator
    first = Dropout(0.5, generator=seed().manual_seed(3))
    before = torch.get_rng_state()
    outputs = [first(x), first(x)]
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(*outputs)  # it goes on
    assert torch.equal(Dropout(0.5, generator=seed().manual_seed(3))(x), outputs[0])


def test_the_gradient_goes_through_what_was_kept() -> None:
    x = random(6, 5).requires_grad_()
    out = Dropout(0.2, generator=torch.Generator().manual_seed(0))(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def test_wrong_arguments_are_refused_in_words() -> None:
    with pytest.raises(UserError, match=r"p must be a probability between 0 and 1, got 1.5; 0 drops nothing"):
        Dropout(1.5)
    with pytest.raises(UserError, match="unknown scaling 'tests'; did you mean test"):
        Dropout(0.5, "tests")
