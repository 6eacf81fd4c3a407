"""What an evaluation leaves behind in a folder: the page, and every figure and answer as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from neocog import files
from neocog.api.answers import ONE, SEVERAL
from neocog.api.evaluating.page import page_of
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.scored_several import ScoredSeveral
from neocog.api.training.outputs import table
from neocog.data.dataset import Dataset
from neocog.data.preprocess import Preprocess
from neocog.draw.confusion import confusion_csv
from neocog.draw.confusion_png import confusion_png
from neocog.draw.evaluation import evaluation_page

REPORT, FIGURES = "report.html", "metrics.json"


def write_evaluation(
    folder: Path, scored: Scored | ScoredSeveral, dataset: Dataset, preprocess: Preprocess
) -> None:
    """Write report.html, metrics.json, predictions.csv and classes.csv; of one class per picture the confusion
    matrix as confusion.csv and confusion.png, too. Files of these names are written over."""
    files.make_result_folder(folder, FIGURES)
    text = {
        REPORT: evaluation_page(page_of(scored, dataset, preprocess)),
        FIGURES: json.dumps(scored.to_json(), indent=2, ensure_ascii=False) + "\n",
        "predictions.csv": _predictions(scored, dataset),
        "classes.csv": _classes(scored),
    }
    if isinstance(scored, Scored):
        text["confusion.csv"] = confusion_csv(scored.scores.confusion, scored.names)
        files.write_bytes(folder / "confusion.png", confusion_png(scored.scores.confusion, scored.names))
    for name, content in text.items():
        files.write_text(folder / name, content)


def _predictions(scored: Scored | ScoredSeveral, dataset: Dataset) -> str:
    names = tuple(scored.scores.per_class)
    classes = names[: scored.probabilities.shape[1]]
    answers = ONE if isinstance(scored, Scored) else SEVERAL
    rows = [
        [dataset.short_name(int(i)), truth, *answers.cells(row, classes)]
        for i, truth, row in zip(scored.indices, _truths(scored, names), scored.probabilities, strict=True)
    ]
    return table(["path", "truth", *answers.columns(len(classes))], rows)


def _truths(scored: Scored | ScoredSeveral, names: Sequence[str]) -> Iterable[str]:
    if isinstance(scored, Scored):
        return (names[int(label)] for label in scored.labels)
    return ("|".join(names[i] for i in np.flatnonzero(row).tolist()) for row in scored.truth)


def _classes(scored: Scored | ScoredSeveral) -> str:
    rows = scored.scores.per_class
    columns = list(vars(next(iter(rows.values()))))
    return table(["class", *columns], [[name, *vars(row).values()] for name, row in rows.items()])
