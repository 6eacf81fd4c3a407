"""Three 3x3 convolutions in place of one 7x7: the same receptive field, fewer weights, more ReLUs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from neocog.experiments.training.arm import SGD, recorded
from neocog.experiments.training.fit import fit, initialised
from neocog.experiments.training.nets import flat_head, he
from neocog.experiments.training.pictures import Pictures
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Record, Study
from neocog.layers.chain import chain
from neocog.models.classifier import Classifier, classifier

ARMS = {"one 7×7": 7, "three 3×3": 3}


def net(maps: int, kernel: int) -> Classifier:
    """Two such layers, or stacks of three, of K maps at 14x14 and 7x7, between a first convolution and a last "
    "layer."""
    return he(
        classifier(
            conv1=nn.Conv2d(1, maps, 3, padding=1),
            act1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            stack2=stack(maps, kernel),
            pool2=nn.MaxPool2d(2),
            stack3=stack(maps, kernel),
            head=flat_head(maps),
        )
    )


def stack(maps: int, kernel: int) -> nn.Sequential:
    """A receptive field of 7x7 by one convolution (49K² weights) or by three of 3x3 (27K²), a ReLU behind each."""
    layers: dict[str, nn.Module] = {}
    for i in range(1, 6 // (kernel - 1) + 1):
        layers[f"conv{i}"] = nn.Conv2d(maps, maps, kernel, padding=kernel // 2)
        layers[f"act{i}"] = nn.ReLU()
    return chain(**layers)


def arms(scale: Scale) -> dict[str, Arm]:
    return {name: _arm(scale, kernel) for name, kernel in ARMS.items()}


def _arm(scale: Scale, kernel: int) -> Arm:
    recipe = replace(SGD, lr=0.02, epochs=scale.epochs)  # at 0.05 one of four stacks never began to learn

    def arm(pictures: Pictures, seed: int) -> Record:
        model = initialised(partial(net, scale.width, kernel), seed)
        record = recorded(model, fit(model, pictures, recipe, seed))
        weights = sum(
            c.weight.numel() for c in model.get_submodule("stack2").children() if isinstance(c, nn.Conv2d)
        )
        return Record(record.figures | {"weights of a stack": float(weights)}, record.curves)

    return arm


STUDY = Study(
    name="stacks",
    title="Three 3×3 convolutions in place of one 7×7",
    says="VGG: “large receptive fields replaced by successive layers of 3x3 convolutions (with ReLU in between)”; "
    "“one 7x7 conv layer with K feature maps needs 49K² weights, three 3x3 conv layers need only 27K² weights”.",
    source="Simonyan and Zisserman 2015, sections 2.3 and 4.1: network B with each pair of 3×3 replaced by one 5×5 "
    "has a top-1 error 7 points higher.",
    setup="A first convolution, then at 14×14 and at 7×7 either one 7×7 convolution or three 3×3 of the same number "
    "of maps, a ReLU behind each, and a linear layer.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="49K² weights against 27K²: more than 1.8 times as many",
            lower=("three 3×3", "weights of a stack"),
            higher=("one 7×7", "weights of a stack"),
            times=1.8,
        ),
        Contrast(
            claim="the stacks make fewer errors",
            lower=("three 3×3", "test error"),
            higher=("one 7×7", "test error"),
        ),
    ),
    scales={
        "minutes": Scale(train=6000, test=10_000, epochs=6, width=16, seeds=4),
        "hour": Scale(train=30_000, test=10_000, epochs=8, width=24, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=30, width=64, seeds=5),
    },
)
