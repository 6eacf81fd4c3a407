"""Average against maximum pooling, and windows that overlap against windows that do not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from neocog.experiments.training.arm import SGD, trained
from neocog.experiments.training.nets import Layer, convnet
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Study

POOLS: dict[str, Layer] = {
    "average 2/2": lambda: nn.AvgPool2d(2),
    "maximum 2/2": lambda: nn.MaxPool2d(2),
    "maximum 3/2": lambda: nn.MaxPool2d(3, 2, padding=1),  # with the padding the same output sizes
}


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs)
    return {name: trained(partial(convnet, scale.width, pool=pool), recipe) for name, pool in POOLS.items()}


STUDY = Study(
    name="pooling",
    title="Average and maximum pooling, overlapping and not",
    says="“Max (or Avg)”; “usually: F = 2 or 3, S = 2”; LeNet-5 has average pooling, AlexNet max pooling.",
    source="Krizhevsky, Sutskever and Hinton 2012, section 3.4: overlapping windows (3, stride 2) make .4 points "
    "fewer top-1 errors than 2, stride 2. Scherer, Müller and Behnke 2010 find the maximum better than the average.",
    setup="Three convolutions and a linear layer; both pools are of one kind, window/stride; all else is the same.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="the maximum makes fewer errors than the average",
            lower=("maximum 2/2", "test error"),
            higher=("average 2/2", "test error"),
        ),
        Contrast(
            claim="overlapping windows make fewer errors",
            lower=("maximum 3/2", "test error"),
            higher=("maximum 2/2", "test error"),
        ),
    ),
    scales={
        "minutes": Scale(train=8000, test=10_000, epochs=6, width=12, seeds=5),
        "hour": Scale(train=60_000, test=10_000, epochs=8, width=16, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=30, width=32, seeds=10),
    },
)
