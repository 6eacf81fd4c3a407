"""The cost of training against hand-computed cases and figures of papers."""

import doctest

import pytest

from neocog.analysis import train_cost as module
from neocog.analysis.train_cost import train_cost
from neocog.errors import UserError


def test_a_small_case_by_hand() -> None:
    """100 multiply-adds, 10 pictures, 2 epochs: 3 * 100 * 10 * 2 = 6,000; 12,000 flops at 0.5 a second, 4 devices."""
    cost = train_cost(100, 2, 10, 0.5, devices=4)
    assert (cost.macs, cost.flops) == (6_000, 12_000)
    assert cost.device_days == 24_000 / 86_400
    assert cost.days == 6_000 / 86_400


def test_half_an_epoch_is_half_the_work() -> None:
    assert train_cost(100, 0.5, 10, 1.0).macs == 1_500


def test_utilisation_is_the_share_of_full_speed() -> None:
    cost = train_cost(86_400, 1, 1, 6.0)  # 6 * 86,400 flops at 6 a second: one day
    assert cost.device_days == 1.0
    assert cost.utilisation(4.0) == 0.25


@pytest.mark.parametrize(
    ("dim", "layers", "patch", "epochs", "exaflops"),
    [(768, 12, 16, 7, 224), (1024, 24, 16, 7, 783), (1024, 24, 16, 14, 1567), (1280, 32, 14, 14, 4262)],
)
def test_vision_transformers_cost_what_their_paper_says(
    dim: int, layers: int, patch: int, epochs: int, exaflops: int
) -> None:
    """Dosovitskiy et al. 2021, table 6, pre-training on the 303 million pictures of section 4.1; by its shapes."""
    tokens = (224 // patch) ** 2 + 1
    block = 12 * tokens * dim**2 + 2 * tokens**2 * dim
    macs = (tokens - 1) * 3 * patch**2 * dim + layers * block + 1000 * dim
    assert train_cost(macs, epochs, 303_000_000, 1.0).flops / 1e18 == pytest.approx(exaflops, rel=3e-3)


def test_the_documented_examples_hold() -> None:
    failed, tried = doctest.testmod(module)
    assert tried == 4 and not failed


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("place", range(5))
def test_what_is_not_positive_is_refused(place: int, bad: float) -> None:
    given = [1.0, 1.0, 1.0, 1.0, 1.0]
    given[place] = bad
    name = ("macs", "epochs", "pictures", "device_flops", "devices")[place]
    with pytest.raises(UserError, match=f"{name} must be more than 0"):
        train_cost(*given)  # type: ignore[arg-type]


def test_utilisation_of_no_time_is_refused() -> None:
    with pytest.raises(UserError, match="device_days"):
        train_cost(1, 1, 1, 1.0).utilisation(0)
