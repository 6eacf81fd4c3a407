"""A training run on pictures that may show several classes, as a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neocog.api.training.learned import Learned
from neocog.api.training.plan import Plan
from neocog.api.training.reporting import (
    MISTAKES,
    epoch_rows,
    of_any_run,
    shown_pixels,
    thumbnails,
)
from neocog.draw.parts import Said, WrongAnswers
from neocog.draw.report_several import AnswerRow, LeakSeveral, SeveralReport, render_several
from neocog.evaluation.several import SeveralScores


def make_several_report(
    plan: Plan, learned: Learned, scores: SeveralScores, figures: Mapping[str, Any], facts: Mapping[str, str]
) -> str:
    """The page `report.html`."""
    said = learned.probabilities >= scores.threshold
    truth = plan.dataset.answers[learned.split.held_out] > 0
    return render_several(
        SeveralReport(
            **of_any_run(plan, figures, facts),
            **scores.figures(),
            epochs=epoch_rows(learned, "map"),
            classes=_classes(plan, learned, scores),
            mistakes=_mistakes(plan, learned, truth, said),
            wrong=int((truth != said).any(axis=1).sum()),
            leaked=LeakSeveral(**figures["leakage"]),
        )
    )


def _classes(plan: Plan, learned: Learned, scores: SeveralScores) -> tuple[AnswerRow, ...]:
    shown = plan.dataset.answers[learned.split.train] > 0
    rows = []
    for i, name in enumerate(plan.dataset.classes):
        members, row = learned.split.train[shown[:, i]], scores.per_class[name]
        rows.append(
            AnswerRow(
                name=name,
                n_train=len(members),
                n_val=row.n,
                ap=row.ap,
                precision=row.precision,
                recall=row.recall,
                f1=row.f1,
                said=row.said,
                thumbnails=thumbnails(plan, members),
            )
        )
    return tuple(rows)


def _mistakes(
    plan: Plan, learned: Learned, truth: np.ndarray[Any, np.dtype[np.bool_]], said: np.ndarray[Any, Any]
) -> tuple[WrongAnswers, ...]:
    """The pictures with a wrong answer, the surest of these first; `truth` and `said` are (held out, classes)."""
    off = np.where(truth != said, np.abs(learned.probabilities - truth), 0).max(axis=1)

    def classes(row: int, which: np.ndarray[Any, Any]) -> Said:
        return tuple(
            (plan.dataset.classes[i], float(learned.probabilities[row, i])) for i in np.flatnonzero(which)
        )

    return tuple(
        WrongAnswers(
            path=plan.dataset.short_name(int(learned.split.held_out[k])),
            pixels=shown_pixels(plan, int(learned.split.held_out[k])),
            right=classes(k, truth[k] & said[k]),
            missed=classes(k, truth[k] & ~said[k]),
            wrong=classes(k, said[k] & ~truth[k]),
        )
        for k in np.argsort(-off, kind="stable")[:MISTAKES].tolist()
        if off[k] > 0
    )
