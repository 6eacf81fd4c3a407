"""Attention is seen as it is, whoever wrote it, and nothing is changed by being looked at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.inside.attention.attention import Attended, attend
from neocog.layers.attention import Attention
from neocog.models.vit import vit
from networks import Net
from reference import attention as reference

FORBIDDEN = torch.tensor(
    [[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plainly(net: nn.Module, x: Tensor) -> Any:
    with torch.no_grad():
        return net.eval()(x)


def seen_in(net: nn.Module, x: Tensor, layers: int = 1) -> tuple[Attended, ...]:
    """What is seen, after the laws that hold for all: the same output, rows that add up to one, A v = out."""
    before = plainly(net, x)
    seen = attend(net, x)
    assert torch.equal(seen.output, before)
    assert len(seen.layers) == layers
    for layer in seen.layers:
        np.testing.assert_allclose(layer.weights.sum(-1), 1, rtol=0, atol=1e-5)
        assert layer.off is None or layer.off <= 1e-5
    return seen.layers


ROUTES: dict[str, tuple[dict[str, Any], float, Tensor]] = {
    "plain": ({}, 8**-0.5, torch.zeros(5, 5)),
    "scaled by hand": ({"scale": 0.7}, 0.7, torch.zeros(5, 5)),
    "causal": ({"is_causal": True}, 8**-0.5, torch.full((5, 5), -inf).triu(1)),
    "some forbidden": (
        {"attn_mask": FORBIDDEN == 0},
        8**-0.5,
        torch.zeros(5, 5).masked_fill(FORBIDDEN == 1, -inf),
    ),
    "a bias": ({"attn_mask": random(5, 5, seed=9)}, 8**-0.5, random(5, 5, seed=9)),
}


@pytest.mark.parametrize("name", ROUTES)
def test_fused_attention_is_the_softmax_of_its_definition(name: str) -> None:
    how, scale, bias = ROUTES[name]
    query, key, value = (random(2, 3, 5, 8, seed=seed) for seed in (1, 2, 3))
    given: list[Tensor] = []

    def run(m: Any, x: Tensor) -> Tensor:
        given.append(F.scaled_dot_product_attention(query, key, value, **how))
        return given[-1]

    (layer,) = seen_in(Net(run), random(2, 3, 8, 8))
    assert layer.off is not None, "torch's function gives its output to compare with"
    for picture, head in product(range(2), range(3)):
        expected = reference.weights(
            query[picture, head].double().numpy(), key[picture, head].double().numpy(), scale, bias.numpy()
        )
        np.testing.assert_allclose(layer.weights[picture, head], expected, rtol=0, atol=1e-6)
        out = expected @ value[picture, head].numpy()
        np.testing.assert_allclose(given[-1][picture, head].numpy(), out, rtol=0, atol=1e-5)


def test_queries_that_share_keys() -> None:
    """As in grouped-query attention: head 0 and 1 read the first key, 2 and 3 the second."""
    query, key, value = (random(1, heads, 5, 8, seed=heads) for heads in (4, 2, 2))

    def run(m: Any, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, enable_gqa=True)

    (layer,) = seen_in(Net(run), random(1, 3, 8, 8))
    for head in range(4):
        expected = reference.weights(
            query[0, head].double().numpy(), key[0, head // 2].double().numpy(), 8**-0.5, np.zeros((5, 5))
        )
        np.testing.assert_allclose(layer.weights[0, head], expected, rtol=0, atol=1e-6)


def test_a_query_that_may_look_at_nothing() -> None:
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[2] = False

    def run(m: Any, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    x = random(1, 2, 5, 8)
    seen = attend(Net(run), x)
    assert not seen.output[0, :, 2].any(), "torch gives it nothing"
    assert not seen.layers[0].weights[0, :, 2].any()
    off = seen.layers[0].off
    assert off is not None and off <= 1e-5


def test_our_vit_looks_at_what_its_attention_says() -> None:
    torch.manual_seed(0)
    net = vit("tiny", 16, 64, 10)
    given: dict[int, Tensor] = {}
    for i, block in enumerate(net.blocks):
        block.attn.register_forward_pre_hook(lambda _, inputs, i=i: given.update({i: inputs[0]}))
    layers = seen_in(net, random(2, 3, 64, 64), layers=12)
    for i, (layer, block) in enumerate(zip(layers, net.blocks, strict=True)):
        assert isinstance(block.attn, Attention)
        assert layer.layer == f"blocks.{i}.attn"
        expected = block.attn.maps(given[i]).detach().numpy()
        np.testing.assert_allclose(layer.weights, expected, rtol=0, atol=1e-6)


def test_the_network_stays_as_it_was() -> None:
    net = vit("tiny", 16, 32, 3).train()
    net.blocks[0].eval()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    attend(net, random(1, 3, 32, 32))
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def encoder(norm_first: bool, **how: Any) -> nn.TransformerEncoderLayer:
    torch.manual_seed(1)
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first, **how)


def maps_of(layer: nn.MultiheadAttention, x: Tensor, bias: np.ndarray | None = None) -> np.ndarray:
    """(pictures, heads, queries, keys) by the layer's parameters, in numpy."""
    weight, start = layer.in_proj_weight.detach().double().numpy(), layer.in_proj_bias.detach().numpy()
    tokens, width = x.shape[1], layer.head_dim
    bias = np.zeros((tokens, tokens)) if bias is None else bias
    out = np.zeros((len(x), layer.num_heads, tokens, tokens))
    for n, head in product(range(len(x)), range(layer.num_heads)):
        projected = x[n].double().numpy() @ weight.T + start
        query = projected[:, head * width : (head + 1) * width]
        key = projected[:, layer.embed_dim + head * width : layer.embed_dim + (head + 1) * width]
        out[n, head] = reference.weights(query, key, width**-0.5, bias)
    return out


