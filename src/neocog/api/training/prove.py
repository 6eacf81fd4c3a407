"""Whether a run that is stopped and goes on comes to the same bits: tried with the user's own run."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Unpack

from neocog import runtime
from neocog.api.training.places import MACHINE
from neocog.api.training.plan import Plan
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.errors import UserError
from neocog.progress import Progress, Silent
from neocog.training.resume.saving import CHECKPOINTS

if TYPE_CHECKING:
    from neocog.training.resume.checkpoint import Checkpoint

STEPS = 20  # of the run that are tried
CLOCKED = frozenset({"seconds", "waited", "data_wait"})  # facts that the clock fills


@dataclass(frozen=True)
class Proof:
    """What two ways to the same step came to: one undisturbed, one stopped and killed on the way."""

    steps: int
    stops: int
    """how often the run was stopped after a step"""
    kills: int
    """how often its process was killed"""
    tensors: int
    """that were compared: weights, the optimizer's, averages"""
    bytes: int
    difference: str = ""
    """the first thing that is not the same"""

    @property
    def identical(self) -> bool:
        return not self.difference

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"identical": self.identical}

    def __str__(self) -> str:
        way = f"after {self.steps:,} steps, {self.stops} stops and {self.kills} kills on the way"
        if self.difference:
            return f"not identical {way}: {self.difference}"
        return f"identical {way}: {self.tensors:,} tensors, {self.bytes:,} bytes, and all figures"


def prove_resume(
    data: object,
    model: str | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[PlanOptions],
) -> Proof:
    """Train the first steps of the run that `train` would make of the same arguments, twice, and compare all bits.

    One time without a break; the other time the run's process is killed at a random step, the run goes on, is stopped
    at another and goes on, is killed again and goes on. Everything is in a temporary folder. Raises UserError for a
    recipe that keeps no checkpoints, and where the run itself cannot be done.
    """
    told = Timed(progress or Silent())
    plan = planned(data, model, options, told)
    _demand_steps(plan)
    for line in plan.decisions:
        told.say(line)
    with tempfile.TemporaryDirectory() as name:
        whole, stopped = Path(name, "whole"), Path(name, "stopped")
        _go(plan, whole, STEPS, told)
        if not (steps := _newest(whole)):  # the run has fewer
            _go(plan, whole, STEPS, Silent(), every=0.0)
            steps = _newest(whole)
        stopped.mkdir()
        shutil.copy(whole / MACHINE, stopped)  # measured once: another layout would round differently
        kills, stops = _with_breaks(plan, (data, model, options), stopped, steps)
        return _compared(whole, stopped, Proof(steps, stops, kills, 0, 0))


def _demand_steps(plan: Plan) -> None:
    """Raise where the run cannot be stopped in this way."""
    if not plan.by_gradient:
        raise UserError(
            f"the recipe {plan.recipe_name} has no steps to stop between; take one that trains all weights"
        )
    if runtime.launched():
        raise UserError("--prove-resume kills processes of its own; leave torchrun out")


def _go(plan: Plan, folder: Path, steps: int, told: Progress, every: float = float("inf")) -> None:
    """The run in `folder` from where it is until `steps` are done."""
    from neocog.api.training.by_gradient import run_loop
    from neocog.training.processes.exchange import ALONE

    folder.mkdir(exist_ok=True)
    saving = replace(plan.saving, every=every, steps=steps, resume=True, limit=None, tensorboard=False)
    trained = run_loop(replace(plan, saving=saving), told, folder, ALONE)[1]
    if trained.interrupted and "steps are done" not in trained.interrupted:
        raise KeyboardInterrupt


def _go_alone(given: tuple[object, str | None, PlanOptions], folder: Path, steps: int) -> None:
    """In a process of its own, which saves after every step."""
    data, model, options = given
    _go(planned(data, model, options, Timed(Silent())), folder, steps, Silent(), every=0.0)


def _with_breaks(
    plan: Plan, given: tuple[object, str | None, PlanOptions], folder: Path, steps: int
) -> tuple[int, int]:
    """Take the run to its last step with breaks at random; how often it was killed and stopped."""
    draw, kills, stops = random.Random(), 0, 0
    breaks = sorted(draw.sample(range(1, steps), min(3, steps - 1)))
    for number, step in enumerate(breaks):
        if _newest(folder) >= step:
            continue
        if number % 2:
            _go(plan, folder, step, Silent())
            stops += 1
        else:
            kills += _killed(given, folder, step, steps)
    if _newest(folder) < steps:
        _go(plan, folder, steps, Silent())
    return kills, stops


def _killed(given: tuple[object, str | None, PlanOptions], folder: Path, step: int, steps: int) -> bool:
    """Start the run in a process of its own and kill that when `step` is saved; whether it came in time."""
    process = multiprocessing.get_context("spawn").Process(target=_go_alone, args=(given, folder, steps))
    process.start()
    try:
        while process.exitcode is None and _newest(folder) < step:
            sleep(0.001)
    finally:
        process.kill()
        process.join()
    if process.exitcode and process.exitcode > 0:
        raise UserError(
            "the run must work in a process of its own, but there it failed; see what it said above"
        )
    return process.exitcode != 0


def _newest(folder: Path) -> int:
    from neocog.training.resume.checkpoint import steps

    return max(steps(folder / CHECKPOINTS), default=0)


def _compared(whole: Path, stopped: Path, proof: Proof) -> Proof:
    from neocog.training.resume.checkpoint import read_checkpoint

    one, other = (read_checkpoint(folder / CHECKPOINTS, proof.steps) for folder in (whole, stopped))
    return replace(
        proof,
        tensors=len(one.tensors),
        bytes=sum(tensor.nbytes for tensor in one.tensors.values()),
        difference=next(differences(one, other), ""),
    )


def differences(one: Checkpoint, other: Checkpoint) -> Iterator[str]:
    """What two states of a run do not have in common, a sentence each; what the clock says is left out."""
    import torch

    for name in sorted(one.tensors.keys() | other.tensors.keys()):
        here, there = one.tensors.get(name), other.tensors.get(name)
        if here is None or there is None:
            yield f"only one of them has the tensor {name}"
        elif here.shape != there.shape:
            yield f"{name} has the shape {list(here.shape)} in one and {list(there.shape)} in the other"
        elif not torch.equal(here, there):
            yield f"{int((here != there).sum()):,} of {here.numel():,} numbers in {name} differ"
    facts = _without_clock(one.facts), _without_clock(other.facts)
    for name in sorted(facts[0].keys() | facts[1].keys()):
        if facts[0].get(name) != facts[1].get(name):
            yield f"{name} is {facts[0].get(name)} in one and {facts[1].get(name)} in the other"


def _without_clock(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [_without_clock(row) for row in value] if name == "rows" else value
        for name, value in facts.items()
        if name not in CLOCKED
    }
