"""Where tokens lie, and what tells them so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor, nn

from neocog.inside.attention.position_tables import alike_by_place, beside, position_table, similarity
from neocog.inside.tokens import Patches, patches_of
from neocog.layers.positions import sincos_1d, sincos_2d
from neocog.models.vit import vit
from networks import Net, conv
from reference import loops

GRIDS = st.tuples(st.integers(1, 6), st.integers(1, 6))


@pytest.mark.parametrize(
    ("pool", "size", "grid"),
    [
        ("token", (64, 64), (4, 4)),
        ("token", (48, 90), (3, 5)),
        ("mean", (32, 64), (2, 4)),
        ("token", (16, 40), (1, 2)),
    ],
)
def test_our_vit(pool: str, size: tuple[int, int], grid: tuple[int, int]) -> None:
    """A rest narrower than a patch is cut off."""
    net, first = vit("tiny", 16, 64, 10, pool=pool), 1 if pool == "token" else 0
    found = patches_of(net, (3, *size), first + grid[0] * grid[1])
    assert found is not None
    assert found.tokens.tolist() == (first + np.arange(grid[0] * grid[1])).reshape(grid).tolist()
    assert found.others == ((0,) if first else ())
    assert found.step == (size[0] if grid[0] == 1 else 16, 16)
    assert found.box(0, 1) == (0, 16, found.step[0], 32)


def cut_by_hand(m: Any, x: Tensor) -> Tensor:
    """Patches of 4 x 8 pixels without a convolution, a class token behind them, and three registers before."""
    batch, channels, height, width = x.shape
    cut = x.reshape(batch, channels, height // 4, 4, width // 8, 8).permute(0, 2, 4, 1, 3, 5)
    tokens = m.linear(cut.flatten(3).flatten(1, 2))
    return torch.cat([m.token.expand(batch, 3, 6), tokens, m.token.expand(batch, 1, 6)], 1)


def test_patches_cut_without_a_convolution_and_tokens_on_both_sides() -> None:
    net = Net(cut_by_hand, linear=nn.Linear(96, 6))
    net.token = nn.Parameter(torch.zeros(1, 1, 6))
    found = patches_of(net, (3, 8, 24), 3 + 6 + 1)
    assert found is not None
    assert (found.grid, found.step, found.others) == ((2, 3), (4, 8), (0, 1, 2, 9))
    assert found.tokens.tolist() == [[3, 4, 5], [6, 7, 8]]


def test_a_stem_that_sees_all_from_every_place() -> None:
    """Where windows tell nothing apart, the maps before say where tokens lie."""
    stem = [conv(3, 4, 9, padding=4, stride=2), conv(4, 4, 9, padding=4, stride=2), conv(4, 4, 9, padding=4)]
    net = Net(lambda m, x: m.stem(x).flatten(2).transpose(1, 2), stem=nn.Sequential(*stem))
    found = patches_of(net, (3, 16, 16), 16)
    assert found is not None
    assert (found.grid, found.step, found.others) == ((4, 4), (4, 4), ())


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "side", "grid"), [(7, 4, 3, 32, (8, 8)), (9, 2, 4, 33, (17, 17))]
)
def test_overlapping_patches_have_the_step_of_their_convolution(
    kernel: int, stride: int, padding: int, side: int, grid: tuple[int, int]
) -> None:
    """Padding makes the first of them begin at the same pixel."""
    stem = conv(3, 4, kernel, stride=stride, padding=padding)
    net = Net(lambda m, x: m.a(x).flatten(2).transpose(1, 2), a=stem)
    found = patches_of(net, (3, side, side), grid[0] * grid[1])
    assert found is not None
    assert (found.grid, found.step) == (grid, (stride, stride))


def test_tokens_without_a_grid() -> None:
    net = Net(lambda m, x: m.a(x.mean((2, 3)))[:, None].expand(-1, 5, -1) * 1.0, a=nn.Linear(3, 4))
    assert patches_of(net, (3, 8, 8), 5) is None
    assert patches_of(net, (3, 8, 8), 7) is None


@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
@pytest.mark.parametrize("rule", ["google", "torchvision", "timm"])
def test_learned_positions_as_the_network_itself_resizes_them(size: tuple[int, int], rule: str) -> None:
    net = vit("tiny", 16, 64, 10, resize=rule).requires_grad_(False)
    table = position_table(net, (3, *size))
    assert table is not None
    expected = net.positions((size[0] // 16, size[1] // 16))[0]
    np.testing.assert_array_equal(table.values, expected.double().numpy())
    assert table.parameters == (("pos_embed", (1, 17, 192)),)
    assert not any(p.requires_grad for p in net.parameters())


def test_positions_that_are_computed() -> None:
    table = position_table(vit("tiny", 16, 48, 10, positions="sincos_2d"), (3, 48, 48))
    assert table is not None
    np.testing.assert_allclose(table.values[1:], loops.sincos_2d(3, 3, 192), rtol=0, atol=1e-6)
    assert not table.values[0].any()
    assert table.parameters == ()


def embedded(m: Any, x: Tensor) -> Tensor:
    """Positions looked up, batch on the second side, added in place, behind other sums."""
    tokens = m.a(x).flatten(2).permute(2, 0, 1)
    tokens = tokens + tokens.mean(0, keepdim=True) + m.bias
    tokens += m.places(torch.arange(len(tokens)))[:, None]
    return tokens


def test_positions_of_other_makes() -> None:
    net = Net(embedded, a=conv(3, 6, 4, stride=4), places=nn.Embedding(12, 6))
    net.bias = nn.Parameter(torch.ones(6))
    table = position_table(net, (3, 12, 16))
    assert table is not None
    np.testing.assert_array_equal(table.values, net.places.weight.detach().double().numpy())
    assert table.parameters == (("places.weight", (12, 6)),)
    expanded = Net(
        lambda m, x: m.a(x).flatten(2).mT + m.table.expand(len(x), -1, -1), a=conv(3, 6, 4, stride=4)
    )
    expanded.table = nn.Parameter(torch.rand(1, 12, 6))
    table = position_table(expanded, (3, 12, 16))
    assert table is not None
    np.testing.assert_array_equal(table.values, expanded.table[0].detach().double().numpy())


def test_networks_without_positions() -> None:
    assert position_table(vit("tiny", 16, 32, 3, positions="none"), (3, 32, 32)) is None
    assert position_table(nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(144, 2)), (3, 8, 8)) is None
    one = Net(lambda m, x: x.mean((2, 3))[:, None] + m.bias)  # of a single token there are no positions
    one.bias = nn.Parameter(torch.ones(1, 1, 3))
    assert position_table(one, (3, 8, 8)) is None


@given(GRIDS, st.integers(0, 1000))
def test_similarity_is_the_cosine(grid: tuple[int, int], seed: int) -> None:
    count = grid[0] * grid[1]
    table = np.random.default_rng(seed).normal(size=(count, 5))
    alike = similarity(table, grid)
    assert alike.shape == (*grid, *grid)
    flat = alike.reshape(count, count)
    np.testing.assert_allclose(flat, cosine_similarity(table), rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.diag(flat), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(flat, flat.T)


def test_a_vector_of_zeros_is_like_none() -> None:
    alike = similarity(np.array([[0.0, 0], [1, 0], [2, 0]]), (1, 3))
    np.testing.assert_array_equal(alike.reshape(3, 3), [[0, 0, 0], [0, 1, 1], [0, 1, 1]])


@given(GRIDS)
def test_sines_and_cosines_are_most_like_themselves(grid: tuple[int, int]) -> None:
    """cos of the angle between two positions is the mean over waves of the cosine of their distance."""
    count = grid[0] * grid[1]
    alike = similarity(sincos_2d(*grid, 32).numpy(), grid).reshape(count, count)
    np.testing.assert_allclose(alike, alike.T, rtol=0, atol=1e-7)
    assert (alike.argmax(1) == np.arange(count)).all()
    waves = 10_000.0 ** -(np.arange(8) / 8)
    for i, j in np.ndindex(count, count):
        down, across = i // grid[1] - j // grid[1], i % grid[1] - j % grid[1]
        expected = (np.cos(down * waves).mean() + np.cos(across * waves).mean()) / 2
        assert alike[i, j] == pytest.approx(expected, abs=1e-6)


def test_how_positions_lie_to_each_other() -> None:
    """Vectors that say the row alone: all of a row are the same, and nothing else is known."""
    rows = np.eye(3).repeat(4, axis=0)
    means = alike_by_place(similarity(rows, (3, 4)))
    assert (means.same_row, means.same_column, means.neither) == (1, 0, 0)
    assert np.isnan(alike_by_place(similarity(rows[:4], (1, 4))).same_column)
    assert beside(similarity(sincos_2d(4, 5, 32).numpy(), (4, 5))) == 1
    assert beside(similarity(sincos_1d(9, 32).numpy(), (1, 9))) == 1
    far = np.eye(4)[[0, 1, 0, 1]]  # each is like the one two places away
    assert beside(similarity(far, (1, 4))) == 0


def test_the_box_of_a_token_is_that_of_its_patch() -> None:
    patches = Patches(np.array([[4, 1], [0, 3]]), (2,), (8, 16))
    assert patches.box_of(3) == (8, 16, 16, 32) and patches.box_of(4) == (0, 0, 8, 16)
    assert patches.box_of(2) is None


def maps(m: Any, x: Tensor) -> Tensor:
    return m.a(x)


ADDED: dict[str, tuple[Callable[[Any, Tensor], Tensor], tuple[int, ...], float]] = {
    "scaled": (lambda m, x: torch.add(maps(m, x).flatten(2).mT, m.table, alpha=0.5), (12, 6), 0.5),
    "scaled in place": (lambda m, x: maps(m, x).flatten(2).mT.add_(m.table, alpha=3), (1, 12, 6), 3.0),
    "tokens are scaled": (lambda m, x: torch.add(m.table, maps(m, x).flatten(2).mT, alpha=2), (12, 6), 1.0),
    "by name": (lambda m, x: torch.add(other=m.table, input=maps(m, x).flatten(2).mT), (12, 6), 1.0),
    "to maps, channels last": (lambda m, x: maps(m, x).permute(0, 2, 3, 1) + m.table, (1, 3, 4, 6), 1.0),
    "to maps": (lambda m, x: maps(m, x) + m.table, (1, 6, 3, 4), 1.0),
    "to maps, all alike": (lambda m, x: m.table + maps(m, x), (6, 3, 4), 1.0),
    "to tokens, channels first": (lambda m, x: maps(m, x).flatten(2) + m.table, (6, 12), 1.0),
}


@pytest.mark.parametrize("name", ADDED)
def test_positions_however_they_are_added(name: str) -> None:
    run, shape, scale = ADDED[name]
    net = Net(run, a=conv(3, 6, 4, stride=4))
    net.table = nn.Parameter(torch.rand(shape))
    table = position_table(net, (3, 12, 16))
    assert table is not None
    values = net.table.detach().double().numpy().squeeze()
    if 6 in values.shape[:1]:  # channels first
        values = np.moveaxis(values, 0, -1)
    np.testing.assert_allclose(table.values, scale * values.reshape(12, 6), rtol=1e-6)
    assert table.parameters == (("table", shape),)
    assert (table.patches is None) == ("maps" not in name)
    if table.patches is not None:
        assert table.patches.grid == (3, 4) and table.patches.step == (4, 4)
        assert table.patches.box_of(6) == (4, 8, 8, 12)


def test_what_is_added_to_channels_is_no_position() -> None:
    net = Net(lambda m, x: maps(m, x) + m.table, a=conv(3, 6, 4, stride=4))
    net.table = nn.Parameter(torch.rand(1, 6, 1, 1))
    assert position_table(net, (3, 12, 16)) is None
