"""Which tokens each token looks at, in every layer of any network, read from outside without changing its output.

Attention is seen in the three forms in which networks compute it: `F.scaled_dot_product_attention`, whose weights are
computed a second time from its arguments; `torch.nn.MultiheadAttention`, which is asked for its weights beside its
output; and a softmax of products of queries and keys whose result multiplies the values, by `@`, `bmm` or `einsum`. A
softmax of anything else, such as that of the queries themselves in efficient attention (Shen et al. 2021), weighs no
tokens by how alike they are and is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.call import tensors_in
from neocog.analysis.capture import Call, Handler, capture
from neocog.analysis.kinds import IDENTITIES, MOVING, POINTWISE
from neocog.errors import UserError

Floats = NDArray[np.float32]
OPERANDS = {
    "matmul": ((0, "input"), (1, "other")),
    "bmm": ((0, "input"), (1, "mat2")),
    "baddbmm": ((1, "batch1"), (2, "batch2")),
}
"""of products, by position and name"""
FOLLOWED = POINTWISE | IDENTITIES | MOVING
"""what may be done to products of queries and keys, such as scale, bias and mask, before the softmax"""
WEIGHED = IDENTITIES | MOVING | {"mul", "div", "masked_fill", "where", "nan_to_num"}
"""what may be done to attention before it multiplies the values: another precision, dropout, a mask of heads"""
ROUNDING = 1e-2
"""of a sum of weights in 16 bits"""


@dataclass(frozen=True, eq=False)
class Attended:
    """What one call of attention looked at."""

    layer: str
    """the module that computes it"""
    weights: Floats
    """(pictures, heads, queries, keys): how much of each key's value a query takes; each row adds up to one, or to
    less where the network takes some of it away, as a mask of heads does
    """
    off: float | None
    """the largest difference between what the network computed and the weights times the values; None where the
    weights are a softmax that the network multiplies with the values itself
    """
    windows: int = 1
    """pieces of each picture that attend by themselves, as in Swin; `weights` then begins with pictures * windows"""

    @property
    def shape(self) -> tuple[int, int]:
        """Queries and keys."""
        return self.weights.shape[2], self.weights.shape[3]


@dataclass(frozen=True, eq=False)
class Attention:
    """All attention of one forward."""

    layers: tuple[Attended, ...]
    """in the order in which they are computed"""
    output: Any
    """what the network gave: the same bits as without being looked at"""


def attend(net: nn.Module, x: Tensor) -> Attention:
    """One forward of `net` in evaluation, without gradients, on pictures `x` (batch, channels, height, width).

    There are no layers where nothing in the network attends in a way that torch's functions show.
    """
    watch = _Watch(len(x))
    with torch.no_grad(), capture(net, handlers=watch.handlers()):
        output = net(x.clone())
    return Attention(tuple(watch.found), output)


@dataclass
class _Watch:
    """Sees the calls of torch by which networks attend."""

    pictures: int
    found: list[Attended] = field(default_factory=list)
    likenesses: WeakValueDictionary[int, Tensor] = field(default_factory=WeakValueDictionary)
    """by their ids: products of two tensors, and what was made of them number by number"""
    attention: WeakValueDictionary[int, Tensor] = field(default_factory=WeakValueDictionary)
    """by their ids: softmaxes of likenesses, and what was made of them"""

    def handlers(self) -> Mapping[str, Handler]:
        return {
            **dict.fromkeys(FOLLOWED, self.followed),
            **dict.fromkeys((*OPERANDS, "einsum"), self.product),
            "scaled_dot_product_attention": self.fused,
            "multi_head_attention_forward": self.multi_head,
            "softmax": self.softmax,
        }

    def fused(self, call: Call) -> Any:
        out = call.run()
        weights, value = _recomputed(call)
        self.note(call.layer, weights, weights @ value - out)
        return out

    def multi_head(self, call: Call) -> Any:
        given = call.run()
        asked = {**call.kwargs, "need_weights": True, "average_attn_weights": False}
        out, weights = call.func(*call.args, **asked)
        self.note(call.layer, weights, out - given[0])
        return given

    def followed(self, call: Call) -> Any:
        given = tensors_in((call.args, dict(call.kwargs)))
        alike = any(id(tensor) in self.likenesses for tensor in given)
        weighs = call.kind in WEIGHED and any(id(tensor) in self.attention for tensor in given)
        out = call.run()
        for made in tensors_in(out) if alike or weighs else ():
            (self.attention if weighs else self.likenesses)[id(made)] = made
        return out

    def softmax(self, call: Call) -> Any:
        alike = id(call.arg(0, "input")) in self.likenesses
        out = call.run()
        if alike and out.dim() > 2 and call.arg(1, "dim") in (-1, out.dim() - 1):
            self.attention[id(out)] = out
        return out

    def product(self, call: Call) -> Any:
        operands = _operands(call)
        at = next((i for i, one in enumerate(operands) if id(one) in self.attention), None)
        weights = None if at is None else _weights(call, operands, at)
        out = call.run()
        if weights is not None and _average(weights):
            self.note(call.layer, weights, None)
        elif operands and not _learned(operands[1]):  # else it is a linear layer
            self.likenesses[id(out)] = out
        return out

    def note(self, layer: str, weights: Tensor, off: Tensor | None) -> None:
        by_head, windows = _by_head(weights, self.pictures, layer)
        largest = None if off is None else float(off.abs().max()) if off.numel() else 0.0
        self.found.append(Attended(layer, by_head.float().cpu().numpy().copy(), largest, windows))


def _recomputed(call: Call) -> tuple[Tensor, Tensor]:
    """The weights of a call of `F.scaled_dot_product_attention` by its definition, and the values they are of."""
    query, key, value = (_exact(call.arg(i, name)) for i, name in enumerate(("query", "key", "value")))
    if call.arg(7, "enable_gqa"):
        key, value = (
            tensor.repeat_interleave(query.shape[-3] // tensor.shape[-3], -3) for tensor in (key, value)
        )
    scale = call.arg(6, "scale")
    likeness = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if call.arg(5, "is_causal"):
        earlier = torch.ones(likeness.shape[-2:], dtype=torch.bool, device=likeness.device).tril()
        likeness = likeness.masked_fill(~earlier, -inf)
    mask = call.arg(3, "attn_mask")
    if mask is not None:
        likeness = likeness.masked_fill(~mask, -inf) if mask.dtype == torch.bool else likeness + mask
    nowhere = (likeness == -inf).all(-1, keepdim=True)  # a query that may look at nothing gets nothing
    return likeness.softmax(-1).masked_fill(nowhere, 0.0), value


def _exact(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _operands(call: Call) -> list[Any]:
    """The two tensors that a call multiplies; none where it is another product."""
    if call.kind == "einsum":
        equation, *given = call.args
        operands = list(given[0]) if len(given) == 1 and isinstance(given[0], list | tuple) else given
        return operands if isinstance(equation, str) and len(operands) == 2 else []
    return [call.arg(*place) for place in OPERANDS[call.kind]]


def _learned(operand: Tensor) -> bool:
    """Whether it is a parameter, or one that was transposed."""
    return isinstance(operand, nn.Parameter) or isinstance(operand._base, nn.Parameter)


def _weights(call: Call, operands: list[Any], at: int) -> Tensor | None:
    """The operand that is attention, as (..., queries, keys); None where what it multiplies are no values."""
    weights: Tensor = operands[at]
    if call.kind == "einsum":
        return _of_einsum(call.args[0].replace(" ", ""), at, weights)
    return weights.mT if at else weights


def _average(weights: Tensor) -> bool:
    """Whether the rows of (..., queries, keys) weigh keys; False of those of a transposed softmax, which does not."""
    of_queries, of_keys = (weights.float().sum(side) for side in (-1, -2))
    return float(of_queries.max()) < 1 + ROUNDING and (_even(of_queries) or not _even(of_keys))


def _even(sums: Tensor) -> bool:
    """Whether those of each head are the same, but for what looks at nothing."""
    most = sums.amax(-1, keepdim=True)
    return bool(((sums - most).abs() <= ROUNDING * most).logical_or(sums == 0).all())


def _of_einsum(equation: str, at: int, operand: Tensor) -> Tensor | None:
    """The operand with its sides in the order (..., queries, keys); None where the equation is no attention."""
    inputs, _, output = equation.partition("->")
    own, other = inputs.split(",")[at], inputs.split(",")[1 - at]
    queries = [side for side in own if side in output and side not in other]
    keys = [side for side in own if side in other and side not in output]
    if len(queries) != 1 or len(keys) != 1:
        return None
    if "." in own:  # what the points stand for comes first
        return operand if own.endswith(queries[0] + keys[0]) else None
    order = [side for side in own if side not in (*queries, *keys)] + queries + keys
    return operand.permute([own.index(side) for side in order])


def _by_head(weights: Tensor, pictures: int, layer: str) -> tuple[Tensor, int]:
    """(pictures * windows, heads, queries, keys), and how many windows."""
    *lead, queries, keys = weights.shape
    if len(lead) < 2:  # heads, if any, lie beside the pictures as torch.bmm wants it
        first, heads = pictures, prod(lead) // pictures
    else:
        first, heads = prod(lead[:-1]), lead[-1]
    if first % pictures or first * heads != prod(lead):
        raise UserError(
            f"attention must be of each picture, {layer} computes it as {tuple(weights.shape)} for {pictures} "
            "pictures; give one picture at a time"
        )
    return weights.reshape(first, heads, queries, keys), first // pictures
