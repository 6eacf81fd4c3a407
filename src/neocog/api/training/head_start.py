"""Where fine-tuning begins: with the probe, the logistic regression on the frozen network's features, as last layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from neocog.api.answers import answers_of
from neocog.api.networks import Backbone, backbone_from, backbone_of
from neocog.api.training.beginning import fresh, put_in_head
from neocog.api.training.config import OF_PUBLISHED, initial_weights
from neocog.api.training.held_out import Split
from neocog.api.training.learned import engine_for
from neocog.api.training.plan import Plan
from neocog.data.samples import Subset
from neocog.errors import UserError
from neocog.inference.features import extract
from neocog.inference.network import Floats, Head
from neocog.progress import Progress

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Probed:
    """What the recipe `probe` makes of the same pictures, divided in the same way."""

    head: Head
    probabilities: Floats
    """(held out, classes)"""
    train_loss: float
    words: str
    """how it was fitted"""


def probed(plan: Plan, split: Split, told: Progress) -> Probed:
    """Kumar et al., "Fine-tuning can distort pretrained features and underperform out-of-distribution" (2022): a
    last layer that is fitted first keeps the gradients of a random one away from the trained weights.

    The features are `probe`'s and come from the same cache. UserError where a picture has become unreadable.
    """
    answers, classes = answers_of(plan.dataset), len(plan.dataset.classes)
    backbone = _frozen(plan)
    chosen = engine_for(plan, backbone, told)
    used = np.concatenate([split.train, split.held_out])
    found = extract(Subset(plan.dataset.samples, used), backbone.network, chosen.engine, told)
    for i, reason in found.skipped:
        name = plan.dataset.samples.name(int(used[i]))
        raise UserError(f"{name} must stay readable while the run begins, but now it is not ({reason})")
    train, held_out = np.split(found.matrix, [len(split.train)])
    truth = plan.dataset.answers[split.train]
    with told.step("fit", 1):
        fit = answers.fit(train, truth, classes, plan.seed)
    words = f"logistic regression on the frozen network's features, C = {fit.C:g} by cross-validation"
    loss = answers.loss(fit.head.probabilities(train), truth)
    return Probed(fit.head, fit.head.probabilities(held_out), loss, words)


def as_probed(plan: Plan, head: Head) -> nn.Module:
    """The network as it was before the first step, with the probe as its last layer."""
    net, name, _ = fresh(plan, replace(plan.loop_recipe, lora=0))
    put_in_head(net, name, head)
    return net


def _frozen(plan: Plan) -> Backbone:
    """The network that the run begins with. Where a file has its weights it is the one that `probe` would make."""
    if plan.weights is not None:
        file = None if initial_weights(plan) == OF_PUBLISHED else plan.weights
        return backbone_of(plan.reference, plan.preprocess, file)
    net, _, added = fresh(plan, replace(plan.loop_recipe, lora=0))
    bare = net.get_submodule("backbone") if added else net
    source = "those the function returned" if plan.reference.kind == "file" else "drawn at random"
    return backbone_from(bare, plan.reference, plan.preprocess, source)
