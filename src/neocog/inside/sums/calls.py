"""Single calls of torch in a network's forward, with the numbers that they read and gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neocog.analysis.call import Arguments, replaced
from neocog.analysis.capture import Call, capture
from neocog.analysis.op import Trace
from neocog.errors import UserError


@dataclass(frozen=True, eq=False)
class Made(Arguments):
    """A call as it happened: copies of its arguments before it and of what it gave."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Tensor


class _AllSeen(Exception):
    """Nothing more is wanted of this forward."""


def made_by(net: nn.Module, x: Tensor, plain: Trace, wanted: Sequence[int]) -> dict[int, Made]:
    """What the operations at places `wanted` of the trace `plain` of `net` read and give on `x`, a batch.

    The network is taken in evaluation and left as it was; its forward ends when all have been seen. UserError where
    it does other things on `x` than its trace says.
    """
    places = {_turn(plain, i): i for i in wanted}
    turns: Counter[tuple[str, str]] = Counter()
    made: dict[int, Made] = {}

    def seen(call: Call) -> Any:
        turn = (call.kind, call.layer, turns[call.kind, call.layer])
        turns[call.kind, call.layer] += 1
        if turn not in places:
            return call.run()
        args, kwargs = replaced((call.args, dict(call.kwargs)), _copy)
        out = call.run()
        made[places[turn]] = Made(args, kwargs, _copy(out[0] if isinstance(out, tuple) else out))
        if len(made) == len(places):
            raise _AllSeen
        return out

    handlers = {kind: seen for kind, _, _ in places}
    with capture(net, (), handlers), torch.no_grad(), suppress(_AllSeen):
        net(x.clone())
    missing = [i for i in places.values() if i not in made]
    if missing:
        op = plain.ops[missing[0]]
        raise UserError(
            f"{op.kind} of {op.layer or 'the network'} takes part in the trace but not on this picture; "
            "name another layer"
        )
    return made


def nothing(net: nn.Module, size: Sequence[int], pictures: int = 1) -> Tensor:
    """Pictures of `size` (channels, height, width) that are zero everywhere, as `net` reads them."""
    like = next((p for p in net.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.zeros(pictures, *size, dtype=like.dtype, device=like.device)


def _turn(plain: Trace, i: int) -> tuple[str, str, int]:
    """Kind and module of an operation, and how many like it come before."""
    op = plain.ops[i]
    before = (o for o in plain.ops[:i] if (o.kind, o.layer, o.part) == (op.kind, op.layer, 0))
    return op.kind, op.layer, sum(1 for _ in before)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
