"""Rectifiers, whose way back deconvnet and guided change, and the non-linearities for which the two have no meaning."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from neocog.analysis.call import writes_in_place
from neocog.analysis.capture import Call, Handler
from neocog.analysis.kinds import ACTIVATIONS
from neocog.errors import UserError

RECTIFIERS = (
    "relu",
    "relu6",
    "hardtanh",
    "threshold",
    "clamp",
    "clip",
    "clamp_min",
    "maximum",
    "max",
    "fmax",
)
"""calls that may be one: which are, their arguments say"""
NO_MEANING = (
    *sorted(ACTIVATIONS - {*RECTIFIERS, "clamp_max"}),
    "glu", "log_softmax", "softmax", "softmin", "multi_head_attention_forward", "scaled_dot_product_attention",
)  # fmt: skip
OF_TWO = ("maximum", "max", "fmax")
COMPARING = ("gt", "ge", "lt", "le", "sign", "heaviside")
"""calls that make a mask of values: what is multiplied or filled by it is no rectifier that could be told"""
UNTOLD = (
    "ReluBackward", "ThresholdBackward", "LeakyReluBackward", "WhereBackward", "MaskedFillBackward", "AbsBackward",
)  # fmt: skip
"""torch's own names of the ways back that are left where a non-linearity was not seen, as in compiled code"""
ALWAYS = (
    "hardtanh",
    "threshold",
)  # non-linearities even where they are no rectifiers; clamp may only guard a division


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


def rectified(guided: bool, kind: str) -> Handler:
    """What comes back through a rectifier is rectified itself, and masked as the forward was, too, where `guided`."""

    def handler(given: Call) -> Any:
        call = _ordered(given) if kind in OF_TWO else given
        x = argument(call, 0, "input")
        if kind == "max" and not isinstance(argument(call, 1, "other"), Tensor):
            return call.run()  # the largest along a side
        if not isinstance(x, Tensor) or not x.requires_grad:
            return call.run()
        floor, ceiling = _limits(kind, call)
        if floor != 0:
            return refused("guided" if guided else "deconvnet")(call) if kind in ALWAYS else call.run()
        before = x.detach()
        passes = before > 0 if guided else None  # at its ceiling a unit is active, too
        return _written(call, x, _Rectified.apply(x, before.clamp(0, ceiling), passes))  # type: ignore[no-untyped-call]

    return handler


def _ordered(call: Call) -> Call:
    """maximum(0, x) as maximum(x, 0)."""
    swaps = len(call.args) == 2 and isinstance(call.args[0], Tensor) and not call.args[0].requires_grad
    return replace(call, args=call.args[::-1]) if swaps else call


def argument(call: Call, position: int, *names: str) -> Any:
    """By position or by name; None where it was not given."""
    if len(call.args) > position:
        return call.args[position]
    return next((call.kwargs[name] for name in names if name in call.kwargs), None)


def _limits(kind: str, call: Call) -> tuple[float | None, float]:
    """From where to where a call lets numbers through; from None where it is no rectifier."""
    if kind in ("relu", "relu6"):
        return 0.0, 6.0 if kind == "relu6" else inf
    if kind == "threshold":
        plain = argument(call, 1, "threshold") == 0 == argument(call, 2, "value")
        return (0.0 if plain else None), inf
    low = _number(argument(call, 1, "min", "min_val", "other"))
    two_sided = kind in ("hardtanh", "clamp", "clip")
    high = _number(argument(call, 2, "max", "max_val")) if two_sided else inf
    if kind == "hardtanh":
        return (-1.0 if low is None else low), (1.0 if high is None else high)
    return low, inf if high is None else high


def _number(given: Any) -> float | None:
    """A bound; None where there is none, or one for each number."""
    if isinstance(given, Tensor):
        alike = given.numel() > 0 and not given.requires_grad and bool((given == given.flatten()[0]).all())
        return float(given.flatten()[0]) if alike else None
    return None if given is None else float(given)


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
