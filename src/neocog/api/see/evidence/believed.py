"""Whether what an occlusion says can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neocog.api.see.evidence.answered import answering, mean_colour
from neocog.api.see.evidence.baselines import BECOME
from neocog.api.see.evidence.tried import (
    DELETED,
    RANDOM,
    REDRAWN,
    WEIGHTS,
    Trial,
    cheap,
    curves,
    rank_text,
    trial,
)
from neocog.api.see.opened import Opened, View
from neocog.draw.gallery import Plate, Room

if TYPE_CHECKING:
    from neocog.inside.evidence.occlusion import Answer, Occlusion, Square
    from neocog.inside.evidence.sanity import Deletion

OWN = "occlusion"
COARSER = (
    "Of the occlusion it is that of how much the probability falls at {} places of the square; of so many, chance "
    "alone makes about {:.2f}."
)


@dataclass(frozen=True, eq=False)
class Believed:
    """The sanity figures of an occlusion's map, which says what each pixel is worth."""

    trying: Trial
    deletions: Mapping[str, Deletion]
    """by the occlusion's map first, then by others that cost little"""
    rank: float | None
    """of the occlusion, with that of a network that learned nothing"""
    places: int
    """of the square, that were compared for it"""

    @property
    def words(self) -> str:
        return self.trying.words(self.deletions[OWN], self.rank)

    @property
    def notes(self) -> tuple[str, ...]:
        chance = max(1, self.places - 1) ** -0.5  # the deviation of Spearman's rank correlation
        return DELETED.format(BECOME["mean"]), f"{REDRAWN} {COARSER.format(self.places, chance)}"

    def room(self) -> Room:
        """The deletion curves and the figures."""
        plot = Plate(
            name="deletion",
            title="deletion",
            caption="The probability as cells of the picture take the mean colour, those that are worth most first; "
            "beside it by the maps of methods that need one gradient.",
            svg=curves("Deletion", self.deletions, self.trying.random),
        )
        rank = rank_text(self.rank)
        rows = tuple(
            (name, f"{one.area:.3f}", f"{self.trying.random_area:.3f}", rank if name == OWN else "")
            for name, one in self.deletions.items()
        )
        header = ("map", "deletion", RANDOM, WEIGHTS)
        return Room(title="Can it be believed?", plates=(plot,), header=header, rows=rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "deletion_areas": {name: one.area for name, one in self.deletions.items()},
            "random_deletion_area": self.trying.random_area,
            "rank_correlation_with_random_weights": self.rank,
        }


def believed(
    network: Opened, view: View, answer: Answer, found: Occlusion, covering: Square, target: int, seed: int
) -> Believed:
    """Deletion by what each pixel is worth; and the square over the same network with weights drawn from `seed`."""
    from neocog.inside.evidence.occlusion import coarser, slid
    from neocog.inside.evidence.sanity import randomised, rank_correlation

    trying = trial(view, answer, target, mean_colour(network), seed)
    maps = {OWN: found.fall(*view.pixels.shape[:2]), **cheap(network, view, target)}
    unlearned = answering(replace(network, net=randomised(network.net, seed), frozen=None))
    fewer = coarser(covering, max(found.probability.shape))
    other = slid(unlearned, view.pixels, fewer).of(target)
    places = other.tops, other.lefts
    return Believed(
        trying,
        {name: trying.deletion(one) for name, one in maps.items()},
        rank_correlation(found.at(*places), other.at(*places)),
        other.probability.size,
    )
