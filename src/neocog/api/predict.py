"""The verb `predict` as a function."""

from __future__ import annotations

from pathlib import Path

from neocog.api.classifier import load
from neocog.api.predictions import Predictions
from neocog.progress import Progress, Silent


def predict(
    run: str | Path,
    pictures: object,
    *,
    topk: int | None = None,
    threshold: float | None = None,
    coverage: float | None = None,
    model: str | None = None,
    download: bool = False,
    decoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Predictions:
    """Names and probabilities of `pictures` by a run's folder or a published model: the `topk` most probable (5).

    Where a picture may show several classes, those with a probability of at least `threshold` (0.5). With a `coverage`
    such as 0.95 as many classes as it takes to hold the true one so often; see `Classifier.predict`.

    A published model decodes `exact` or `fast` as `decoding` says, or as suits the size of the pictures.
    """
    classifier = load(run, model=model, download=download, engine=engine, device=device, progress=progress)
    return classifier.suited_to(pictures, progress or Silent(), decoding).predict(
        pictures, topk, progress, threshold, coverage
    )
