"""The page of a probe: classifiers on frozen features in a table, curves, and how the figures came about."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS


@dataclass(frozen=True)
class Cell:
    """What stands in the table, and whether it is the best."""

    text: str
    best: bool = False


Line = tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class ProbePage:
    """Everything the page shows. In a notebook it shows itself."""

    name: str
    """of the data set"""
    model: str
    said: str
    """the result in a few words"""
    detail: str
    """its figure"""
    heading: str
    """what the cells of the table are"""
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    verdict: str
    """whether the two best differ; empty where there is one"""
    how: tuple[str, ...]
    """sentences"""
    chosen: tuple[tuple[str, str], ...]
    """classifiers with the strengths that were chosen"""
    plots: tuple[str, ...]
    """SVGs of ours"""
    card: tuple[tuple[str, str], ...]
    """further facts: name, value"""

    def _repr_html_(self) -> str:
        return framed(probe_page(self))


def probe_page(page: ProbePage) -> str:
    """The whole page in one file. Names are untrusted: the template escapes each of them."""
    return filled("probing.html", {"p": page}, styles=(*STYLES, "probing.css"), filters=FILTERS)
