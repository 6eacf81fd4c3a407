"""Why a network does not run on a picture, in words: the layer, what it reads, what it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from neocog.analysis.kinds import CONVOLUTIONS
from neocog.errors import UserError


class DoesNotRun(UserError):
    """The network raised an error of its own at this size; the message names the layer."""

    def __init__(self, message: str, too_large: bool = False):
        super().__init__(message)
        self.too_large = too_large
        """whether the layer was given more than it reads; False where that is not known"""


@dataclass(frozen=True)
class Failed:
    """The call that raised."""

    kind: str
    layer: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Those of its first two tensors: of input and weight, where it has these."""
        tensors = [t for t in (*self.args, *self.kwargs.values()) if isinstance(t, Tensor)]
        return (tuple(tensors[0].shape), tuple(tensors[1].shape)) if len(tensors) > 1 else None

    @property
    def too_large(self) -> bool:
        """Whether a linear layer, or the tensor that is added, has fewer places than it was given."""
        shapes = self.shapes()
        if shapes is None or not all(shapes):
            return False
        given, own = shapes
        if self.kind == "linear":
            return given[-1] > own[-1]
        pairs = zip(reversed(given), reversed(own), strict=False)
        return self.kind == "add" and any(n > m > 1 for n, m in pairs)

    @property
    def mismatch(self) -> str:
        """What torch does not say on the meta device; empty where the call is no layer with weights, or fits."""
        shapes = self.shapes()
        if shapes is None:
            return ""
        given, weight = shapes
        if self.kind == "linear" and given[-1] != weight[-1]:
            return f"it reads {weight[-1]:,} numbers, got {given[-1]:,}"
        if self.kind not in CONVOLUTIONS:
            return ""
        if len(given) != len(weight):
            got = "x".join(map(str, given[1:]))
            return f"it reads channels and {CONVOLUTIONS[self.kind]} axes of a picture, got {got}"
        channels = weight[1] * (self.args[6] if len(self.args) > 6 else self.kwargs.get("groups", 1))
        return f"it reads {channels} channels, got {given[1]}" if given[1] != channels else ""


def why(error: Exception, failed: Failed | None) -> str:
    """The reason in one line."""
    if failed and failed.mismatch:
        return failed.mismatch
    lines = str(error).strip().splitlines() or ["no reason given"]
    return lines[0] if isinstance(error, UserError) else f"{type(error).__name__}: {lines[0]}"
