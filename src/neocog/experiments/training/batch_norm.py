"""What batch normalisation is said to do, on the network of its paper's first experiment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from neocog.experiments.training.arm import SGD, recorded
from neocog.experiments.training.fit import first, fit, initialised
from neocog.experiments.training.pictures import Pictures
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Plot, Point, Record, Study
from neocog.models.classifier import Classifier
from neocog.training.recipes.recipe import Recipe

RATE, LARGE = 0.1, 3.0
BAD = 0.1  # factor of the first weights
PERCENT = (0.15, 0.5, 0.85)
LOOKS = 60  # at the distribution of layer 2's input
MIDDLE = "input of a unit of layer 2"
LOW, HIGH = f"{MIDDLE}, 15th percentile", f"{MIDDLE}, 85th percentile"


def perceptron(width: int, norm: bool, factor: float = 1.0) -> Classifier:
    """Three hidden layers of sigmoid units (Ioffe and Szegedy 2015, section 4.1), first weights times `factor`."""
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for i, cin in enumerate((784, width, width), 1):
        layers[f"fc{i}"] = nn.Linear(cin, width, bias=not norm)
        if norm:
            layers[f"bn{i}"] = nn.BatchNorm1d(width)
        layers[f"act{i}"] = nn.Sigmoid()
    net = Classifier(OrderedDict(layers | {"fc4": nn.Linear(width, 10)}))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=factor)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


@dataclass
class Shift:
    """Layer 2's input over the training: what its sigmoids read, on the same pictures, at some of the steps."""

    net: nn.Module
    inputs: Tensor
    every: int
    steps: list[int]
    seen: list[Tensor]

    def watch(self, step: int) -> None:
        if step % self.every == 0:
            self.steps.append(step)
            self.seen.append(entering(self.net, "act2", self.inputs))

    def drift(self) -> float:
        """Mean distance of the 15th, 50th and 85th percentiles from where they end, in deviations at the end."""
        quantiles = torch.stack([_quantiles(seen) for seen in self.seen])  # looks, percentiles, units
        spread = self.seen[-1].std(0).clamp(min=1e-6)
        return ((quantiles - quantiles[-1]).abs() / spread).mean().item()

    def curves(self) -> dict[str, list[Point]]:
        """The three percentiles of the unit whose median lies in the middle of all at the end."""
        unit = int(_quantiles(self.seen[-1])[1].argsort()[self.seen[-1].shape[1] // 2])
        rows = [_quantiles(seen)[:, unit].tolist() for seen in self.seen]
        return {
            name: [(float(step), row[i]) for step, row in zip(self.steps, rows, strict=True)]
            for i, name in enumerate((LOW, MIDDLE, HIGH))
        }


def entering(net: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """What `layer` reads while the network trains: batch norms use the batch's statistics and keep their own."""
    found: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_pre_hook(
        lambda module, given: found.append(given[0].clone())
    )
    modes = [(module, module.training) for module in net.modules()]
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    try:
        net.train()
        with torch.no_grad():
            functional_call(net, buffers, (inputs,))
    finally:
        handle.remove()
        for module, mode in modes:
            module.training = mode
    return found[0]


def _quantiles(values: Tensor) -> Tensor:
    """(pictures, units) -> (percentiles, units)"""
    return torch.quantile(values, torch.tensor(PERCENT), dim=0)


def arms(scale: Scale) -> dict[str, Arm]:
    """With and without batch norm: as usual, at a large rate, from bad first weights."""
    recipe = replace(
        SGD, epochs=scale.epochs, batch_size=60, lr=RATE, schedule="constant", warmup=0.0, weight_decay=0.0
    )
    ways = {
        "": (recipe, 1.0),
        f", rate {LARGE:g}": (replace(recipe, lr=LARGE), 1.0),
        f", weights × {BAD:g}": (recipe, BAD),
    }
    return {
        f"{name}{way}": _arm(partial(perceptron, scale.width, norm, factor), its)
        for way, (its, factor) in ways.items()
        for name, norm in (("without", False), ("batch norm", True))
    }


def _arm(build: Callable[[], nn.Module], recipe: Recipe) -> Arm:
    def arm(pictures: Pictures, seed: int) -> Record:
        net = initialised(build, seed)
        steps = recipe.epochs * -(-len(pictures.train) // recipe.batch_size)
        part = first(pictures.train, 500)
        shift = Shift(net, pictures.inputs(part), max(1, steps // LOOKS), [], [])
        shift.watch(0)
        history = fit(net, pictures, recipe, seed, shift.watch)
        record = recorded(net, history)
        figures = {"1st epoch: train error": history.rows[1].train_error, "drift": shift.drift()}
        return Record(record.figures | figures, record.curves | shift.curves())

    return arm


def _pair(claim: str, figure: str, way: str = "") -> Contrast:
    return Contrast(claim=claim, lower=(f"batch norm{way}", figure), higher=(f"without{way}", figure))


STUDY = Study(
    name="batch-norm",
    title="Batch normalisation: faster, less sensitive, and its covariate shift",
    says="“Multi-layer training can suffer from ‘covariate shift’: distribution of hidden layer 2 input's changes "
    "over time”; batch normalisation “accelerates training, regularizes the model, [is] less sensitive to "
    "initialization”.",
    source="Ioffe and Szegedy 2015, sections 3.3, 3.4 and 4.1, figure 1: three hidden layers of 100 sigmoids on "
    "MNIST, 60 pictures a step.",
    setup=f"Their network on Fashion-MNIST, plain SGD with momentum at a constant rate of {RATE:g}; once more at a "
    f"rate of {LARGE:g}, and with first weights of a tenth. Drift: how far the 15th, 50th and 85th percentiles of "
    "what each sigmoid of layer 2 reads lie from where they end, on average over the training, in deviations at the "
    "end.",
    arms=arms,
    contrasts=(
        _pair("trains faster: a lower training error after the first epoch", "1st epoch: train error"),
        _pair("tolerates a larger rate: a lower training error there", "train error", f", rate {LARGE:g}"),
        _pair("tolerates bad first weights: a lower training error", "train error", f", weights × {BAD:g}"),
        _pair("regularises: a narrower gap between test and training error", "test − train error"),
        _pair("the distribution of layer 2's input drifts less", "drift"),
    ),
    scales={
        "minutes": Scale(train=10_000, test=5000, epochs=12, width=100, seeds=5),
        "hour": Scale(train=60_000, test=10_000, epochs=15, width=100, seeds=5),
        "full": Scale(train=60_000, test=10_000, epochs=50, width=100, seeds=10),
    },
    plots=(
        Plot("train error"),
        Plot(MIDDLE, "steps", ("without", "batch norm"), False, (LOW, HIGH)),
    ),
    remark="The second plot is the lecture's: the band holds the 15th to the 85th percentile of what one unit of "
    "layer 2 reads, over the steps, for the first seed.",
)
