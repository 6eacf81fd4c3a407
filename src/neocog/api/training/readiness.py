"""Before the first step: how this machine computes it, and what would go wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neocog import files, runtime
from neocog.api import names
from neocog.api.training.places import MACHINE
from neocog.api.training.plan import Plan
from neocog.data.decoding import typical_side
from neocog.data.samples import Samples
from neocog.errors import Unreadable, UserError
from neocog.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.training.loop import Task
    from neocog.training.machine import Machine
    from neocog.training.preflight import Sample
    from neocog.training.processes.distributed import World

LOOKED_AT = 64  # pictures of the batch that the machine is measured with and that is tried


def ready_machine(
    plan: Plan, net: nn.Module, task: Task, folder: Path, told: Progress, world: World
) -> Machine:
    """How steps are computed, after one batch was tried: an error ends the run, what is doubtful is said.

    A run that goes on computes as it did before, so that it comes to the same bits. Of several processes the first
    decides for all.
    """
    from neocog.training.machine import Machine
    from neocog.training.processes.exchange import word_of_first

    machine = _kept_or_chosen(plan, net, task, folder, told) if world.first else None
    text = word_of_first(world, json.dumps(machine.to_json()) if machine else "")
    return machine or Machine.from_json(json.loads(text))


def _kept_or_chosen(plan: Plan, net: nn.Module, task: Task, folder: Path, told: Progress) -> Machine:
    from neocog.training.machine import Machine

    kept = folder / MACHINE
    if plan.saving.resume and kept.is_file():
        try:
            return Machine.from_json(json.loads(kept.read_text("utf-8")))
        except (ValueError, TypeError, AttributeError, UserError) as error:
            raise UserError(
                f"{kept} must say how the run's steps are computed, but it is damaged ({error}); "
                "restore it from a copy, or start anew with another --output"
            ) from error
    sample = _sample(plan, net, task)
    look_over(plan, net, task, sample, told)
    machine = _measured_once(plan, net, sample.normalise(sample.pixels))
    machine = replace(machine, compile=plan.compile, recompute=plan.recompute)
    for line in machine.why:
        told.say(line)
    files.write_text(kept, json.dumps(machine.to_json(), indent=2) + "\n")
    return machine


def _measured_once(plan: Plan, net: nn.Module, pixels: Tensor) -> Machine:
    """The fastest way on this machine, measured the first time and kept: another way gives other bits."""
    import torch

    from neocog.training.machine import Machine, chosen_machine

    parts = [
        str(plan.reference),
        names.code_version(str(plan.reference), names.source_sha256(plan.reference)),
        list(pixels.shape),
        str(pixels.device),
        runtime.processor(),
        torch.get_num_threads(),
        torch.__version__,
        plan.precision,
    ]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    kept = files.make_folder(runtime.cache_folder() / "machines") / f"{key}.json"
    try:
        return Machine.from_json(json.loads(kept.read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # none yet, or damaged
        machine = chosen_machine(net, pixels, pixels.device, plan.precision)
        files.write_text(kept, json.dumps(machine.to_json(), indent=2) + "\n")
        return machine


def look_over(plan: Plan, net: nn.Module, task: Task, sample: Sample, told: Progress) -> None:
    """Raise for what would make training fail or learn nothing; say what may."""
    from neocog.training.network.freezing import freeze
    from neocog.training.preflight import preflight

    recipe = plan.loop_recipe
    freeze(net, recipe)
    for finding in preflight(net, sample, recipe, plan.dataset.classes, task.head):
        if finding.kind == "error":
            raise UserError(finding.text)
        told.say(str(finding))


def _sample(plan: Plan, net: nn.Module, task: Task) -> Sample:
    """The first batch of the run as it will be learned from."""
    import numpy as np

    from neocog.data.augment.draws import Draws
    from neocog.training.loop import augmentation, class_counts, normaliser, order_of
    from neocog.training.objective.losses import make_criterion
    from neocog.training.preflight import Sample
    from neocog.training.processes.exchange import ALONE
    from neocog.training.sampling import first_pictures

    recipe, classes = plan.loop_recipe, len(plan.dataset.classes)
    order = order_of(task, recipe, plan.seed, ALONE)
    pixels, targets = first_pictures(task.train, order, 0, min(LOOKED_AT, order.largest_batch))
    augment = augmentation(recipe, 0, task.preprocess.size)
    device = next(net.parameters()).device
    return Sample(
        pixels=augment(pixels, Draws(plan.seed, 0, np.arange(len(pixels)))),
        targets=targets.to(device),
        normalise=normaliser(task.preprocess, device),
        criterion=make_criterion(recipe, classes, class_counts(task.train, classes)),
        labels=task.train.labels,
        held_out=len(task.held_out),
        stored=_usual_size(plan.dataset.samples),
        pretrained=plan.weights is not None,
    )


def _usual_size(samples: Samples) -> tuple[int, int] | None:
    """Of the pictures as they lie there; None where a sample of them cannot be read."""
    try:
        side = typical_side(samples)
    except Unreadable:
        return None
    return side, side
