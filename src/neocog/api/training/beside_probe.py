"""Whether fine-tuning was worth it: the trained network beside the probe that it began with, on the same pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neocog.api.answers import AnyScores
from neocog.evaluation.paired import Paired, compared
from neocog.evaluation.per_picture import best
from neocog.evaluation.several import THRESHOLD
from neocog.inference.network import Floats

Which = Literal["trained", "probe"]
FIGURES = {"top1": "accuracy", "map": "mAP"}
"""figures by which the better one is taken, with their names"""


@dataclass(frozen=True)
class Verdict:
    """Two classifiers on the held-out pictures: the network after training, and the probe before it."""

    figure: str
    """top1; map where pictures show several classes"""
    trained: float
    probe: float
    paired: Paired
    """by pictures that are right, the trained network first; where they show several classes, right in every one"""
    kept: Which
    """whose weights the bundle has"""

    @property
    def beaten(self) -> bool:
        """Whether the trained network is better by more than chance gives in one of twenty cases."""
        return self.trained > self.probe and self.paired.verdict == "first"

    def __str__(self) -> str:
        name, p = FIGURES[self.figure], f"McNemar's p = {self.paired.p:.2g}"
        figures = f"{name} {self.trained:.4f} against {self.probe:.4f} on {self.paired.n:,} held-out pictures"
        if self.beaten:
            return f"fine-tuning beat the probe that it began with: {figures}, {p}{self._kept()}"
        if self.trained > self.probe:
            return (
                f"fine-tuning did not beat the probe that it began with by more than chance may give: {figures}, "
                f"{p}{self._kept()}"
            )
        return f"fine-tuning did not beat the probe that it began with: {figures}, {p}{self._kept()}"

    def _kept(self) -> str:
        if self.kept == "trained":
            if self.trained < self.probe:
                return "; the fine-tuned weights are kept (--no-keep-probe)"
            equal = ", as of equals" if self.trained == self.probe else ""
            return f"; the fine-tuned weights are kept{equal}"
        return "; the probe's weights are kept, chosen by these pictures (--no-keep-probe keeps the others)"

    def to_json(self) -> dict[str, Any]:
        return {
            "figure": self.figure,
            "trained": self.trained,
            "probe": self.probe,
            **{name: value for name, value in asdict(self.paired).items() if name != "interval"},
            "interval": list(self.paired.interval),
            "beaten": self.beaten,
            "kept": self.kept,
            "words": str(self),
        }


def beside_probe(
    trained: Floats, probe: Floats, truth: NDArray[Any], scores: tuple[AnyScores, AnyScores], keep_probe: bool
) -> Verdict:
    """Probabilities (held out, classes) of both about the same pictures, and their scores in this order.

    With `keep_probe` the probe's weights are taken where its figure is higher; of equals the trained network's are.
    """
    figure = "map" if truth.ndim == 2 else "top1"
    own, other = (float(found.figures()[figure]) for found in scores)
    paired = compared(rights(trained, truth), rights(probe, truth))
    return Verdict(figure, own, other, paired, "probe" if keep_probe and other > own else "trained")


def rights(probabilities: Floats, truth: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,): whether the most probable class is the true one; of several classes, whether each is told rightly."""
    if truth.ndim == 2:
        return np.asarray(((probabilities >= THRESHOLD) == (truth > 0)).all(axis=1))
    return np.asarray(best(probabilities) == truth)
