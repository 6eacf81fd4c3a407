"""The thorough way to a classifier: all weights trained by the loop, on pixels that are held where there is room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.answers import answers_of
from neocog.api.networks import backbone_from
from neocog.api.training.beginning import fresh, put_in_head
from neocog.api.training.beside_probe import Verdict, beside_probe
from neocog.api.training.head_start import Probed, as_probed, probed
from neocog.api.training.held_out import Split, split_readable
from neocog.api.training.learned import Learned, Stopped
from neocog.api.training.pixels import Read, for_crops, read_pixels
from neocog.api.training.plan import Plan
from neocog.api.training.readiness import ready_machine
from neocog.api.training.same import known_before
from neocog.api.training.teacher import Taught, taught_by
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Subset
from neocog.errors import UserError
from neocog.inference.engines import choose
from neocog.inference.network import Floats, Head
from neocog.progress import Progress
from neocog.training.resume.interruption import is_time_over
from neocog.weights.digest import digest

if TYPE_CHECKING:
    from torch import nn

    from neocog.experiments.digits import Row
    from neocog.training.loop import Task, Trained
    from neocog.training.machine import Machine
    from neocog.training.processes.distributed import World


@dataclass(frozen=True, eq=False)
class Ready:
    """All that a run needs before its first step."""

    net: nn.Module
    head: str
    head_added: bool
    task: Task
    split: Split
    skipped: tuple[tuple[int, str], ...]
    machine: Machine
    taught: Taught | None
    """what a teacher added to the training pictures"""
    probed: Probed | None
    """the last layer that the run begins with; None where it is drawn, and in all processes but the first"""


def learn_weights(plan: Plan, told: Progress, folder: Path, world: World) -> Learned | Stopped | None:
    """Train and describe the network; None in a process that is not the first of several."""
    from neocog.training.resume.interruption import SOON_KILLED

    ready, trained = run_loop(plan, told, folder, world)
    if not world.first:
        return None
    if trained.interrupted in SOON_KILLED:
        return Stopped(trained.interrupted)
    learned = described(plan, ready, trained, told)
    if "weights of epoch" in learned.facts:
        told.say(f"the weights are those of epoch {trained.chosen}, the best by {plan.loop_recipe.best_by}")
    return learned


def run_loop(plan: Plan, told: Progress, folder: Path, world: World) -> tuple[Ready, Trained]:
    """What the training began with, and what became of it."""
    from neocog.training.loop import Setting, train_loop

    ready = get_ready(plan, told, folder, world)
    saving = replace(plan.saving, folder=folder, identity=identity(plan, ready))
    if plan.deadline:
        saving = replace(saving, limit=plan.deadline.left())
    setting = Setting(saving, ready.machine, world)
    trained = train_loop(ready.net, ready.task, plan.loop_recipe, plan.seed, told, setting)
    if plan.deadline and is_time_over(trained.interrupted):
        told.say(f"the time of {plan.deadline.given} is nearly over: the weights so far are taken")
        trained = replace(trained, interrupted="")
    return ready, trained


def get_ready(plan: Plan, told: Progress, folder: Path, world: World) -> Ready:
    """The network, the pictures and the machine; what would go wrong is said before anything is spent."""
    from neocog.training.loop import Task
    from neocog.training.processes.exchange import own_device

    recipe = plan.loop_recipe
    net, head, added = fresh(plan, recipe)
    if recipe.aux_weight and not getattr(net, "aside", ()):
        told.say(f"no auxiliary heads in {plan.reference}: aux_weight counts for nothing")
    if names.has_fixed_classes(plan.reference):
        told.say(f"{plan.reference} compares with one drawn bitmap a digit: a linear layer takes their place")
    larger = for_crops(plan.preprocess, recipe.augment)
    read = read_pixels(plan.dataset.samples, larger, told)
    readable = np.flatnonzero(read.hashes.any(axis=1))
    split = split_readable(plan, readable, read.hashes[readable], read.skipped, told)
    net.to(own_device(world, plan.device))
    train = Labelled(read.pixels, plan.dataset.answers[split.train], split.train)
    taught = _taught(plan, train, split, larger, told)
    task = Task(
        taught.train if taught else train,
        _held_out(plan, read, split, larger is plan.preprocess, told),
        plan.preprocess,
        plan.workers,
        classes=len(plan.dataset.classes),
        head=head,
    )
    found = probed(plan, split, told) if recipe.head_start and world.first else None
    if found:
        put_in_head(net, head, found.head)
    machine = ready_machine(plan, net, task, folder, told, world)
    return Ready(net, head, added, task, split, read.skipped, machine, taught, found)


def _taught(
    plan: Plan, train: Labelled, split: Split, preprocess: Preprocess, told: Progress
) -> Taught | None:
    if plan.teacher is None:
        return None
    judging = frozenset(split.hashes[i] for i in split.held_out.tolist())
    return taught_by(plan.teacher, train, plan.dataset.classes, judging, preprocess, told)


def _held_out(plan: Plan, read: Read, split: Split, same: bool, told: Progress) -> Labelled:
    """The pictures that judge, as prediction will see them; read again where training has larger ones."""
    labels = plan.dataset.answers[split.held_out]
    if same:
        return Labelled(read.pixels, labels, split.held_out)
    again = read_pixels(Subset(plan.dataset.samples, split.held_out), plan.preprocess, told)
    if again.skipped:  # its pixels would be those of no picture
        name, reason = (
            plan.dataset.samples.name(int(split.held_out[again.skipped[0][0]])),
            again.skipped[0][1],
        )
        raise UserError(f"{name} must stay readable while the run begins, but now it is not ({reason})")
    return Labelled(again.pixels, labels)


def identity(plan: Plan, ready: Ready) -> Mapping[str, Any]:
    """What a checkpoint must have been made with to go on from it."""
    hashes = ready.split.hashes
    parts: dict[str, NDArray[Any]] = {
        name: np.frombuffer(bytes.fromhex("".join(hashes[int(i)] for i in rows)), np.uint8)
        for name, rows in (("train", ready.split.train), ("held out", ready.split.held_out))
    }
    if ready.taught:
        parts |= {"taught": ready.taught.hashes, "targets": ready.taught.targets}
    return {**known_before(plan), "pictures": digest({**parts, "labels": plan.dataset.answers})}


@dataclass(frozen=True, eq=False)
class Kept:
    """The network that the bundle gets, as it was built, and what it says about the held-out pictures."""

    net: nn.Module
    probabilities: Floats
    mirrored: bool
    train_loss: float | None
    verdict: Verdict | None = None


def described(plan: Plan, ready: Ready, trained: Trained, told: Progress) -> Learned:
    """The trained network with its answers on the held-out pictures, ready to be written."""
    from neocog.models.classifier import drop_auxiliary

    device = next(ready.net.parameters()).device
    kept = _kept(plan, ready, trained)
    net = kept.net.cpu()
    drop_auxiliary(net)
    backbone = backbone_from(net, plan.reference, plan.preprocess, "trained here", kept.mirrored)
    tensors = {name: tensor.detach().contiguous().numpy() for name, tensor in net.state_dict().items()}
    weight, bias = (tensors[f"{ready.head}.{name}"] for name in ("weight", "bias"))
    layer = Head(weight, bias, answers_of(plan.dataset).activation)
    chosen = choose(backbone.network, layer, plan.engine, plan.device)
    with told.step("comparison", 1):
        comparison = (*_pixel_rows(plan, ready.split), *_other_row(kept.verdict))
    return Learned(
        network=backbone.network,
        head=layer,
        tensors=tensors,
        head_name=ready.head,
        head_added=ready.head_added,
        engine=chosen,
        split=ready.split,
        train_loss=kept.train_loss,
        probabilities=kept.probabilities,
        skipped=ready.skipped,
        license="trained here; the pictures' owner decides",
        mirrored=kept.mirrored,
        facts=_facts(device, ready, trained, kept.verdict),
        epochs=tuple(trained.epochs),
        comparison=comparison,
        interrupted=trained.interrupted,
        verdict=kept.verdict,
    )


def _kept(plan: Plan, ready: Ready, trained: Trained) -> Kept:
    """The trained network, or the one that it began as where that one is taken."""
    from neocog.training.judging import probabilities_of
    from neocog.training.loop import normaliser
    from neocog.training.network.low_rank import merge_low_rank

    recipe, net = plan.loop_recipe, ready.net
    merge_low_rank(net)
    normalise = normaliser(plan.preprocess, next(net.parameters()).device)
    said = probabilities_of(net, ready.task.held_out, normalise, plan.workers, recipe.flip_test)
    loss = trained.epochs[-1].train_loss if trained.epochs else None
    if ready.probed is None:
        return Kept(net, said, recipe.flip_test, loss)
    answers, truth = answers_of(plan.dataset), plan.dataset.answers[ready.split.held_out]
    both = said, ready.probed.probabilities
    own, other = (answers.score(each, truth, plan.dataset.classes) for each in both)
    verdict = beside_probe(*both, truth, (own, other), recipe.keep_probe)
    if verdict.kept == "trained":
        return Kept(net, said, recipe.flip_test, loss, verdict)
    before = as_probed(plan, ready.probed.head)
    return Kept(before, ready.probed.probabilities, False, ready.probed.train_loss, verdict)


def _facts(device: object, ready: Ready, trained: Trained, verdict: Verdict | None) -> dict[str, Any]:
    facts = {
        "device": str(device),
        "machine": ready.machine.to_json(),
        "interrupted": trained.interrupted,
        "teacher": ready.taught.summary if ready.taught else None,
        "weights of epoch": None if verdict and verdict.kept == "probe" else trained.chosen,
        "last layer before training": ready.probed.words if ready.probed else None,
        "beside the probe": str(verdict) if verdict else None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _other_row(verdict: Verdict | None) -> tuple[Row, ...]:
    """Of the trained network and the probe that it began with, the one that the bundle does not have."""
    if verdict is None or verdict.figure != "top1":
        return ()
    from neocog.evaluation.intervals import wilson
    from neocog.experiments.digits import Row

    name, share = "the probe before fine-tuning", verdict.probe
    if verdict.kept == "probe":
        name, share = "the fine-tuned network", verdict.trained
    n = verdict.paired.n
    note = f"same held-out pictures, McNemar's p = {verdict.paired.p:.2g}"
    return (Row(name, share, *wilson(round(share * n), n), note),)


def _pixel_rows(plan: Plan, split: Split) -> tuple[Row, ...]:
    if not plan.compare_pixels:
        return ()
    from neocog.experiments.digits import pixel_machines

    samples, labels = plan.dataset.samples, plan.dataset.labels
    train, held_out = (
        np.stack([np.asarray(samples.read(int(i)), np.uint8) for i in indices])
        for indices in (split.train, split.held_out)
    )
    return tuple(pixel_machines(train, labels[split.train], held_out, labels[split.held_out]))
