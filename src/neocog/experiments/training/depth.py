"""Plain against residual networks at two depths: the degradation, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import fmean

from torch import nn

from neocog.experiments.training.arm import SGD, recorded
from neocog.experiments.training.deep import deep, responses
from neocog.experiments.training.fit import fit, initialised
from neocog.experiments.training.pictures import Pictures, small_fashion
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Record, Study
from neocog.models.resnet import Shortcut

SHALLOW = 8  # layers
KINDS: dict[str, tuple[Shortcut, bool]] = {"plain": ("none", False), "residual": ("A", False)}


def arms(scale: Scale) -> dict[str, Arm]:
    """Shallow and deep of each kind; deep and residual once more with the last scale of each block at zero."""
    found = {
        f"{name} {kind}": _arm(scale, depth, *how)
        for kind, how in KINDS.items()
        for name, depth in (("shallow", SHALLOW), ("deep", scale.depth))
    }
    return found | {"deep residual, last γ 0": _arm(scale, scale.depth, "A", True)}


def _arm(scale: Scale, depth: int, shortcut: Shortcut, zero_last: bool) -> Arm:
    recipe = replace(SGD, epochs=scale.epochs, lr=0.05, weight_decay=1e-4)

    def arm(pictures: Pictures, seed: int) -> Record:
        net = initialised(partial(deep, depth, scale.width, shortcut, zero_last), seed)
        record = recorded(net, fit(net, pictures, recipe, seed))
        spread = _responses(net, pictures)
        figures = record.figures | {"layers": float(depth), "std of responses": fmean(spread)}
        return Record(figures, record.curves | {"std of responses": list(enumerate(spread, 1))})

    return arm


def _responses(net: nn.Module, pictures: Pictures) -> list[float]:
    return responses(net, pictures.inputs(pictures.test)[:500])


STUDY = Study(
    name="depth",
    title="Overly deep plain nets train worse, residual ones do not",
    says="“‘Overly deep’ plain nets have higher training error; a general phenomenon, observed in many datasets”; "
    "“deep ResNets can be trained without difficulties; deeper ResNets have lower training error, and also lower "
    "test error”.",
    source="He, Zhang, Ren and Sun 2016, figures 1, 4, 6 and 7: plain nets of 20 to 56 layers on CIFAR-10 get worse "
    "with depth; the responses of residual layers are weaker than those of plain ones. Goyal et al. 2017, section "
    "5.1: the last scale of each block starts at 0.",
    setup=f"CIFAR-style networks (6n + 2 layers, batch normalisation everywhere) on pictures of 14×14: {SHALLOW} "
    "layers, and as many as the scale's `depth`; plain, with shortcuts A, and with shortcuts A and zero as the first "
    "value of each block's last γ. Responses: deviation behind each batch norm.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="the deep plain net has a higher training error than the shallow one",
            lower=("shallow plain", "train error"),
            higher=("deep plain", "train error"),
        ),
        Contrast(
            claim="at equal depth the residual net has a lower training error than the plain one",
            lower=("deep residual", "train error"),
            higher=("deep plain", "train error"),
        ),
        Contrast(
            claim="the deep residual net has a lower training error than the shallow one",
            lower=("deep residual", "train error"),
            higher=("shallow residual", "train error"),
        ),
        Contrast(
            claim="the deep residual net has a lower test error than the shallow one",
            lower=("deep residual", "test error"),
            higher=("shallow residual", "test error"),
        ),
        Contrast(
            claim="a last γ that starts at 0 lowers the training error of the deep residual net",
            lower=("deep residual, last γ 0", "train error"),
            higher=("deep residual", "train error"),
        ),
        Contrast(
            claim="the layers of the deep residual net respond less than those of the plain one",
            lower=("deep residual", "std of responses"),
            higher=("deep plain", "std of responses"),
        ),
    ),
    pictures=small_fashion,
    scales={
        "minutes": Scale(train=5000, test=5000, epochs=8, width=8, depth=32, seeds=3),
        "hour": Scale(train=20_000, test=10_000, epochs=10, width=8, depth=44, seeds=3),
        "full": Scale(train=60_000, test=10_000, epochs=40, width=16, depth=56, seeds=5),
    },
    plots=(
        Plot("train error"),
        Plot("test error"),
        Plot("std of responses", "layer", ("deep plain", "deep residual", "deep residual, last γ 0"), False),
    ),
)
