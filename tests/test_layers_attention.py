import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.attention import Attention, SelfAttention, simple_attention
from reference import loops

TOKENS, WIDTHS, HEADS = st.integers(1, 5), st.integers(1, 3), st.integers(1, 4)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def filled(layer: nn.Module) -> nn.Module:
    """The layer in double precision and evaluation mode, its parameters large enough to tell heads apart."""
    layer = layer.double().eval()
    for i, parameter in enumerate(layer.parameters()):
        parameter.data.copy_(random(*parameter.shape, seed=i + 1))
    return layer


def array(tensor: Tensor | None) -> loops.Floats | None:
    return None if tensor is None else tensor.detach().numpy()


@settings(max_examples=25)
@given(TOKENS, st.integers(1, 5))
def test_the_simple_form_is_softmax_of_likeness_times_the_tokens(tokens: int, dim: int) -> None:
    x = random(2, tokens, dim)
    for sample, got in zip(x.numpy(), simple_attention(x).numpy(), strict=True):
        expected = loops.attend(loops.attention_map(sample, sample, scale=1.0), sample)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(simple_attention(x), F.scaled_dot_product_attention(x, x, x, scale=1.0))


@settings(max_examples=25)
@given(TOKENS, st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_one_head_with_query_key_and_value(tokens: int, dim: int, width: int, bias: bool) -> None:
    layer, x = filled(SelfAttention(dim, width, bias)), random(2, tokens, dim)
    for sample, got in zip(x.numpy(), layer(x).detach().numpy(), strict=True):
        query, key, value = (
            loops.linear(sample, array(part.weight), array(part.bias))
            for part in (layer.query, layer.key, layer.value)
        )
        expected = loops.attend(loops.attention_map(query, key, width**-0.5), value)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    parts = [layer.query(x), layer.key(x), layer.value(x)]
    torch.testing.assert_close(layer(x), F.scaled_dot_product_attention(*parts))


def test_one_head_is_as_wide_as_its_input_unless_told() -> None:
    assert SelfAttention(6)(torch.randn(2, 3, 6)).shape == (2, 3, 6)
    assert SelfAttention(6, 4)(torch.randn(2, 3, 6)).shape == (2, 3, 4)


def test_query_key_and_value_are_three_maps() -> None:
    names = [name for name, _ in SelfAttention(6).named_parameters()]  # one that is shared is named once
    assert names == ["query.weight", "key.weight", "value.weight"]


@settings(max_examples=25)
@given(TOKENS, WIDTHS, HEADS, st.booleans())
def test_several_heads_and_their_maps(tokens: int, width: int, heads: int, bias: bool) -> None:
    dim = width * heads
    layer, x = filled(Attention(dim, heads, bias)), random(2, tokens, dim)
    maps = layer.maps(x).detach().numpy()
    assert maps.shape == (2, heads, tokens, tokens)
    for n, sample in enumerate(x.numpy()):
        parts = loops.heads_of(sample, array(layer.qkv.weight), array(layer.qkv.bias), heads)
        expected = [loops.attention_map(query, key, width**-0.5) for query, key, _ in parts]
        np.testing.assert_allclose(maps[n], expected, rtol=0, atol=1e-12)
        joined = np.hstack([loops.attend(m, value) for m, (_, _, value) in zip(expected, parts, strict=True)])
        out = loops.linear(joined, array(layer.proj.weight), array(layer.proj.bias))
        np.testing.assert_allclose(layer(x)[n].detach().numpy(), out, rtol=0, atol=1e-11)


def twin(layer: Attention) -> nn.MultiheadAttention:
    """Torch's own with the same parameters."""
    theirs = nn.MultiheadAttention(layer.proj.in_features, layer.heads, batch_first=True).double().eval()
    names = {"in_proj_": layer.qkv, "out_proj.": layer.proj}
    state = {
        f"{name}{kind}": getattr(part, kind) for name, part in names.items() for kind in ("weight", "bias")
    }
    theirs.load_state_dict(state, strict=True)
    return theirs


@settings(max_examples=15)
@given(TOKENS, WIDTHS, HEADS)
def test_it_is_torchs_multihead_attention(tokens: int, width: int, heads: int) -> None:
    layer, x = filled(Attention(width * heads, heads)), random(2, tokens, width * heads)
    expected, maps = twin(layer)(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(layer.maps(x), maps, rtol=0, atol=1e-12)


def test_the_gradient_is_torchs() -> None:
    layer, weights = filled(Attention(6, 3)), random(2, 4, 6, seed=9)
    theirs = twin(layer)
    xs = [random(2, 4, 6).requires_grad_() for _ in range(2)]
    (layer(xs[0]) * weights).sum().backward()
    (theirs(xs[1], xs[1], xs[1])[0] * weights).sum().backward()
    torch.testing.assert_close(xs[0].grad, xs[1].grad, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(layer.qkv.weight.grad, theirs.in_proj_weight.grad, rtol=1e-9, atol=1e-10)


def test_the_maps_are_those_of_the_forward_pass() -> None:
    """With unit vectors for values, what a head gives is its map."""
    layer, x = filled(Attention(6, 2)), random(2, 3, 6)
    seen: list[Tensor] = []
    layer.proj.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    layer.qkv.register_forward_hook(lambda _, __, out: unit_values(out))
    layer(x)
    maps = layer.maps(x)  # batch, heads, query, key
    torch.testing.assert_close(seen[0].reshape(2, 3, 2, 3), maps.transpose(1, 2), rtol=0, atol=1e-12)


def unit_values(out: Tensor) -> Tensor:
    """Token t's value becomes the unit vector t, in both heads."""
    units = torch.eye(3, dtype=out.dtype).expand(len(out), 3, 3)
    return torch.cat((out[..., :12], units, units), dim=-1)


@settings(max_examples=20)
@given(st.permutations(range(5)))
def test_tokens_in_another_order_give_the_same_in_that_order(order: list[int]) -> None:
    layer, x = filled(Attention(4, 2)), random(1, 5, 4)
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order], rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.maps(x[:, order]), layer.maps(x)[:, :, order][..., order])


def test_dropout_is_for_attention_weights_while_training() -> None:
    layer, x = filled(Attention(4, 2, dropout=0.5)), random(1, 3, 4)
    clean = layer(x)
    assert torch.equal(layer(x), clean)  # evaluation
    torch.manual_seed(0)
    draws = layer.train()(x.expand(6000, -1, -1))
    spread = draws.std(0) / 6000**0.5
    assert (spread > 0).all()
    assert ((draws.mean(0) - clean[0]).abs() < 5 * spread).all()  # its mean is the output without dropout
    torch.testing.assert_close(layer.maps(x).sum(-1), torch.ones(1, 2, 3, dtype=torch.float64))


def test_parameters_have_timms_names_and_shapes() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in Attention(8, 2).state_dict().items()}
    assert shapes == {"qkv.weight": (24, 8), "qkv.bias": (24,), "proj.weight": (8, 8), "proj.bias": (8,)}
    assert set(Attention(8, 2, bias=False).state_dict()) == {"qkv.weight", "proj.weight"}


def test_it_exports_for_any_batch_and_number_of_tokens() -> None:
    layer = filled(Attention(6, 3))
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    exported = torch.export.export(layer, (random(2, 4, 6),), dynamic_shapes=(free,)).module()
    x = random(3, 7, 6, seed=4)
    torch.testing.assert_close(exported(x), layer(x))


@pytest.mark.parametrize(("dim", "heads"), [(10, 4), (6, 0)])
def test_heads_must_share_the_dimensions_evenly(dim: int, heads: int) -> None:
    message = f"dim must be a multiple of heads, got dim {dim} and heads {heads}; take heads of 1, 2"
    with pytest.raises(UserError, match=message):
        Attention(dim, heads)
