"""A third way to a classifier: a Neocognitron learns by reinforcement, and its last cells are read by their classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.networks import backbone_from
from neocog.api.training.held_out import Split, split_readable
from neocog.api.training.learned import Learned
from neocog.api.training.pixels import read_pixels
from neocog.api.training.plan import Plan
from neocog.data.decode import Pixels
from neocog.data.loading.pictures import Labelled
from neocog.evaluation.metrics import log_loss
from neocog.inference.engines import Engine, choose, recheck
from neocog.inference.network import Floats, Head
from neocog.progress import Progress
from neocog.training.organised import NeocognitronRecipe, SelfOrganisation

AT_ONCE = 256  # pictures whose cells are computed together


def learn_neocognitron(plan: Plan, told: Progress) -> Learned:
    """Some training pictures are shown to a fresh Neocognitron; all of them tell what its last cells stand for."""
    recipe = plan.recipe
    assert isinstance(recipe, NeocognitronRecipe)
    read = read_pixels(plan.dataset.samples, plan.preprocess, told)
    readable = np.flatnonzero(read.hashes.any(axis=1))
    split = split_readable(plan, readable, read.hashes[readable], read.skipped, told)
    everything = Labelled(read.pixels, plan.dataset.labels)
    net, shown = _taught(plan, recipe, everything, split, told)
    backbone = backbone_from(net, plan.reference, plan.preprocess, "taught here by reinforcement")
    chosen = choose(backbone.network, None, plan.engine, plan.device)
    with told.step("cells", len(split.train) + len(split.held_out)) as advance:
        train = _answers(everything, split.train, chosen.engine)
        advance(len(split.train))
        held_out = _answers(everything, split.held_out, chosen.engine)
        advance(len(split.held_out))
    fresh = ~np.isin(split.train, shown)
    head, facts = read_by_class(
        recipe, train, plan.dataset.labels[split.train], len(plan.dataset.classes), fresh
    )
    facts["shown"] = f"{len(shown):,} of {len(split.train):,} training pictures"
    facts["held-out pictures that no cell answers"] = int((held_out.max(axis=1) == 0).sum())
    return Learned(
        network=backbone.network,
        head=head,
        tensors={
            **backbone.tensors,
            f"{backbone.head}.weight": head.weight,
            f"{backbone.head}.bias": head.bias,
        },
        head_name=backbone.head,
        head_added=backbone.head_added,
        engine=recheck(chosen, backbone.network, head),
        split=split,
        train_loss=log_loss(head.probabilities(train), plan.dataset.labels[split.train]),
        probabilities=head.probabilities(held_out),
        skipped=read.skipped,
        license="trained here; the pictures' owner decides",
        facts=facts,
    )


def _taught(
    plan: Plan, recipe: NeocognitronRecipe, everything: Labelled, split: Split, told: Progress
) -> tuple[Any, NDArray[np.int64]]:
    """The network after its lessons, and the indices of the pictures that it was shown."""
    import torch

    from neocog.training.organised import learn, lesson_count, to_show

    labels = plan.dataset.labels[split.train]
    shown = split.train[to_show(labels, recipe.per_class, plan.seed)]
    ink = "in shades" if recipe.ink is None else f"ink where a pixel is above {recipe.ink}"
    told.say(f"shown: up to {recipe.per_class} pictures of each class, {len(shown):,} in all, {ink}")
    net = names.build_module(plan.reference, plan.preprocess.channels).eval()
    pictures = torch.from_numpy(_pixels(everything, shown)).permute(0, 3, 1, 2).float() / 255
    with told.step("lessons", lesson_count(net, recipe, len(shown))) as advance:  # type: ignore[arg-type]
        learn(net, recipe, pictures, plan.dataset.labels[shown], plan.seed, advance)  # type: ignore[arg-type]
    return net, shown


def read_by_class(
    recipe: NeocognitronRecipe,
    answers: Floats,
    labels: NDArray[np.int64],
    classes: int,
    fresh: NDArray[np.bool_],
) -> tuple[Head, dict[str, Any]]:
    """The linear layer behind the last cells, and in words how it was found.

    Without a teacher a cell stands for the classes that it was seen to answer to; with one it was taught its class.
    `answers` (n, cells) and `labels` are of the training pictures; those that were not shown, `fresh`, say how sharp
    the softmax is, if there are any.
    """
    from neocog.training.organised import shares, sharpness

    facts: dict[str, Any] = {"weights": "taught here by reinforcement"}
    if isinstance(recipe, SelfOrganisation):
        weight = shares(answers, labels, classes)
        facts["classifier"] = "each last cell counts for a class by the share of its answers"
        facts["cells that answer"] = f"{int((weight > 0).any(axis=0).sum())} of {weight.shape[1]}"
    else:
        weight = np.eye(classes, answers.shape[1], dtype=np.float32)
        facts["classifier"] = "each class has its last cell"
    rows = fresh if fresh.any() else np.ones(len(labels), dtype=bool)
    factor = sharpness(answers[rows] @ weight.T, labels[rows])
    facts["sharpness"] = round(factor, 3)
    return Head(weight * np.float32(factor), np.zeros(classes, np.float32)), facts


def _answers(pictures: Labelled, indices: NDArray[np.int64], engine: Engine) -> Floats:
    """What the last cells answer, (n, cells)."""
    starts = range(0, len(indices), AT_ONCE)
    return np.concatenate([engine(_pixels(pictures, indices[i : i + AT_ONCE])) for i in starts])


def _pixels(pictures: Labelled, indices: NDArray[np.int64]) -> Pixels:
    pixels = np.empty((len(indices), *pictures.source.shape), np.uint8)
    pictures.source.fill(indices, pixels)
    return pixels
