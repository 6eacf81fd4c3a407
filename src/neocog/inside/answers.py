"""What the units of a layer answer to a picture, before a ceiling such as that of ReLU6 cuts it off."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from neocog.analysis.capture import Call, Place, capture
from neocog.inside.bounds import HOLDING, held


def answers(net: nn.Module, x: Tensor, place: Place) -> Tensor:
    """What the units at `place` give for `x`, (batch, ...); where that was cut off, what it was cut from.

    ReLU6 gives 6 to every unit that answers strongly; what it reads tells which does most. Only that call counts whose
    result is the module's output: a clamp that guards a division is none. Nor is a hard sigmoid, which scales, too.
    """
    cuts: dict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)  # by the module's call that is under way

    def handler(call: Call) -> Any:
        found = held(call.kind, call)
        ceiled = found is not None and found.high < inf and isinstance(found.x, Tensor)
        whole = found.x.clone() if found is not None and ceiled else None  # the call may write into it
        out = call.run()
        if whole is not None and _inside(call.layer, place.module):
            cuts[len(seen.calls[place.module])].append((whole, out.clone()))
        return out

    with torch.no_grad(), capture(net, [place], dict.fromkeys(HOLDING, handler)) as seen:
        seen.run(x)
        put, calls = seen[place], len(seen.calls[place.module])
    for whole, cut in reversed(cuts[place.call % calls]):  # one ceiling may be under another
        if whole.shape == put.shape and torch.equal(cut, put):
            put = whole
    return put


def _inside(layer: str, module: str) -> bool:
    """Whether a call that `layer` makes is one of `module` or of what is in it."""
    return not module or f"{layer}.".startswith(f"{module}.")
