"""AlexNet's fully connected head against the mean of each map: parameters and accuracy."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from neocog.experiments.training.arm import SGD, trained
from neocog.experiments.training.nets import PerMaps, convnet
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Study
from neocog.layers.chain import chain

FC, MEAN = "FC-4096, FC-4096", "global average pooling"


def fully_connected(maps: int, classes: int = 10) -> nn.Sequential:
    """fc6 to fc8 of AlexNet, with its dropout, on 7x7 maps."""
    return chain(
        flatten=nn.Flatten(),
        drop6=nn.Dropout(),
        fc6=nn.Linear(maps * 49, 4096),
        relu6=nn.ReLU(),
        drop7=nn.Dropout(),
        fc7=nn.Linear(4096, 4096),
        relu7=nn.ReLU(),
        fc8=nn.Linear(4096, classes),
    )


def global_average(maps: int, classes: int = 10) -> nn.Sequential:
    """The mean of each map into one linear layer, as in GoogLeNet and ResNet."""
    return chain(
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(maps, classes),
    )


def arms(scale: Scale) -> dict[str, Arm]:
    heads: dict[str, PerMaps] = {FC: fully_connected, MEAN: global_average}
    recipe = replace(SGD, epochs=scale.epochs, lr=0.02)
    return {
        name: trained(partial(convnet, scale.width, norm=nn.BatchNorm2d, head=head), recipe)
        for name, head in heads.items()
    }


STUDY = Study(
    name="head",
    title="No fully connected layers: far fewer parameters",
    says="“More efficient use of parameters: no FC layers”; nearly all of AlexNet's parameters are in them.",
    source="Szegedy et al. 2015, section 5: moving from fully connected layers to average pooling improves the top-1 "
    "accuracy by about .6 points.",
    setup="Three convolutions with batch normalisation, then AlexNet's head (two layers of 4,096 units with dropout) "
    "or the mean of each map, and a linear layer.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="more than ten times fewer parameters",
            lower=(MEAN, "params"),
            higher=(FC, "params"),
            times=10.0,
        ),
        Contrast(claim="fewer errors with the mean", lower=(MEAN, "test error"), higher=(FC, "test error")),
    ),
    scales={
        "minutes": Scale(train=4000, test=5000, epochs=5, width=16, seeds=3),
        "hour": Scale(train=20_000, test=10_000, epochs=10, width=32, seeds=3),
        "full": Scale(train=60_000, test=10_000, epochs=30, width=64, seeds=5),
    },
    plots=(Plot("test error"),),
    remark="Three convolutions are shallower than GoogLeNet: the mean of a map then says less about where things are, "
    "and the head has more of the work to do.",
)
