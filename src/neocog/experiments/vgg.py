"""VGG's tables: its configurations, their parameters, and what a stack of small kernels saves."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from neocog.experiments.claims import Value
from neocog.experiments.networks import Networks, agreed, depth, layer, one, times, weight
from neocog.experiments.printed import Cells

if TYPE_CHECKING:
    from neocog.analysis.table import Summary

COLUMNS = {"A": "vgg11", "A-LRN": "vgg11_lrn", "B": "vgg13", "C": "vgg16_c", "D": "vgg16", "E": "vgg19"}


def layers(networks: Networks) -> Cells:
    """The paper's table 1: convolutions by stage, a stage ending in a pool."""
    summaries = {column: networks.summary(name) for column, name in COLUMNS.items()}
    cells: dict[tuple[str, str], Value] = {}
    for column, summary in summaries.items():
        cells["weight layers", column] = depth(summary)
        for i, stage in enumerate(stages(summary), 1):
            cells[f"stage {i}", column] = stage
    heads = [[f"FC-{row.output_size[0]}" for row in s if row.kind == "linear"] for s in summaries.values()]
    for i, names in enumerate(zip(*heads, strict=False), 1):
        cells[f"FC {i}", "all"] = agreed(names)
    cells["input", "all"] = agreed([times(s.input_size[1:]) for s in summaries.values()])
    return cells


def stages(summary: Summary) -> Iterator[str]:
    """The convolutions between two pools in the paper's words: conv3-64 LRN."""
    names: list[str] = []
    for row in summary:
        if row.kind == "max_pool2d":
            yield " ".join(names)
            names = []
        elif row.kind == "conv2d":
            filters, _, *kernel = weight(layer(row, summary.trace))
            names.append(f"conv{one(kernel)}-{filters}")
            normed = any(summary.trace.ops[i].kind == "local_response_norm" for i in row.ops)
            names += ["LRN"] if normed else []


def params(networks: Networks) -> Cells:
    """The paper's table 2."""
    counts = {column: networks.summary(name).params for column, name in COLUMNS.items()}
    cells: dict[tuple[str, str], Value] = {("parameters", column): counts[column] for column in "BCDE"}
    cells["parameters", "A, A-LRN"] = agreed([counts["A"], counts["A-LRN"]])
    return cells


def stacks(networks: Networks) -> Cells:
    """One 7x7 convolution beside three of VGG's 3x3: weights over the square of the maps, and what both see."""
    maps, last = 8, networks.summary("vgg16")
    kernels = [int(weight(layer(row, last.trace))[-1]) for row in last if row.kind == "conv2d"][-3:]
    cells: dict[tuple[str, str], Value] = {}
    for name, stack in (("one 7x7", [7]), ("three 3x3", kernels)):
        summary = networks.convolutions(stack, maps)
        cells[name, "weights"] = Fraction(summary.params, maps**2)
        cells[name, "receptive field"] = one(summary.rows[-1].receptive_field or ())
    return cells
