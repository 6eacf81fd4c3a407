"""Which units answer a picture most."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neocog.analysis.capture import Call, Place, capture

CEILED = ("relu6", "hardtanh", "clamp", "clip", "hardsigmoid")


def answers(net: nn.Module, x: Tensor, place: Place) -> Tensor:
    """What the units at `place` give for `x`, (batch, ...); behind a non-linearity with a ceiling what that reads.

    ReLU6 gives 6 to every unit that answers strongly; what it reads tells which does most.
    """
    read: list[Tensor] = []

    def handler(call: Call) -> Any:
        if call.layer == place.module:
            read.append(call.args[0].clone())
        return call.run()

    with torch.no_grad(), capture(net, [place], dict.fromkeys(CEILED, handler)) as seen:
        seen.run(x.clone())
        given = seen[place]
    calls = len(seen.calls[place.module])
    if len(read) != calls:
        return given
    return read[place.call]
