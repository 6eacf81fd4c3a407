"""A separable problem of four classes, small networks for it, and what one of them does written out in numpy."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from neocog.data.augment.policy import Augment
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.progress import Advance, Silent
from neocog.training.loop import ALONE_HERE, Setting, Task, Trained, train_loop
from neocog.training.recipes.recipe import Recipe

Doubles = NDArray[np.float64]
GREY = Preprocess(size=(6, 8), channels=1, mean=(0.3,), std=(0.4,))
STILL = Recipe(epochs=1, augment=Augment())
SGD = replace(STILL, optimizer="sgd", momentum=0.0, weight_decay=0.0, schedule="constant", warmup=0.0, lr=0.5)


def bright_quarters(n: int, seed: int = 0) -> Labelled:
    """Dark noise with one bright quarter, which is the class, of four: separable even when shifted by one pixel."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (n, 6, 8, 1), dtype=np.uint8)
    labels = rng.permutation(np.arange(n) % 4)
    for picture, label in zip(pixels, labels, strict=True):
        picture[3 * (label // 2) :, 4 * (label % 2) :][:3, :4] += np.uint8(180)
    return Labelled(pixels, labels)


def task(train: Labelled | None = None, held_out: Labelled | None = None) -> Task:
    return Task(train or bright_quarters(80), held_out or bright_quarters(40, seed=1), GREY)


def run(net: nn.Module, recipe: Recipe, given: Task | None = None, setting: Setting = ALONE_HERE) -> Trained:
    return train_loop(net, given or task(), recipe, 0, Silent(), setting)


class Watching(Silent):
    """Counts the pictures."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
        self.total = total
        return nullcontext(self.advance)

    def advance(self, done: int, note: str = "") -> None:
        self.done += done


def drawn(*layers: nn.Module) -> nn.Sequential:
    """The layers in a row, with weights drawn from a seed of their own."""
    net = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(11)
    for parameter in net.parameters():
        parameter.data.uniform_(-0.2, 0.2, generator=generator)
    return net


def linear(classes: int = 4) -> nn.Sequential:
    return drawn(nn.Flatten(), nn.Linear(48, classes))


def inputs(part: Labelled) -> Doubles:
    """Normalised pixels as rows, by definition."""
    return ((np.asarray(part.pixels) / 255 - 0.3) / 0.4).reshape(len(part.labels), -1)


def matrices(net: nn.Module) -> tuple[Doubles, Doubles]:
    """Weight and bias of a linear network."""
    weight, bias = net.parameters()
    return weight.detach().double().numpy(), bias.detach().double().numpy()


def bits(net: nn.Module) -> bytes:
    return b"".join(tensor.detach().numpy().tobytes() for tensor in net.state_dict().values())


def batches(part: Labelled, batch_size: int, epochs: int) -> list[NDArray[np.int64]]:
    """The pictures of every batch; what the order itself promises is tested with it."""
    order = Order(size=len(part), batch_size=batch_size)
    return [
        rows
        for epoch in range(epochs)
        for rows in np.array_split(order.whole_epoch(epoch).indices, order.batch_count)
    ]


def descent(
    net: nn.Module,
    part: Labelled,
    steps: list[NDArray[np.int64]],
    lr: float,
    targets: Doubles | None = None,
    weights: Doubles | None = None,
) -> list[tuple[Doubles, Doubles]]:
    """Weight and bias of a linear network after each step of plain gradient descent on these pictures' cross-entropy.

    `targets` (n, classes) stand in for the labels; `weights` (classes,) say what a class counts.
    """
    (w, b), x = matrices(net), inputs(part)
    t = np.eye(len(b))[part.labels] if targets is None else targets
    t = t if weights is None else t * weights
    after = []
    for rows in steps:
        p = softmax(x[rows] @ w.T + b, axis=1)
        residual = (p * t[rows].sum(1, keepdims=True) - t[rows]) / len(rows)
        w, b = w - lr * residual.T @ x[rows], b - lr * residual.sum(0)
        after.append((w, b))
    return after
