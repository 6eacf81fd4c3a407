"""The page of a run on pictures that may show several classes at once: each class by itself, and pictures answered
wrongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.draw.page import filled
from neocog.draw.parts import FILTERS, GALLERY, WrongAnswers
from neocog.draw.report import RunPage, held_out_curve, of_any
from neocog.draw.text import count, percent


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerRow:
    """One class: how many pictures show it, how well it is told, and what its pictures look like."""

    name: str
    n_train: int
    n_val: int
    ap: float | None
    """average precision; None where no held-out picture shows the class"""
    precision: float
    recall: float
    f1: float
    said: int
    """held-out pictures of which it was named"""
    thumbnails: tuple[NDArray[np.uint8], ...] = ()
    """pictures as the network sees them, each (height, width, 1 or 3)"""


@dataclass(frozen=True, kw_only=True)
class LeakSeveral:
    """How many held-out pictures were trained on, and the mean average precision on the others, if there are any."""

    same: int
    of: int
    map_without: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralReport(RunPage):
    """A run on pictures that may show several classes."""

    map: float
    micro_f1: float
    macro_f1: float
    exact: float
    """share of pictures with every answer right"""
    hamming: float
    """share of answers that are wrong"""
    threshold: float
    """probability from which on a class is named"""
    classes: tuple[AnswerRow, ...]
    mistakes: tuple[WrongAnswers, ...] = ()
    """the surest wrong answer first"""
    wrong: int = 0
    """pictures with an answer that is wrong"""
    leaked: LeakSeveral | None = None


def render_several(report: SeveralReport) -> str:
    """The whole page. Names, paths and reasons are untrusted: the template escapes each of them."""
    words = of_any(report, len(report.classes)) | {
        "headline": headline(report),
        "ranked": sorted(report.classes, key=lambda row: (row.ap is None, row.ap or 0.0)),
        "gallery": report.mistakes[:GALLERY],
        "leak": report.leaked if report.leaked and report.leaked.same else None,
        "learned": held_out_curve("Mean average precision", report.epochs) if report.epochs else "",
    }
    return filled("report_several.html", words, filters=FILTERS)


def headline(report: SeveralReport) -> str:
    """The result in one sentence."""
    return f"mAP {percent(report.map)} % on {count(report.n_val, 'held-out picture')}"
