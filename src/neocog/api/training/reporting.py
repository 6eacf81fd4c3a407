"""A training run as a report: figures, pictures as the network sees them, mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.training.learned import Learned
from neocog.api.training.plan import Plan
from neocog.data.decode import Pixels
from neocog.draw.parts import Mistake
from neocog.draw.report import ClassRow, ComparisonRow, EpochRow, Leak, Report, render
from neocog.errors import Unreadable
from neocog.evaluation.metrics import Scores

THUMBNAILS = 4  # per class
MAX_THUMBNAILS = 120  # per report
MISTAKES = 24


def make_report(
    plan: Plan, learned: Learned, scores: Scores, figures: Mapping[str, Any], facts: Mapping[str, str]
) -> str:
    """The page `report.html`."""
    return render(
        Report(
            **of_any_run(plan, figures, facts),
            top1=scores.top1,
            top5=scores.top5,
            interval=scores.top1_interval,
            epochs=epoch_rows(learned, "top1"),
            classes=_classes(plan, learned, scores),
            confusion=tuple(tuple(row) for row in scores.confusion.tolist()),
            mistakes=_mistakes(plan, learned),
            leaked=Leak(**figures["leakage"]),
            steered=plan.steered,
            comparison=_comparison(plan, learned, scores),
        )
    )


def of_any_run(plan: Plan, figures: Mapping[str, Any], facts: Mapping[str, str]) -> dict[str, Any]:
    """Fields of `RunPage` that do not depend on what pictures show."""
    return {
        "name": plan.dataset.name,
        "model": str(plan.reference),
        "recipe": plan.recipe_name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version("neocog"),
        "decisions": (*plan.decisions, *_verdict(figures)),
        "n_train": figures["n_train"],
        "n_val": figures["n_val"],
        "skipped": tuple((row["path"], row["reason"]) for row in figures["skipped"]),
        "quarantined": tuple((row["path"], row["reason"]) for row in figures["quarantined"]),
        "seconds": tuple(figures["seconds"].items()),
        "card": tuple(facts.items()),
    }


def _verdict(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """Whether fine-tuning was worth it, where that was asked."""
    found = figures["beside_probe"]
    return (found["words"],) if found else ()


def epoch_rows(learned: Learned, figure: str) -> tuple[EpochRow, ...]:
    """The epochs with one figure of the held-out pictures."""
    return tuple(
        EpochRow(
            epoch=e.epoch,
            train_loss=e.train_loss,
            eval_loss=e.judged.loss,
            eval_figure=e.judged.figure(figure),
            lr=e.lr,
        )
        for e in learned.epochs
    )


def _classes(plan: Plan, learned: Learned, scores: Scores) -> tuple[ClassRow, ...]:
    labels = plan.dataset.labels[learned.split.train]
    rows = []
    for i, name in enumerate(plan.dataset.classes):
        members = learned.split.train[labels == i]
        row = scores.per_class[name]
        rows.append(
            ClassRow(
                name=name,
                n_train=len(members),
                n_val=row.n,
                precision=row.precision,
                recall=row.recall,
                f1=row.f1,
                thumbnails=thumbnails(plan, members),
            )
        )
    return tuple(rows)


def _mistakes(plan: Plan, learned: Learned) -> tuple[Mistake, ...]:
    """The wrong answers, the surest first."""
    truth = plan.dataset.labels[learned.split.held_out]
    said = learned.probabilities.argmax(axis=1)
    sure = learned.probabilities[np.arange(len(truth)), said]
    wrong = np.flatnonzero(said != truth)
    classes = plan.dataset.classes
    return tuple(
        Mistake(
            path=plan.dataset.short_name(int(learned.split.held_out[k])),
            pixels=shown_pixels(plan, int(learned.split.held_out[k])),
            truth=classes[truth[k]],
            said=classes[said[k]],
            probability=float(sure[k]),
            probability_of_truth=float(learned.probabilities[k, truth[k]]),
        )
        for k in wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    )


def _comparison(plan: Plan, learned: Learned, scores: Scores) -> tuple[ComparisonRow, ...]:
    if not learned.comparison:
        return ()
    low, high = scores.top1_interval
    own = ComparisonRow(name=str(plan.reference), top1=scores.top1, low=low, high=high, note="this run")
    others = (
        ComparisonRow(name=row.name, top1=row.top1, low=row.low, high=row.high, note=row.note)
        for row in learned.comparison
    )
    return (own, *others)


def thumbnails(plan: Plan, members: NDArray[np.int64]) -> tuple[Pixels, ...]:
    """The first pictures of a class; fewer where there are many classes."""
    each = max(1, min(THUMBNAILS, MAX_THUMBNAILS // len(plan.dataset.classes)))
    return tuple(shown_pixels(plan, int(member)) for member in members[:each])


def shown_pixels(plan: Plan, index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture as the network sees it."""
    try:
        return plan.preprocess(plan.dataset.samples.read(index))
    except Unreadable:  # it was moved away while the network was trained
        return np.full((*plan.preprocess.size, plan.preprocess.channels), 128, np.uint8)
