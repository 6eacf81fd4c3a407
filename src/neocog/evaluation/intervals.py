"""How far a figure may be off because these pictures were drawn and not others: 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

Z95 = 1.959963984540054  # the normal distribution's 97.5 % point
TAIL = 0.025  # on either side of a 95 % interval
REPEATS = 2000  # resamples: the ends of an interval lie within 3 % of its width of those of infinitely many

Interval = tuple[float, float]


def wilson(right: int, n: int, z: float = Z95) -> Interval:
    """Wilson's (1927) interval of a share: holds its promise for few pictures and near 0 and 1, too."""
    _demand_share(right, n)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half if right else 0.0), (centre + half if right < n else 1.0)


def clopper_pearson(right: int, n: int) -> Interval:
    """Clopper and Pearson's (1934) 95 % interval of a share: by the binomial distribution itself, never too narrow."""
    from scipy.special import betaincinv

    _demand_share(right, n)
    low = float(betaincinv(right, n - right + 1, TAIL)) if right else 0.0
    return low, float(betaincinv(right + 1, n - right, 1 - TAIL)) if right < n else 1.0


def resamples(n: int, seed: int = 0, repeats: int = REPEATS) -> Iterator[NDArray[np.int64]]:
    """`repeats` draws of n of n pictures with replacement, as indices (n,). The same seed gives the same draws."""
    if n < 1 or repeats < 1:
        raise UserError(f"the bootstrap needs a picture and a repeat, got {n} pictures and {repeats} repeats")
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        yield rng.integers(0, n, n)


def middle(figures: NDArray[np.float64]) -> Interval:
    """The 2.5 % and the 97.5 % point of resampled figures (repeats,): Efron's (1979) percentile interval."""
    low, high = np.quantile(figures, (TAIL, 1 - TAIL))
    return float(low), float(high)


def reflected(figures: NDArray[np.float64], estimate: float) -> Interval:
    """The basic bootstrap (Davison and Hinkley 1997, section 5.2) of a figure of 0 or more that chance raises.

    Resampling raises it once more, so its excess over `estimate` is taken off: the percentile interval would miss the
    true value on the upper side. Stretched where needed to hold the estimate.
    """
    low, high = middle(figures)
    return max(0.0, min(estimate, 2 * estimate - high)), max(estimate, 2 * estimate - low)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], n: int, *, seed: int = 0, repeats: int = REPEATS
) -> Interval:
    """The percentile interval of `statistic`, which takes indices (n,) of pictures, some of them several times."""
    return middle(np.array([statistic(chosen) for chosen in resamples(n, seed, repeats)]))


def _demand_share(right: int, n: int) -> None:
    if not 0 <= right <= n or n == 0:
        raise UserError(f"right must lie between 0 and n > 0, got {right} of {n}")
