"""The page of `data check`: what was found, kind by kind, with thumbnails; one file, no network and no script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.draw.page import filled
from neocog.draw.parts import data_uri
from neocog.draw.text import count, plain


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumb:
    """A picture (height, width, 3), or why there is none."""

    path: str
    label: str
    part: str = ""
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """One finding: a sentence, the first of its pictures, and how many more there are."""

    words: str
    pictures: tuple[Thumb, ...] = ()
    more: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """The findings of one kind: the first of them, and how many more there are."""

    kind: str
    severity: str
    rule: str
    why: str
    action: str
    n_findings: int
    n_pictures: int
    groups: tuple[Group, ...] = ()
    more: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckPage:
    """Everything that the page shows."""

    name: str
    """of the data set"""
    made: str
    """ISO 8601"""
    version: str
    """of neocog"""
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    leakage: tuple[str, ...]
    """a sentence for each part that judges"""
    sections: tuple[Section, ...]


def render_check(page: CheckPage) -> str:
    """The whole page. Names, paths and labels are untrusted: the template escapes each of them."""
    words = {"p": page, "headline": headline(page)}
    filters: dict[str, Callable[..., str]] = {"count": count, "uri": data_uri}
    return filled("check.html", words, styles=("report.css", "check.css"), filters=filters, finalize=plain)


def headline(page: CheckPage) -> str:
    """What was found, in one sentence."""
    said = []
    for severity in ("error", "warning", "note"):
        n = sum(section.n_findings for section in page.sections if section.severity == severity)
        said += [count(n, severity)] if n else []
    return ", ".join(said) or "Nothing found"