@pytest.mark.parametrize("norm_first", [False, True])
def test_torchs_encoder_layer_and_its_fast_path(norm_first: bool) -> None:
    layer, x = encoder(norm_first), random(2, 5, 16)
    (seen,) = seen_in(layer, x)
    before = layer.norm1(x).detach() if norm_first else x
    np.testing.assert_allclose(seen.weights, maps_of(layer.self_attn, before), rtol=0, atol=1e-6)
    assert seen.layer == "self_attn"


def test_torchs_encoder_of_several_layers() -> None:
    torch.manual_seed(2)
    net = nn.TransformerEncoder(encoder(False), 4, enable_nested_tensor=False)
    layers = seen_in(net, random(2, 5, 16), layers=4)
    assert [layer.layer for layer in layers] == [f"layers.{i}.self_attn" for i in range(4)]
    x = random(2, 5, 16)
    for seen, inner in zip(layers, net.layers, strict=True):
        np.testing.assert_allclose(seen.weights, maps_of(inner.self_attn, x), rtol=0, atol=1e-5)
        x = plainly(inner, x)


@pytest.mark.parametrize("heads", [3, 4])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("asked", [True, False])
def test_torchs_attention_alone(heads: int, batch_first: bool, asked: bool) -> None:
    """With an odd number of heads, or pictures on the second side, it has no fast path."""
    torch.manual_seed(3)
    layer = nn.MultiheadAttention(12, heads, batch_first=batch_first)
    x = random(2, 5, 12)

    def run(m: Any, given: Tensor) -> Tensor:
        tokens = given if batch_first else given.transpose(0, 1)
        out, averaged = m.attention(tokens, tokens, tokens, need_weights=asked)
        assert (averaged is not None) == asked
        return out if batch_first else out.transpose(0, 1)

    (seen,) = seen_in(Net(run, attention=layer), x)
    np.testing.assert_allclose(seen.weights, maps_of(layer, x), rtol=0, atol=1e-6)


def test_torchs_function_gives_what_it_gives_without_weights() -> None:
    """Where it is asked for its weights it goes another way, and rounds otherwise."""
    torch.manual_seed(4)
    layer, x = nn.MultiheadAttention(96, 3), random(40, 2, 96)
    weights, biases = layer.in_proj_weight, layer.in_proj_bias

    def run(m: Any, given: Tensor, asked: bool = False) -> Tensor:
        joined = (m.layer.out_proj.weight, m.layer.out_proj.bias)
        way: dict[str, Any] = {"training": False, "need_weights": asked}
        out, _ = F.multi_head_attention_forward(
            x, x, x, 96, 3, weights, biases, None, None, False, 0.0, *joined, **way
        )
        return out

    net = Net(run, layer=layer)
    with torch.no_grad():
        assert not torch.equal(run(net, x), run(net, x, asked=True))
    (seen,) = seen_in(net, random(2, 3, 8, 8))
    np.testing.assert_allclose(seen.weights, maps_of(layer, x.transpose(0, 1)), rtol=0, atol=1e-6)


