"""A trained classifier in use: pictures in, names and probabilities out."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.answers import BEST, most_probable, named
from neocog.api.evaluating.answering import Member
from neocog.api.evaluating.judge import Asked, judge
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.scored_several import ScoredSeveral
from neocog.api.networks import Loaded, find_run, load_classifier
from neocog.bundle import Card
from neocog.data.dataset import Dataset, judged_part, labelled
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples, as_samples
from neocog.data.source import list_pictures, open_dataset
from neocog.errors import UserError
from neocog.evaluation.several import THRESHOLD
from neocog.inference.engines import Chosen, choose
from neocog.inference.features import extract
from neocog.inference.network import Floats
from neocog.inference.stream import stream
from neocog.progress import Progress, Silent


@dataclass(frozen=True)
class Prediction:
    """What one picture shows, most probable first; a reason where it cannot be read.

    No labels where it cannot, or where it shows none of several classes that it may show.
    """

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        pairs = zip(self.labels, self.probabilities, strict=True)
        shape = {"path": self.path, "predictions": [{"label": label, "probability": p} for label, p in pairs]}
        return {**shape, "error": self.reason} if self.reason else shape


class Predictions(list[Prediction]):
    """Predictions in the order of the pictures; shows itself as a table in a notebook."""

    def to_json(self) -> list[dict[str, Any]]:
        return [prediction.to_json() for prediction in self]

    def _repr_html_(self) -> str:
        rows = []
        for one in self:
            pairs = zip(one.labels, one.probabilities, strict=True)
            said = ", ".join(f"{html.escape(label)} {p:.3f}" for label, p in pairs)
            said = said or html.escape(one.reason) or "none of the classes"
            rows.append(f"<tr><td>{html.escape(one.path)}</td><td>{said}</td></tr>")
        return f"<table><tr><th>picture</th><th>predictions</th></tr>{''.join(rows)}</table>"


@dataclass
class Classifier:
    """A run or a published model, ready to predict. Made by `neocog.load`."""

    loaded: Loaded
    engine_name: str = "auto"
    device: str = "auto"
    soup_of: tuple[str, ...] = ()
    """the runs whose weights were averaged into it"""
    _chosen: Chosen | None = field(default=None, init=False, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.loaded.classes

    @property
    def name(self) -> str:
        """The run's folder, or the published model's name."""
        return str(self.loaded.folder or self.loaded.network.name)

    @property
    def preprocess(self) -> Preprocess:
        return self.loaded.network.preprocess

    @property
    def card(self) -> Card | None:
        """What the run's weights are; None for a published model."""
        return self.loaded.bundle.card if self.loaded.bundle else None

    @property
    def engine(self) -> Chosen:
        """What runs the network, and why; chosen at the first use."""
        if self._chosen is None:
            self._chosen = choose(self.loaded.network, self.loaded.head, self.engine_name, self.device)
        return self._chosen

    @property
    def several(self) -> bool:
        """Whether a picture may show several classes at once."""
        return self.loaded.head.activation == "sigmoid"

    def predict(
        self,
        pictures: object,
        topk: int | None = None,
        progress: Progress | None = None,
        threshold: float | None = None,
    ) -> Predictions:
        """Names and probabilities of `pictures`: a path, a folder, arrays, PIL pictures, or a list of them.

        The `topk` most probable, 5 if not given; where a picture may show several classes, those with a probability
        of at least `threshold`, 0.5 if not given.
        """
        return Predictions(self.predict_stream(pictures, topk, progress, threshold))

    def predict_stream(
        self,
        pictures: object,
        topk: int | None = None,
        progress: Progress | None = None,
        threshold: float | None = None,
    ) -> Iterator[Prediction]:
        """`predict` one by one, in order and in constant memory, for any number of pictures."""
        choose_names = self._choice(topk, threshold)
        samples = _samples(pictures)
        with (progress or Silent()).step("pictures", len(samples)) as advance:
            for part in stream(samples, self.preprocess, self.engine.engine):
                read: dict[int, Floats] = {}
                if len(part.indices):
                    rows = self.loaded.head.probabilities(part.outputs)
                    read = dict(zip(part.indices.tolist(), rows, strict=True))
                reasons = dict(part.skipped)
                for i in sorted([*read, *reasons]):
                    yield self._prediction(samples.name(i), read.get(i), reasons.get(i, ""), choose_names)
                advance(len(read) + len(reasons))

    def probabilities(self, pictures: object) -> Floats:
        """(n, classes) in the order of `classes`; raises where a picture cannot be read."""
        features, chosen = self.embed(pictures), self.loaded.head
        return chosen.probabilities(features)

    def embed(self, pictures: object, progress: Progress | None = None) -> Floats:
        """The features (n, d) that the last layer reads, cached by content; raises where a picture cannot be read."""
        samples = _samples(pictures)
        found = extract(samples, self.loaded.network, self.engine.engine, progress or Silent())
        if found.skipped:
            index, reason = found.skipped[0]
            raise UserError(f"{samples.name(index)} cannot be read: {reason}")
        return found.matrix

    def evaluate(
        self,
        data: object,
        part: str | None = None,
        progress: Progress | None = None,
        *,
        protocol: str = "center",
        average: str = "softmax",
        strict: bool = False,
        exact: bool = False,
    ) -> Scored | ScoredSeveral:
        """Scores on labelled data, labels matched by name; of parts on `part`, else test, else val.

        `protocol` says which views of a picture are taken, `average` whether their probabilities (`softmax`) or logits
        are averaged. With `strict` a picture that cannot be read is an error instead of being skipped and counted. With
        `exact` a run that decodes fast is scored with every pixel decoded, too.
        """
        dataset = labelled(judged_part(open_dataset(data), part))
        told, asked = progress or Silent(), Asked(protocol, average, strict)
        scored = judge([self.member()], dataset, asked, told)
        if not exact or self.preprocess.decoding == "exact":
            return scored
        again = judge([self.with_every_pixel().member()], dataset, asked, told)
        return replace(scored, exact=again)  # type: ignore[arg-type]  # of the same kind

    def member(self) -> Member:
        """Itself as one of those that are judged together."""
        return Member(self.name, self.loaded, self.engine.engine, self.soup_of)

    def with_every_pixel(self) -> Classifier:
        """The same with exact decoding."""
        return self._with(replace(self.preprocess, decoding="exact"))

    def suited_to(self, pictures: object, told: Progress, decoding: str | None = None) -> Classifier:
        """With the `decoding` asked for, or the one that suits the size of `pictures`, if this is a published model.

        A run keeps the decoding that it learned with.
        """
        if self.loaded.bundle:
            if decoding not in (None, self.preprocess.decoding):
                raise UserError(
                    f"the run decodes {self.preprocess.decoding}, as it learned, got {decoding}; leave it out"
                )
            return self
        if decoding is not None:
            return self._with(replace(self.preprocess, decoding=decoding))  # type: ignore[arg-type]  # checked there
        samples = pictures.samples if isinstance(pictures, Dataset) else _samples(pictures)
        preprocess, why = chosen_decoding(self.preprocess, samples)
        if why:
            told.say(why)
        return self._with(preprocess)

    def _with(self, preprocess: Preprocess) -> Classifier:
        network = replace(self.loaded.network, preprocess=preprocess)
        return replace(self, loaded=replace(self.loaded, network=network))

    def module(self) -> Any:
        """The whole network as a torch module, in evaluation mode; takes normalised (n, channels, height, width)."""
        from neocog.api.networks import published_module, rebuild

        return (
            rebuild(self.loaded.bundle) if self.loaded.bundle else published_module(self.loaded.network.name)
        )

    def _choice(self, topk: int | None, threshold: float | None) -> Callable[[Floats], list[int]]:
        """Which classes of a row of probabilities are named, most probable first."""
        if topk is not None and topk < 1:
            raise UserError(f"topk must be at least 1, got {topk}")
        if not self.several:
            if threshold is not None:
                raise UserError(
                    "a threshold is for runs whose pictures may show several classes at once, "
                    f"got {threshold}; leave it out"
                )
            return partial(most_probable, most=topk or BEST)
        at_least = THRESHOLD if threshold is None else threshold
        if not 0 <= at_least <= 1:
            raise UserError(f"the threshold must lie in 0..1, got {at_least}")
        return lambda row: named(row, at_least)[:topk]

    def _prediction(
        self,
        name: str,
        row: NDArray[np.float32] | None,
        reason: str,
        choose_names: Callable[[Floats], list[int]],
    ) -> Prediction:
        if row is None:
            return Prediction(name, (), (), reason)
        said = choose_names(row)
        return Prediction(name, tuple(self.classes[i] for i in said), tuple(float(row[i]) for i in said))


def load(
    run: str | Path,
    *,
    model: str | None = None,
    download: bool = False,
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Classifier:
    """The classifier of a run's folder, of `runs/last`, or of a published model's name.

    `model` names the user's own FILE.py:FUNCTION where the run was trained with one on another machine. Only with
    `download` are a published model's weights fetched over the network.
    """
    if download and find_run(run) is None:
        names.fetch(names.parse(str(run)), progress)
    return Classifier(load_classifier(run, model), engine, device)


def _samples(pictures: object) -> Samples:
    if isinstance(pictures, str | Path):
        return list_pictures([pictures])
    if isinstance(pictures, list | tuple) and pictures and all(isinstance(p, str | Path) for p in pictures):
        return list_pictures(pictures)
    return as_samples(pictures)
