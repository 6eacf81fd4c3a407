"""One network trained by the project's own loop, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.experiments.training.pictures import Pictures
from neocog.progress import Advance
from neocog.training.loop import Setting, Task, train_loop
from neocog.training.machine import PLAIN, SMALL, Machine
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.keeping import Diverged

PART = 2000  # training pictures that the training error is measured on: always the same ones of a trial
Watch = Callable[[int], None]
"""called after each step with the number of steps done"""


@dataclass(frozen=True)
class Measured:
    """A network in evaluation mode at one time of its training."""

    epoch: float
    """passes over the training pictures so far"""
    train_loss: float
    train_error: float
    """share of the fixed part of the training pictures that is classified wrongly"""
    test_error: float


@dataclass(frozen=True)
class History:
    """How a training went."""

    rows: tuple[Measured, ...]
    diverged: bool = False
    """the loss became infinite or no number; rows after that are those of guessing"""

    @property
    def last(self) -> Measured:
        return self.rows[-1]

    def sooner(self, error: float) -> float | None:
        """The epochs until the training error was at most `error`; None if it never was."""
        return next((row.epoch for row in self.rows if row.train_error <= error), None)


@dataclass
class _Watching:
    """A listener to the loop's progress that measures `net` `often` times an epoch."""

    measure: Callable[[float], Measured]
    recipe: Recipe
    often: int
    watch: Watch | None
    rows: list[Measured] = field(default_factory=list)
    steps: int = 0

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        """The loop's pictures; it tells of them a step at a time."""
        parts = self.recipe.epochs * self.often
        done = 0

        def advance(count: int, note: str = "", /) -> None:
            nonlocal done
            if not count:
                return
            before = done
            done += count
            self.steps += 1
            if self.watch:
                self.watch(self.steps)
            if parts * done // total > parts * before // total:
                self.rows.append(self.measure(self.recipe.epochs * done / total))

        yield advance


def fit(
    net: nn.Module,
    pictures: Pictures,
    recipe: Recipe,
    seed: int,
    watch: Watch | None = None,
    often: int = 1,
) -> History:
    """Train `net` in place by `recipe`; order of pictures and dropout follow from `seed`.

    Measured before the first step and `often` times an epoch. A loss that is no longer finite ends the training and
    is part of the result, not an error.
    """
    train, test = pictures.train, pictures.test
    known, unseen = (_Part.of(pictures, part) for part in (first(train, PART), test))

    def measure(epoch: float) -> Measured:
        loss, error = known.judged(net)
        return Measured(epoch, loss, error, unseen.judged(net)[1])

    watching = _Watching(measure, recipe, often, watch, [measure(0.0)])
    # the loop's own judgement is not used, so it gets few pictures
    task = Task(train, first(test, 16), pictures.preprocess, Workers(0))
    machine = Machine(threads=1) if sum(p.numel() for p in net.parameters()) < SMALL else PLAIN
    diverged = False
    try:
        if train_loop(net, task, recipe, seed, watching, Setting(machine=machine)).interrupted:
            raise KeyboardInterrupt
    except Diverged:
        diverged = True
    guessed = [_guessing(pictures, n / often) for n in range(len(watching.rows), recipe.epochs * often + 1)]
    return History((*watching.rows, *guessed), diverged)


def _guessing(pictures: Pictures, epoch: float) -> Measured:
    """What a network that has forgotten everything comes to."""
    classes = int(pictures.train.labels.max()) + 1
    return Measured(epoch, log(classes), 1 - 1 / classes, 1 - 1 / classes)


def first(part: Labelled, count: int) -> Labelled:
    """The first `count` pictures of a part, or all."""
    places = part.places(torch.arange(min(count, len(part))).numpy())
    return Labelled(part.pixels, part.labels[:count], places)


def initialised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose first weights follow from `seed`; torch's own generator is afterwards what it was."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return build()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """`net` in evaluation mode, without gradients; each layer is afterwards in the mode that it was in."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def logits(net: nn.Module, inputs: Tensor, batch: int = 500) -> Tensor:
    """Logits (n, classes) in evaluation mode."""
    with evaluating(net):
        return torch.cat([net(part) for part in torch.split(inputs, batch)])


def error_of(scores: Tensor, labels: Tensor) -> float:
    """Share of the pictures whose highest score is not their label's; of none that are numbers all are wrong."""
    right = (scores.argmax(1) == labels) & scores.isfinite().all(1)
    return 1 - right.double().mean().item()


@dataclass(frozen=True, eq=False)
class _Part:
    """Pictures that a network is judged on again and again."""

    inputs: Tensor
    labels: Tensor

    @classmethod
    def of(cls, pictures: Pictures, part: Labelled) -> _Part:
        return cls(pictures.inputs(part), torch.from_numpy(part.labels))

    def judged(self, net: nn.Module) -> tuple[float, float]:
        """Mean cross-entropy and error."""
        scores = logits(net, self.inputs)
        return F.cross_entropy(scores, self.labels).item(), error_of(scores, self.labels)


def averaged(networks: Sequence[nn.Module], inputs: Tensor) -> Tensor:
    """The mean of the networks' probabilities (n, classes)."""
    return torch.stack([logits(net, inputs).softmax(1) for net in networks]).mean(0)
