"""How a classifier answers one picture: which views it takes of it, and how their answers become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import Loaded
from neocog.data.decode import Pixels
from neocog.data.samples import Picture
from neocog.errors import UserError, unknown
from neocog.inference.engines import Engine
from neocog.inference.network import Floats, Head
from neocog.inference.stream import BATCH

AVERAGES = ("softmax", "logits")
PLAIN = "center"


@dataclass(frozen=True)
class Member:
    """A classifier that takes part, and the engine that runs its network."""

    name: str
    loaded: Loaded
    engine: Engine
    soup_of: tuple[tuple[str, Path | None], ...] = ()
    """name and folder of the runs whose weights were averaged into it"""
    device: str = "auto"

    @property
    def names(self) -> tuple[str, ...]:
        """What it is made of."""
        return tuple(name for name, _ in self.soup_of) or (self.name,)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of the runs that it is made of."""
        found = [folder for _, folder in self.soup_of] if self.soup_of else [self.loaded.folder]
        return tuple(folder for folder in found if folder is not None)


@dataclass(frozen=True)
class Answering:
    """One way from pictures to probabilities."""

    prepare: Callable[[Picture], NDArray[Any]]
    """a picture's views, uint8 (views, height, width, channels), or whatever `answer` takes"""
    answer: Callable[[NDArray[Any]], Floats]
    """what was prepared of several pictures (n, ...) -> probabilities (n, classes), or logits where these are wanted"""
    views: int
    batch: int
    """pictures at once"""
    engine: str


def demand_average(average: str) -> None:
    if average not in AVERAGES:
        raise unknown("average", average, AVERAGES)


def by_views(
    member: Member, prepare: Callable[[Picture], Pixels], views: int, average: str, raw: bool = False
) -> Answering:
    """The network reads each view; `softmax` averages their probabilities, `logits` what these are made of.

    With `raw` the answers are the averaged logits, divided by the temperature: what an ensemble averages.
    """

    def answer(pixels: Pixels) -> Floats:
        n, taken = pixels.shape[:2]
        features = member.engine(pixels.reshape(-1, *pixels.shape[2:]))
        logits = member.loaded.head.logits(features).reshape(n, taken, -1)
        if raw:
            return mean_logits(logits) / np.float32(member.loaded.head.temperature)
        return mean_answer(member.loaded.head, logits, average)

    return Answering(prepare, answer, views, max(1, BATCH // views), member.engine.name)


def mean_answer(head: Head, logits: Floats, average: str) -> Floats:
    """Probabilities (n, classes) of the logits (n, views, classes); one view's are its own, bit for bit."""
    n, views, classes = logits.shape
    if average == "logits" or views == 1:
        return head.activated(mean_logits(logits))
    rows = head.activated(logits.reshape(-1, classes)).reshape(n, views, classes)
    return np.asarray(rows.mean(axis=1, dtype=np.float64), np.float32)


def mean_logits(logits: Floats) -> Floats:
    """(n, classes) of (n, views, classes)."""
    return np.asarray(logits.mean(axis=1, dtype=np.float64), np.float32)


def ensemble_answer(members: Sequence[Floats]) -> Floats:
    """The mean (n, classes) of what the members answer, probabilities or logits."""
    if len(members) == 1:
        return members[0]
    return np.asarray(np.mean(members, axis=0, dtype=np.float64), np.float32)


def in_order_of(classes: tuple[str, ...], member: Member) -> NDArray[Any]:
    """Where each of `classes` is among the member's; UserError where it has others."""
    own = member.loaded.classes
    if set(own) != set(classes):
        missing, more = sorted(set(classes) - set(own)), sorted(set(own) - set(classes))
        told = [f"lacks {', '.join(missing[:5])}"] * bool(missing) + [f"has {', '.join(more[:5])}"] * bool(
            more
        )
        raise UserError(
            f"the members of an ensemble must know the same classes, {member.name} {' and '.join(told)}; "
            "train them on the same classes, or compare them with `neocog compare`"
        )
    places = {name: i for i, name in enumerate(own)}
    return np.array([places[name] for name in classes])
