"""The solution by construction: identity layers put into a trained plain net, against the same depth from "
"scratch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from neocog.experiments.training.arm import SGD, curves, params
from neocog.experiments.training.deep import deep, with_identities
from neocog.experiments.training.fit import PART, error_of, first, fit, initialised, logits
from neocog.experiments.training.pictures import Pictures, small_fashion
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Record, Study
from neocog.models.classifier import Classifier

SHALLOW = 8  # layers


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs, weight_decay=1e-4)

    def constructed(pictures: Pictures, seed: int) -> Record:
        net = initialised(partial(deep, SHALLOW, scale.width, "none"), seed)
        assert isinstance(net, Classifier)
        history = fit(net, pictures, recipe, seed)
        deeper = with_identities(net, (scale.depth - SHALLOW) // 6)
        figures = {
            "shallow: training errors": _mistakes(net, pictures),
            "deepened: training errors": _mistakes(deeper, pictures),
            "largest difference of logits": _difference(net, deeper, pictures),
            "train error": history.last.train_error,
            "params": float(params(deeper)),
        }
        return Record(figures, curves(history))

    def scratch(pictures: Pictures, seed: int) -> Record:
        net = initialised(partial(deep, scale.depth, scale.width, "none"), seed)
        history = fit(net, pictures, recipe, seed)
        figures = {"train error": history.last.train_error, "params": float(params(net))}
        return Record(figures, curves(history))

    return {"constructed": constructed, "from scratch": scratch}


def _mistakes(net: Classifier, pictures: Pictures) -> float:
    """How many of the first training pictures are classified wrongly: a whole number."""
    part = first(pictures.train, PART)
    scores = logits(net, pictures.inputs(part))
    return float(round(len(part) * error_of(scores, torch.from_numpy(part.labels))))


def _difference(one: Classifier, other: Classifier, pictures: Pictures) -> float:
    inputs = pictures.inputs(first(pictures.train, PART))
    return (logits(one, inputs) - logits(other, inputs)).abs().max().item()


STUDY = Study(
    name="construction",
    title="A solution by construction that the solver does not find",
    says="“A deeper model should not have higher training error. A solution by construction: original layers copied "
    "from a learned shallower model, extra layers set as identity: at least the same training error. Optimization "
    "difficulties: solvers cannot find the solution when going deeper...”",
    source="He, Zhang, Ren and Sun 2016, section 1.",
    setup=f"A plain net of {SHALLOW} layers (CIFAR-style, batch normalisation) is trained; blocks that are set to the "
    "identity make it as deep as the scale's `depth`. A net of that depth is trained from scratch for as many epochs "
    "on the same pictures in the same order. Errors are those on the same training pictures, counted.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="the deepened net makes the same number of training errors, to the unit",
            lower=("constructed", "deepened: training errors"),
            higher=("constructed", "shallow: training errors"),
            equal=True,
        ),
        Contrast(
            claim="the same depth trained from scratch has a higher training error",
            lower=("constructed", "train error"),
            higher=("from scratch", "train error"),
        ),
    ),
    pictures=small_fashion,
    scales={
        "minutes": Scale(train=5000, test=2000, epochs=5, width=8, depth=32, seeds=5),
        "hour": Scale(train=20_000, test=5000, epochs=10, width=8, depth=44, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=40, width=16, depth=56, seeds=5),
    },
    plots=(Plot("train error"),),
)
