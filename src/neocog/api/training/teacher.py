"""A trained run as the teacher of another: it names pictures without labels, which are then learned from, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import load_classifier
from neocog.api.training.pixels import read_pixels
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples, Subset
from neocog.data.source import list_pictures
from neocog.errors import UserError
from neocog.inference.engines import choose
from neocog.inference.features import extract
from neocog.inference.network import Floats
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.training.student import Pseudo

CONFIDENCE = 0.3  # Xie et al. 2020, section 3.1


class TeacherOptions(TypedDict, total=False):
    """A teacher for recipes that train all weights; `Teacher` says what each does."""

    teacher: str | Path | None
    unlabelled: str | Path | None
    confidence: float | None
    per_class: int | None


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Who names which pictures, and which of the names are believed."""

    run: str | Path
    """a run's folder, or a published model"""
    unlabelled: str | Path
    """pictures, as DATA"""
    confidence: float = CONFIDENCE
    """what the most probable class must exceed"""
    per_class: int | None = None
    """pictures of each class; None takes the mean of what there are"""

    def __post_init__(self) -> None:
        if not 0 <= self.confidence < 1:
            raise UserError(f"confidence must lie in 0..1, below 1, got {self.confidence}")
        if self.per_class is not None and self.per_class < 1:
            raise UserError(f"per_class must be at least 1, got {self.per_class}")


@dataclass(frozen=True, eq=False)
class Taught:
    """The training pictures with those that the teacher named, and in words how it went."""

    train: Labelled
    targets: Floats
    """(n, classes), the teacher's answers to the pictures it was believed for"""
    hashes: NDArray[np.uint8]
    """(n, 32), content hashes of these pictures"""
    summary: str


def make_teacher(options: TeacherOptions, recipe: str, learns: bool) -> Teacher | None:
    """The teacher that the user named; None where none was. `learns` is whether the recipe trains all weights."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given and recipe != "noisy-student":
        return None
    missing = [
        f"--{name} {what}" for name, what in (("teacher", "RUN"), ("unlabelled", "DATA")) if name not in given
    ]
    if missing:
        who = "the recipe noisy-student" if not given else f"--{next(iter(given)).replace('_', '-')}"
        raise UserError(
            f"{who} needs a teacher and the pictures that it names; give {' and '.join(missing)}, too"
        )
    if not learns:
        raise UserError(f"a network learns from a teacher by recipes that train all weights, got {recipe}")
    return Teacher(run=given.pop("teacher"), **given)  # type: ignore[arg-type]


def taught_by(
    teacher: Teacher,
    train: Labelled,
    classes: Sequence[str],
    judging: frozenset[str],
    preprocess: Preprocess,
    told: Progress,
) -> Taught:
    """`train` with the pictures that the teacher named behind it.

    `judging` are content hashes of held-out pictures, which nobody may learn from; `preprocess` is that of the
    training pictures. UserError where the teacher's classes are others, or it is sure of nothing.
    """
    from neocog.training.student import pseudo_labels, with_pseudo

    samples = list_pictures([teacher.unlabelled])
    indices, probabilities, hashes = _named(teacher, samples, classes, told)
    may = np.array([row.tobytes().hex() not in judging for row in hashes], dtype=bool)
    if not may.all():
        told.say(f"unlabelled: {int((~may).sum()):,} are held-out pictures and were left out")
    pseudo = pseudo_labels(probabilities[may], teacher.confidence, teacher.per_class)
    summary = _summary(teacher, pseudo, int(may.sum()), classes)
    told.say(f"teacher: {summary}")
    read = read_pixels(Subset(samples, indices[may]), preprocess, told)
    unlabelled = Labelled(read.pixels, pseudo.targets).source
    return Taught(
        with_pseudo(train, unlabelled, pseudo), pseudo.targets, hashes[may][pseudo.indices], summary
    )


def _named(
    teacher: Teacher, samples: Samples, classes: Sequence[str], told: Progress
) -> tuple[NDArray[np.int64], Floats, NDArray[np.uint8]]:
    """Indices of the readable pictures, (n, classes) what the teacher says about them, and their hashes."""
    loaded = load_classifier(teacher.run)
    if set(loaded.classes) != set(classes):
        odd = sorted(set(loaded.classes) ^ set(classes))
        raise UserError(
            f"the teacher must have the classes of the data, {odd[0]!r} is in one alone; train it on these data"
        )
    if loaded.head.activation != "softmax":
        raise UserError(
            f"a teacher must name one class per picture, {teacher.run} names several; take another run"
        )
    engine = choose(loaded.network, loaded.head).engine
    found = extract(samples, loaded.network, engine, told)
    if not len(found.indices):
        raise UserError(f"no picture of {teacher.unlabelled} can be read ({found.skipped[0][1]})")
    if found.skipped:
        told.say(f"unlabelled: {len(found.skipped):,} cannot be read")
    columns = [loaded.classes.index(name) for name in classes]
    return found.indices, loaded.head.probabilities(found.matrix)[:, columns], found.hashes


def _summary(teacher: Teacher, pseudo: Pseudo, pictures: int, classes: Sequence[str]) -> str:
    seen = pseudo.confident > 0
    line = (
        f"more than {teacher.confidence:g} sure of {int(pseudo.confident.sum()):,} of {pictures:,} pictures, "
        f"balanced to {len(pseudo.indices) // int(seen.sum()):,} in each of {int(seen.sum())} classes"
    )
    missing = [name for name, there in zip(classes, seen, strict=True) if not there]
    return f"{line}; none of {', '.join(missing)}" if missing else line
