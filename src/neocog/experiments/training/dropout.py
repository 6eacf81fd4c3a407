"""Dropout in a network that is too large for its pictures (Srivastava et al. 2014)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from neocog.experiments.training.arm import SGD, trained
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Study
from neocog.layers.dropout import Dropout
from neocog.models.classifier import Classifier, classifier


def over_large(width: int, dropout: float) -> Classifier:
    """Two hidden layers of `width` ReLUs on 28x28 pixels, each followed by dropout."""
    return classifier(
        flatten=nn.Flatten(),
        fc1=nn.Linear(784, width),
        act1=nn.ReLU(),
        drop1=Dropout(dropout),
        fc2=nn.Linear(width, width),
        act2=nn.ReLU(),
        drop2=Dropout(dropout),
        fc3=nn.Linear(width, 10),
    )


def arms(scale: Scale) -> dict[str, Arm]:
    recipe = replace(SGD, epochs=scale.epochs, lr=0.02, weight_decay=0.0)
    return {
        name: trained(partial(over_large, scale.width, p), recipe)
        for name, p in (("no dropout", 0.0), ("dropout .5", 0.5))
    }


STUDY = Study(
    name="dropout",
    title="Dropout lowers the test error of a network that is too large",
    says="AlexNet has “dropout regularization”; the slide “Dropout” shows what it does.",
    source="Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, table 2: on MNIST a standard network "
    "makes 1.60 % errors, with dropout and three layers of 1,024 units 1.35, with ReLUs 1.25.",
    setup="Two hidden layers of ReLUs with far more weights than pictures, without weight decay; dropout of one half "
    "behind both, or none.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="dropout lowers the test error",
            lower=("dropout .5", "test error"),
            higher=("no dropout", "test error"),
        ),
        Contrast(
            claim="dropout narrows the gap between test and training error",
            lower=("dropout .5", "test − train error"),
            higher=("no dropout", "test − train error"),
        ),
    ),
    scales={
        "minutes": Scale(train=2000, test=5000, epochs=40, width=1024, seeds=5),
        "hour": Scale(train=10_000, test=10_000, epochs=60, width=1024, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=100, width=2048, seeds=5),
    },
    plots=(Plot("test error"), Plot("train error")),
)
