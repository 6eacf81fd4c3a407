"""LoRA's layer against the paper's equation written out in numpy, and its laws."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from neocog.errors import UserError
from neocog.layers.lora import LowRank

Doubles = NDArray[np.float64]


def drawn(layer: LowRank, seed: int = 3) -> LowRank:
    """With all four tensors other than 0."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return layer


def numbers(layer: LowRank) -> dict[str, Doubles]:
    return {name: parameter.detach().numpy() for name, parameter in layer.named_parameters()}


def literal(x: Doubles, layer: LowRank, rank: int, alpha: float) -> Doubles:
    """Equation 3 of the paper for every token by itself; the rows of a part get the update of that part alone."""
    own = numbers(layer)
    rows = len(own["weight"]) // layer.parts
    out = np.empty((*x.shape[:-1], len(own["weight"])))
    for place in np.ndindex(*x.shape[:-1]):
        h = own["weight"] @ x[place] + own.get("bias", 0.0)
        for pair, part in enumerate(layer.adapted):
            update = own["lora_b"][pair] @ (own["lora_a"][pair] @ x[place])
            h[part * rows : (part + 1) * rows] += alpha / rank * update
        out[place] = h
    return out


SHAPES = [
    ((5, 7), 2, 4.0, 1, (0,), True),
    ((6, 4), 1, 1.0, 1, (0,), False),
    ((4, 12), 3, 6.0, 3, (0, 2), True),  # query and value of a joined layer
    ((4, 12), 2, 0.5, 3, (0, 1, 2), True),
    ((4, 12), 2, 0.5, 3, (1,), True),
]


@pytest.mark.parametrize(("size", "rank", "alpha", "parts", "adapted", "bias"), SHAPES)
def test_a_layer_computes_the_papers_equation(
    size: tuple[int, int], rank: int, alpha: float, parts: int, adapted: tuple[int, ...], bias: bool
) -> None:
    layer = drawn(LowRank(nn.Linear(*size, bias).double(), rank, alpha, parts, adapted))
    x = np.random.default_rng(0).standard_normal((2, 3, size[0]))
    got = layer(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, literal(x, layer, rank, alpha), rtol=1e-12, atol=1e-12)
    one = layer(torch.from_numpy(x[0, 0])).detach().numpy()
    np.testing.assert_allclose(one, got[0, 0], rtol=1e-12, atol=1e-12)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.data())
def test_merged_into_one_matrix_it_computes_the_same(
    d: int, rows: int, parts: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, min(d, rows)))
    adapted = sorted(data.draw(st.sets(st.integers(0, parts - 1), min_size=1)))
    layer = drawn(LowRank(nn.Linear(d, parts * rows).double(), rank, 3.0, parts, adapted))
    merged, x = layer.merged(), torch.randn(4, d, dtype=torch.float64)
    assert type(merged) is nn.Linear
    assert sum(p.numel() for p in merged.parameters()) == (d + 1) * parts * rows
    torch.testing.assert_close(merged(x), layer(x), rtol=1e-10, atol=1e-10)


def test_in_single_precision_the_merged_layer_differs_by_rounding_alone() -> None:
    layer = LowRank(nn.Linear(192, 576), 8, 8, 3, (0, 2))
    nn.init.normal_(layer.lora_b, std=0.02)
    x = torch.randn(2, 50, 192)
    assert float((layer.merged()(x) - layer(x)).detach().abs().max()) <= 1e-5


def test_it_begins_as_the_layer_that_it_stands_beside() -> None:
    linear = nn.Linear(6, 18)
    before = copy.deepcopy(linear)
    layer = LowRank(linear, 4, 8, 3, (0, 2))
    x = torch.randn(2, 5, 6)
    assert torch.equal(layer(x), before(x))
    assert torch.equal(layer.merged().weight, before.weight)
    assert layer.weight is linear.weight and layer.bias is linear.bias
    assert layer.lora_a.any() and not layer.lora_b.any()


@pytest.mark.parametrize(("parts", "adapted"), [(1, (0,)), (3, (0, 2))])
def test_a_square_part_has_2_r_d_more_numbers(parts: int, adapted: tuple[int, ...]) -> None:
    rank, d = 4, 24
    layer = LowRank(nn.Linear(d, parts * d), rank, 8, parts, adapted)
    assert layer.lora_a.numel() + layer.lora_b.numel() == len(adapted) * 2 * rank * d


def test_the_first_matrix_keeps_the_scale_of_its_input() -> None:
    torch.manual_seed(0)
    layer = LowRank(nn.Linear(4000, 8), 5, 1)
    first = layer.lora_a.detach()
    assert float(first.std()) == pytest.approx(4000**-0.5, rel=0.02)
    assert abs(float(first.mean())) < 3 * 4000**-0.5 / (5 * 4000) ** 0.5


@pytest.mark.parametrize("rank", [0, 5])
def test_a_rank_that_saves_nothing_is_refused(rank: int) -> None:
    with pytest.raises(
        UserError, match=rf"must lie in 1..4 for a linear layer of 6 inputs and 4 outputs, got {rank}"
    ):
        LowRank(nn.Linear(6, 12), rank, 1, parts=3)
