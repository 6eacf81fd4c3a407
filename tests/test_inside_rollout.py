"""Rollout, mean attention distance and entropy beside their formulas number by number, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import entropy as entropy_of

from neocog.inside.attention.distance import attention_distance, distances, entropy
from neocog.inside.attention.rollout import read_by_the_head, rollout
from reference import attention as reference

Floats = NDArray[np.float64]
GRIDS = st.tuples(st.integers(1, 4), st.integers(1, 4))
STEPS = st.tuples(st.integers(1, 20), st.integers(1, 20))
SEEDS = st.integers(0, 2**32 - 1)


def attention(seed: int, heads: int, tokens: int) -> Floats:
    """Rows that add up to one, some of them on few tokens."""
    rng = np.random.default_rng(seed)
    likeness = rng.normal(0, 3, (heads, tokens, tokens))
    powers = np.exp(likeness)
    return np.asarray(powers / powers.sum(-1, keepdims=True))


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 4), st.integers(1, 3), st.integers(1, 6))
def test_rollout_is_the_papers_recursion(seed: int, layers: int, heads: int, tokens: int) -> None:
    weights = [attention(seed + i, heads, tokens) for i in range(layers)]
    rolled = rollout(weights)
    np.testing.assert_allclose(rolled, reference.rollout(weights), rtol=0, atol=1e-12)
    np.testing.assert_allclose(rolled.sum(-1), 1, rtol=0, atol=1e-12)


def test_rows_that_rounding_or_pruning_moved_are_brought_to_one() -> None:
    """A division that forgets to keep the side divides columns, and the rows no longer add up."""
    weights = attention(0, 2, 5) * np.linspace(0.5, 1.3, 5)[:, None]
    rolled = rollout([weights, weights])
    np.testing.assert_allclose(rolled.sum(-1), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rolled, reference.rollout([weights, weights]), rtol=0, atol=1e-12)


def test_layers_that_look_at_themselves_move_nothing() -> None:
    np.testing.assert_array_equal(rollout([np.eye(4)[None]] * 3), np.eye(4))


def test_the_first_layer_is_the_one_nearest_to_the_picture() -> None:
    """Token 2 reaches token 0 only by 2 to 1 in the first layer and 1 to 0 in the second."""
    below, above = np.eye(3), np.eye(3)
    below[1], above[0] = [0, 0, 1], [0, 1, 0]
    assert rollout([below[None], above[None]])[0, 2] == 0.25
    assert rollout([above[None], below[None]])[0, 2] == 0


def test_without_a_class_token_the_mean_is_read() -> None:
    rolled = rollout([attention(1, 2, 4)])
    np.testing.assert_array_equal(read_by_the_head(rolled, 0), rolled[0])
    np.testing.assert_allclose(read_by_the_head(rolled, None), [rolled[:, j].sum() / 4 for j in range(4)])


@settings(max_examples=40)
@given(SEEDS, GRIDS, STEPS, st.integers(0, 2), st.booleans())
def test_distances_are_the_papers(
    seed: int, grid: tuple[int, int], step: tuple[int, int], others: int, renormalise: bool
) -> None:
    """The patches may lie among the tokens in any order."""
    count = grid[0] * grid[1] + others
    order = np.random.default_rng(seed).permutation(count)[: grid[0] * grid[1]]
    tokens = order.reshape(grid)
    places = {
        int(tokens[row, column]): (row * step[0], column * step[1])
        for row in range(grid[0])
        for column in range(grid[1])
    }
    weights = attention(seed, 2, count)
    found = attention_distance(weights, tokens, step, renormalise)
    expected = [reference.distance(head, places, renormalise) for head in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_a_patch_that_looks_at_the_class_token_alone_counts_as_no_distance() -> None:
    weights = np.array([[[1.0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]])
    with np.errstate(all="raise"):
        found = attention_distance(weights, np.array([[1, 2]]), (8, 8), renormalise=True)
    np.testing.assert_array_equal(found, [4])  # the other one looks 8 pixels far


@given(GRIDS, STEPS)
def test_even_attention_reaches_the_mean_distance_of_two_patches(
    grid: tuple[int, int], step: tuple[int, int]
) -> None:
    rows, columns = grid
    places = [(row * step[0], column * step[1]) for row in range(rows) for column in range(columns)]
    mean = cdist(places, places).mean()
    patches = rows * columns
    alone = np.full((1, patches, patches), 1 / patches)
    tokens = np.arange(patches).reshape(grid)
    assert attention_distance(alone, tokens, step) == pytest.approx(mean)
    with_class = np.full((1, patches + 1, patches + 1), 1 / (patches + 1))
    assert attention_distance(with_class, tokens + 1, step) == pytest.approx(mean * patches / (patches + 1))
    assert attention_distance(with_class, tokens + 1, step, True) == pytest.approx(mean)


@given(GRIDS, STEPS)
def test_attention_on_itself_reaches_nowhere(grid: tuple[int, int], step: tuple[int, int]) -> None:
    patches = grid[0] * grid[1]
    assert attention_distance(np.eye(patches)[None], np.arange(patches).reshape(grid), step) == 0


def test_distances_of_a_grid() -> None:
    places = [[0, 0], [0, 4], [0, 8], [3, 0], [3, 4], [3, 8]]
    np.testing.assert_allclose(distances((2, 3), (3, 4)), cdist(places, places))


@given(SEEDS, st.integers(1, 6))
def test_entropy(seed: int, tokens: int) -> None:
    weights = attention(seed, 2, tokens)
    weights[0, 0] = np.eye(tokens)[0]
    found = entropy(weights)
    np.testing.assert_allclose(found, entropy_of(weights, base=2, axis=-1), rtol=0, atol=1e-12)
    assert found[0, 0] == 0
    np.testing.assert_allclose(entropy(np.full((1, 1, 8), 1 / 8)), 3)
