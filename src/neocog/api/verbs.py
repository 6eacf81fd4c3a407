"""The verbs `predict` and `eval` as functions: each loads a run and does one thing with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neocog.api.classifier import Predictions, load
from neocog.api.scored import Scored
from neocog.data.samples import Subset
from neocog.data.source import Dataset, open_dataset
from neocog.errors import UserError
from neocog.progress import Progress


def predict(run: str | Path, pictures: object, *, topk: int = 5, engine: str = "auto") -> Predictions:
    """Names and probabilities of `pictures` by a run's folder or a published model."""
    return load(run, engine=engine).predict(pictures, topk)


def evaluate(
    run: str | Path,
    data: str | Path,
    *,
    part: str | None = None,
    engine: str = "auto",
    progress: Progress | None = None,
) -> Scored:
    """Scores of a run on labelled `data`, labels matched by name.

    Where the data come in train, val and test folders, `part` is judged: test if there is one, else val.
    """
    return load(run, engine=engine).evaluate(judged_part(open_dataset(data), part), progress)


def judged_part(dataset: Dataset, part: str | None = None) -> Dataset:
    """The pictures of one part; all of them where the data have no parts."""
    there = [name for name in ("test", "val", "train") if (dataset.parts == name).any()]
    if not there:
        if part is not None:
            raise UserError(f"{dataset.name} has no {part} folder; leave --part out to score all of it")
        return dataset
    chosen = part or there[0]
    if chosen not in there:
        raise UserError(f"part must be one of {', '.join(there)}, got {chosen!r}")
    indices = np.flatnonzero(dataset.parts == chosen)
    samples, labels = Subset(dataset.samples, indices), dataset.labels[indices]
    return Dataset(
        f"{dataset.name}/{chosen}", samples, labels, dataset.classes, dataset.parts[indices], dataset.root
    )
