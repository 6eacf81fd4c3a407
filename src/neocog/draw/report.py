"""The page that a training run leaves behind: one HTML file that needs no other, no network and no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

from neocog.draw import svg
from neocog.draw.confusion import LARGEST_TABLE, checked, confused_pairs, heat_map
from neocog.draw.page import filled
from neocog.draw.parts import FILTERS, GALLERY, LISTED, Mistake, left_out
from neocog.draw.text import count, duration, percent, readable

THUMBNAILS = 480  # pictures of classes on one page, so that it stays a few megabytes
COLOURS = 6  # of the steps in report.html


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassRow:
    """One class: how many pictures it has, how well it is recognised, and what its pictures look like."""

    name: str
    n_train: int
    n_val: int
    precision: float
    recall: float
    f1: float
    thumbnails: tuple[NDArray[np.uint8], ...] = ()
    """pictures as the network sees them, each (height, width, 1 or 3)"""


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """The losses (mean per picture), a figure of the held-out pictures after an epoch, its last step's rate."""

    epoch: int
    train_loss: float
    eval_loss: float
    eval_figure: float
    """accuracy; mean average precision where pictures show several classes"""
    lr: float


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """A classifier on the same held-out pictures: its share right with the ends of its 95 % interval."""

    name: str
    top1: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Leak:
    """How many of the held-out pictures were trained on, and the share right of the others, if there are any."""

    same: int
    of: int
    top1_without: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class RunPage:
    """What the page of any run shows. Shares and probabilities lie in 0..1, times are seconds."""

    name: str
    """of the data set"""
    model: str
    recipe: str
    made: str
    """ISO 8601"""
    version: str
    """of neocog"""
    n_train: int
    n_val: int
    skipped: tuple[tuple[str, str], ...] = ()
    """path, reason"""
    quarantined: tuple[tuple[str, str], ...] = ()
    """path, reason"""
    seconds: tuple[tuple[str, float], ...] = ()
    """step, its time"""
    decisions: tuple[str, ...] = ()
    """what was chosen automatically and why, a sentence each"""
    epochs: tuple[EpochRow, ...] = ()
    """empty for a frozen network"""
    card: tuple[tuple[str, str], ...] = ()
    """further facts: name, value"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Report(RunPage):
    """A run on pictures that show one class each."""

    top1: float
    top5: float
    interval: tuple[float, float]
    """95 %, Wilson's, of `top1`"""
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    """pictures, [true][predicted], in the order of `classes`"""
    mistakes: tuple[Mistake, ...] = ()
    """most confident first"""
    leaked: Leak | None = None
    """None where nobody looked"""
    steered: bool = False
    """whether held-out pictures decided about the training: an epoch, its end, the rate"""
    comparison: tuple[ComparisonRow, ...] = ()
    """this model and the others beside it; the row whose name is `model` is set off"""

    def __post_init__(self) -> None:
        checked(self.confusion, [row.name for row in self.classes])


def render(report: Report) -> str:
    """The whole page. Names, paths and reasons are untrusted: the template escapes each of them."""
    words = of_any(report, len(report.classes)) | _derived(report) | _drawings(report)
    words |= {"headline": headline(report), "dot": partial(svg.dot, scale=_scale(report))}
    return filled("report.html", words, filters=FILTERS)


def of_any(page: RunPage, classes: int) -> dict[str, object]:
    """What the template needs of any run beside the page's own fields."""
    steps = ", ".join(f"{step} {duration(seconds)}" for step, seconds in page.seconds)
    return {
        "r": page,
        "per_class": max(1, THUMBNAILS // classes),
        "table": classes <= LARGEST_TABLE,
        "left_out": left_out(page.skipped, page.quarantined),
        "listed": LISTED,
        "total": sum(seconds for _, seconds in page.seconds),
        "colours": COLOURS,
        "times": svg.stacked(str(readable(steps)), [seconds for _, seconds in page.seconds], COLOURS),
        "loss": _loss_curves(page.epochs) if page.epochs else "",
        "rates": _rate_curve(page.epochs) if page.epochs else "",
        "rate_unit": f"1e{_exponent(page.epochs)}" if page.epochs else "",
    }


def headline(report: Report) -> str:
    """The result in one sentence."""
    low, high = (percent(end) for end in report.interval)
    pictures = count(report.n_val, "held-out picture")
    return f"{percent(report.top1)} % of {pictures} right (95 % interval {low}–{high})"


def _derived(report: Report) -> dict[str, object]:
    """What the template needs beside the report's own fields."""
    said = [sum(column) for column in zip(*report.confusion, strict=True)]
    ranked = sorted(zip(report.classes, said, strict=True), key=lambda pair: (pair[0].n_val == 0, pair[0].f1))
    return {
        "guess": _largest_share(report),
        "wrong": report.n_val - round(report.n_val * report.top1),
        "ranked": ranked,
        "names": [row.name for row in report.classes],
        "gallery": report.mistakes[:GALLERY],
        "pairs": confused_pairs(report.confusion),
        "leak": report.leaked if report.leaked and report.leaked.same else None,
        "scale": _scale(report),
    }


def _drawings(report: Report) -> dict[str, str]:
    return {
        "accuracy": svg.accuracy_bar(report.top1, report.interval, _largest_share(report)),
        "heat": heat_map("Confusion matrix, true classes from top to bottom", report.confusion),
        "learned": held_out_curve("Accuracy on held-out pictures", report.epochs) if report.epochs else "",
    }


def _loss_curves(epochs: Sequence[EpochRow]) -> str:
    train = svg.Curve("train", tuple((row.epoch, row.train_loss) for row in epochs))
    held_out = svg.Curve("held", tuple((row.epoch, row.eval_loss) for row in epochs))
    finite = [y for curve in (train, held_out) for _, y in curve.points if isfinite(y)]
    return svg.curves("Loss by epoch", (train, held_out), (0.0, max(finite, default=0.0) or 1.0))


def held_out_curve(what: str, epochs: Sequence[EpochRow]) -> str:
    """A figure of held-out pictures after each epoch."""
    curve = svg.Curve("held", tuple((row.epoch, 100 * row.eval_figure) for row in epochs))
    best = max(y for _, y in curve.points)
    extent = (min(min(y for _, y in curve.points), best - 1), best)
    return svg.curves(f"{what} by epoch, in percent", (curve,), extent)


def _rate_curve(epochs: Sequence[EpochRow]) -> str:
    unit = 10.0 ** _exponent(epochs)
    curve = svg.Curve("held", tuple((row.epoch, row.lr / unit) for row in epochs))
    return svg.curves("Learning rate by epoch", (curve,), (0.0, max(y for _, y in curve.points) or 1.0))


def _exponent(epochs: Sequence[EpochRow]) -> int:
    """Of the power of ten that the rates are told in, so that their numbers are short."""
    highest = max(row.lr for row in epochs)
    return floor(log10(highest)) if highest > 0 else 0


def _largest_share(report: Report) -> float:
    """The accuracy of always naming the class that most held-out pictures have."""
    return max(row.n_val for row in report.classes) / max(report.n_val, 1)


def _scale(report: Report) -> tuple[float, float]:
    """The axis that holds every interval of the comparison, as shares."""
    ends = [end for row in report.comparison for end in (row.low, row.high)] or [0.0, 1.0]
    marks = svg.ticks(100 * min(ends), 100 * max(ends))
    return marks[0] / 100, marks[-1] / 100
