"""The page of an adaptation: what each method reaches in the target, and where both domains lie."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.draw.page import filled, framed


@dataclass(frozen=True)
class Cell:
    """What stands in the table, and whether it is the best of its layer."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    name: str
    words: str
    """what is done; may be empty"""
    title: str
    """what the row is, with its source"""
    cells: tuple[Cell, ...]
    first: bool = False
    """whether a group of rows begins here"""


@dataclass(frozen=True, kw_only=True)
class AdaptPage:
    """Everything the page shows. In a notebook it shows itself."""

    model: str
    source: str
    target: str
    said: str
    """the result in a few words"""
    detail: str
    columns: tuple[str, ...]
    """layers"""
    lines: tuple[Line, ...]
    plots: tuple[str, ...]
    """SVGs of ours"""
    plotted: str
    """what the plots show, a sentence; empty where there are none"""
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        return framed(adapt_page(self))


def adapt_page(page: AdaptPage) -> str:
    """The whole page in one file. Names are untrusted: the template escapes each of them."""
    return filled("adapting.html", {"p": page})
