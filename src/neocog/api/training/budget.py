"""What fits into a given time: how to train, at which picture size, for how many epochs, from measured speeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Literal

from neocog.draw.table import Table
from neocog.errors import UserError

Kind = Literal["probe", "partial", "full", "scratch"]
WAYS: dict[Kind, str] = {
    "probe": "linear classifier on the frozen network",
    "partial": "fine-tuning of the upper third",
    "full": "fine-tuning of all weights",
    "scratch": "all weights from random ones",
}
ORDER: dict[Kind, int] = {"probe": 0, "partial": 1, "full": 2, "scratch": 2}
FEWEST_EPOCHS = 5  # of fine-tuning, below which a linear classifier on frozen features is the safer choice
FEWEST_STEPS = 150  # the same in steps: the new last layer has to be found first
MOST_EPOCHS = 200
SCRATCH_STEPS = 2000  # of training from random weights, after which more epochs are not planned
TRIED = 4  # steps' worth of work in the checks before training
SPENT = 0.85  # share of the time that is planned: speeds change while other programs run


@dataclass(frozen=True)
class Counts:
    """How many pictures there are, and how a pass takes them."""

    train: int
    held_out: int
    batch: int
    epochs: int
    """of the recipe; as many are planned at most, or more where there are few pictures"""
    probe: bool = True
    """whether the probe is open, to be taken where fine-tuning would have too few steps"""
    side: float = inf
    """of the pictures as they are, in pixels, the shorter one: a larger size shows nothing more"""


@dataclass(frozen=True)
class Speed:
    """Of one way of training at one size, as measured."""

    kind: Kind
    size: int
    read: float
    """pictures a second that are read and decoded"""
    judge: float
    """pictures a second in a forward pass"""
    learn: float | None = None
    """pictures a second in a training step; None where judging alone takes too long, and for the probe"""
    fit: float = 0.0
    """seconds that the linear classifier takes; where training begins with it, those of its features, too"""
    closing: float = 0.0
    """seconds for what comes after training: the engine, the self-test, the files"""


@dataclass(frozen=True)
class Choice:
    """A way of training with what it takes, and why it was taken or not."""

    speed: Speed
    epochs: int
    """0 for the probe, which has none, and where too few fit"""
    seconds: float
    """predicted for everything from now on: reading, training, judging; of the least that makes sense if 0 epochs"""
    verdict: str


@dataclass(frozen=True)
class Budget:
    """What is to be done within the time, and what was not chosen."""

    left: float
    """seconds there were for it"""
    chosen: Choice
    choices: tuple[Choice, ...]
    """the best first"""

    def table(self) -> Table:
        header = ("", "way", "px", "read/s", "learned/s", "epochs", "seconds", "why")
        return Table(header, tuple(self._row(choice) for choice in self.choices))

    def _row(self, choice: Choice) -> tuple[object, ...]:
        speed = choice.speed
        learned = speed.judge if speed.kind == "probe" else speed.learn
        return (
            "*" if choice is self.chosen else "",
            WAYS[speed.kind],
            speed.size,
            round(speed.read),
            None if learned is None else round(learned, 1),
            choice.epochs or None,
            round(choice.seconds),
            choice.verdict,
        )


def plan_for(left: float, speeds: Sequence[Speed], counts: Counts, epochs: int | None = None) -> Budget:
    """The best way that fits into `left` seconds, `epochs` being what the user gave.

    Larger pictures are worth more than smaller ones, as long as there is more to see; then, from trained weights,
    training all weights is worth more than the upper ones, these more than a linear classifier on the frozen network,
    each as long as enough epochs fit. Where a larger size only enlarges, it is worth more if all epochs fit there, too.
    At one size more time never gives fewer epochs. UserError where nothing fits.
    """
    found = (choice_for(left, speed, counts, epochs) for speed in speeds)
    choices = sorted(found, key=lambda choice: _worth(choice, counts, epochs), reverse=True)
    fitting = [choice for choice in choices if not choice.verdict]
    if not fitting:
        quickest = min(choices, key=lambda choice: choice.seconds)
        raise UserError(
            f"the quickest way, {WAYS[quickest.speed.kind]} at {quickest.speed.size} px, takes about "
            f"{quickest.seconds / SPENT:.0f} s of which {max(left, 0):.0f} s are left; give more --time"
        )
    best = fitting[0]
    named = [_explained(choice, best) for choice in choices]
    return Budget(left, next(c for c in named if c.speed is best.speed), tuple(named))


def smaller_is_vain(
    left: float, speeds: Sequence[Speed], counts: Counts, epochs: int | None, smaller: int, late: bool = False
) -> bool:
    """Whether pictures of side `smaller` need not be looked at beside `speeds`, since they would not be chosen.

    Where it is `late`, any way that fits is good enough.
    """
    finest = max(ORDER[speed.kind] for speed in speeds)
    for choice in (choice_for(left, speed, counts, epochs) for speed in speeds):
        less = min(smaller, counts.side) < min(choice.speed.size, counts.side)
        best = ORDER[choice.speed.kind] == finest and _whole(choice, counts, epochs)
        if not choice.verdict and (less or best or late):
            return True
    return False


def choice_for(left: float, speed: Speed, counts: Counts, epochs: int | None = None) -> Choice:
    """As many epochs as fit; the verdict is empty where that is enough."""
    usable = left * SPENT
    if speed.kind == "probe":
        seconds = _once(speed, counts)
        return Choice(speed, 0, seconds, "" if seconds <= usable else "takes too long")
    each, least = _epoch(speed, counts), fewest_epochs(speed.kind, counts) if epochs is None else epochs
    once, most = _once(speed, counts), _wanted(speed.kind, counts, epochs)
    fit = min(most, floor(max(0.0, usable - once) / each))
    if least > most:
        steps = most * ceil(counts.train / counts.batch)
        return Choice(speed, 0, once + most * each, f"too few pictures: {steps:,} steps in {most} epochs")
    if fit < least or speed.learn is None:
        about = "at least " if speed.learn is None else ""
        return Choice(speed, 0, once + least * each, f"takes too long: {about}{each:,.0f} s an epoch")
    return Choice(speed, fit, once + fit * each, "")


def fewest_epochs(kind: Kind, counts: Counts) -> int:
    """Of fine-tuning, what is worth beginning; from random weights anything is, since there is no other way.

    Where the probe is not open, since fine-tuning was asked for, few steps are what few pictures give.
    """
    if kind == "scratch":
        return 1
    if not counts.probe:
        return FEWEST_EPOCHS
    return max(FEWEST_EPOCHS, ceil(FEWEST_STEPS / ceil(counts.train / counts.batch)))


def most_epochs(kind: Kind, counts: Counts) -> int:
    """As the recipe has them; more where these are few steps, since the pictures are few."""
    if kind != "scratch":
        return max(counts.epochs, FEWEST_EPOCHS)
    per_epoch = ceil(counts.train / counts.batch)
    return max(counts.epochs, min(MOST_EPOCHS, ceil(SCRATCH_STEPS / per_epoch)))


def _wanted(kind: Kind, counts: Counts, epochs: int | None) -> int:
    return most_epochs(kind, counts) if epochs is None else epochs


def _whole(choice: Choice, counts: Counts, epochs: int | None) -> bool:
    """Whether there is time for all of it."""
    kind = choice.speed.kind
    return kind == "probe" or choice.epochs == _wanted(kind, counts, epochs)


def _worth(choice: Choice, counts: Counts, epochs: int | None) -> tuple[float, int, int, int, int]:
    """By what is to be seen first, then by how many weights learn (docs/training.md has the measurements behind it)."""
    size, kind = choice.speed.size, choice.speed.kind
    whole = size if _whole(choice, counts, epochs) else 0
    return min(size, counts.side), ORDER[kind], whole, choice.epochs, size


def _once(speed: Speed, counts: Counts) -> float:
    """Seconds of what is done once: reading, trying a batch before training, judging and writing at the end."""
    pictures = counts.train + counts.held_out
    if speed.kind == "probe":
        return pictures / speed.read + pictures / speed.judge + speed.fit + speed.closing
    tried = TRIED * min(counts.batch, counts.train) / (speed.learn or speed.judge)
    read = (pictures + counts.held_out) / speed.read  # what judges is read again, at its own size
    return speed.fit + read + tried + counts.held_out / speed.judge + speed.closing


def _epoch(speed: Speed, counts: Counts) -> float:
    return counts.train / (speed.learn or speed.judge) + counts.held_out / speed.judge


def _explained(choice: Choice, best: Choice) -> Choice:
    if choice.speed is best.speed:
        why = "chosen"
    elif choice.verdict:
        why = choice.verdict
    elif choice.speed.kind == best.speed.kind and choice.epochs < best.epochs:
        why = "fits, for fewer epochs"
    elif choice.speed.kind == "probe" and best.speed.kind != "probe":
        why = "fits, fewer weights learn"
    else:
        why = "fits, but is expected to be less accurate"
    return Choice(choice.speed, choice.epochs, choice.seconds, why)
