"""The page about a classifier on spoiled pictures: a table and curves in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.draw.page import filled
from neocog.draw.svg import Curve, curves
from neocog.draw.table import printable
from neocog.draw.text import percent

COLOURS = 6  # of the curves; the style has as many


@dataclass(frozen=True)
class Spoiled:
    """Accuracy under one corruption, at each severity."""

    name: str
    kind: str
    top1: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    error: float
    """mean over the severities"""


@dataclass(frozen=True)
class Plot:
    """Curves of one kind of corruption, with their names and the classes that colour them."""

    title: str
    svg: str
    keys: tuple[tuple[str, str], ...]


def render_robustness(
    facts: Sequence[tuple[str, str]],
    clean: float,
    interval: tuple[float, float],
    severities: Sequence[int],
    rows: Sequence[Spoiled],
    notes: Sequence[str] = (),
) -> str:
    """The whole page. `facts` are names and values for its head, `clean` the accuracy on clean pictures and `interval`
    its interval, all shares of 1."""
    kinds = {row.kind: [one for one in rows if one.kind == row.kind] for row in rows}
    means = [(kind, _mean(found)) for kind, found in kinds.items()]
    plots = [_plot("by kind", means, clean, severities)] if len(kinds) > 1 else []
    plots += [
        _plot(kind, [(one.name, one.top1) for one in found], clean, severities)
        for kind, found in kinds.items()
    ]
    words = {
        "facts": [(name, printable(value)) for name, value in facts],
        "title": _title(clean, rows),
        "clean": percent(clean),
        "interval": tuple(map(percent, interval)),
        "severities": severities,
        "kinds": kinds,
        "plots": plots,
        "notes": list(map(printable, notes)),
    }
    return filled("robustness.html", words, filters={"percent": percent, "spaced": _spaced})


def _title(clean: float, rows: Sequence[Spoiled]) -> str:
    spoiled = 1 - sum(row.error for row in rows) / len(rows)
    return f"{percent(clean)} % right on clean pictures, {percent(spoiled)} % on spoiled ones"


def _mean(rows: Sequence[Spoiled]) -> tuple[float, ...]:
    return tuple(sum(values) / len(rows) for values in zip(*(row.top1 for row in rows), strict=True))


def _plot(
    title: str, lines: Sequence[tuple[str, tuple[float, ...]]], clean: float, severities: Sequence[int]
) -> Plot:
    """Accuracy in percent over the severity, from the clean pictures at 0."""
    drawn, keys = [], []
    for i, (name, shares) in enumerate(lines):
        points = ((0.0, 100 * clean), *((s, 100 * v) for s, v in zip(severities, shares, strict=True)))
        drawn.append(Curve(f"s{i % COLOURS}", points))
        keys.append((f"s{i % COLOURS}", _spaced(name)))
    label = f"Accuracy in percent by severity, {title}"
    return Plot(title, curves(label, drawn, (0.0, 100.0)), tuple(keys))


def _spaced(name: str) -> str:
    return name.replace("_", " ")
