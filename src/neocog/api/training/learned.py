"""What training gives, and the quick way to it: a frozen network with a linear layer fitted on its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.api.answers import answers_of
from neocog.api.networks import Backbone, backbone_of
from neocog.api.training.beside_probe import Verdict
from neocog.api.training.held_out import Split, split_readable
from neocog.api.training.plan import Plan
from neocog.inference.engines import Chosen, choose, recheck
from neocog.inference.features import extract
from neocog.inference.network import Floats, Head, Network
from neocog.probing.logistic import Fit
from neocog.progress import Progress
from neocog.weights.published import Tensors

if TYPE_CHECKING:
    from neocog.experiments.digits import Row
    from neocog.training.state import Epoch


@dataclass(frozen=True)
class Stopped:
    """A run whose state is saved, and nothing else: the process may be killed within seconds."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A trained classifier, what it says about the held-out pictures, and how it came to be."""

    network: Network
    head: Head
    tensors: Tensors
    """of the whole network"""
    head_name: str
    head_added: bool
    engine: Chosen
    split: Split
    train_loss: float | None
    """None where training ended within its first epoch"""
    probabilities: Floats
    """(held out, classes)"""
    skipped: tuple[tuple[int, str], ...]
    license: str
    facts: dict[str, Any]
    """how it was fitted, for the card"""
    mirrored: bool = False
    """whether the answer is the mean over a picture and its mirror image"""
    epochs: tuple[Epoch, ...] = ()
    comparison: tuple[Row, ...] = ()
    interrupted: str = ""
    """why it ended before its time"""
    verdict: Verdict | None = None
    """whether it is better than the probe that it began with"""


def learn_probe(plan: Plan, told: Progress) -> Learned:
    """Features of every picture from the frozen network, then logistic regression on those that train."""
    dataset, answers = plan.dataset, answers_of(plan.dataset)
    with told.step("engine", 1):
        backbone = backbone_of(plan.reference, plan.preprocess, plan.weights)
    chosen = engine_for(plan, backbone, told)
    found = extract(dataset.samples, backbone.network, chosen.engine, told)
    split = split_readable(plan, found.indices, found.hashes, found.skipped, told)
    rows = np.full(len(dataset), -1)
    rows[found.indices] = np.arange(len(found.indices))
    with told.step("fit", 1):
        train, held_out = found.matrix[rows[split.train]], found.matrix[rows[split.held_out]]
        truth = dataset.answers[split.train]
        fit = answers.fit(train, truth, len(dataset.classes), plan.seed)
    tensors: Tensors = {
        **backbone.tensors,
        f"{backbone.head}.weight": fit.head.weight,
        f"{backbone.head}.bias": fit.head.bias,
    }
    return Learned(
        network=backbone.network,
        head=fit.head,
        tensors=tensors,
        head_name=backbone.head,
        head_added=backbone.head_added,
        engine=recheck(chosen, backbone.network, fit.head),
        split=split,
        train_loss=answers.loss(fit.head.probabilities(train), truth),
        probabilities=fit.head.probabilities(held_out),
        skipped=found.skipped,
        license=backbone.license,
        facts={**_facts(fit), "weights": backbone.source, "features from the cache": found.cached},
    )


def engine_for(plan: Plan, backbone: Backbone, told: Progress) -> Chosen:
    """What computes the frozen network's features."""
    with told.step("engine", 1):
        chosen = choose(backbone.network, None, plan.engine, plan.device)
    if backbone.source == "drawn at random":
        told.say(
            "warning: the frozen network's weights are drawn at random; give trained ones with --weights"
        )
    told.say(f"engine: {chosen.engine.name}, {chosen.why}")
    return chosen


def _facts(fit: Fit) -> dict[str, Any]:
    return {
        "classifier": "logistic regression on standardised features, folded into the last layer",
        "C": fit.C,
        "cross-validated log loss": {str(c): round(loss, 5) for c, loss in fit.losses.items()},
    }
