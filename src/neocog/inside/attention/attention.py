"""Which tokens each token looks at, in every layer of any network, read from outside without changing its output.

Attention is seen in the three forms in which networks compute it: `F.scaled_dot_product_attention`, whose weights are
computed a second time from its arguments; `torch.nn.MultiheadAttention`, which is asked for its weights beside its
output; and a softmax whose result multiplies the values, by `@`, `bmm` or `einsum`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Call, Handler, capture
from neocog.errors import UserError

Floats = NDArray[np.float32]
WITH_FAST_PATH = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
"""torch's modules that go another way, and round otherwise, where their calls are watched or hooks are on them"""
ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Attended:
    """What one call of attention looked at."""

    layer: str
    """the module that computes it"""
    weights: Floats
    """(pictures, heads, queries, keys): how much of each key's value a query takes; each row adds up to one"""
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
    with ExitStack() as stack, torch.no_grad():
        _keep_fast_paths(net, stack)
        stack.enter_context(capture(net, handlers=watch.handlers()))
        output = net(x)
    return Attention(tuple(watch.found), output)


@dataclass
class _Watch:
    """Sees the calls of torch by which networks attend."""

    pictures: int
    found: list[Attended] = field(default_factory=list)
    softmaxes: dict[int, Tensor] = field(default_factory=dict)
    """by the memory they lie in; kept, since memory that is given back is used again"""

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "scaled_dot_product_attention": self.fused,
            "multi_head_attention_forward": self.multi_head,
            "softmax": self.softmax,
            **dict.fromkeys(("matmul", "bmm", "einsum"), self.product),
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

    def softmax(self, call: Call) -> Any:
        out = call.run()
        if out.dim() > 2 and _given(call, 1, "dim") in (-1, out.dim() - 1):
            self.softmaxes[_memory(out)] = out
        return out

    def product(self, call: Call) -> Any:
        weights = _multiplied(call, lambda tensor: _memory(tensor) in self.softmaxes)
        if weights is not None and float(weights.sum(-1).max()) < 1 + ROUNDING:
            self.note(call.layer, weights, None)
        return call.run()

    def note(self, layer: str, weights: Tensor, off: Tensor | None) -> None:
        by_head, windows = _by_head(weights, self.pictures, layer)
        largest = None if off is None else float(off.abs().max()) if off.numel() else 0.0
        self.found.append(Attended(layer, by_head.float().cpu().numpy().copy(), largest, windows))


def _recomputed(call: Call) -> tuple[Tensor, Tensor]:
    """The weights of a call of `F.scaled_dot_product_attention` by its definition, and the values they are of."""
    query, key, value = (_exact(_given(call, i, name)) for i, name in enumerate(("query", "key", "value")))
    if _given(call, 7, "enable_gqa"):
        key, value = (
            tensor.repeat_interleave(query.shape[-3] // tensor.shape[-3], -3) for tensor in (key, value)
        )
    scale = _given(call, 6, "scale")
    likeness = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if _given(call, 5, "is_causal"):
        earlier = torch.ones(likeness.shape[-2:], dtype=torch.bool, device=likeness.device).tril()
        likeness = likeness.masked_fill(~earlier, -inf)
    mask = _given(call, 3, "attn_mask")
    if mask is not None:
        likeness = likeness.masked_fill(~mask, -inf) if mask.dtype == torch.bool else likeness + mask
    nowhere = (likeness == -inf).all(-1, keepdim=True)  # a query that may look at nothing gets nothing
    return likeness.softmax(-1).masked_fill(nowhere, 0.0), value


def _exact(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _multiplied(call: Call, is_softmax: Callable[[Tensor], bool]) -> Tensor | None:
    """The softmax among the operands of a product, as (..., queries, keys); None where there is none."""
    if call.kind == "einsum":
        equation, *given = call.args
        operands = list(given[0]) if len(given) == 1 and isinstance(given[0], list | tuple) else given
        at = next((i for i, one in enumerate(operands) if isinstance(one, Tensor) and is_softmax(one)), None)
        if at is None or len(operands) != 2 or not isinstance(equation, str):
            return None
        return _of_einsum(equation.replace(" ", ""), at, operands[at])
    first: Tensor = _given(call, 0, "input")
    second: Tensor = _given(call, 1, "other", "mat2")
    if is_softmax(first):
        return first
    return second.mT if is_softmax(second) else None


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


def _given(call: Call, position: int, *names: str) -> Any:
    """An argument by its place or its names; None where it was left out."""
    if len(call.args) > position:
        return call.args[position]
    return next((call.kwargs[name] for name in names if name in call.kwargs), None)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _keep_fast_paths(net: nn.Module, stack: ExitStack) -> None:
    """Let torch's modules with a fast path give what they give unwatched; they are looked at on the slow one."""
    twins = [(module, _unwatched(module)) for module in net.modules() if isinstance(module, WITH_FAST_PATH)]
    for module, twin in twins:

        def again(_: Any, args: Any, kwargs: Any, out: Any, twin: nn.Module = twin) -> Any:
            with torch._C.DisableTorchFunction():
                return twin(*args, **kwargs)

        hook = module.register_forward_hook(again, with_kwargs=True)
        stack.callback(hook.remove)


def _unwatched(module: nn.Module) -> nn.Module:
    """The same parameters in modules of their own, in evaluation, which later hooks are not put on."""
    twin: nn.Module = object.__new__(type(module))
    twin.__dict__.update(module.__dict__, training=False)
    for hooks in ("_forward_hooks", "_forward_pre_hooks"):
        twin.__dict__[hooks] = module.__dict__[hooks].copy()
    twin.__dict__["_modules"] = {
        name: inner if inner is None else _unwatched(inner) for name, inner in module._modules.items()
    }
    return twin
