"""Rectifiers, whose way back deconvnet and guided change, and the non-linearities for which the two have no meaning."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor

from neocog.analysis.call import writes_in_place
from neocog.analysis.capture import Call, Handler
from neocog.analysis.kinds import ACTIVATIONS
from neocog.errors import UserError
from neocog.inside.back.linear_parts import unchanged
from neocog.inside.bounds import HOLDING, held

NO_MEANING = (
    *sorted(ACTIVATIONS - HOLDING.keys()),
    "glu", "log_softmax", "softmax", "softmin", "multi_head_attention_forward", "scaled_dot_product_attention",
)  # fmt: skip
COMPARING = ("gt", "ge", "lt", "le", "sign", "heaviside")
"""calls that make a mask of values: what is multiplied or filled by it is no rectifier that could be told"""
UNTOLD = (
    "ReluBackward", "ThresholdBackward", "LeakyReluBackward", "WhereBackward", "MaskedFillBackward", "AbsBackward",
)  # fmt: skip
"""torch's own names of the ways back that are left where a non-linearity was not seen, as in compiled code"""
ALWAYS = ("hardtanh", "threshold")
"""non-linearities even where they are no rectifiers; others may only guard a division"""


class NoMeaning(UserError):
    """A rule was asked for that has no meaning in this network."""


def refused(rule: str) -> Handler:
    """An error as soon as something is to come back through the call; what lies beyond the unit may be anything."""

    def handler(call: Call) -> Any:
        words = _words(rule, call.layer, call.kind)
        out = call.run()
        if isinstance(out, tuple):
            return (_refusing(out[0], words, call), *out[1:])
        return _refusing(out, words, call)

    return handler


def compared(rule: str) -> Handler:
    """An error where values that depend on the picture are compared, as in x * (x > 0)."""

    def handler(call: Call) -> Any:
        if any(isinstance(value, Tensor) and value.requires_grad for value in call.args):
            raise NoMeaning(_words(rule, call.layer, f"a mask ({call.kind})"))
        return call.run()

    return handler


def demand_told(activation: Tensor, rule: str) -> None:
    """UserError where something lies on the way back that no handler saw: another's function, compiled code, where."""
    waiting, seen = [activation.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        function = getattr(type(node), "_forward_cls", None)  # of a torch.autograd.Function
        if function is _Refusing:
            continue  # which says itself what there is, and where
        foreign = function is not None and not function.__module__.startswith(__package__)
        if foreign or name.startswith(UNTOLD):
            raise NoMeaning(_words(rule, "", name.rstrip("0123456789").removesuffix("Backward")))
        waiting += [upper for upper, _ in node.next_functions]


def _words(rule: str, layer: str, what: str) -> str:
    return (
        f"{rule} needs rectifiers (ReLU, ReLU6), {layer or 'the network'} has {what}; "
        "use gradient, integrated gradients or SmoothGrad"
    )


def rectified(rule: str) -> Handler:
    """What comes back through a rectifier is rectified itself; for guided masked, too, as the forward was.

    A ceiling alone lets everything back: at it a unit is active, as it is at that of a ReLU6.
    """

    def handler(call: Call) -> Any:
        found = held(call.kind, call)
        if found is None:
            return refused(rule)(call) if call.kind in ALWAYS else call.run()
        x, low, high = found
        if not isinstance(x, Tensor) or not x.requires_grad:
            return call.run()
        before = x.detach()
        if found.rectified:
            passes = before > 0 if rule == "guided" else None
            return _written(call, x, _Rectified.apply(x, before.clamp(0, high), passes))  # type: ignore[no-untyped-call]
        if low == -inf and high > 0:
            return _written(call, x, unchanged(x, before.clamp(max=high)))
        return refused(rule)(call) if call.kind in ALWAYS or high == 0 else call.run()

    return handler


def _written(call: Call, x: Tensor, out: Tensor) -> Tensor:
    """`out`, in the place of `x` where the call writes in place."""
    return x.copy_(out) if writes_in_place(call.func, dict(call.kwargs)) else out


def _refusing(out: Any, words: str, call: Call) -> Any:
    if not isinstance(out, Tensor) or not out.requires_grad:
        return out
    return _written(call, out, _Refusing.apply(out, words))  # type: ignore[no-untyped-call]


class _Rectified(torch.autograd.Function):
    """Forward what is given; backward the rectified g, masked where guided."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor, passes: Tensor | None) -> Tensor:
        ctx.passes = passes
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        back = g.clamp(min=0)
        return (back if ctx.passes is None else back * ctx.passes), None, None


class _Refusing(torch.autograd.Function):
    """Forward what is given, backward an error."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, words: str) -> Tensor:
        ctx.words = words
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        raise NoMeaning(ctx.words)
