"""AlexNet's tables: sizes, receptive fields, memory, parameters, multiply-adds; and what the lecture says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from neocog.experiments.claims import Value
from neocog.experiments.networks import Networks, depth, gathered, layer, one, weight
from neocog.experiments.printed import Cells

if TYPE_CHECKING:
    from neocog.analysis.op import Trace
    from neocog.analysis.table import Row

SIZE = (3, 227, 227)


def layers(networks: Networks) -> Cells:
    """The columns that describe each layer."""
    summary = networks.summary("alexnet", SIZE)
    return gathered(
        ((row.layer, column), value) for row in summary for column, value in _layer(row, summary.trace)
    )


def _layer(row: Row, trace: Trace) -> Iterator[tuple[str, Value]]:
    from neocog.analysis.window import windows_of

    op = layer(row, trace)
    before = trace.ops[op.inputs[0]].shape[1:]
    yield from _size("input", before)
    yield from _size("output", row.output_size)
    if weight(op):
        yield "filters", weight(op)[0]
    if windows := windows_of(op):
        yield "kernel", one([window.kernel for window in windows])
        yield "stride", one([window.stride for window in windows])
        yield "pad", one([window.padding for window in windows])


def _size(side: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Value]]:
    yield f"{side} C", shape[0]
    if shape[1:]:
        yield f"{side} H/W", one(shape[1:])


def fields(networks: Networks) -> Cells:
    """What each layer sees of the picture."""
    return gathered(
        ((row.layer, column), one(sides))
        for row in networks.summary("alexnet", SIZE)
        for column, sides in (
            ("receptive field", row.receptive_field),
            ("effective stride", row.effective_stride),
            ("effective padding", row.effective_padding),
        )
        if sides
    )


def costs(networks: Networks) -> Cells:
    """Bytes of each layer's output, its weights, its multiply-adds."""
    return gathered(
        ((row.layer, column), value)
        for row in networks.summary("alexnet", SIZE)
        for column, value in (
            ("memory (KB)", row.memory_bytes),
            ("params (k)", row.params - row.biases),
            ("flop (M)", row.macs),
        )
    )


def statements(networks: Networks) -> Cells:
    """What the lecture says of AlexNet: its size, and where its memory, parameters and work are, in percent."""
    winner, rows = networks.summary("alexnet_2012", SIZE), networks.summary("alexnet", SIZE).rows
    outputs = [row for row in rows if row.kind != "flatten"]  # the same numbers in the same place, in a row
    names = [row.layer for row in outputs]
    early = outputs[: names.index("conv3")] if "conv3" in names else []
    linear = [row for row in rows if row.kind == "linear"]
    convolutions = [row for row in rows if row.kind == "conv2d"]
    return {
        ("AlexNet of 2012", "hidden layers"): depth(winner) - 1,
        ("AlexNet of 2012", "units"): winner.units,
        ("AlexNet of 2012", "params"): winner.params,
        ("memory", "early convolutions"): _share(
            (r.memory_bytes for r in early), (r.memory_bytes for r in outputs)
        ),
        ("parameters", "fully connected"): _share((r.params for r in linear), (r.params for r in rows)),
        ("floating-point ops", "convolutions"): _share(
            (r.macs for r in convolutions), (r.macs for r in rows)
        ),
    }


def _share(part: Iterable[int], whole: Iterable[int]) -> Fraction:
    return Fraction(100 * sum(part), sum(whole))
