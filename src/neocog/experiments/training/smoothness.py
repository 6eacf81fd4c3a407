"""How smooth the loss is along its gradient, with and without batch normalisation (Santurkar et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from neocog.experiments.training.arm import SGD, recorded
from neocog.experiments.training.fit import first, fit, initialised
from neocog.experiments.training.nets import convnet
from neocog.experiments.training.pictures import Pictures
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Point, Record, Study

FACTORS = (0.5, 1.0, 2.0, 3.0, 4.0)  # of the rate: how far is gone along the gradient
LOOKS = 30
RATE = 0.05
LOW, MIDDLE, HIGH = "loss one step on, lowest", "loss", "loss one step on, highest"


@dataclass(frozen=True)
class Look:
    """The loss around a network's weights."""

    loss: float
    losses: tuple[float, ...]
    """after each step length against the gradient"""
    turned: tuple[float, ...]
    """L2 distance of the gradient there from the gradient here"""
    smoothness: float
    """largest such distance over the distance gone: an estimate of the loss's beta-smoothness"""

    @property
    def range(self) -> float:
        """Between the highest and the lowest of the losses."""
        return max(self.losses) - min(self.losses)


def look(net: nn.Module, inputs: Tensor, labels: Tensor, lengths: Sequence[float]) -> Look:
    """The loss on one batch along its gradient, as the network trains: at weights - length * gradient.

    Section 3.1 and figure 4 of the paper. Weights, running statistics and modes are left as found.
    """
    weights = {name: value.detach() for name, value in net.named_parameters()}
    here, gradient = _at(net, weights, inputs, labels)
    size = _norm(gradient)
    losses, turned = [], []
    for length in lengths:
        there = {name: weights[name] - length * gradient[name] for name in weights}
        value, other = _at(net, there, inputs, labels)
        losses.append(value)
        turned.append(_norm({name: other[name] - gradient[name] for name in gradient}))
    gone = [max(length * size, 1e-12) for length in lengths]
    return Look(here, tuple(losses), tuple(turned), max(t / g for t, g in zip(turned, gone, strict=True)))


def _at(
    net: nn.Module, weights: dict[str, Tensor], inputs: Tensor, labels: Tensor
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradient where the weights are `weights`; batch norms move copies of their statistics."""
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with torch.enable_grad():
        loss = F.cross_entropy(functional_call(net, leaves | buffers, (inputs,)), labels)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
    return loss.item(), dict(zip(leaves, gradients, strict=True))


def _norm(tensors: dict[str, Tensor]) -> float:
    return torch.stack([tensor.square().sum() for tensor in tensors.values()]).sum().sqrt().item()


def arms(scale: Scale) -> dict[str, Arm]:
    return {"without": _arm(scale, False), "batch norm": _arm(scale, True)}


def _arm(scale: Scale, norm: bool) -> Arm:
    recipe = replace(
        SGD, epochs=scale.epochs, lr=RATE, schedule="constant", warmup=0.0, weight_decay=0.0, momentum=0.0
    )
    build = partial(convnet, scale.width, norm=nn.BatchNorm2d) if norm else partial(convnet, scale.width)

    def arm(pictures: Pictures, seed: int) -> Record:
        net = initialised(build, seed)
        part = first(pictures.train, 256)
        inputs, labels = pictures.inputs(part), torch.from_numpy(part.labels)
        every = max(1, recipe.epochs * -(-len(pictures.train) // recipe.batch_size) // LOOKS)
        looks: list[tuple[int, Look]] = []

        def watch(step: int) -> None:
            if step % every == 0:
                looks.append((step, look(net, inputs, labels, [RATE * factor for factor in FACTORS])))

        watch(0)
        record = recorded(net, fit(net, pictures, recipe, seed, watch))
        return Record(record.figures | _figures([each for _, each in looks]), record.curves | _curves(looks))

    return arm


def _figures(looks: Sequence[Look]) -> dict[str, float]:
    return {
        "range of the loss": fmean(look.range for look in looks),
        "change of the gradient": fmean(max(look.turned) for look in looks),
        "β": fmean(look.smoothness for look in looks),
    }


def _curves(looks: Sequence[tuple[int, Look]]) -> dict[str, list[Point]]:
    return {
        LOW: [(float(step), min(each.losses)) for step, each in looks],
        MIDDLE: [(float(step), each.loss) for step, each in looks],
        HIGH: [(float(step), max(each.losses)) for step, each in looks],
    }


def _pair(claim: str, figure: str) -> Contrast:
    return Contrast(claim=claim, lower=("batch norm", figure), higher=("without", figure), times=1.0)


STUDY = Study(
    name="smoothness",
    title="Batch normalisation makes the loss smoother",
    says="“See also: How Does Batch Normalization Help Optimization?”, which doubts the “covariate shift”.",
    source="Santurkar, Tsipras, Ilyas and Madry 2018, figure 4: along the gradient the loss of a VGG varies less with "
    "batch normalisation, the gradient changes less, and the effective β-smoothness is better.",
    setup="Three convolutions and a linear layer, plain SGD without momentum at one constant rate; at some of the "
    f"steps the loss and its gradient on 256 training pictures, {', '.join(f'{f:g}' for f in FACTORS)} times the rate "
    "along the gradient. Range: highest minus lowest of these losses; change: largest distance of the gradient there "
    "from the gradient here; β: largest such distance over the distance gone; each averaged over the training.",
    arms=arms,
    contrasts=(
        _pair("the loss varies less along the gradient", "range of the loss"),
        _pair("the gradient changes less", "change of the gradient"),
        _pair("the loss is smoother (a lower β)", "β"),
    ),
    scales={
        "minutes": Scale(train=8000, test=5000, epochs=5, width=12, seeds=4),
        "hour": Scale(train=60_000, test=10_000, epochs=5, width=16, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=20, width=32, seeds=5),
    },
    plots=(Plot(MIDDLE, "steps", (), False, (LOW, HIGH)), Plot("train error")),
    remark="Batch normalisation stands behind the ReLU here, as in the other experiments with this network. In the "
    "first plot the band holds the losses along the gradient, for the first seed.",
)
