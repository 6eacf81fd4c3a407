"""What lies between the picture and a layer, as far as it decides how its units are looked at."""

from __future__ import annotations

from neocog.analysis.kinds import IDENTITIES
from neocog.analysis.op import Op, Trace
from neocog.inside.back.rules import Rule, suited
from neocog.inside.units import Layer

INFINITE = float("inf")
CEILING = {"relu": INFINITE, "relu6": 6.0}


def kinds_before(plain: Trace, layer: Layer) -> frozenset[str]:
    """Of the operations that the layer is computed by, itself included."""
    seen, waiting = {layer.op}, [layer.op]
    while waiting:
        new = set(plain.ops[waiting.pop()].inputs) - seen
        seen |= new
        waiting += new
    return frozenset(plain.ops[i].kind for i in seen)


def rule_for(plain: Trace, layer: Layer) -> Rule:
    """Which rule shows most of what leads to the layer's units."""
    return suited(kinds_before(plain, layer))


def ceiling(plain: Trace, layer: Layer) -> float | None:
    """The most that the layer's rectifier lets through, infinity of a ReLU, 6 of a ReLU6; None without one.

    It is the one that the layer ends in, or, where it is called as a function, the one by which alone the layer's
    numbers go on in their places. Behind a rectifier a channel that is never above zero says nothing at all.
    """
    op = plain.ops[layer.op]
    while op.kind in IDENTITIES and op.inputs:
        op = plain.ops[op.inputs[0]]
    own = _lets_through(op)
    if own is not None:
        return own
    readers = [one for one in plain.ops if layer.op in one.inputs and one.shape == plain.ops[layer.op].shape]
    found = {_lets_through(one) for one in readers}
    return found.pop() if len(found) == 1 else None


def _lets_through(op: Op) -> float | None:
    """The most that a rectifier lets through; None of what is none."""
    if op.kind in CEILING:
        return CEILING[op.kind]
    if op.kind == "threshold":
        return INFINITE if op.arg(1, "threshold") == 0 == op.arg(2, "value") else None
    if op.kind not in ("hardtanh", "clamp", "clip", "clamp_min"):
        return None
    low: object = op.arg(1, "min_val" if op.kind == "hardtanh" else "min")
    high: object = (
        None if op.kind == "clamp_min" else op.arg(2, "max_val" if op.kind == "hardtanh" else "max")
    )
    if not isinstance(low, int | float) or low != 0:
        return None
    return float(high) if isinstance(high, int | float) else INFINITE
