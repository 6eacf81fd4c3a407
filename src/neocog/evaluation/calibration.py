"""Whether a probability means what it says, and the temperature that makes it so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.per_picture import best, demand_answers, demand_probabilities

BINS = 15  # of Guo et al. (2017)
COLDEST, HOTTEST = 0.01, 100.0
"""temperatures beyond which nothing is looked for: a probability is by then all or nothing, or the same for all"""
SMALLEST = np.finfo(np.float32).tiny  # stands for a probability that a float32 could not hold
ROWS = 1024  # at once, so that what is computed of them stays in the cache

Floats = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Pictures sorted into bins by the probability of the answer: how sure beside how often right.

    Bin i holds probabilities above `edges[i]` up to and including `edges[i + 1]`, the first bin its lower edge, too.
    """

    edges: NDArray[np.float64]
    """(bins + 1,)"""
    counts: NDArray[np.int64]
    """(bins,), pictures"""
    confidence: NDArray[np.float64]
    """(bins,), mean probability of the answers; NaN where there is no picture"""
    accuracy: NDArray[np.float64]
    """(bins,), share of right answers; NaN where there is no picture"""

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean over pictures of |accuracy - confidence| of their bin."""
        there = self.counts > 0
        return float((self.counts[there] * self._gaps[there]).sum() / self.counts.sum())

    @property
    def mce(self) -> float:
        """Maximum calibration error: the largest |accuracy - confidence| of a bin that has pictures."""
        return float(self._gaps[self.counts > 0].max())

    @property
    def _gaps(self) -> NDArray[np.float64]:
        return np.asarray(np.abs(self.accuracy - self.confidence))

    def to_json(self) -> dict[str, Any]:
        """Lists; null where a bin has no picture."""
        means = {"confidence": self.confidence, "accuracy": self.accuracy}
        rows = {name: [None if np.isnan(x) else float(x) for x in row] for name, row in means.items()}
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist(), **rows}


def reliability(
    probabilities: Floats, labels: NDArray[np.int64], bins: int = BINS, equal_mass: bool = False
) -> Reliability:
    """The bins of Guo et al. (2017), of equal width; with `equal_mass` of equal numbers of pictures, up to ties."""
    demand_answers(probabilities, labels)
    demand_probabilities(probabilities)
    if bins < 1:
        raise UserError(f"bins must be at least 1, got {bins}")
    sure = confidences(probabilities)
    even = np.linspace(0, 1, bins + 1)
    edges = np.quantile(sure, even) if equal_mass else even
    place = bin_of(sure, edges)
    counts = np.bincount(place, minlength=bins).astype(np.int64)
    sums = np.stack([np.bincount(place, of, bins) for of in (sure, best(probabilities) == labels)])
    confidence, accuracy = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return Reliability(edges, counts, confidence, accuracy)


def confidences(probabilities: Floats) -> NDArray[np.float64]:
    """The probability of each answer (n,), at most 1: rounding may leave a softmax above."""
    return np.asarray(np.minimum(probabilities.max(axis=1), 1), np.float64)


def bin_of(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin (n,) of each value: above its lower edge, up to its upper one."""
    return np.asarray(np.clip(np.searchsorted(edges, values, "left") - 1, 0, len(edges) - 2), np.int64)


def fit_temperature(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature T that makes softmax(log p / T) least surprised by the labels: Guo et al. (2017).

    The mean NLL is convex in 1/T, so its slope has one root. Where it has none between `COLDEST` and `HOTTEST` the
    bound is returned: the coldest where every picture is right (nothing limits how sure to be), the hottest where
    answers are no better than guesses; `unbounded` says so. 1 where all classes are equally probable, which no
    temperature changes. Pictures of classes that the model does not know say nothing about T and are left out.
    """
    demand_answers(probabilities, labels)
    demand_probabilities(probabilities)
    known = (labels >= 0) & (labels < probabilities.shape[1])
    if not known.any():
        raise UserError("a temperature needs pictures of classes that the model knows, got none")
    logs = _logs_below_best(probabilities[known])
    if not logs.any():
        return 1.0
    observed = float(logs[np.arange(len(logs)), labels[known]].mean(dtype=np.float64))

    def slope(cold: float) -> float:
        """Of the mean NLL at 1/T = `cold`: expected less observed logarithm of the probability."""
        return _expected(logs, cold) - observed

    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    from scipy.optimize import brentq

    return 1 / float(brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-7))


def unbounded(temperature: float) -> str | None:
    """Why a fitted temperature is no minimum but a bound; None where it is one."""
    if temperature <= COLDEST:
        return f"temperatures of {COLDEST:g} and below fit ever better, as where every picture is right"
    if temperature >= HOTTEST:
        return f"temperatures of {HOTTEST:g} and above fit ever better, as where answers are guesses"
    return None


def stored_temperature(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[float, str]:
    """The temperature that a model shall carry with it, and in words why it is not the fitted one.

    Where `fit_temperature` runs into a bound it is 1: few pictures without a mistake would make every answer certain,
    and new pictures pay for it. The note is empty where the fit is a minimum.
    """
    fitted = fit_temperature(probabilities, labels)
    reason = unbounded(fitted)
    return (fitted, "") if reason is None else (1.0, f"probabilities stay as they are: {reason}")


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """softmax(log p / T) of each row: surer below 1, less sure above; the answer stays, equal ones stay equal.

    A probability of 0 counts as float32's smallest normal one, 1.2e-38.
    """
    if not temperature > 0 or not np.isfinite(temperature):
        raise UserError(f"temperature must be a positive number, got {temperature}")
    softened = np.empty(probabilities.shape, np.float32)
    for rows in _blocks(len(probabilities)):
        logs = _logs_below_best(probabilities[rows].astype(np.float64))
        powers = np.exp(logs / temperature)
        softened[rows] = powers / powers.sum(axis=1, keepdims=True)
    return _winners_kept(softened, best(probabilities))


def _logs_below_best(probabilities: NDArray[Real]) -> NDArray[Real]:
    """log p less that of the row's most probable class (n, k), which no softmax feels: 0 and below."""
    logs = np.log(np.maximum(probabilities, SMALLEST))
    logs -= logs.max(axis=1, keepdims=True)
    return logs


def _expected(logs: Floats, exponent: float) -> float:
    """Mean over the rows of `logs` of its expectation under softmax(exponent * logs)."""
    total = 0.0
    for rows in _blocks(len(logs)):
        powers = np.exp(np.float32(exponent) * logs[rows])
        total += float((np.einsum("ij,ij->i", powers, logs[rows]) / powers.sum(axis=1)).sum(dtype=np.float64))
    return total / len(logs)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(first, first + ROWS) for first in range(0, n, ROWS))


def _winners_kept(rounded: Floats, winners: NDArray[np.int64]) -> Floats:
    """Rounding to float32 may make two neighbours equal, and the first of equals is the answer."""
    lost = np.flatnonzero(best(rounded) != winners)
    rounded[lost, winners[lost]] = np.nextafter(rounded[lost].max(axis=1), np.float32(2))
    return rounded
