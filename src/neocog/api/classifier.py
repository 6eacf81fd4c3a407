"""A trained classifier in use: pictures in, names and probabilities out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.embedding.ways import Asked, asked_of, of_loaded, way_of
from neocog.api.evaluating.answering import Member
from neocog.api.evaluating.options import JudgingOptions
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.scored_several import ScoredSeveral
from neocog.api.networks import Loaded, load_classifier, module_of, run_and_epoch
from neocog.api.predictions import (
    UNKNOWN,
    Choice,
    Prediction,
    Predictions,
    at_least,
    best_of,
    in_set,
)
from neocog.bundle import Calibration, Card, read_calibration
from neocog.data.dataset import Dataset
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples, as_samples
from neocog.data.source import list_pictures
from neocog.errors import UserError
from neocog.evaluation.conformal import threshold as conformal_threshold
from neocog.inference.engines import Chosen, choose
from neocog.inference.layer_features import CENTER, gather, last_layer
from neocog.inference.network import Floats
from neocog.inference.stream import stream
from neocog.progress import Progress, Silent


@dataclass(repr=False)
class Classifier:
    """A run or a published model, ready to predict. Made by `neocog.load`."""

    loaded: Loaded
    engine_name: str = "auto"
    device: str = "auto"
    soup_of: tuple[tuple[str, Path | None], ...] = ()
    """name and folder of the runs whose weights were averaged into it"""
    _chosen: Chosen | None = field(default=None, init=False, repr=False)

    def __repr__(self) -> str:
        return f"Classifier({self.name}: {len(self.classes):,} classes, {self.loaded.network.name})"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.loaded.classes

    @property
    def name(self) -> str:
        """The run's folder, with the epoch of a snapshot, or the published model's name."""
        epoch = "" if self.loaded.epoch is None else f"@{self.loaded.epoch}"
        return f"{self.loaded.folder or self.loaded.network.name}{epoch}"

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
        coverage: float | None = None,
    ) -> Predictions:
        """Names and probabilities of `pictures`: a path, a folder, arrays, PIL pictures, or a list of them.

        The `topk` most probable, 5 if not given; where a picture may show several classes, those with a probability
        of at least `threshold`, 0.5 if not given. With a `coverage` such as 0.95 as many classes as it takes to hold
        the true one so often, and `unknown` as the answer where these are not one; the run must be calibrated.
        """
        return Predictions(self.predict_stream(pictures, topk, progress, threshold, coverage))

    def predict_stream(
        self,
        pictures: object,
        topk: int | None = None,
        progress: Progress | None = None,
        threshold: float | None = None,
        coverage: float | None = None,
    ) -> Iterator[Prediction]:
        """`predict` one by one, in order and in constant memory, for any number of pictures."""
        choose_names, sets = self._choice(topk, threshold, coverage), coverage is not None
        samples = _samples(pictures)
        with (progress or Silent()).step("pictures", len(samples)) as advance:
            for part in stream(samples, self.preprocess, self.engine.engine):
                read: dict[int, Floats] = {}
                if len(part.indices):
                    rows = self.loaded.head.probabilities(part.outputs)
                    read = dict(zip(part.indices.tolist(), rows, strict=True))
                reasons = dict(part.skipped)
                for i in sorted([*read, *reasons]):
                    yield self._prediction(
                        samples.name(i), read.get(i), reasons.get(i, ""), choose_names, sets
                    )
                advance(len(read) + len(reasons))

    def probabilities(self, pictures: object) -> Floats:
        """(n, classes) in the order of `classes`; raises where a picture cannot be read."""
        features, chosen = self.embed(pictures), self.loaded.head
        return chosen.probabilities(features)

    def embed(
        self,
        pictures: object,
        progress: Progress | None = None,
        *,
        layer: str | None = None,
        pooling: str = "mean",
        views: str = CENTER,
    ) -> Floats:
        """The features (n, d) of a `layer`, or those that the last layer reads; raises where one cannot be read.

        `layer`, `pooling` and `views` are those of `neocog embed`. Kept by content.
        """
        samples = _samples(pictures)
        asked = asked_of(layer or (), pooling, views)
        if asked == Asked():
            way = last_layer(self.loaded.network, self.engine.engine)
        else:
            way = way_of(of_loaded(self.loaded), asked, self.engine_name, self.device).way
        found = gather(samples, way, progress or Silent())
        if found.skipped:
            index, reason = found.skipped[0]
            raise UserError(f"{samples.name(index)} cannot be read: {reason}")
        (matrix,) = found.features.values()
        return matrix

    def evaluate(
        self,
        data: object,
        part: str | None = None,
        progress: Progress | None = None,
        **options: Unpack[JudgingOptions],
    ) -> Scored | ScoredSeveral:
        """Scores on labelled data, labels matched by name; of parts on `part`, else test, else val.

        `options` are those of `neocog.evaluate` about data and answers: `protocol`, `average`, `subset`, `label_sets`,
        `exact`, `strict`, `split` and so on.
        """
        from neocog.api.evaluating.evaluate import (  # which loads classifiers itself
            asked_for,
            judged,
            judged_data,
        )

        told = progress or Silent()
        dataset = judged_data(data, told, options, part, labels=not options.get("label_sets"))
        return judged([self], dataset, asked_for(options, dataset), told, exact=options.get("exact", False))

    def member(self) -> Member:
        """Itself as one of those that are judged together."""
        return Member(self.name, self.loaded, self.engine.engine, self.soup_of, self.device)

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
        return module_of(self.loaded)

    def _choice(self, topk: int | None, threshold: float | None, coverage: float | None) -> Choice:
        if topk is not None and topk < 1:
            raise UserError(f"topk must be at least 1, got {topk}")
        if coverage is not None:
            return in_set(self._set_threshold(topk, threshold, coverage))
        if self.several:
            return at_least(threshold, topk)
        if threshold is not None:
            raise UserError(
                "a threshold is for runs whose pictures may show several classes at once, "
                f"got {threshold}; leave it out"
            )
        return best_of(topk)

    def calibration(self) -> Calibration | None:
        """What `neocog calibrate` stored in the run; None where it did not, or these are other weights."""
        stored = self.card is not None and self.card.calibration is not None
        return read_calibration(self.loaded.folder) if stored and self.loaded.folder else None

    def _set_threshold(self, topk: int | None, threshold: float | None, coverage: float) -> float:
        """How little a class may fit to be in a set that holds the true one with a probability of `coverage`."""
        if topk is not None or threshold is not None:
            raise UserError("a coverage decides how many labels a picture gets; leave out topk and threshold")
        if self.several:
            raise UserError(
                "a coverage is for models that name one class per picture, this one names several"
            )
        kept = self.calibration()
        if self.loaded.epoch is not None:
            raise UserError(
                f"a coverage is promised by a run as it ended, got {self.name}; leave the epoch out"
            )
        if kept is None:
            raise UserError(
                "a coverage can be promised once pictures that did not train have been looked at; "
                f"run: neocog calibrate {self.name} DATA"
            )
        return conformal_threshold(kept.scores, coverage)

    def _prediction(
        self, name: str, row: NDArray[np.float32] | None, reason: str, choose_names: Choice, sets: bool
    ) -> Prediction:
        if row is None:
            return Prediction(name, (), (), reason)
        said = choose_names(row)
        labels = tuple(self.classes[i] for i in said)
        answer = (labels[0] if len(labels) == 1 else UNKNOWN) if sets else None
        return Prediction(name, labels, tuple(float(row[i]) for i in said), answer=answer)


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
    if download and run_and_epoch(run)[0] is None:
        names.fetch(names.parse(str(run)), progress)
    return Classifier(load_classifier(run, model), engine, device)


def _samples(pictures: object) -> Samples:
    if isinstance(pictures, str | Path):
        return list_pictures([pictures])
    if isinstance(pictures, list | tuple) and pictures and all(isinstance(p, str | Path) for p in pictures):
        return list_pictures(pictures)
    return as_samples(pictures)
