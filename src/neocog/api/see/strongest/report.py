"""What the view `patches` says: facts, a room for each layer, a table of all, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.api.see.opened import Opened
from neocog.api.see.seen import Facts, gallery
from neocog.api.see.strongest.peaked import Peaked
from neocog.api.see.strongest.sheets import Channel, plate
from neocog.api.see.wording import DEAD, channels_of
from neocog.data.dataset import Dataset
from neocog.draw.gallery import Gallery, Room
from neocog.draw.text import count, size_text

if TYPE_CHECKING:
    from neocog.inside.units import Layer

WHY = {
    "guided": "Guided backpropagation where no max pool lies between picture and layer: without its switches the "
    "deconvnet gives the same whatever the picture (Springenberg et al. 2015).",
    "gradient": "The gradient where anything but a ReLU lies between picture and layer: there the deconvnet has no "
    "meaning.",
}
"""of a rule that is not the deconvnet's"""
INFINITE = float("inf")
TOLERANCE = 1e-4
"""of a channel's largest activation: how far one that is computed again may be off before that is said"""
NAMED = 8
"""channels, or groups of them, that a line names"""
BACK = {
    "deconvnet": "the deconvnet brings back from that one unit (transposed filters, the switches of the max pools, "
    "rectified on the way)",
    "guided": "guided backpropagation brings back from that one unit (the deconvnet, stopped also where the picture "
    "itself left a rectifier closed)",
    "gradient": "the gradient brings back from that one unit",
}
"""what is beside the patches, by the rule"""


