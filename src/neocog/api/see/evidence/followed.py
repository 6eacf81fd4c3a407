"""What becomes of a network's strongest feature map while a square covers one part of the picture after another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.evidence.reconstructed import SCALE, painted
from neocog.api.see.opened import Opened, View
from neocog.api.see.seen import Facts
from neocog.draw.gallery import Plate
from neocog.draw.tiles import enlarged, glowing, outlined
from neocog.errors import UserError
from neocog.models.layer_names import MODULE

if TYPE_CHECKING:
    from neocog.inside.evidence.watched import StrongestMap

NONE = "No feature map is followed: the network does not end in maps."
FOLLOWED = (
    "The strongest feature map of the last layer with maps, {layer}, is the one with the largest mean over its "
    "places where nothing is covered; the mean is followed as the square moves (Zeiler and Fergus 2014, figure 7b, "
    "who take the sum). Where it falls with the class's probability, what the map answers to is what the class is "
    "known by."
)


@dataclass(frozen=True, eq=False)
class Followed:
    """The strongest map, and its mean by the place of the square."""

    map: StrongestMap
    means: NDArray[np.float64]
    """(rows, columns)"""
    whole: float
    """where nothing is covered"""

    @property
    def name(self) -> str:
        return f"channel {self.map.unit.channel} of {self.map.layer.name}"

    @property
    def note(self) -> str:
        return FOLLOWED.format(layer=self.map.layer.name)

    def lines(self, tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> Facts:
        """Where it falls most."""
        row, column = np.unravel_index(self.means.argmin(), self.means.shape)
        words = (
            f"{self.name}: mean {self.whole:.3g}, lowest {self.means[row, column]:.3g} with the square at row "
            f"{tops[row]}, column {lefts[column]}"
        )
        return (("strongest map", words),)

    def to_json(self) -> dict[str, Any]:
        return {
            "layer": self.map.layer.name,
            "channel": self.map.unit.channel,
            "mean": self.whole,
            "means": self.means.tolist(),
        }


def to_follow(network: Opened, view: View) -> StrongestMap | None:
    """Of the last layer with maps; None where the network has none, or where they cannot be told."""
    from neocog.inside.evidence.last_maps import last_maps
    from neocog.inside.evidence.watched import strongest_map

    try:
        maps = last_maps(network.net, network.size)
        layer = network.layer(f"{MODULE}{maps.name}")
    except UserError:
        return None
    if layer.kind != "maps" or layer.shape[1:] != maps.grid:
        return None
    return strongest_map(network.net, view.x, replace(layer, name=maps.name, place=maps.place))


def plates(network: Opened, view: View, followed: Followed, half: int, least: int) -> tuple[Plate, ...]:
    """Its mean by the place of the square's middle, `half` of a square from each edge on; and what it answers to."""
    low, high = float(followed.means.min()), float(followed.means.max())
    mean = Plate(
        name="map",
        title=f"strongest feature map: {followed.name}",
        caption=f"Its mean by the place of the square's middle, from {half} pixels inside each edge on; uncovered it "
        f"is {followed.whole:.3g}. Dark is {low:.3g}, pale {high:.3g}.",
        pixels=enlarged(glowing(followed.means, low, high), least),
    )
    return (mean, *_answers_to(network, view, followed, least))


def _answers_to(network: Opened, view: View, followed: Followed, least: int) -> tuple[Plate, ...]:
    """Its strongest unit back to the pixels (their figure 7c), where a deconvnet has a meaning."""
    from neocog.api.see.evidence.deconv import rules_of
    from neocog.inside.evidence.brought_back import brought_back

    layer, unit = followed.map.layer, followed.map.unit
    try:
        rule = rules_of(network, "auto", [layer])[layer.name]
        (back,) = brought_back(network.net, view.x, layer, [unit], rule)
    except UserError:
        return ()
    pixels = enlarged(painted(back.pixels), least)
    scale = len(pixels) // len(view.pixels)
    top, left, bottom, right = (place * scale for place in layer.reads(unit.at))
    row, column = unit.at
    words = (
        f"Its strongest unit, at row {row}, column {column}, back to the pixels by the {rule} rule; framed is what it "
        f"depends on. {SCALE}."
    )
    return (
        Plate(
            name="map_answers_to",
            title="what that map answers to",
            caption=words,
            pixels=outlined(pixels, (top, left, bottom, right)),
        ),
    )