def test_torchs_encoder_with_masks() -> None:
    layer, x = encoder(False), random(2, 5, 16)
    forbidden = torch.full((5, 5), -inf).triu(1)
    bias = forbidden.numpy()
    (seen,) = seen_in(Net(lambda m, x: m.layer(x, src_mask=forbidden), layer=layer), x)
    np.testing.assert_allclose(seen.weights, maps_of(layer.self_attn, x, bias), rtol=0, atol=1e-6)
    padding = torch.tensor([[False] * 5, [False, False, False, True, True]])
    (seen,) = seen_in(Net(lambda m, x: m.layer(x, src_key_padding_mask=padding)[:, :3], layer=layer), x)
    last = np.where([False, False, False, True, True], -inf, np.zeros((5, 5)))
    np.testing.assert_allclose(seen.weights[1], maps_of(layer.self_attn, x[1:], last)[0], rtol=0, atol=1e-6)


def test_hooks_of_the_user_still_work() -> None:
    layer, x = encoder(False), random(1, 4, 16)
    layer.linear1.register_forward_hook(lambda _, __, out: out * 2)
    seen_in(layer, x)


def by_matmul(attention: Tensor, value: Tensor) -> Tensor:
    return attention @ value


def by_bmm(attention: Tensor, value: Tensor) -> Tensor:
    flat = torch.bmm(attention.flatten(0, 1), value.flatten(0, 1))
    return flat.unflatten(0, value.shape[:2])


def by_einsum(attention: Tensor, value: Tensor) -> Tensor:
    return torch.einsum("b h i j, b h j d -> b h i d", attention, value)


def by_points(attention: Tensor, value: Tensor) -> Tensor:
    return torch.einsum("...qk,...kd->...qd", [attention, value])


def turned(attention: Tensor, value: Tensor) -> Tensor:
    return (value.mT @ attention.mT).mT


def dropped(attention: Tensor, value: Tensor) -> Tensor:
    return torch.matmul(nn.Dropout(0.5).eval()(attention), value)


HANDS = [by_matmul, by_bmm, by_einsum, by_points, turned, dropped]


@pytest.mark.parametrize("multiply", HANDS)
@pytest.mark.parametrize(
    "soften",
    [lambda x: x.softmax(-1), lambda x: F.softmax(x, 3), nn.Softmax(dim=-1)],
    ids=["method", "F", "module"],
)
def test_attention_written_by_hand(
    multiply: Callable[[Tensor, Tensor], Tensor], soften: Callable[[Tensor], Tensor]
) -> None:
    query, key, value = (random(2, 3, 5, 8, seed=seed) for seed in (1, 2, 3))

    def run(m: Any, x: Tensor) -> Tensor:
        return multiply(soften(query @ key.mT * 0.4), value)

    (layer,) = seen_in(Net(run), random(2, 3, 8, 8))
    assert layer.off is None, "the network multiplies itself, so there is nothing to compare"
    for picture, head in product(range(2), range(3)):
        expected = reference.weights(
            query[picture, head].double().numpy(), key[picture, head].double().numpy(), 0.4, np.zeros((5, 5))
        )
        np.testing.assert_allclose(layer.weights[picture, head], expected, rtol=0, atol=1e-6)


def test_einsum_in_any_order_of_its_sides() -> None:
    query, key, value = (random(1, 2, 5, 8, seed=seed) for seed in (1, 2, 3))

    def run(m: Any, x: Tensor) -> Tensor:
        attention = torch.einsum("bhqd,bhkd->bqhk", query, key).softmax(-1)
        return torch.einsum("bqhk,bhkd->bqhd", attention, value)

    (layer,) = seen_in(Net(run), random(1, 3, 8, 8))
    for head in range(2):
        expected = reference.weights(
            query[0, head].double().numpy(), key[0, head].double().numpy(), 1, np.zeros((5, 5))
        )
        np.testing.assert_allclose(layer.weights[0, head], expected, rtol=0, atol=1e-6)


