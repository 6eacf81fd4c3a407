"""Calls of torch that hold numbers between bounds: rectifiers, clamps, the larger or smaller of each and a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

from torch import Tensor

from neocog.analysis.call import Arguments, Ref, replaced
from neocog.analysis.constants import Constants
from neocog.analysis.kinds import IDENTITIES
from neocog.analysis.op import Op, Trace
from neocog.inside.units import Layer


class Held(NamedTuple):
    """What such a call reads, and between what it holds that."""

    x: Any
    low: float
    """minus infinity where there is no lower bound"""
    high: float

    @property
    def rectified(self) -> bool:
        """Whether that is a ReLU, with a ceiling or without."""
        return self.low == 0 < self.high


class End(NamedTuple):
    """A bound that is an argument."""

    position: int
    name: str
    missing: float
    """what holds where it is left out"""


Rule = Callable[[Arguments], Held | None]


def _between(*ends: float | End) -> Rule:
    def rule(call: Arguments) -> Held | None:
        low, high = (_bound(call, end) for end in ends)
        return None if low is None or high is None else Held(call.arg(0, "input"), low, high)

    return rule


def _threshold(call: Arguments) -> Held | None:
    rectifies = call.arg(1, "threshold") == 0 == call.arg(2, "value")
    return Held(call.arg(0, "input"), 0.0, inf) if rectifies else None


def _beside(low: bool) -> Rule:
    """Of two tensors one is the bound, in either place."""

    def rule(call: Arguments) -> Held | None:
        two = call.arg(0, "input"), call.arg(1, "other")
        for x, other in (two, two[::-1]):
            bound = number(other) if isinstance(other, Tensor) else None  # else it is a side, or a Ref
            if bound is not None:
                return Held(x, bound, inf) if low else Held(x, -inf, bound)
        return None

    return rule


HOLDING: dict[str, Rule] = {
    "relu": _between(0.0, inf),
    "relu6": _between(0.0, 6.0),
    "hardtanh": _between(End(1, "min_val", -1.0), End(2, "max_val", 1.0)),
    **dict.fromkeys(("clamp", "clip"), _between(End(1, "min", -inf), End(2, "max", inf))),
    "clamp_min": _between(End(1, "min", -inf), inf),
    "clamp_max": _between(-inf, End(1, "max", inf)),
    "threshold": _threshold,
    **dict.fromkeys(("maximum", "fmax", "max"), _beside(low=True)),
    **dict.fromkeys(("minimum", "fmin", "min"), _beside(low=False)),
}
"""calls that may be such: which are, their arguments say"""


def held(kind: str, call: Arguments) -> Held | None:
    """What a call of torch of this kind reads and holds; None where it does something else."""
    rule = HOLDING.get(kind)
    return None if rule is None else rule(call)


def ceiling(plain: Trace, layer: Layer) -> float | None:
    """The largest number that the layer's units can have for their rectifier; None where there is no rectifier.

    It is the rectifier that the layer ends in: infinity of a ReLU, 6 of a ReLU6. Or, where that is called as a function
    behind the place at which the layer is read, the one by which alone its numbers go on in their places: then no
    ceiling cuts off what is read. Behind a rectifier a channel that is never above zero says nothing at all.
    """
    bounds = _Bounds(plain)
    most = bounds.most(layer.op)
    if most is not None:
        return most
    readers = [op for op in plain.ops if layer.op in op.inputs and op.shape == plain.ops[layer.op].shape]
    behind = [bounds.of(op) for op in readers]
    return inf if behind and all(found is not None and found.rectified for found in behind) else None


def number(given: Any) -> float | None:
    """What a bound is; None where each number has its own, or nothing is known of it."""
    if isinstance(given, Tensor):
        alike = given.numel() > 0 and not given.requires_grad and bool((given == given.flatten()[0]).all())
        return float(given.flatten()[0]) if alike else None
    return float(given) if isinstance(given, int | float) else None


def _bound(call: Arguments, end: float | End) -> float | None:
    if not isinstance(end, End):
        return end
    given = call.arg(end.position, end.name)
    return end.missing if given is None else number(given)


class _Bounds:
    """Those of the operations of a trace."""

    def __init__(self, plain: Trace):
        self.ops, self.constants = plain.ops, Constants(plain)

    def of(self, op: Op) -> Held | None:
        if op.kind not in HOLDING:
            return None
        args, kwargs = replaced((op.args, dict(op.kwargs)), self._known)
        return held(op.kind, replace(op, args=args, kwargs=kwargs))

    def most(self, last: int) -> float | None:
        """The most that operation `last` can give if it is a rectifier, or one with ceilings before or behind it."""
        i: int | None = last
        rectifies, high = False, inf
        while i is not None:
            op, found = self.ops[i], self.of(self.ops[i])
            if found is not None and (found.rectified or found.low == -inf):
                rectifies, high, i = rectifies or found.rectified, min(high, found.high), found.x.op
            else:
                i = op.inputs[0] if found is None and op.kind in IDENTITIES and op.inputs else None
        return high if rectifies else None

    def _known(self, ref: Ref) -> Ref | Tensor:
        """The numbers of a constant."""
        value = self.constants.of(ref)
        return ref if value is None else value
