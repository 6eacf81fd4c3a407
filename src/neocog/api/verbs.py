"""The verbs `predict` and `eval` as functions: each loads a run and does one thing with it."""

from __future__ import annotations

from pathlib import Path

from neocog.api.classifier import Predictions, load
from neocog.api.scored import Scored
from neocog.progress import Progress


def predict(
    run: str | Path,
    pictures: object,
    *,
    topk: int = 5,
    model: str | None = None,
    download: bool = False,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Predictions:
    """Names and probabilities of `pictures` by a run's folder or a published model."""
    classifier = load(run, model=model, download=download, engine=engine, device=device, progress=progress)
    return classifier.predict(pictures, topk, progress)


def evaluate(
    run: str | Path,
    data: str | Path,
    *,
    part: str | None = None,
    exact: bool = False,
    model: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Scored:
    """Scores of a run on labelled `data`, labels matched by name.

    Where the data come in train, val and test folders, `part` is judged: test if there is one, else val. With
    `exact` a run that decodes fast is scored with every pixel decoded, too: `Scored.exact`.
    """
    return load(run, model=model, engine=engine, device=device).evaluate(data, part, progress, exact)
