"""Whether evidence can be believed: deletion curves, and what is left of a map when the weights are drawn anew."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.inside.evidence.occlusion import Answer, Pixels

ACROSS = 16  # cells along the longer side
STEPS, ORDERS = 32, 5
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Deletion:
    """The probability of a class while the picture is covered cell by cell."""

    shares: NDArray[np.float64]
    """of the cells that are covered, from 0 to 1"""
    answers: NDArray[np.float32]
    """probabilities of all classes: (shares, classes)"""
    target: int
    """the class"""

    def of(self, target: int) -> Deletion:
        """The same for another class."""
        return replace(self, target=target)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of the class, at each share."""
        return self.answers[:, self.target].astype(np.float64)

    @property
    def area(self) -> float:
        """Under the curve: the smaller, the more of what counted went first."""
        return float(np.trapezoid(self.probabilities, self.shares))


def cells(height: int, width: int, across: int = ACROSS) -> NDArray[np.int64]:
    """(height, width): the number of the square cell that each pixel lies in, row by row."""
    side = max(1, ceil(max(height, width) / across))
    rows, columns = np.arange(height) // side, np.arange(width) // side
    return np.asarray(rows[:, None] * (columns[-1] + 1) + columns)


def order_of(evidence: NDArray[np.float64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cells by the mean of `evidence` (height, width) in them, the most first; equal ones as they are numbered."""
    total = np.bincount(number.ravel(), evidence.ravel()) / np.bincount(number.ravel())
    return np.argsort(-total, kind="stable")


def deletion(
    answer: Answer,
    pixels: Pixels,
    order: NDArray[np.int64],
    number: NDArray[np.int64],
    target: int,
    fill: NDArray[np.uint8],
) -> Deletion:
    """The probability of class `target` while the cells take the colour `fill` in this order, in 32 equal steps.

    Petsiuk, Das, Saenko, "RISE" (2018), section 4.2, with cells in place of pixels as by Samek et al., "Evaluating the
    visualization of what a deep neural network has learned" (2017): pixels strewn at random would spoil any picture.
    """
    covered = np.rint(np.linspace(0, len(order), min(STEPS, len(order)) + 1)).astype(int)
    turn = np.empty_like(order)
    turn[order] = np.arange(len(order))
    when = turn[number][..., None]  # height, width, 1
    pictures = np.stack([np.where(when < count, fill, pixels) for count in covered])
    return Deletion(covered / len(order), answer(pictures), target)


def in_random_order(
    answer: Answer,
    pixels: Pixels,
    number: NDArray[np.int64],
    target: int,
    fill: NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[Deletion, ...]:
    """What a map is measured against: `deletion` in a few orders drawn at random."""
    count = int(number.max()) + 1
    return tuple(
        deletion(answer, pixels, rng.permutation(count), number, target, fill) for _ in range(ORDERS)
    )


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of `net` that has learned nothing: the last step of Adebayo et al.'s cascade.

    "Sanity checks for saliency maps" (2018), section 3.1. Weights are normal with variance 1 / fan-in, so that neither
    ReLU6 nor tanh saturates; norms and biases are as fresh ones; other vectors are shuffled.
    """
    twin = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # that of the processor alone
        fresh: set[int] = set()
        for module in twin.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset) and not _needs(reset):
                reset()
                fresh |= {id(parameter) for parameter in module.parameters(recurse=False)}
        for parameter in twin.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
            elif id(parameter) not in fresh:
                parameter.copy_(_shuffled(parameter))
    return twin


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Spearman's, of absolute values; None of fewer than three, and where one of the maps is the same everywhere."""
    from scipy.stats import ConstantInputWarning, spearmanr

    if one.size < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        found = float(spearmanr(np.abs(one).ravel(), np.abs(other).ravel()).statistic)
    return None if np.isnan(found) else found


def partial_rank_correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], shared: NDArray[np.float64]
) -> float | None:
    """`rank_correlation` of the two maps, without what both owe to `shared`; None where nothing else is left."""
    plain = rank_correlation(one, other)
    own = [rank_correlation(values, shared) for values in (one, other)]
    if plain is None or own[0] is None or own[1] is None:
        return plain  # there is nothing that they could share
    rest = (1 - own[0] ** 2) * (1 - own[1] ** 2)
    return (plain - own[0] * own[1]) / sqrt(rest) if rest > TINY else None


def _needs(method: Callable[..., Any]) -> bool:
    """Whether it cannot be called without arguments."""
    parameters = inspect.signature(method).parameters.values()
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _shuffled(parameter: Tensor) -> Tensor:
    return parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter)