@dataclass(frozen=True, eq=False)
class Report:
    """Of one look at some layers."""

    network: Opened
    layers: tuple[Layer, ...]
    """all that were read"""
    dataset: Dataset
    found: Peaked
    ceilings: Mapping[str, float]
    """layer behind a rectifier -> the most that it lets through"""
    looked: Mapping[str, list[Channel]]
    """layer -> its channels that are shown"""
    skipped: tuple[tuple[str, str], ...]

    @cached_property
    def duplicates(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Layer -> groups of channels."""
        return {name: one.duplicates() for name, one in self.found.index.layers.items()}

    @cached_property
    def dead(self) -> dict[str, tuple[int, ...]]:
        """Layer behind a rectifier -> channels that were never above zero."""
        return {name: tuple(map(int, self.found.index.layers[name].silent())) for name in self.ceilings}

    @property
    def difference(self) -> float:
        return max((one.difference for some in self.looked.values() for one in some), default=0.0)

    def gallery(self) -> Gallery:
        rooms = (*(self._room(layer) for layer in self.layers if layer.name in self.looked), self._table())
        return gallery(
            "Strongest patches",
            self.network,
            rooms,
            facts=self._facts(),
            notes=self._notes(),
            warnings=self._warnings(),
        )

    def _facts(self) -> Facts:
        index, channels = self.found.index, sum(layer.channels for layer in self.layers)
        dead = sum(map(len, self.dead.values()))
        rectified = sum(layer.channels for layer in self.layers if layer.name in self.dead)
        copies = sum(len(group) - 1 for groups in self.duplicates.values() for group in groups)
        left_out = f", {len(self.skipped):,} unreadable left out" if self.skipped else ""
        how = ", kept from before" if self.found.found else ", one pass"
        return (
            ("pictures", f"{index.pictures:,} of {self.dataset.name}{left_out}"),
            ("index", f"{index.k} a channel, {channels:,} channels, {len(self.layers):,} layers"),
            ("engine", f"{self.found.engine}{how}"),
            ("dead channels", f"{dead:,} of {rectified:,} behind a rectifier"),
            ("duplicate channels", f"{copies:,}"),
            ("computed again", f"within {self.difference:.0e}"),
        )

    def _room(self, layer: Layer) -> Room:
        some = self.looked[layer.name]
        plates = tuple(plate(one, f"channel {one.channel}", self._remark(one)) for one in some)
        left = f"Left {count(some[0].stored.size, 'patch')}, strongest first"
        words = f"{channels_of(layer)}. {_sees(layer)} {left}"
        return Room(
            title=layer.name,
            words=f"{words}; right what {BACK[some[0].rule]}, cut by the same window.",
            plates=plates,
            beside=True,
        )

    def _remark(self, one: Channel) -> str:
        if one.channel in self.dead.get(one.layer, ()):
            return "dead: 0 in each of the pictures"
        group = next((group for group in self.duplicates[one.layer] if one.channel in group), ())
        others = [str(other) for other in group if other != one.channel]
        most = self.ceilings.get(one.layer, INFINITE)
        index = self.found.index
        contents = index.hashes[index.layers[one.layer].pictures[one.channel]]
        copies = len(contents) - len(np.unique(contents, axis=0))
        remarks = (
            f"{copies} of the pictures are copies of others" if copies else "",
            f"the same as channel {_few(others)}" if others else "",
            f"all at the ceiling of {most:g}, so the order says nothing" if one.stored[-1] >= most else "",
        )
        return "; ".join(filter(None, remarks))

    def _table(self) -> Room:
        return Room(
            title="All layers",
            words=f"Every channel of each of them is in the index. {DEAD} Duplicates have the same pictures in the "
            "same order, with activations in the same proportion.",
            header=("layer", "shape", "channels", "dead", "duplicates"),
            rows=tuple(self._row(layer) for layer in self.layers),
        )

    def _row(self, layer: Layer) -> tuple[str, ...]:
        dead = self.dead.get(layer.name)
        groups = [" = ".join(map(str, group)) for group in self.duplicates[layer.name]]
        silent = "no rectifier" if dead is None else f"{len(dead):,}" + (f" ({_few(dead)})" if dead else "")
        doubled = sum(map(len, self.duplicates[layer.name])) - len(groups)
        return (
            layer.name,
            size_text(layer.shape),
            f"{layer.channels:,}",
            silent,
            f"{doubled:,}" + (f" ({_few(groups)})" if groups else ""),
        )

    def _notes(self) -> tuple[str, ...]:
        return (
            "Each picture counts once: by the largest activation that a channel has anywhere in it. Of equal ones the "
            "picture that comes first in the data stands first.",
            "Shown are the channels whose last picture lies the most standard deviations above the mean over all "
            "pictures; --channel names others, --layer other layers.",
            "A patch is the receptive field of the unit, exactly, cut out of the network's input; grey lies outside "
            "the picture. Where the field is no smaller than the picture the whole picture is shown.",
            "Reconstructions are scaled one by one, 0.5 + v / (2 m) with m the 99.5th percentile of |v|: middle grey "
            "is 0, the few larger ones are clipped. Only these pictures were run again, in torch; their activations "
            "are compared with the index.",
            *(
                WHY[rule]
                for rule in WHY
                if rule in {one.rule for some in self.looked.values() for one in some}
            ),
        )

    def _warnings(self) -> tuple[str, ...]:
        named = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:NAMED])
        more = f"; and {len(self.skipped) - NAMED:,} more" if len(self.skipped) > NAMED else ""
        many = len(self.skipped) > 1
        what = f"{len(self.skipped):,} pictures" if many else "1 picture"
        unread = f"{what} cannot be read and {'were' if many else 'was'} left out ({named}{more})."
        off = (
            f"An activation that was computed again differs from the index by {self.difference:.1e} of the channel's "
            f"largest, above {TOLERANCE:.0e}."
        )
        return (
            *((unread,) if self.skipped else ()),
            *((off,) if self.difference > TOLERANCE else ()),
        )

    def figures(self) -> dict[str, Any]:
        """As `--json` prints them."""
        return {
            "pictures": self.found.index.pictures,
            "k": self.found.index.k,
            "engine": self.found.engine,
            "cached": self.found.found,
            "difference": self.difference,
            "layers": [self._figures(layer) for layer in self.layers],
        }

    def _figures(self, layer: Layer) -> dict[str, Any]:
        dead = self.dead.get(layer.name)
        return {
            "layer": layer.name,
            "shape": list(layer.shape),
            "dead": None if dead is None else list(dead),
            "duplicates": [list(group) for group in self.duplicates[layer.name]],
            "shown": [one.to_json() for one in self.looked.get(layer.name, [])],
        }


def _sees(layer: Layer) -> str:
    """How much of the picture a unit sees, in words."""
    if layer.kind == "vector":
        return "A unit sees the whole picture."
    if layer.kind == "tokens":
        return "A token sees the whole picture; the patch that it began as is outlined."
    window = layer.window((0, 0))
    tall, wide = window.bottom - window.top, window.right - window.left
    larger = " which is no less than the picture" if tall >= layer.size[0] or wide >= layer.size[1] else ""
    return f"A unit sees {size_text((tall, wide))} pixels{',' if larger else ''}{larger}."


def _few(names: Sequence[object]) -> str:
    """Names joined; the first of them where they are many."""
    return ", ".join(map(str, names[:NAMED])) + (" .." if len(names) > NAMED else "")
