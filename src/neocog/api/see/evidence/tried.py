"""What evidence is tried on: deletion curves against random orders, and their plot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.opened import Opened, View
from neocog.draw.trends import Trend, trends
from neocog.errors import UserError
from neocog.inside.evidence.occlusion import Answer
from neocog.inside.evidence.sanity import Deletion, cells, deletion, in_random_order

Evidence = NDArray[np.float64]
RANDOM, WEIGHTS = "random order", "random weights"
"""what the figures of a map are set beside, as in plots and tables"""
DELETED = (
    "Deletion: the picture is cut into up to 16 x 16 cells, which become {} one after another, those with the most "
    "evidence first, while the class's probability is noted; the area under the curve is the figure, the "
    "smaller the better (Petsiuk et al. 2018). Random order: the same in five orders drawn at random, which is no easy "
    "mark: cells strewn over a picture spoil it sooner than one region of as many."
)
REDRAWN = (
    "Random weights: the same map of the same network with weights drawn anew. The rank correlation (Spearman's, of "
    "absolute values) of the two should be near 0; a map that hardly changes shows the picture, not what was learned "
    "(Adebayo et al. 2018)."
)


def rank_text(rank: float | None) -> str:
    """A rank correlation, which maps that are the same everywhere do not have."""
    return "undefined" if rank is None else f"{rank:.2f}"


@dataclass(frozen=True, eq=False)
class Trial:
    """One picture and one class, about which maps of evidence are tried."""

    answer: Answer
    pixels: NDArray[np.uint8]
    target: int
    fill: NDArray[np.uint8]
    number: NDArray[np.int64]
    """of the cell that each pixel lies in"""
    random: tuple[Deletion, ...]

    def of(self, target: int) -> Trial:
        """The same for another class, whose answers to the random orders are known, too."""
        return replace(self, target=target, random=tuple(one.of(target) for one in self.random))

    @property
    def random_area(self) -> float:
        """The mean over the random orders."""
        return float(np.mean([one.area for one in self.random]))

    def words(self, found: Deletion, rank: float | None) -> str:
        """How a map of evidence does."""
        return (
            f"deletion {found.area:.3f} (random {self.random_area:.3f}), correlation with random weights "
            f"{rank_text(rank)}"
        )

    def deletion(self, evidence: Evidence) -> Deletion:
        """By `evidence` (height, width), the most first."""
        from neocog.inside.evidence.sanity import order_of

        order = order_of(evidence, self.number)
        return deletion(self.answer, self.pixels, order, self.number, self.target, self.fill)


def trial(view: View, answer: Answer, target: int, fill: NDArray[np.uint8], seed: int) -> Trial:
    """Of class `target`, with its random orders; `fill` is a colour, or a picture, that cells take."""
    number = cells(*view.pixels.shape[:2])
    random = in_random_order(answer, view.pixels, number, target, fill, np.random.default_rng(seed))
    return Trial(answer, view.pixels, target, fill, number, random)


def cheap(network: Opened, view: View, target: int) -> dict[str, Evidence]:
    """Maps (height, width) of methods that cost one way back, where they have a meaning: a mark for other maps."""
    from neocog.inside.evidence.cam import class_activation, stretched_over
    from neocog.inside.evidence.gradients import gradient, magnitude
    from neocog.inside.evidence.last_maps import last_maps

    found = dict[str, Evidence]()
    with suppress(UserError):
        found["gradient"] = magnitude(gradient(network.net, view.x, target))
    with suppress(UserError):
        cams = class_activation(network.net, view.x, last_maps(network.net, network.size), [target])
        found["Grad-CAM"] = stretched_over(cams.grad_cam(0), *view.pixels.shape[:2])
    return found


def curves(title: str, deletions: Mapping[str, Deletion], random: tuple[Deletion, ...]) -> str:
    """The curves in one plot, the random orders as their mean with a band from the lowest to the highest."""
    lines = [
        Trend(name, tuple((x, y, y, y) for x, y in zip(one.shares, one.probabilities, strict=True)))
        for name, one in deletions.items()
    ]
    several = np.stack([one.probabilities for one in random])
    band = zip(random[0].shares, several.mean(axis=0), several.min(axis=0), several.max(axis=0), strict=True)
    return trends(
        title, "share of the picture that is covered", [*lines, Trend(RANDOM, tuple(band))], True, most=1.0
    )