HEADS = torch.tensor([1.0, 0.0, 0.25]).view(1, 3, 1, 1)
BETWEEN: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {
    "another precision": (
        lambda weights, value: (weights.to(torch.bfloat16) @ value.bfloat16()).float(),
        4e-3,
    ),
    "half of it": (lambda weights, value: (weights.half() @ value.half()).float(), 1e-3),
    "copied, in pieces": (
        lambda weights, value: (
            torch.cat([part.clone() for part in weights.chunk(2, 2)], 2).contiguous() @ value
        ),
        1e-6,
    ),
    "without nan": (lambda weights, value: torch.nan_to_num(weights) @ value, 1e-6),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_lies_between_the_softmax_and_the_values(name: str) -> None:
    multiply, off = BETWEEN[name]
    query, key, value = (random(2, 3, 5, 8, seed=seed) for seed in (1, 2, 3))

    def run(m: Any, x: Tensor) -> Tensor:
        scores = torch.baddbmm(torch.ones(6, 5, 5), query.flatten(0, 1), key.flatten(0, 1).mT, alpha=0.4)
        return multiply(scores.view(2, 3, 5, 5).clamp(max=1e4).softmax(-1), value)

    (layer,) = attend(Net(run), random(2, 3, 8, 8)).layers
    for picture, head in product(range(2), range(3)):
        expected = reference.weights(
            query[picture, head].double().numpy(), key[picture, head].double().numpy(), 0.4, np.ones((5, 5))
        )
        np.testing.assert_allclose(layer.weights[picture, head], expected, rtol=0, atol=off)


def test_a_mask_of_heads_takes_its_share() -> None:
    query, key, value = (random(1, 3, 5, 8, seed=seed) for seed in (1, 2, 3))

    def run(m: Any, x: Tensor) -> Tensor:
        return ((query @ key.mT).softmax(-1) * HEADS) @ value

    (layer,) = attend(Net(run), random(1, 3, 8, 8)).layers
    for head, share in enumerate((1.0, 0.0, 0.25)):
        expected = reference.weights(
            query[0, head].double().numpy(), key[0, head].double().numpy(), 1, np.zeros((5, 5))
        )
        np.testing.assert_allclose(layer.weights[0, head], share * expected, rtol=0, atol=1e-6)


def efficient(m: Any, x: Tensor) -> Tensor:
    """Attention of linear complexity (Shen et al. 2021, section 3): no query looks at a key."""
    tokens = x.flatten(2).mT
    query, key = m.query(tokens).softmax(-1), m.key(tokens).softmax(1)
    return query @ (key.mT @ m.value(tokens))


def by_a_matrix(m: Any, x: Tensor) -> Tensor:
    """The same with projections that are written as products."""
    tokens = x.flatten(2).mT
    query = tokens @ m.query.weight.mT
    return query.softmax(-1) @ (m.key(tokens).softmax(1).mT @ tokens)


@pytest.mark.parametrize("run", [efficient, by_a_matrix])
@pytest.mark.parametrize("width", [16, 5])
def test_a_softmax_over_numbers_of_a_query_is_no_attention(
    run: Callable[[Any, Tensor], Tensor], width: int
) -> None:
    """Also where there are as many numbers as tokens."""
    net = Net(run, query=nn.Linear(3, width), key=nn.Linear(3, width), value=nn.Linear(3, width))
    seen_in(net, random(2, 3, 4, 4), layers=0)


def classified(m: Any, x: Tensor) -> Tensor:
    return m.linear(x.flatten(1)).softmax(-1) @ torch.eye(4)


def along_channels(m: Any, x: Tensor) -> Tensor:
    return x.softmax(1) @ x.mT


def along_many_channels(m: Any, x: Tensor) -> Tensor:
    """Rows that happen to add up to less than one."""
    return x.repeat(1, 9, 1, 1).softmax(1) @ x.repeat(1, 9, 1, 1)


def over_queries(m: Any, x: Tensor) -> Tensor:
    """The softmax's rows multiply from the other side: no average of values."""
    return (x[:, 0] @ x[:, 1].mT).softmax(-1).mT @ x[:, 2]


def over_few_queries(m: Any, x: Tensor) -> Tensor:
    """The same where these rows add up to much less than one."""
    return (0.1 * x[:, 0, :2] @ x[:, 1].mT).softmax(-1).mT @ x[:, 2, :2]


def gated(m: Any, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.conv(x).mean((2, 3), keepdim=True))


@pytest.mark.parametrize(
    "run", [classified, along_channels, along_many_channels, over_queries, over_few_queries, gated]
)
def test_what_is_no_attention(run: Callable[[Any, Tensor], Tensor]) -> None:
    net = Net(run, linear=nn.Linear(192, 4), conv=nn.Conv2d(3, 3, 1))
    seen_in(net, random(2, 3, 8, 8), layers=0)


@pytest.mark.parametrize("apart", [True, False])
def test_windows_are_told_from_pictures(apart: bool) -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        """Windows of 4 x 4 pixels, as Swin cuts them."""
        batch, channels, height, width = x.shape
        tokens = x.view(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1)
        heads = tokens.reshape(-1, 16, 2, channels // 2).transpose(1, 2)
        heads = heads.unflatten(0, (batch, -1)) if apart else heads
        return F.scaled_dot_product_attention(heads, heads, heads)

    (layer,) = seen_in(Net(run), random(2, 4, 8, 12))
    assert layer.windows == 6
    assert layer.weights.shape == (12, 2, 16, 16)
