"""ResNet's table, its row of FLOPs, and what a bottleneck saves."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from neocog.experiments.claims import Value
from neocog.experiments.networks import Networks, agreed, layer, one, per_position, times, weight
from neocog.experiments.printed import Cells

if TYPE_CHECKING:
    from neocog.analysis.table import Row, Summary

# shortcuts of option A in the first two, as the row of FLOPs has them; the stride in the first 1x1 in the others
COLUMNS = {
    "18-layer": "resnet18_a",
    "34-layer": "resnet34_a",
    "50-layer": "resnet50_v1",
    "101-layer": "resnet101_v1",
    "152-layer": "resnet152_v1",
}
BLOCK = re.compile(r"layer(\d)\.(\d+)\.conv\d")


def layers(networks: Networks) -> Cells:
    """The paper's table 1 without its last row."""
    summaries = {column: networks.summary(name) for column, name in COLUMNS.items()}
    cells: dict[tuple[str, str], Value] = {}
    for stage in range(1, 5):
        for column, summary in summaries.items():
            cells[f"conv{stage + 1}_x", column] = blocks(summary, stage)
    every = list(summaries.values())
    cells["conv1", "all"] = agreed([_named(s, "conv1") for s in every])
    cells["conv2_x", "all"] = agreed([_named(s, "maxpool") for s in every])
    cells["end", "all"] = agreed([f"average pool, {s.rows[-1].output_size[0]}-d fc" for s in every])
    ends = {"conv1": "conv1", **{f"conv{n + 1}_x": f"layer{n}." for n in range(1, 5)}, "end": "avgpool"}
    for name, module in ends.items():
        sizes = [[row.output_size for row in s if row.module.startswith(module)] for s in every]
        cells[name, "output size"] = agreed([times(size[-1][1:]) if size else "none" for size in sizes])
    return cells


def blocks(summary: Summary, stage: int) -> str:
    """A stage in the paper's words: [3×3, 64; 3×3, 64] × 2."""
    found: dict[str, list[str]] = {}
    for row in summary:
        place = BLOCK.fullmatch(row.module)
        if place and int(place[1]) == stage:
            found.setdefault(place[2], []).append(_kernel(row, summary))
    runs = [(block, len(list(same))) for block, same in groupby("; ".join(convs) for convs in found.values())]
    return " + ".join(f"[{block}] × {count}" for block, count in runs)


def _kernel(row: Row, summary: Summary) -> str:
    filters, _, *kernel = weight(layer(row, summary.trace))
    return f"{times(kernel)}, {filters}"


def _named(summary: Summary, module: str) -> str:
    """The stem's convolution or pool with its stride."""
    from neocog.analysis.window import windows_of

    row = next((row for row in summary if row.module == module), None)
    if row is None:
        return "none"
    windows = windows_of(layer(row, summary.trace))
    what = _kernel(row, summary) if row.kind == "conv2d" else f"{times([w.kernel for w in windows])} max pool"
    return f"{what}, stride {one([w.stride for w in windows])}"


def flops(networks: Networks) -> Cells:
    return {("FLOPs", column): networks.summary(name).macs for column, name in COLUMNS.items()}


def bottleneck(networks: Networks) -> Cells:
    """Multiply-adds for one position: the second block of ResNet-50, and one 3x3 on as many maps."""
    block = networks.summary("resnet50_v1")
    rows = [row for row in block if row.module.startswith("layer1.1.conv")]
    names = ("reduce", "convolve", "expand")
    cells: dict[tuple[str, str], Value] = {}
    for name, row in zip(names, rows, strict=False):
        cells[name, "product"] = _product(weight(layer(row, block.trace)))
        cells[name, "operations"] = per_position(row)
    cells["total", "operations"] = sum(map(per_position, rows))
    maps = rows[-1].output_size[0] if rows else 1
    direct = networks.convolutions([3], maps)
    cells["direct", "product"] = _product(weight(layer(direct.rows[0], direct.trace)))
    cells["direct", "operations"] = per_position(direct.rows[0])
    return cells


def _product(shape: tuple[int, ...]) -> str:
    """Weights as a product: maps in, maps out, kernel."""
    out, cin, *kernel = shape
    return " x ".join(map(str, (cin, out, *kernel)))
