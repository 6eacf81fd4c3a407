"""What lies between the picture and a layer, as far as it decides by which rule its units are taken back."""

from __future__ import annotations

from neocog.analysis.op import Trace
from neocog.inside.back.rules import Rule, suited
from neocog.inside.units import Layer


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
