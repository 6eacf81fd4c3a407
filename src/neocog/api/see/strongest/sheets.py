"""Sheets of patches: what the strongest units of a channel see, and beside it what in there made them active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.opened import Opened, as_input
from neocog.api.see.sized import sized
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.draw import tiles
from neocog.draw.gallery import Plate, file_stem
from neocog.errors import Unreadable, UserError

if TYPE_CHECKING:
    from neocog.inside.back.rules import Rule
    from neocog.inside.patches.top_pictures import Strongest
    from neocog.inside.units import Layer

LEAST, MOST = 72, 112
"""pixels of a patch's longer side on the sheet"""
BETWEEN = 10
"""white pixels between patches and reconstructions"""
PICTURES = 64
"""whose pixels are kept, since channels of a layer often share them"""
CLIPPED = 0.995
"""share of a reconstruction's numbers that are not clipped, as in the DeepVis toolbox of Yosinski et al. (2015)"""
NAMED = 3
"""classes in a caption"""


@dataclass(frozen=True, eq=False)
class Channel:
    """The patches of one channel, strongest first, as arrays."""

    layer: str
    channel: int
    rule: Rule
    """that led back to the pixels"""
    pictures: tuple[str, ...]
    """(k,) names"""
    labels: tuple[tuple[str, int], ...]
    """classes of the pictures, the most frequent first, with how many"""
    stored: NDArray[np.float32]
    """(k,), each picture's largest activation, by the engine"""
    values: NDArray[np.float32]
    """(k,), the same, computed again in torch"""
    at: tuple[tuple[int, ...], ...]
    """where the unit lies: (row, column), (token,) or ()"""
    windows: tuple[tuple[int, int, int, int], ...]
    """what it sees: top, left, bottom, right in pixels of the input, ends excluded, beyond its edge too"""
    tokens: tuple[tuple[int, int, int, int] | None, ...]
    """of tokens, the patch of the picture that each is"""
    patches: NDArray[np.uint8]
    """(k, height, width, 1 or 3)"""
    reconstructions: NDArray[np.uint8]
    """(k, height, width, 1 or 3): 0 is middle grey, 127.5, as it is beyond the picture's edge"""
    scales: NDArray[np.float32]
    """(k,), in the units of the network's input: what white, 255, stands for; its negative is black"""

    @property
    def difference(self) -> float:
        """The largest between stored and computed again, as a share of the channel's largest activation."""
        most = max(float(np.abs(self.stored).max()), 1e-30)
        return float(np.abs(self.stored - self.values).max()) / most

    def to_json(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "rule": self.rule,
            "pictures": list(self.pictures),
            "classes": dict(self.labels),
            "values": [float(value) for value in self.stored],
            "at": [list(at) for at in self.at],
            "windows": [list(window) for window in self.windows],
        }


class Sheets:
    """Looks at channels of one network on some data, of which it keeps `PICTURES`."""

    def __init__(self, network: Opened, dataset: Dataset):
        self._network, self._dataset = network, dataset
        self._pixels = lru_cache(PICTURES)(self._read)

    def channels(self, layer: Layer, found: Strongest, which: Sequence[int], rule: Rule) -> list[Channel]:
        """One after the other."""
        return [self._channel(layer, found, channel, rule) for channel in which]

    def _channel(self, layer: Layer, found: Strongest, channel: int, rule: Rule) -> Channel:
        from neocog.inside.patches.crops import alike, window_of
        from neocog.inside.patches.peaks import strongest_units
        from neocog.inside.patches.top_pictures import labels_of

        pictures = found.pictures[channel]
        shown = np.stack([self._pixels(int(i)) for i in pictures])
        units = strongest_units(self._network.net, as_input(self._network, shown), layer, channel, rule)
        boxes = alike([window_of(layer, at) for at in units.at])
        backs = np.stack(
            [tiles.cut(*one, 0) for one in zip(units.back.transpose(0, 2, 3, 1), boxes, strict=True)]
        )
        scales = np.array([_scale(back) for back in backs], np.float32)
        grid = self._network.patches(layer)
        labels = labels_of(one_label(self._dataset), pictures)
        return Channel(
            layer.name,
            channel,
            rule,
            tuple(self._dataset.short_name(int(i)) for i in pictures),
            tuple((self._class(label), count) for label, count in labels if label != UNLABELLED),
            found.values[channel],
            units.values,
            units.at,
            boxes,
            tuple(None if grid is None else grid.box_of(at[0]) for at in units.at),
            np.stack([tiles.cut(*one) for one in zip(shown, boxes, strict=True)]),
            np.stack([tiles.around_grey(*one) for one in zip(backs, scales.tolist(), strict=True)]),
            scales,
        )

    def _read(self, i: int) -> NDArray[np.uint8]:
        try:
            return self._network.preprocess(self._dataset.samples.read(i))
        except Unreadable as error:
            name = self._dataset.samples.name(i)
            raise UserError(f"{name} was readable and is not any more ({error}); run it again") from error

    def _class(self, label: int) -> str:
        return self._dataset.classes[label]


def one_label(dataset: Dataset) -> NDArray[np.int64]:
    """(n,), the class of each picture; -1 where it has none, or several."""
    if dataset.targets is not None:
        return np.full(len(dataset), UNLABELLED, np.int64)
    return dataset.labels


def sheet(one: Channel) -> NDArray[np.uint8]:
    """Patches and beside them reconstructions, each scaled by itself around grey, k of both in a square."""
    patches = [
        tiles.outlined(tiles.rgb(patch), mark) if mark else tiles.rgb(patch)
        for patch, mark in zip(one.patches, one.tokens, strict=True)
    ]
    backs = [tiles.rgb(back) for back in one.reconstructions]
    columns = ceil(sqrt(len(patches)))
    left, right = (tiles.mosaic([sized(t, LEAST, MOST) for t in some], columns) for some in (patches, backs))
    gap = np.full((len(left), BETWEEN, 3), tiles.PAPER, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _scale(back: NDArray[np.float32]) -> float:
    """Of a reconstruction, what becomes white: a few spikes would leave the rest grey."""
    return float(np.quantile(np.abs(back), CLIPPED)) or float(np.abs(back).max())


def plate(one: Channel, title: str, remark: str) -> Plate:
    """The sheet of a channel with what it shows in words."""
    k, first, last = len(one.stored), float(one.stored[0]), float(one.stored[-1])
    said = [
        _classes(one, k),
        f"activations {first:.3g} to {last:.3g}",
        "reconstructions each on a scale of its own, 0 is grey",
        remark,
    ]
    return Plate(
        name=f"{file_stem(one.layer)}-{one.channel}",
        title=title,
        caption="; ".join(part for part in said if part) + ".",
        pixels=sheet(one),
    )


def _classes(one: Channel, k: int) -> str:
    named = [f"{count} of {k} {name}" for name, count in one.labels[:NAMED]]
    rest = sum(count for _, count in one.labels[NAMED:])
    return ", ".join([*named, f"{rest} of other classes"] if rest else named)
