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
from neocog.inference.network import Head
from neocog.progress import Progress
from neocog.training.resume.interruption import is_time_over
from neocog.weights.digest import digest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.experiments.digits import Row
    from neocog.training.loop import Task, Trained
    from neocog.training.machine import Machine
    from neocog.training.processes.distributed import World
    from neocog.training.recipes.recipe import Recipe


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


def learn_weights(plan: Plan, told: Progress, folder: Path, world: World) -> Learned | Stopped | None:
    """Train and describe the network; None in a process that is not the first of several."""
    from neocog.training.recipes.recipe import Recipe
    from neocog.training.resume.interruption import SOON_KILLED

    ready, trained = run_loop(plan, told, folder, world)
    if not world.first:
        return None
    if trained.interrupted in SOON_KILLED:
        return Stopped(trained.interrupted)
    if trained.chosen is not None:
        assert isinstance(plan.recipe, Recipe)
        told.say(f"the weights are those of epoch {trained.chosen}, the best by {plan.recipe.best_by}")
    return described(plan, ready, trained, told)


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
    machine = ready_machine(plan, net, task, folder, told, world)
    return Ready(net, head, added, task, split, read.skipped, machine, taught)


def _taught(
    plan: Plan, train: Labelled, split: Split, preprocess: Preprocess, told: Progress
) -> Taught | None:
    if plan.teacher is None:
        return None
    judging = frozenset(split.hashes[i] for i in split.held_out.tolist())
    return taught_by(plan.teacher, train, plan.dataset.classes, judging, preprocess, told)


def fresh(plan: Plan, recipe: Recipe) -> tuple[nn.Module, str, bool]:
    """A network with drawn or given weights and a last layer for the classes; that layer's name, and was it added."""
    import torch

    from neocog.models.head import Flat, find_head, run_once, width, with_head
    from neocog.training.network.noise import set_noise
    from neocog.training.network.progressive import initialise_from
    from neocog.weights.load import load_weights

    shape = (plan.preprocess.channels, *plan.preprocess.size)
    classes = len(plan.dataset.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        net = names.build_module(plan.reference, plan.preprocess.channels, aux=recipe.aux_weight > 0)
        shallower = _shallower(net, plan)
        if plan.weights and not shallower:
            load_weights(net, plan.weights, name=str(plan.reference), head="fresh")
        head = find_head(net, shape)
        if head:
            net = with_head(net, head, classes, False, width(net.get_submodule(head)))
        else:
            features = Flat()(run_once(net, torch.zeros(1, *shape))).shape[1]
            net = with_head(net, "classifier", classes, True, features)
        if shallower:
            initialise_from(net, shallower)
    set_noise(net, recipe)
    return net, head or "classifier", head is None


def _shallower(net: nn.Module, plan: Plan) -> dict[str, Tensor]:
    """Tensors of the shallower VGG that this one begins with; none where the weights are to be taken as they are."""
    if plan.weights is None or plan.recipe_name != "vgg-2014":
        return {}
    import torch

    from neocog.training.network.progressive import is_shallower
    from neocog.weights.read import read_weights

    tensors = {name: torch.from_numpy(np.array(array)) for name, array in read_weights(plan.weights).items()}
    return tensors if is_shallower(net, tensors) else {}


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


def described(plan: Plan, ready: Ready, trained: Trained, told: Progress) -> Learned:
    """The trained network with its answers on the held-out pictures, ready to be written."""
    from neocog.models.classifier import drop_auxiliary
    from neocog.training.judging import probabilities_of
    from neocog.training.loop import normaliser

    recipe, device = plan.loop_recipe, next(ready.net.parameters()).device
    normalise = normaliser(plan.preprocess, device)
    probabilities = probabilities_of(
        ready.net, ready.task.held_out, normalise, plan.workers, recipe.flip_test
    )
    net = ready.net.cpu()
    drop_auxiliary(net)
    backbone = backbone_from(net, plan.reference, plan.preprocess, "trained here", recipe.flip_test)
    tensors = {name: tensor.detach().contiguous().numpy() for name, tensor in net.state_dict().items()}
    weight, bias = (tensors[f"{ready.head}.{name}"] for name in ("weight", "bias"))
    layer = Head(weight, bias, answers_of(plan.dataset).activation)
    chosen = choose(backbone.network, layer, plan.engine, plan.device)
    with told.step("comparison", 1):
        comparison = _pixel_rows(plan, ready.split)
    return Learned(
        network=backbone.network,
        head=layer,
        tensors=tensors,
        head_name=ready.head,
        head_added=ready.head_added,
        engine=chosen,
        split=ready.split,
        train_loss=trained.epochs[-1].train_loss if trained.epochs else None,
        probabilities=probabilities,
        skipped=ready.skipped,
        license="trained here; the pictures' owner decides",
        mirrored=recipe.flip_test,
        facts=_facts(device, ready, trained),
        epochs=tuple(trained.epochs),
        comparison=comparison,
        interrupted=trained.interrupted,
    )


def _facts(device: object, ready: Ready, trained: Trained) -> dict[str, Any]:
    facts = {
        "device": str(device),
        "machine": ready.machine.to_json(),
        "interrupted": trained.interrupted,
        "teacher": ready.taught.summary if ready.taught else None,
        "weights of epoch": trained.chosen,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


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
