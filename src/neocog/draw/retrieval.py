"""The page of `retrieve`: pictures beside their nearest, outliers, doubtful labels; one file, no network, no script."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS
from neocog.draw.text import plain


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A picture (height, width, 1 or 3), or none where it cannot be read (any more)."""

    path: str
    label: str
    """its class or classes; nothing where it has none"""
    pixels: NDArray[np.uint8] | None = None
    distance: float | None = None
    same: bool | None = None
    """whether it is of the query's class; None where nobody knows"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Hits:
    """A query and its nearest pictures."""

    query: Seen
    near: tuple[Seen, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Headed:
    """What stands under a heading; `more` are there but not shown."""

    title: str
    words: str
    more: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery(Headed):
    """Queries, each with its nearest."""

    rows: tuple[Hits, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Far(Headed):
    """Outliers, the farthest first."""

    pictures: tuple[Seen, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Doubtful:
    """A picture whose label is in doubt."""

    seen: Seen
    suggested: str
    probability: float
    """of the suggested class"""
    probability_of_given: float


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """What was found about a class; None where it is not defined."""

    name: str
    n: int
    recall_at_1: float | None
    recall_at_k: float | None
    map: float | None
    confused: str


@dataclass(frozen=True, kw_only=True)
class NoiseLine:
    """The pictures with one given label: how many are estimated to be of another class, and of which most."""

    name: str
    n: int
    wrong: float
    listed: int
    most: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its 95 % interval where it has one."""

    name: str
    what: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """What was found about the labels."""

    words: str
    warning: str
    """why most of it may be wrong; nothing where it need not be"""
    noise: tuple[NoiseLine, ...]
    pictures: tuple[Doubtful, ...]
    """the most doubtful first"""
    more: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class RetrievalPage:
    """Everything that the page shows. In a notebook it shows itself."""

    name: str
    """of the data set"""
    title: str
    detail: str
    facts: tuple[tuple[str, str], ...]
    made: str
    """ISO 8601"""
    version: str
    """of neocog"""
    k: int
    figures: tuple[Figure, ...] = ()
    classes: tuple[ClassLine, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    outliers: tuple[Far, ...] = ()
    labels: Labels | None = None
    warning: str = ""
    """why the figures are too good; nothing where they are not known to be"""
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    """(path, reason) of pictures that could not be read"""

    def _repr_html_(self) -> str:
        return framed(retrieval_page(self))


def retrieval_page(page: RetrievalPage) -> str:
    """The whole page in one file. Names, paths and reasons are untrusted: the template escapes each of them."""
    filters = {**FILTERS, "far": distance_text}
    styles = (*STYLES, "retrieval.css")
    return filled("retrieval.html", {"p": page}, styles=styles, filters=filters, finalize=plain)


def distance_text(distance: float) -> str:
    """Three digits, as people compare distances."""
    return f"{distance:.3f}" if abs(distance) < 10 else f"{distance:.4g}"
