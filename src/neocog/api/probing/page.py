"""The page of a probe, filled from its result."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from math import log2

from neocog.api.probing.measured import Measured
from neocog.api.probing.result import WORDS, Probe
from neocog.api.probing.tables import both_figures, grid_of, in_percent, strengths_in_words
from neocog.draw.probing import Cell, Line, ProbePage
from neocog.draw.trends import Trend, trends


def page_of(result: Probe) -> ProbePage:
    """Everything about `result`."""
    columns, lines = _table(result)
    said, detail = _headline(result)
    return ProbePage(
        name=result.data,
        model=result.model,
        said=said,
        detail=f"{detail} {WORDS[result.figure]}",
        heading=result.heading,
        columns=columns,
        lines=lines,
        verdict=result.two_best.verdict if result.two_best else "",
        how=result.how,
        chosen=tuple((one.name, strengths_in_words(one)) for one in result.measured),
        plots=tuple(plot for plot in (_curve(result), _by_layer(result)) if plot),
        card=_card(result),
    )


def _headline(result: Probe) -> tuple[str, str]:
    """What came out, and its figures: nobody is called better whom the test does not call so."""
    best, two = result.best, result.two_best
    figure = f"{in_percent(best, result.figure)} %"
    if two and two.equal:
        return f"{two.first} and {two.second} are level", (
            f"{figure} and {in_percent(result.ranked[1], result.figure)} %"
        )
    return f"{best.name}{',' if best.shots else ''} is {'best' if two else 'fitted'}", figure


def _table(result: Probe) -> tuple[tuple[str, ...], tuple[Line, ...]]:
    """Columns and rows; the best of all is marked, and what is as good. Where there is one column of figures, both
    figures stand there."""
    grid, most = grid_of(result.measured), result.best.mean(result.figure)

    def best(one: Measured) -> bool:
        return one.mean(result.figure) == most

    if len(grid.columns) == 1:
        lines = (
            (Cell(one.kind), Cell(one.layer), *(Cell(text, best(one)) for text in both_figures(one)))
            for one in result.measured
        )
        return ("classifier", "layer", "mean per class", "top-1"), tuple(lines)

    def cell(one: Measured) -> Cell:
        return Cell(in_percent(one, result.figure), best(one))

    rows = ((*map(Cell, row.names), *map(cell, row.cells)) for row in grid.rows)
    return (*grid.names, *grid.columns), tuple(rows)


def _curve(result: Probe) -> str:
    """Accuracy over the number of pictures per class."""
    shots = result.asked.shots
    if len(shots) < 2:
        return ""
    pairs = dict.fromkeys((one.kind, one.layer) for one in result.measured)
    several = len({layer for _, layer in pairs}) > 1
    lines = []
    for kind, layer in pairs:
        points = tuple(
            _point(log2(one.shots), one.mean(result.figure), one.deviation(result.figure))
            for one in result.measured
            if (one.kind, one.layer) == (kind, layer) and one.shots
        )
        lines.append(Trend(f"{kind} on {layer}" if several else kind, points))
    marks = [(log2(n), f"{n:,}") for n in shots]
    return trends(
        f"{WORDS[result.figure]} in %".capitalize(), "pictures per class", lines, marks=marks, most=100
    )


def _by_layer(result: Probe) -> str:
    """Accuracy over the layers, from the input to the output; of the largest number of pictures per class."""
    if len(result.layers) < 2:
        return ""
    place = {layer: i for i, layer in enumerate(result.layers, 1)}
    there = [one for one in result.ranked if one.layer in place]
    lines = [
        Trend(
            kind,
            tuple(
                _point(place[one.layer], one.mean(result.figure), one.deviation(result.figure))
                for one in sorted(there, key=lambda one: place[one.layer])
                if one.kind == kind
            ),
        )
        for kind in result.asked.kinds
    ]
    fits = sum(map(len, place)) <= ROOM
    marks = [(float(i), layer if fits else str(i)) for layer, i in place.items()]
    across = "layer" if fits else "layer, in the order of the table"
    return trends(f"{WORDS[result.figure]} in % by layer".capitalize(), across, lines, marks=marks, most=100)


ROOM = 50  # letters that stand beside each other below a plot


def _point(x: float, mean: float, deviation: float | None) -> tuple[float, float, float, float]:
    spread = deviation or 0.0
    return x, 100 * mean, max(100 * (mean - spread), 0.0), min(100 * (mean + spread), 100.0)


def _card(result: Probe) -> tuple[tuple[str, str], ...]:
    return (
        ("Network", result.model),
        ("Weights", result.source),
        ("Data", result.data),
        ("Classes", f"{len(result.classes):,}"),
        ("Layers", ", ".join(result.layers)),
        ("Seed", str(result.asked.seed)),
        ("Skipped", f"{len(result.skipped):,} pictures"),
        ("Made", datetime.now(UTC).isoformat(sep=" ", timespec="seconds")),
        ("neocog", version("neocog")),
    )
