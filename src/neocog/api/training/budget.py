"""What fits into a given time: how to train, at which picture size, for how many epochs, from measured speeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
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

    Larger pictures are worth more than smaller ones; at one size, from trained weights, training all weights is worth
    more than the upper ones, these more than a linear classifier on the frozen network, each as long as enough epochs
    fit. At the same size more time never gives fewer epochs. UserError where nothing fits.
    """
    choices = [choice_for(left, speed, counts, epochs) for speed in sorted(speeds, key=_worth, reverse=True)]
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


def smaller_is_vain(left: float, speeds: Sequence[Speed], counts: Counts, epochs: int | None = None) -> bool:
    """Whether smaller pictures than those of `speeds` need not be looked at, since they would not be chosen."""
    return any(not choice_for(left, speed, counts, epochs).verdict for speed in speeds)


def choice_for(left: float, speed: Speed, counts: Counts, epochs: int | None = None) -> Choice:
    """As many epochs as fit; the verdict is empty where that is enough."""
    usable = left * SPENT
    if speed.kind == "probe":
        seconds = _once(speed, counts)
        return Choice(speed, 0, seconds, "" if seconds <= usable else "takes too long")
    each, least = _epoch(speed, counts), fewest_epochs(speed.kind, counts) if epochs is None else epochs
    once = _once(speed, counts)
    most = most_epochs(speed.kind, counts) if epochs is None else epochs
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


def _worth(speed: Speed) -> tuple[int, int]:
    """By size first, then by how many weights learn (docs/training.md has the measurement behind it)."""
    order = {"probe": 0, "partial": 1, "full": 2, "scratch": 2}[speed.kind]
    return speed.size, order


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
    elif choice.speed.kind == best.speed.kind:
        why = f"fits, with less to see than at {best.speed.size} px"
    elif choice.speed.kind == "probe":
        why = "fits, fewer weights learn"
    else:
        why = "fits, but is expected to be less accurate"
    return Choice(choice.speed, choice.epochs, choice.seconds, why)
