"""The page of an evaluation: the figures with their intervals, how they were got, and what lies behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from neocog.draw import svg
from neocog.draw.alternatives import AlternativeRow, columns_of, scale_of
from neocog.draw.confusion import LARGEST_TABLE, checked, confused_pairs, heat_map
from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS, GALLERY, LISTED, Mistake, WrongAnswers, left_out
from neocog.draw.procedure import Procedure
from neocog.draw.reliability import ReliabilityBins, reliability_diagram
from neocog.draw.text import count, percent
from neocog.errors import UserError

FIGURES = {
    "top1": ("Top-1 accuracy", "the most probable class is the true one"),
    "top5": ("Top-5 accuracy", "the true class is among the five most probable"),
    "balanced": ("Balanced accuracy", "mean recall of the classes that occur: each class counts alike"),
    "macro_f1": ("Macro F1", "mean F1 of the classes"),
    "nll": ("Log loss", "mean −log probability of the true class, in nats; less is better"),
    "brier": (
        "Brier score",
        "mean squared distance of the probabilities from the truth, 0 to 2; less is better",
    ),
    "ece": ("Calibration error (ECE)", "mean distance of probability and share right; less is better"),
    "mce": ("Largest calibration error", "of the worst bin; less is better"),
    "map": ("Mean average precision", "mean over classes; looks at the order of the probabilities alone"),
    "auroc": ("Mean AUROC", "mean over classes: a picture with the class comes before one without it"),
    "micro_f1": ("Micro F1", "of all answers together"),
    "exact": ("Every class right", "pictures with every answer right"),
    "hamming": ("Wrong answers", "share of all answers; less is better"),
}
NUMBERS = ("nll", "brier")  # not shown in percent


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One of `FIGURES`: its value, and its 95 % interval and how that was got where there is one."""

    name: str
    value: float | None
    """None where it is not defined, such as the AUROC where every picture shows the class"""
    interval: tuple[float, float] | None = None
    by: str = ""

    def __post_init__(self) -> None:
        if self.name not in FIGURES:
            raise UserError(f"a figure must be one of {', '.join(FIGURES)}, got {self.name}")

    def shown(self, value: float | None) -> str:
        if value is None:
            return "–"
        return f"{max(value, 0.0):.3f}" if self.name in NUMBERS else f"{percent(value)} %"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How many pictures were trained on, and the first figure on the others, if there are any."""

    same: int
    of: int
    without: float | None


@dataclass(frozen=True, kw_only=True)
class CoverageRow:
    """Answers that are sets of classes, made to hold the true one as often as `wanted`: what they did here."""

    wanted: float
    found: float
    interval: tuple[float, float]
    """95 %, of `found`"""
    kept: bool
    """whether so few may still be chance where the promise holds"""
    mean_size: float
    """classes in an answer"""
    single: float
    """share of answers that name one class; all others say that the picture is unknown"""
    empty: float
    """share of answers that name none"""
    single_accuracy: float | None
    """share right of the single ones; None where there are none"""


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """A class with `n` pictures, `right` of them recognised; `interval` is the 95 % interval of the recall."""

    name: str
    n: int
    right: int
    interval: tuple[float, float]
    said: int
    """pictures that were called so"""
    precision: float
    f1: float
    known: bool = True
    """whether the network can give it as an answer"""


@dataclass(frozen=True, kw_only=True)
class AnswerResult:
    """A class that `n` pictures show and that `said` pictures were said to show."""

    name: str
    n: int
    said: int
    ap: float | None
    """average precision; None where no picture shows it"""
    auroc: float | None
    """None where all pictures show it or none"""
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SingleLabel:
    """What is found where a picture shows one class."""

    classes: tuple[ClassResult, ...]
    confusion: NDArray[np.int64]
    """pictures, [true, predicted], in the order of `classes`"""
    wrong: int
    """pictures"""
    mistakes: tuple[Mistake, ...] = ()
    """most confident first"""
    reliability: ReliabilityBins | None = None
    temperature: float | None = None
    """that the logits were divided by"""
    coverage: tuple[CoverageRow, ...] = ()

    def __post_init__(self) -> None:
        checked(self.confusion, [row.name for row in self.classes])


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiLabel:
    """What is found where a picture may show several classes."""

    classes: tuple[AnswerResult, ...]
    wrong: int
    """pictures with an answer that is wrong"""
    threshold: float
    """probability from which on a class is named"""
    mistakes: tuple[WrongAnswers, ...] = ()
    """the surest wrong answer first"""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationPage:
    """Everything the page shows. Shares and probabilities lie in 0..1. In a notebook it shows itself."""

    name: str
    """of the data set"""
    model: str
    n: int
    """pictures scored"""
    figures: tuple[Figure, ...]
    """the headline first"""
    procedure: Procedure
    result: SingleLabel | MultiLabel
    made: str
    """ISO 8601"""
    version: str
    """of neocog"""
    alternatives: tuple[AlternativeRow, ...] = ()
    """what else was tried on the same pictures, and the page's own way beside it"""
    leaked: Seen | None = None
    """None where nobody looked"""
    skipped: tuple[tuple[str, str], ...] = ()
    """path, reason"""
    quarantined: tuple[tuple[str, str], ...] = ()
    """path, reason"""
    card: tuple[tuple[str, str], ...] = ()
    """further facts: name, value"""

    def __post_init__(self) -> None:
        if not self.figures or not self.n:
            raise UserError(
                f"a page needs a figure and a picture, got {len(self.figures)} figures of {self.n} pictures"
            )

    def _repr_html_(self) -> str:
        return framed(evaluation_page(self))


