"""LeNet-5 as its paper describes it, layer by layer."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from neocog.experiments.claims import Value
from neocog.experiments.networks import Networks, layer, one, weighted
from neocog.experiments.printed import Cells

if TYPE_CHECKING:
    from neocog.analysis.table import Row, Summary

LAYERS = ("C1", "S2", "C3", "S4", "C5", "F6")


def layers(networks: Networks) -> Cells:
    """Maps, their size, trainable parameters and connections; C3 is several rows, one for each kind of its maps."""
    summary = networks.summary("lenet5", (1, 32, 32))
    cells: dict[tuple[str, str], Value] = {}
    for name in LAYERS:
        rows = [row for row in summary if row.module.split(".")[0] == name.lower()]
        if not rows:
            continue
        size = rows[-1].output_size
        cells[name, "maps"] = size[0]
        if size[1:]:
            cells[name, "size"] = one(size[1:])
        cells[name, "params"] = sum(row.params for row in rows)
        cells[name, "connections"] = sum(connections(row, summary) for row in rows)
    output = (
        summary.trace.ops[-1].shape[-1] * summary.rows[-1].output_size[-1]
    )  # each class looks at each unit
    cells["all", "params"] = summary.params
    cells["all", "connections"] = sum(connections(row, summary) for row in summary) + output
    return cells


def connections(row: Row, summary: Summary) -> int:
    """The paper's count: for each unit the numbers that it reads, and its bias."""
    from neocog.analysis.window import windows_of

    if weighted(row):
        return row.macs + row.biases * prod(row.output_size[1:])
    windows = windows_of(layer(row, summary.trace))
    return prod(row.output_size) * (prod(window.kernel for window in windows) + 1) if windows else 0
