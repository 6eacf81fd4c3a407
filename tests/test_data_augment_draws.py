import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from neocog.data.augment.draws import Draws
from reference import splitmix

LEAST = 1e-4  # p-value below which a fixed seed's numbers would be called uneven
LARGE = np.arange(20_000)


def at(samples: list[int] | NDArray[np.int64], seed: int = 5, epoch: int = 3) -> Draws:
    return Draws(seed, epoch, np.asarray(samples))


def test_the_reference_is_splitmix64() -> None:
    """Its first numbers from state 1234567, as published with the generator's reference code."""
    assert splitmix.outputs(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(
    seed=st.integers(-(2**40), 2**70),
    epoch=st.integers(0, 10**6),
    samples=st.lists(st.integers(0, 2**40), min_size=1, max_size=5),
    copy=st.integers(0, 9),
)
@settings(max_examples=30)
def test_the_numbers_are_those_of_the_generator(seed: int, epoch: int, samples: list[int], copy: int) -> None:
    copies = [copy] * len(samples)
    draws = Draws(seed, epoch, np.array(samples), np.array(copies))
    expected = splitmix.words((seed, epoch, "flip"), samples, copies, 3)
    assert draws.words("flip", 3).tolist() == expected
    shares = [[(word >> 11) / 2**53 for word in row] for row in expected]
    assert draws.uniform("flip", 3).tolist() == shares
    assert draws.uniform("flip", 3, -2.0, 6.0).tolist() == [[8 * s - 2 for s in row] for row in shares]


@given(samples=st.lists(st.integers(0, 10**9), min_size=2, max_size=12, unique=True), cut=st.integers(1, 11))
@settings(max_examples=30)
def test_a_picture_has_the_same_numbers_in_any_batch(samples: list[int], cut: int) -> None:
    cut = min(cut, len(samples) - 1)
    whole, parts = at(samples), [at(samples[:cut]), at(samples[cut:])]
    for name in ("uniform", "normal"):
        rows = torch.cat([getattr(part, name)("x", 4) for part in parts])
        assert torch.equal(getattr(whole, name)("x", 4), rows)
    assert torch.equal(whole.octets("x", 11), torch.cat([part.octets("x", 11) for part in parts]))
    assert torch.equal(whole.rows(np.array([cut - 1])).uniform("x", 4), whole.uniform("x", 4)[cut - 1 : cut])


def test_more_numbers_begin_with_the_same_ones() -> None:
    assert torch.equal(at([1, 2]).uniform("x", 9)[:, :4], at([1, 2]).uniform("x", 4))


def evenly(values: NDArray[np.int64], cells: int) -> float:
    """The p-value of as many values in each of the cells."""
    return float(stats.chisquare(np.bincount(values, minlength=cells)).pvalue)


@pytest.mark.parametrize("stream", ["flip", "crop.area", "auto.which"])
def test_numbers_are_even_over_pictures_epochs_and_columns(stream: str) -> None:
    over_pictures = at(LARGE).uniform(stream)[:, 0]
    over_epochs = torch.stack([at([7], epoch=e).uniform(stream)[0, 0] for e in range(3000)])
    over_seeds = torch.stack([at([7], seed=s).uniform(stream)[0, 0] for s in range(3000)])
    over_columns = at([7]).uniform(stream, 20_000)[0]
    for values in (over_pictures, over_epochs, over_seeds, over_columns):
        assert 0 <= values.min() <= values.max() < 1
        assert evenly((values.numpy() * 50).astype(int), 50) > LEAST


@pytest.mark.parametrize(
    "other",
    [
        at(LARGE + 1).uniform("flip"),
        at(LARGE, epoch=4).uniform("flip"),
        at(LARGE, seed=6).uniform("flip"),
        at(LARGE).uniform("vflip"),
        at(LARGE).uniform("flip", 2)[:, 1:],
        Draws(5, 3, LARGE, np.ones(len(LARGE), np.int64)).uniform("flip"),
    ],
    ids=["picture", "epoch", "seed", "stream", "column", "copy"],
)
def test_neighbours_are_independent(other: torch.Tensor) -> None:
    """Pairs fill the 100 squares of a chess board evenly."""
    own = at(LARGE).uniform("flip")
    squares = (own * 10).long() * 10 + (other * 10).long()
    assert evenly(squares[:, 0].numpy(), 100) > LEAST


def test_without_copies_each_picture_is_the_first() -> None:
    assert torch.equal(at([4, 9]).uniform("x"), Draws(5, 3, np.array([4, 9]), np.array([0, 0])).uniform("x"))


def test_normal_beta_and_dirichlet_numbers_have_their_distributions() -> None:
    draws = at(LARGE)
    assert stats.kstest(draws.normal("n")[:, 0], "norm").pvalue > LEAST
    for alpha in (0.2, 1.0, 3.0):
        assert stats.kstest(draws.beta("b", alpha), stats.beta(alpha, alpha).cdf).pvalue > LEAST
        parts = draws.dirichlet("d", 3, alpha)
        assert torch.allclose(parts.sum(1), torch.ones(len(LARGE), dtype=torch.float64))
        for part in parts.T:  # each part of a Dirichlet number is a beta number
            assert stats.kstest(part, stats.beta(alpha, 2 * alpha).cdf).pvalue > LEAST


def test_whole_numbers_octets_and_orders_are_even() -> None:
    draws = at(LARGE)
    assert evenly(draws.integers("i", 1, 7)[:, 0].numpy(), 7) > LEAST
    stops = torch.tensor([3, 5])
    for column, stop in zip(draws.integers("i", 2, stops).T, (3, 5), strict=True):
        assert evenly(column.numpy(), stop) > LEAST
    assert evenly(at(LARGE[:2000]).octets("o", 30).reshape(-1).numpy(), 256) > LEAST
    orders = draws.permutation("p", 4)
    assert torch.equal(orders.sort(1).values, torch.arange(4).expand(len(LARGE), 4))
    assert (
        evenly(
            stats.rankdata((orders @ torch.tensor([64, 16, 4, 1])).numpy(), "dense") - 1, math.factorial(4)
        )
        > LEAST
    )
    assert float(draws.chance("c", 0.3).float().mean()) == pytest.approx(0.3, abs=0.02)


def test_a_generator_gives_a_seed() -> None:
    one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    first = Draws.from_generator(one, 3)
    assert len(first) == 3
    assert torch.equal(first.uniform("x"), Draws.from_generator(other, 3).uniform("x"))
    assert not torch.equal(first.uniform("x"), Draws.from_generator(one, 3).uniform("x"))