def evaluation_page(page: EvaluationPage) -> str:
    """The whole page in one file. Names, paths and reasons are untrusted: the template escapes each of them."""
    words = _words(page) | (_single if isinstance(page.result, SingleLabel) else _multi)(page)
    return filled("evaluation.html", words, styles=(*STYLES, "evaluation.css"), filters=FILTERS)


def headline(page: EvaluationPage) -> tuple[str, str]:
    """The result in one sentence, and the interval that belongs to it."""
    first, pictures = page.figures[0], count(page.n, "picture")
    value = first.shown(first.value)
    said = (
        f"{value} of {pictures} right"
        if first.name == "top1"
        else f"{FIGURES[first.name][0]} {value} on {pictures}"
    )
    return said, f"95 % interval {interval_text(first)}" if first.interval else ""


def interval_text(figure: Figure) -> str:
    """`81.1–82.6`, without the unit; nothing where there is none."""
    if not figure.interval:
        return ""
    return "–".join(figure.shown(end).removesuffix(" %") for end in figure.interval)


def _words(page: EvaluationPage) -> dict[str, object]:
    said, interval = headline(page)
    return {
        "p": page,
        "r": page.result,
        "said": said,
        "interval": interval,
        "names": [row.name for row in page.result.classes],
        "rows": [(*FIGURES[figure.name], figure, interval_text(figure)) for figure in page.figures],
        "how": page.procedure.facts(page.name, page.n, len(page.skipped), len(page.quarantined)),
        "dot": partial(svg.dot, scale=scale_of(page.alternatives)),
        "there": columns_of(page.alternatives),
        "left_out": left_out(page.skipped, page.quarantined),
        "listed": LISTED,
        "gallery": page.result.mistakes[:GALLERY],
    }


def _single(page: EvaluationPage) -> dict[str, object]:
    result = page.result
    assert isinstance(result, SingleLabel)
    table = len(result.classes) <= LARGEST_TABLE
    guess = max(row.n for row in result.classes) / page.n
    return {
        "single": True,
        "accuracy": _bar(page.figures[0], guess),
        "guess": guess,
        "ranked": sorted(result.classes, key=lambda row: (not row.n, row.right / max(row.n, 1), row.f1)),
        "table": table,
        "pairs": confused_pairs(result.confusion, 10 if table else 20),
        "counts": result.confusion.tolist(),
        "heat": "" if table else heat_map("Confusion matrix, true classes from top down", result.confusion),
        "diagram": reliability_diagram(result.reliability) if result.reliability else "",
    }


def _bar(top1: Figure, guess: float) -> str:
    if top1.name != "top1" or top1.value is None or top1.interval is None:
        return ""
    return svg.accuracy_bar(top1.value, top1.interval, guess)


def _multi(page: EvaluationPage) -> dict[str, object]:
    rows: Sequence[AnswerResult] = page.result.classes if isinstance(page.result, MultiLabel) else ()
    ranked = sorted(rows, key=lambda row: (row.ap is None, row.ap or 0.0))
    return {"single": False, "accuracy": "", "ranked": ranked}
