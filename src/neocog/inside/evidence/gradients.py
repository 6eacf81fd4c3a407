"""Which pixels speak for a class: gradients of its logit, one, many along a path, many around the picture.

Each function is of one picture `x` (1, channels, height, width) in the units of the network's input, and gives
(channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.errors import UserError
from neocog.inside.back.rules import Rule, Traced, traced_back

OUTPUT = Place("")
"""the network itself, whose output are the logits (batch, classes)"""
BATCH = 8
TOLERANCE = 0.01
SPREAD = 0.05  # of the steps' errors, which otherwise might cancel by chance
FIRST, MOST = 16, 256  # steps to begin with; points at the end
TINY = 1e-12
NO_WAY = ("does not require grad", "not have been used in the graph")
"""what torch says where nothing leads back"""
NO_GRADIENT = "the logits of this network have no gradient at the picture; use `neocog see occlusion`"


@dataclass(frozen=True, eq=False)
class Integrated:
    """Integrated gradients, and how nearly they add up to what they explain."""

    evidence: NDArray[np.float64]
    """(channels, height, width)"""
    rise: float
    """logit of the picture minus that of the baseline"""
    points: int
    """on the way, whose gradients were taken"""

    @property
    def gap(self) -> float:
        """How far the sum is from the rise, as a share of it: 0 is complete."""
        return abs(float(self.evidence.sum()) - self.rise) / max(abs(self.rise), TINY)

    @property
    def complete(self) -> bool:
        """Whether the gap is at most one in a hundred."""
        return self.gap <= TOLERANCE


def gradient(net: nn.Module, x: Tensor, target: int, rule: Rule = "gradient") -> NDArray[np.float64]:
    """How the logit of class `target` changes with each number of the input; or what `rule` makes of it.

    Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks" (2014), section 3.
    """
    return _array(_back(net, x, target, rule).pixels[0])


def integrated_gradients(
    net: nn.Module, x: Tensor, baseline: Tensor, target: int, most: int = MOST
) -> Integrated:
    """The mean gradient on the straight way from `baseline` to the picture, times the way, number by number.

    Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks" (2017), equation 1, by the trapezoidal rule. They
    take steps of one length; but nearly all of the rule's error lies in a few of them, as a rule near the baseline.
    What each step adds to the logit is known, so those are halved that are most wrong, until the sum is within 1 % of
    the rise of the logit (their proposition 1) and the errors of all steps together are within 5 % of it, or gradients
    at `most` points or a few more are known.
    """
    way = x - baseline
    points = _at(net, baseline, way, [i / FIRST for i in range(FIRST + 1)], target)
    while True:
        rise, errors = points[-1].logit - points[0].logit, _errors(points)
        settled = abs(sum(errors)) <= TOLERANCE * abs(rise) and sum(map(abs, errors)) <= SPREAD * abs(rise)
        if settled or len(points) >= most:
            return Integrated(_array(way[0].double() * _mean(points)), rise, len(points))
        worst = sorted(range(len(errors)), key=lambda i: -abs(errors[i]))[:BATCH]
        middles = [(points[i].share + points[i + 1].share) / 2 for i in worst]
        points = sorted(points + _at(net, baseline, way, middles, target), key=lambda point: point.share)


def smooth_grad(
    net: nn.Module,
    x: Tensor,
    target: int,
    generator: torch.Generator,
    samples: int = 50,
    noise: float = 0.15,
) -> NDArray[np.float64]:
    """The mean gradient at noisy copies of the picture.

    Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017), section 2: `samples` copies with normal noise,
    whose deviation is a share `noise` of the range of the picture's numbers. UserError below one sample, and for a
    noise that is negative or not finite.
    """
    if samples < 1 or not 0 <= noise < inf:
        raise UserError(
            f"SmoothGrad takes at least 1 sample and a noise of 0 or more, got {samples} and {noise:g}"
        )
    spread = noise * float(x.max() - x.min())
    total = torch.zeros_like(x[0], dtype=torch.float64)
    for first in range(0, samples, BATCH):
        count = min(BATCH, samples - first)
        noisy = x + spread * torch.randn(count, *x.shape[1:], generator=generator, dtype=x.dtype)
        total += _back(net, noisy, target).pixels.double().sum(0)
    return _array(total / samples)


def magnitude(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """(height, width): the largest absolute value over the channels, as in Simonyan et al. 2014, section 3.1."""
    return np.asarray(np.abs(evidence).max(axis=0))


def summed(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """(height, width): the sum over the channels; its sign says whether a pixel speaks for the class or against."""
    return np.asarray(evidence.sum(axis=0))


class _Point(NamedTuple):
    """A place on the way."""

    share: float
    """of the way, from 0 at the baseline to 1 at the picture"""
    gradient: Tensor
    """(channels, height, width)"""
    slope: float
    """of the logit along the way"""
    logit: float


def _at(net: nn.Module, start: Tensor, way: Tensor, shares: Sequence[float], target: int) -> list[_Point]:
    found = list[_Point]()
    for first in range(0, len(shares), BATCH):
        some = shares[first : first + BATCH]
        points = start + torch.tensor(some, dtype=way.dtype).view(-1, 1, 1, 1) * way
        back = _back(net, points, target)
        slopes = (back.pixels.double() * way.double()).sum((1, 2, 3)).tolist()
        found += map(_Point, some, back.pixels, slopes, back.activation[:, target].tolist())
    return found


def _errors(points: Sequence[_Point]) -> list[float]:
    """What the trapezoidal rule makes too much of the logit's rise between neighbours."""
    return [(b.share - a.share) * (a.slope + b.slope) / 2 - (b.logit - a.logit) for a, b in pairwise(points)]


def _mean(points: Sequence[_Point]) -> Tensor:
    """Of the gradients over the way."""
    total = torch.zeros_like(points[0].gradient, dtype=torch.float64)
    for a, b in pairwise(points):
        total += (b.share - a.share) / 2 * (a.gradient.double() + b.gradient.double())
    return total


def _back(net: nn.Module, x: Tensor, target: int, rule: Rule = "gradient") -> Traced:
    """From the logit of class `target` to the pixels."""
    try:
        return traced_back(net, x, OUTPUT, _of_class(target), rule)
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_WAY):
            raise
        raise UserError(NO_GRADIENT) from error


def _of_class(target: int) -> Callable[[Tensor], Tensor]:
    def start(logits: Tensor) -> Tensor:
        if logits.dim() != 2 or not 0 <= target < logits.shape[1]:
            raise UserError(
                f"the network must give (batch, classes) and have class {target}, it gives {tuple(logits.shape)}"
            )
        seed = torch.zeros_like(logits)
        seed[:, target] = 1
        return seed

    return start


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return finite(np.asarray(tensor.double().numpy()))


def finite(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """`evidence`; UserError where it is none."""
    if not np.isfinite(evidence).all():
        raise UserError(
            "the gradient of this network is not finite at this picture, as that of a square root at 0; "
            "use `neocog see occlusion`"
        )
    return evidence
