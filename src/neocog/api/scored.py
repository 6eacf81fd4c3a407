"""A classifier against labelled pictures, labels matched by name."""

from __future__ import annotations

import csv
import html
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import Loaded
from neocog.data.dataset import Dataset, LeftOut
from neocog.data.quarantine import demand_readable
from neocog.errors import UserError
from neocog.evaluation.leakage import Leaked, leaked
from neocog.evaluation.metrics import Scores, score
from neocog.inference.engines import Engine
from neocog.inference.network import Floats
from neocog.inference.stream import stream
from neocog.progress import Progress


@dataclass(frozen=True)
class Scored:
    """Scores with what they were computed from."""

    scores: Scores
    probabilities: Floats
    """(n, classes of the model)"""
    labels: NDArray[np.int64]
    """the true classes among the model's; beyond its last one where the model does not know the class"""
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    """(path, reason)"""
    unknown_classes: tuple[str, ...]
    """classes of the data that the model does not know; their pictures count as wrong"""
    leaked: Leaked | None = None
    """how many of the pictures the model was trained on, found by content; None where nobody knows"""
    quarantined: tuple[LeftOut, ...] = ()
    """pictures that a quarantine list left out"""
    exact: Scored | None = None
    """the same pictures with every pixel decoded, where that was asked for; None where it is what was done anyway"""

    without = "those pictures count as wrong"
    """what becomes of `unknown_classes`"""

    @property
    def top1(self) -> float:
        return self.scores.top1

    @property
    def differing(self) -> int:
        """How many pictures get another class with every pixel decoded."""
        if self.exact is None:
            return 0
        return int((self.probabilities.argmax(axis=1) != self.exact.probabilities.argmax(axis=1)).sum())

    def to_json(self) -> dict[str, Any]:
        scores = self.scores
        exact = {"exact": {"top1": self.exact.top1, "differing": self.differing}} if self.exact else {}
        return {
            "top1": scores.top1,
            "top5": scores.top5,
            "top1_interval": list(scores.top1_interval),
            "n": scores.n,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "quarantined": [gone.to_json() for gone in self.quarantined],
            "leakage": asdict(self.leaked) if self.leaked else None,
            "per_class": {name: vars(row) for name, row in scores.per_class.items()},
            **exact,
        }

    def _repr_html_(self) -> str:
        low, high = self.scores.top1_interval
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{row.precision:.3f}</td><td>{row.recall:.3f}</td>"
            f"<td>{row.f1:.3f}</td><td>{row.n}</td></tr>"
            for name, row in self.scores.per_class.items()
        )
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>n</th></tr>"
        summary = f"top-1 {self.top1:.4f} (95 % interval {low:.4f} to {high:.4f}), n = {self.scores.n}"
        return f"<p>{summary}</p><table>{head}{rows}</table>"


@dataclass(frozen=True)
class Answered:
    """What a classifier says about the readable pictures of a data set."""

    indices: NDArray[np.int64]
    """of these pictures in the data set"""
    probabilities: Floats
    """(n, classes of the model)"""
    skipped: tuple[tuple[str, str], ...]
    """(path, reason)"""
    known: NDArray[np.bool_] | None
    """(n,), which of them the model was trained on, found by content; None where nobody knows"""


def score_dataset(
    loaded: Loaded, engine: Engine, dataset: Dataset, progress: Progress, strict: bool = False
) -> Scored:
    """Every readable picture of `dataset`, in order; with `strict` an error where one cannot be read."""
    index, unknown = match_labels(loaded.classes, dataset.classes)
    found = answered(loaded, engine, dataset, progress, strict)
    labels = index[dataset.labels[found.indices]]
    return Scored(
        scores=score(found.probabilities, labels, (*loaded.classes, *unknown)),
        probabilities=found.probabilities,
        labels=labels,
        paths=tuple(dataset.samples.name(i) for i in found.indices),
        skipped=found.skipped,
        unknown_classes=unknown,
        leaked=None if found.known is None else leaked(found.probabilities, labels, found.known),
        quarantined=dataset.quarantined,
    )


def answered(loaded: Loaded, engine: Engine, dataset: Dataset, progress: Progress, strict: bool) -> Answered:
    """The model's probabilities for every readable picture, in order; UserError where there is none."""
    kept: list[NDArray[np.int64]] = []
    rows: list[Floats] = []
    unread: list[tuple[int, str]] = []
    trained = training_hashes(loaded.folder)
    seen: list[bool] = []
    for note in dataset.notes:
        progress.say(note)
    with progress.step("pictures", len(dataset)) as advance:
        for part in stream(dataset.samples, loaded.network.preprocess, engine):
            if len(part.indices):
                kept.append(part.indices)
                rows.append(loaded.head.probabilities(part.outputs))
                seen += [row.tobytes().hex() in trained for row in part.hashes]
            unread += part.skipped
            advance(len(part.indices) + len(part.skipped))
    if strict:
        demand_readable(dataset, unread)
    skipped = tuple((dataset.samples.name(i), reason) for i, reason in unread)
    if not kept:
        raise UserError(
            f"no picture of {dataset.name} can be read ({skipped[0][1] if skipped else 'it is empty'})"
        )
    known = np.array(seen) if trained else None
    return Answered(np.concatenate(kept), np.concatenate(rows), skipped, known)


def training_hashes(run: Path | None) -> frozenset[str]:
    """SHA-256 of the pictures that a run was trained on; none where its manifest is not there."""
    manifest = run / "split.csv" if run else None
    if manifest is None or not manifest.is_file():
        return frozenset()
    lines = manifest.read_text("utf-8", "surrogateescape").splitlines()
    return frozenset(row["sha256"] for row in csv.DictReader(lines) if row.get("part") == "train")


def match_labels(known: tuple[str, ...], given: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """For each class of the data its place among the model's, or behind them where the model lacks it."""
    places = {name: i for i, name in enumerate(known)}
    unknown = tuple(name for name in given if name not in places)
    if len(unknown) == len(given):
        raise UserError(
            f"model and data must share a class; the model has {_list(known)}, the data has {_list(given)}"
        )
    places |= {name: len(known) + i for i, name in enumerate(unknown)}
    return np.array([places[name] for name in given], dtype=np.int64), unknown


def _list(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:10])
    return f"{shown}, ... ({len(classes)} classes)" if len(classes) > 10 else shown
