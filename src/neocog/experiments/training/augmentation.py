"""Shifted and mirrored training pictures against the pictures as they are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from neocog.data.augment.policy import Augment
from neocog.experiments.training.arm import SGD, trained
from neocog.experiments.training.nets import convnet
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Study

CHANGED = Augment(shift=0.08, shift_fill=0, flip=True)


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs)
    return {
        "as they are": trained(partial(convnet, scale.width), recipe),
        "shifted and mirrored": trained(partial(convnet, scale.width), replace(recipe, augment=CHANGED)),
    }


STUDY = Study(
    name="augmentation",
    title="Augmented training pictures lower the test error",
    says="“Other things: training data augmentation”.",
    source="Krizhevsky, Sutskever and Hinton 2012, section 4.1: shifts and mirrored pictures, without which the "
    "network overfits so much that it would have to be far smaller.",
    setup="Three convolutions and a linear layer on few pictures for many epochs; each time that a picture is shown "
    "it is shifted by up to 8 % of its side and half of the time mirrored, or it is shown as it is.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="augmentation lowers the test error",
            lower=("shifted and mirrored", "test error"),
            higher=("as they are", "test error"),
        ),
        Contrast(
            claim="augmentation narrows the gap between test and training error",
            lower=("shifted and mirrored", "test − train error"),
            higher=("as they are", "test − train error"),
        ),
    ),
    scales={
        "minutes": Scale(train=2000, test=10_000, epochs=40, width=12, seeds=5),
        "hour": Scale(train=10_000, test=10_000, epochs=60, width=16, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=100, width=32, seeds=5),
    },
    plots=(Plot("test error"), Plot("train error")),
)
