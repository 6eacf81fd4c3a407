"""Local response normalisation behind the first two convolutions, or not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from neocog.experiments.training.arm import SGD, trained
from neocog.experiments.training.nets import convnet
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Study
from neocog.layers.lrn import LocalResponseNorm


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs)
    return {
        "without LRN": trained(partial(convnet, scale.width), recipe),
        "LRN": trained(partial(convnet, scale.width, norm=lambda maps: LocalResponseNorm()), recipe),
        "batch norm": trained(partial(convnet, scale.width, norm=nn.BatchNorm2d), recipe),
    }


STUDY = Study(
    name="lrn",
    title="LRN does little, batch normalisation more",
    says="“LRN layers don't improve performance as much”; “batch normalization” came after them.",
    source="Krizhevsky, Sutskever and Hinton 2012, section 3.3: LRN takes 1.4 and 1.2 points off the top-1 and top-5 "
    "errors. Simonyan and Zisserman 2015, section 4.1: network A-LRN is not better than A (29.7 against 29.6 %).",
    setup="Three convolutions and a linear layer; behind the first two activations LRN as AlexNet's paper has it (5 "
    "maps, k 2, α 1e-4, β .75), batch normalisation in the same places, or nothing.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="LRN makes fewer errors than none",
            lower=("LRN", "test error"),
            higher=("without LRN", "test error"),
        ),
        Contrast(
            claim="batch normalisation makes fewer errors than LRN",
            lower=("batch norm", "test error"),
            higher=("LRN", "test error"),
        ),
    ),
    scales={
        "minutes": Scale(train=8000, test=10_000, epochs=6, width=12, seeds=5),
        "hour": Scale(train=60_000, test=10_000, epochs=8, width=16, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=30, width=32, seeds=10),
    },
)
