"""The strongest units, by looking at each; layers that stand for a network."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.analysis.capture import Place
from neocog.errors import UserError
from neocog.inside.strongest import as_maps, by_stage, demand_unit, spread, strongest
from neocog.inside.tokens import Patches
from neocog.inside.units import Layer


def layer(*shape: int, op: int = 0) -> Layer:
    return Layer(f"l{op}", Place("l", 0), shape, (32, 32), op=op)


shapes = st.sampled_from([(4, 3, 5), (6, 4), (7,)])


def units(shape: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Every (channel, place)."""
    channels, sides = (shape[0], shape[1:]) if len(shape) == 3 else (shape[-1], shape[:-1])
    return list(product(range(channels), product(*map(range, sides))))


def value(values: np.ndarray, channel: int, at: tuple[int, ...]) -> float:
    return float(values[(channel, *at)] if values.ndim == 3 else values[(*at, channel)])


def away(shape: tuple[int, ...], at: tuple[int, ...]) -> float:
    sides = shape[1:] if len(shape) == 3 else shape[:-1]
    return sum((i - (side - 1) / 2) ** 2 for i, side in zip(at, sides, strict=True))


@given(shapes, st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_the_strongest_is_found_by_looking_at_each(
    shape: tuple[int, ...], seed: int, of_channel: bool, at_place: bool, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape).astype(np.float32)
    values = np.minimum(values, 0.3) if ties else values
    some = units(shape)[rng.integers(len(units(shape)))]
    channel, at = some[0] if of_channel else None, some[1] if at_place else None
    found = strongest(layer(*shape), values, channel, at)
    open_ones = [u for u in units(shape) if channel in (None, u[0]) and at in (None, u[1])]
    best = max(value(values, *u) for u in open_ones)
    nearest = min(away(shape, u[1]) for u in open_ones if value(values, *u) == best)
    assert found.value == best == value(values, found.channel, found.at)
    assert (found.channel, found.at) in open_ones
    assert away(shape, found.at) == nearest


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_tokens_are_laid_out_as_their_patches(seed: int) -> None:
    tokens = np.random.default_rng(seed + 1).permutation(17)[:15].reshape(3, 5)
    patches = Patches(tokens, tuple(sorted(set(range(17)) - set(tokens.ravel().tolist()))), (4, 4))
    values = np.random.default_rng(seed).standard_normal((17, 4)).astype(np.float32)
    found = as_maps(layer(17, 4), values, patches)
    for channel, row, column in product(range(4), range(3), range(5)):
        assert found[channel, row, column] == values[tokens[row, column], channel]
    assert np.array_equal(as_maps(layer(17, 4), values)[:, 0], values.T)
    assert as_maps(layer(6), np.arange(6, dtype=np.float32)).shape == (6, 1, 1)


def test_units_that_there_are_not_are_refused() -> None:
    for shape, channel, at, said in (
        ((4, 3, 5), 4, None, "has channels 0 to 3, got 4"),
        ((4, 3, 5), -1, None, "has channels 0 to 3, got -1"),
        ((4, 3, 5), 0, (0, 5), "has 3x5 units a channel, column 5 is outside; take 0 to 4"),
        ((4, 3, 5), 0, (3,), "has rows and columns, got 3"),
        ((6, 4), 0, (6,), "token 6 is outside; take 0 to 5"),
        ((6, 4), 0, (1, 1), "has tokens 0 to 5, got 1,1"),
        ((7,), 0, (1,), "has no places, got 1"),
    ):
        with pytest.raises(UserError, match=said):
            demand_unit(layer(*shape), channel, at)


def test_layers_of_each_size_stand_for_a_network() -> None:
    sides = [32, 32, 16, 16, 16, 8, 8, 1]
    maps = [layer(4, side, side, op=i) for i, side in enumerate(sides)]
    assert [one.op for one in by_stage(maps)] == [1, 4, 6]  # not the one that is a vector in all but name
    assert [one.op for one in by_stage([maps[-1], layer(4, op=8)])] == [7]
    same = [layer(4, 9, 9, op=i) for i in range(7)]
    assert [one.op for one in by_stage(same)] == [0, 3, 6]
    mixed = [same[0], *(layer(17, 4, op=i) for i in range(1, 8)), layer(4, op=9)]
    assert [one.op for one in by_stage(mixed)] == [0, 1, 4, 7]


@given(st.integers(0, 30), st.integers(2, 9))
def test_spread_keeps_both_ends_and_even_steps(there: int, wanted: int) -> None:
    found = [one.op for one in spread([layer(1, op=i) for i in range(there)], wanted)]
    assert found == sorted(set(found)) and len(found) == min(there, wanted)
    if there > wanted:
        steps = np.diff(found)
        assert (found[0], found[-1]) == (0, there - 1) and steps.max() - steps.min() <= 1


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_in_words(broken: float) -> None:
    values = np.ones((4, 3, 5), np.float32)
    values[2, 1, 1] = broken
    with pytest.raises(
        UserError, match=r"l0 gives numbers that are not finite; .* take an earlier epoch, RUN@N"
    ):
        strongest(layer(4, 3, 5), values)
    assert strongest(layer(4, 3, 5), values, channel=1).at == (1, 2)  # what is asked for has none
