"""How much of a classifier's accuracy is left on spoiled pictures (Hendrycks and Dietterich 2019, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neocog.errors import UserError
from neocog.evaluation.intervals import wilson

PARTS = (1, 2, 3, 4, 5)  # severities that the corruption error of the paper is summed over


@dataclass(frozen=True)
class Baseline:
    """A classifier's errors that others are measured by."""

    name: str
    clean: float
    """its share of errors on clean pictures"""
    errors: dict[str, tuple[float, ...]]
    """its share of errors at severities 1 to 5 of each corruption"""


ALEXNET = Baseline(
    "AlexNet on ImageNet-C",
    0.435,
    {
        "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
        "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
        "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
        "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
        "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
        "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
        "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
        "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
        "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
        "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
        "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
        "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
        "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
        "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
        "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
    },
)
"""The authors' AlexNet on ImageNet's 50,000 validation pictures as they published them spoiled, by which the mean
corruption error is scaled (their spreadsheet; clean error: table 1 of the paper). It says something about networks with
ImageNet's classes on such pictures of 224 x 224 pixels, and about no others."""


@dataclass(frozen=True)
class Robustness:
    """How many of `n` pictures are classified right, clean and spoiled."""

    n: int
    clean: int
    """right ones of the clean pictures"""
    severities: tuple[int, ...]
    right: dict[str, tuple[int, ...]]
    """of each corruption, right ones at each of `severities`"""

    def __post_init__(self) -> None:
        wrong = [name for name, row in self.right.items() if len(row) != len(self.severities)]
        if wrong or not self.right or not self.severities:
            raise UserError(
                f"each corruption needs a count for each severity {self.severities}, "
                f"got {', '.join(wrong) or 'none'}"
            )

    @property
    def clean_top1(self) -> float:
        return self.clean / self.n

    @property
    def clean_interval(self) -> tuple[float, float]:
        """95 %, Wilson's."""
        return wilson(self.clean, self.n)

    def top1(self, corruption: str) -> tuple[float, ...]:
        """At each of `severities`."""
        return tuple(right / self.n for right in self.right[corruption])

    def intervals(self, corruption: str) -> tuple[tuple[float, float], ...]:
        """95 %, Wilson's, at each of `severities`."""
        return tuple(wilson(right, self.n) for right in self.right[corruption])

    def error(self, corruption: str) -> float:
        """Share of errors over all of `severities`."""
        return 1 - sum(self.right[corruption]) / (self.n * len(self.severities))

    def mean_error(self, corruptions: Sequence[str] = ()) -> float:
        """Mean of `error` over `corruptions`, all if none are named: a corruption error that no baseline scales."""
        names = corruptions or tuple(self.right)
        return sum(self.error(name) for name in names) / len(names)

    def ce(self, baseline: Baseline = ALEXNET) -> dict[str, float]:
        """Corruption errors: of each of the baseline's corruptions the errors over the baseline's errors."""
        self._demand(baseline)
        return {name: 5 * self.error(name) / sum(theirs) for name, theirs in baseline.errors.items()}

    def mce(self, baseline: Baseline = ALEXNET) -> float:
        """Mean corruption error: of `ce`. 1 is as bad as the baseline."""
        return _mean(self.ce(baseline))

    def relative_ce(self, baseline: Baseline = ALEXNET) -> dict[str, float]:
        """As `ce`, of the errors beyond those on clean pictures."""
        self._demand(baseline)
        clean = 1 - self.clean_top1
        return {
            name: 5 * (self.error(name) - clean) / (sum(theirs) - 5 * baseline.clean)
            for name, theirs in baseline.errors.items()
        }

    def relative_mce(self, baseline: Baseline = ALEXNET) -> float:
        """Mean of `relative_ce`."""
        return _mean(self.relative_ce(baseline))

    def comparable(self, baseline: Baseline = ALEXNET) -> bool:
        """Whether all that the baseline has was measured."""
        return self.severities == PARTS and set(baseline.errors) <= set(self.right)

    def to_json(self) -> dict[str, Any]:
        """Counts, shares and intervals; no mean corruption error, which means nothing on most data."""
        low, high = self.clean_interval
        return {
            "n": self.n,
            "clean": {"right": self.clean, "top1": self.clean_top1, "interval": [low, high]},
            "mean_error": self.mean_error(),
            "corruptions": {
                name: {"error": self.error(name), "severities": self._row(name)} for name in self.right
            },
        }

    def _row(self, name: str) -> dict[str, dict[str, Any]]:
        rows = zip(self.severities, self.right[name], self.intervals(name), strict=True)
        return {
            str(severity): {"right": right, "top1": right / self.n, "interval": list(interval)}
            for severity, right, interval in rows
        }

    def _demand(self, baseline: Baseline) -> None:
        if not self.comparable(baseline):
            missing = ", ".join(sorted(set(baseline.errors) - set(self.right))) or "none"
            raise UserError(
                f"errors relative to {baseline.name} need severities 1 to 5 of all its corruptions, "
                f"got severities {', '.join(map(str, self.severities))}, missing corruptions: {missing}"
            )


def _mean(errors: dict[str, float]) -> float:
    return sum(errors.values()) / len(errors)
