"""Values of tensors that do not depend on the picture: index tables, grids, masks; computed when a rule asks."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from neocog.analysis.call import Ref, replaced, tensors_in, writes_in_place
from neocog.analysis.kinds import CONSTANT, IDENTITIES, RESHAPING
from neocog.analysis.op import Op, Trace

LARGEST = 1 << 24  # numbers of a tensor that is computed
UNKNOWN = {
    "empty", "empty_like", "new_empty", "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "uniform",
    "normal", "bernoulli", "untraced", "written_through_a_view",
}  # fmt: skip
"""operations whose values are drawn, or not traced"""


class Constants:
    """Computes on the processor, once each, what a trace only knows the shape of."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self.known: dict[int, Tensor | None] = {}

    def of(self, ref: Ref) -> Tensor | None:
        """The values of an argument; None where they depend on the picture, on parameters or on chance."""
        if ref.op is None:
            return ref.value if ref.value is not None else self.trace.buffers.get(ref.name)
        if ref.op not in self.known:
            self.known[ref.op] = self._computed(self.trace.ops[ref.op])
        return self.known[ref.op]

    def _computed(self, op: Op) -> Tensor | None:
        if op.from_picture or op.kind in UNKNOWN or prod(op.shape) > LARGEST:
            return None
        given = self._given(op)
        if given is None:
            return None
        args, kwargs = given
        try:
            with torch.no_grad():
                out = op.call(*args, **kwargs)
        except (IndexError, RuntimeError, TypeError, ValueError):
            return None
        made = [args[0]] if op.kind == "setitem" else tensors_in(out)
        value: Tensor = made[op.part]
        return value if tuple(value.shape) == op.shape and not value.is_meta else None

    def _given(self, op: Op) -> tuple[Any, Any] | None:
        """The arguments with values, on the processor; None where one has none and the call reads it."""
        shape_only = op.kind in CONSTANT | IDENTITIES | RESHAPING
        read = op.tensors[: 0 if op.kind in CONSTANT else 1] if shape_only else op.tensors
        values = {id(ref): self.of(ref) for ref in op.tensors}
        if any(values[id(ref)] is None for ref in read):
            return None

        def live(ref: Ref) -> Tensor:
            value = values[id(ref)]
            return self._blank(ref) if value is None else value

        args, kwargs = replaced((op.args, dict(op.kwargs)), live)
        if writes_in_place(op.call, kwargs):
            args = (args[0].clone(), *args[1:])
        return tuple(map(_here, args)), {key: _here(value) for key, value in kwargs.items()}

    def _blank(self, ref: Ref) -> Tensor:
        """A stand-in for a tensor of which only shape and type matter."""
        dtype = torch.float32 if ref.op is None else self.trace.ops[ref.op].dtype
        return torch.zeros((), dtype=dtype).expand(ref.shape)


def _here(value: Any) -> Any:
    """An argument, the processor in the place of the device without values."""
    if isinstance(value, torch.device) or value == "meta":
        return torch.device("cpu")
    return value
