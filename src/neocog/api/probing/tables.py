"""Classifiers on layers as rows and columns, as the lecture's table has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.api.probing.measured import Measured
from neocog.draw.table import Table

WIDE = 6  # layers that stand beside each other; more stand below each other


@dataclass(frozen=True, eq=False)
class Row:
    """Its names, and what stands in each column of figures."""

    names: tuple[str, ...]
    cells: tuple[Measured, ...]


@dataclass(frozen=True, eq=False)
class Grid:
    """Columns of names, columns of figures, and the rows."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def grid_of(measured: Sequence[Measured]) -> Grid:
    """Kinds below each other and layers beside each other, or the other way round where there are many; numbers of
    pictures per class, where a curve was asked for, stand beside each other for each kind and layer. Where not each
    kind is on each layer, all stand below each other."""
    kinds = list(dict.fromkeys(one.kind for one in measured))
    layers = list(dict.fromkeys(one.layer for one in measured))
    shots = list(dict.fromkeys(one.shots for one in measured))
    cells = {(one.kind, one.layer, one.shots): one for one in measured}
    if len(shots) > 1:
        columns = tuple(f"{n:,} per class" for n in shots if n)
        pairs = dict.fromkeys((one.kind, one.layer) for one in measured)
        rows = [Row(pair, tuple(cells[*pair, n] for n in shots)) for pair in pairs]
        return Grid(("classifier", "layer"), columns, tuple(rows))
    if len(cells) < len(kinds) * len(layers):
        rows = [Row((one.kind, one.layer), (one,)) for one in measured]
        return Grid(("classifier", "layer"), ("figure",), tuple(rows))
    (n,) = shots
    if len(layers) <= WIDE:
        rows = [Row((kind,), tuple(cells[kind, layer, n] for layer in layers)) for kind in kinds]
        return Grid(("classifier",), tuple(layers), tuple(rows))
    rows = [Row((layer,), tuple(cells[kind, layer, n] for kind in kinds)) for layer in layers]
    return Grid(("layer",), tuple(kinds), tuple(rows))


def table_of(measured: Sequence[Measured], figure: str) -> Table:
    """The grid as text; with one column of figures both figures and what was chosen stand there."""
    grid = grid_of(measured)
    if len(grid.columns) == 1:
        rows = [(one.kind, one.layer, *both_figures(one), strengths_in_words(one)) for one in measured]
        return Table(("classifier", "layer", "mean per class", "top-1", "chosen"), tuple(rows))
    cells = [(*row.names, *(in_percent(one, figure) for one in row.cells)) for row in grid.rows]
    return Table((*grid.names, *grid.columns), tuple(cells))


def both_figures(one: Measured) -> tuple[str, str]:
    return in_percent(one, "balanced"), in_percent(one, "top1")


def in_percent(one: Measured, figure: str) -> str:
    """The mean over the splits with their standard deviation; of one split the figure, of its top-1 the interval."""
    spread, text = one.deviation(figure), f"{100 * one.mean(figure):.2f}"
    if spread is not None:
        return f"{text} ± {100 * spread:.2f}"
    if figure == "top1" and one.top1_interval:
        low, high = one.top1_interval
        return f"{text} ({100 * low:.2f} to {100 * high:.2f})"
    return text


def strengths_in_words(one: Measured) -> str:
    """`C 0.003`, or all that were chosen over the splits; a dash where there is nothing to choose."""
    chosen = sorted(set(one.strengths))
    return f"{one.parameter} {', '.join(f'{value:g}' for value in chosen)}" if one.parameter else "-"
