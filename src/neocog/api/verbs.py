"""The verbs `predict` and `eval` as functions: each loads a run and does one thing with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from neocog.api.classifier import Predictions, load
from neocog.api.scored import Scored
from neocog.api.scored_several import ScoredSeveral
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.progress import Progress, Silent


def predict(
    run: str | Path,
    pictures: object,
    *,
    topk: int | None = None,
    threshold: float | None = None,
    model: str | None = None,
    download: bool = False,
    decoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Predictions:
    """Names and probabilities of `pictures` by a run's folder or a published model: the `topk` most probable (5).

    Where a picture may show several classes, those with a probability of at least `threshold` (0.5).

    A published model decodes `exact` or `fast` as `decoding` says, or as suits the size of the pictures.
    """
    classifier = load(run, model=model, download=download, engine=engine, device=device, progress=progress)
    return classifier.suited_to(pictures, progress or Silent(), decoding).predict(
        pictures, topk, progress, threshold
    )


def evaluate(
    run: str | Path,
    data: object,
    *,
    part: str | None = None,
    exact: bool = False,
    model: str | None = None,
    download: bool = False,
    strict: bool = False,
    decoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
    **reading: Unpack[ReadingOptions],
) -> Scored | ScoredSeveral:
    """Scores of a run on labelled `data`, labels matched by name.

    Where the data come in train, val and test folders, or a split gives them such parts, `part` is judged: test if
    there is one, else val. With `exact` a run that decodes fast is scored with every pixel decoded, too:
    `Scored.exact`. `data`, `strict` and `reading` as for `train`, `decoding` as for `predict`; only with `download`
    are published weights and data sets fetched over the network.
    """
    told = progress or Silent()
    dataset = open_dataset(data, replace(make_reading(**reading), download=download, progress=told))
    classifier = load(run, model=model, download=download, engine=engine, device=device, progress=told)
    classifier = classifier.suited_to(dataset, told, decoding)
    return classifier.evaluate(dataset, part, told, strict=strict, exact=exact)
