"""The mean of several networks' probabilities against each network alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import fmean

import torch

from neocog.experiments.training.arm import SGD
from neocog.experiments.training.fit import averaged, error_of, fit, initialised
from neocog.experiments.training.nets import convnet
from neocog.experiments.training.pictures import Pictures
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Record, Study

ARM = "networks that differ by their seed"


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs)

    def arm(pictures: Pictures, seed: int) -> Record:
        seeds = [1000 * seed + i for i in range(scale.depth)]
        networks = [initialised(partial(convnet, scale.width), s) for s in seeds]
        alone = [
            fit(net, pictures, recipe, s).last.test_error for net, s in zip(networks, seeds, strict=True)
        ]
        inputs, labels = pictures.inputs(pictures.test), torch.from_numpy(pictures.test.labels)
        together = [
            error_of(averaged(networks[:count], inputs), labels) for count in range(1, scale.depth + 1)
        ]
        figures = {
            "mean error": fmean(alone),
            "best error": min(alone),
            "ensemble's error": together[-1],
        }
        return Record(figures, {"test error": [(n, error) for n, error in enumerate(together, 1)]})

    return {ARM: arm}


STUDY = Study(
    name="ensemble",
    title="An average of several networks makes fewer errors than one",
    says="“Other things: ensembles of networks”; the winners of ILSVRC 2012 to 2015 are all ensembles.",
    source="Krizhevsky, Sutskever and Hinton 2012, table 2: one network 18.2 % top-5 error, five 16.4 %. He et al. "
    "2016: one ResNet-152 4.49 %, six networks 3.57 %.",
    setup="Networks of three convolutions and a linear layer that differ in first weights and order of the pictures; "
    "their probabilities are averaged. `depth` of the scale is how many there are.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="fewer errors than the networks' mean",
            lower=(ARM, "ensemble's error"),
            higher=(ARM, "mean error"),
        ),
        Contrast(
            claim="fewer errors than the best of them",
            lower=(ARM, "ensemble's error"),
            higher=(ARM, "best error"),
        ),
    ),
    scales={
        "minutes": Scale(train=5000, test=10_000, epochs=5, width=12, depth=5, seeds=3),
        "hour": Scale(train=30_000, test=10_000, epochs=8, width=16, depth=5, seeds=4),
        "full": Scale(train=60_000, test=10_000, epochs=30, width=32, depth=7, seeds=5),
    },
    plots=(Plot("test error", "networks averaged"),),
)
