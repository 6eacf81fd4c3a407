"""The networks that the lecture's figures are about, built without values and summarised once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from neocog.experiments.claims import Value

if TYPE_CHECKING:
    from torch import nn

    from neocog.analysis.op import Op, Trace
    from neocog.analysis.table import Row, Summary


class Networks:
    """Summaries by name. `build` is `neocog.models.build`, or another: a changed network has other figures."""

    def __init__(self, build: Callable[..., nn.Module] | None = None):
        self.given = build
        self.known: dict[tuple[Any, ...], Summary] = {}

    def build(self, name: str, **options: Any) -> nn.Module:
        """The network on the meta device: shapes without values."""
        import torch  # takes a second, which a list of the experiments need not wait for

        from neocog.models import build

        with torch.device("meta"):
            return (self.given or build)(name, **options)

    def summary(self, name: str, size: tuple[int, int, int] = (3, 224, 224), **options: Any) -> Summary:
        from neocog.analysis.table import summarize

        key = (name, size, *options.items())
        if key not in self.known:
            self.known[key] = summarize(self.build(name, **options), size)
        return self.known[key]

    def params(self, name: str, **options: Any) -> int:
        """Parameters of the whole network, each tensor once."""
        return sum(p.numel() for p in self.build(name, **options).parameters())

    def convolutions(self, kernels: Sequence[int], maps: int) -> Summary:
        """Convolutions without biases one behind the other, each from `maps` maps to as many."""
        import torch
        from torch import nn

        from neocog.analysis.table import summarize

        with torch.device("meta"):
            net = nn.Sequential(*(nn.Conv2d(maps, maps, k, padding=k // 2, bias=False) for k in kernels))
        return summarize(net, (maps, 32, 32))


def layer(row: Row, trace: Trace) -> Op:
    """The operation that a row is named after."""
    return trace.ops[row.ops[0]]


def weight(op: Op) -> tuple[int, ...]:
    """The shape of the weights that an operation reads; () where it has none."""
    return next((ref.shape for ref in op.tensors if ref.trained and len(ref.shape) > 1), ())


def weighted(row: Row) -> bool:
    """Whether a row is a convolution or a linear layer: what papers count as layers."""
    from neocog.analysis.kinds import CONVOLUTIONS

    return row.kind in CONVOLUTIONS or row.kind == "linear"


def depth(summary: Summary) -> int:
    """Convolutions and linear layers on the longest path from the picture to the output."""
    mains = {row.ops[0] for row in summary if weighted(row)}
    longest: list[int] = []
    for i, op in enumerate(summary.trace.ops):
        longest.append(max((longest[j] for j in op.inputs), default=0) + (i in mains))
    return max(longest)


def one(sides: Sequence[int]) -> int | str:
    """Height and width as the lecture prints them: one number where they agree."""
    return sides[0] if len(set(sides)) == 1 else "×".join(map(str, sides))


def times(sides: Sequence[int]) -> str:
    return "×".join(map(str, sides))


def gathered(cells: Iterable[tuple[tuple[str, str], Value]]) -> dict[tuple[str, str], Value]:
    """Cells by place; where two layers claim one place, both values stand in it."""
    found: dict[tuple[str, str], list[Value]] = {}
    for place, value in cells:
        found.setdefault(place, []).append(value)
    return {place: v[0] if len(v) == 1 else " / ".join(map(str, v)) for place, v in found.items()}


def agreed(values: Sequence[str | int]) -> str | int:
    """What is printed once for several networks: their common value, or all of them where they differ."""
    return values[0] if len(set(values)) == 1 else " / ".join(map(str, values))


def per_position(row: Row) -> int:
    """Multiply-adds of a convolution for one position of its output."""
    return row.macs // prod(row.output_size[1:])
