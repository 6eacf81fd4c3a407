"""Sheets of patches: what the strongest units of a channel see, and beside it what in there made them active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.opened import Opened, View, view_of
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.draw import tiles
from neocog.draw.gallery import Plate, file_stem
from neocog.errors import Unreadable, UserError

if TYPE_CHECKING:
    from neocog.inside.back.rules import Rule
    from neocog.inside.patches.peaks import Units
    from neocog.inside.patches.top_pictures import Strongest
    from neocog.inside.units import Layer

LEAST, MOST = 72, 112
"""pixels of a patch's longer side on the sheet"""
BETWEEN = 10
"""white pixels between patches and reconstructions"""
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
    reconstructions: NDArray[np.float32]
    """(k, height, width, 1 or 3), in the units of the network's input; 0 beyond the picture's edge"""

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
    """Looks at channels of one network on some data; each picture is read once for a layer."""

    def __init__(self, network: Opened, dataset: Dataset):
        self._network, self._dataset = network, dataset
        self._views: dict[int, View] = {}

    def channels(self, layer: Layer, found: Strongest, which: Sequence[int], rule: Rule) -> list[Channel]:
        """One after the other."""
        self._views.clear()
        return [self._channel(layer, found, channel, rule) for channel in which]

    def _channel(self, layer: Layer, found: Strongest, channel: int, rule: Rule) -> Channel:
        import torch

        from neocog.inside.patches.crops import alike, window_of
        from neocog.inside.patches.peaks import strongest_units
        from neocog.inside.patches.top_pictures import labels_of

        pictures = found.pictures[channel]
        views = [self._view(int(i)) for i in pictures]
        x = torch.cat([view.x for view in views])
        units = strongest_units(self._network.net, x, layer, channel, rule)
        boxes = alike([window_of(layer, at) for at in units.at])
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
            np.stack([tiles.cut(view.pixels, box) for view, box in zip(views, boxes, strict=True)]),
            _cut(units, boxes),
        )

    def _view(self, i: int) -> View:
        if i not in self._views:
            name = self._dataset.samples.name(i)
            try:
                self._views[i] = view_of(self._network, name, self._dataset.samples.read(i))
            except Unreadable as error:
                raise UserError(f"{name} was readable and is not any more ({error}); run it again") from error
        return self._views[i]

    def _class(self, label: int) -> str:
        return self._dataset.classes[label]


def one_label(dataset: Dataset) -> NDArray[np.int64]:
    """(n,), the class of each picture; -1 where it has none, or several."""
    if dataset.targets is not None:
        return np.full(len(dataset), UNLABELLED, np.int64)
    return dataset.labels


def _cut(units: Units, boxes: Sequence[tuple[int, int, int, int]]) -> NDArray[np.float32]:
    """The windows out of what came back: (k, height, width, channels)."""
    cuts = []
    for back, (top, left, bottom, right) in zip(units.back.transpose(0, 2, 3, 1), boxes, strict=True):
        height, width = back.shape[:2]
        pad = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
        wide = np.pad(back, ((pad[0], pad[1]), (pad[2], pad[3]), (0, 0)))
        cuts.append(wide[top + pad[0] : bottom + pad[0], left + pad[2] : right + pad[2]])
    return np.stack(cuts)


def sheet(one: Channel) -> NDArray[np.uint8]:
    """Patches and beside them reconstructions, each scaled by itself around grey, k of both in a square."""
    patches = [
        tiles.outlined(tiles.rgb(patch), mark) if mark else tiles.rgb(patch)
        for patch, mark in zip(one.patches, one.tokens, strict=True)
    ]
    backs = [tiles.rgb(tiles.around_grey(back, _scale(back))) for back in one.reconstructions]
    columns = ceil(sqrt(len(patches)))
    left, right = (tiles.mosaic([_sized(t) for t in some], columns) for some in (patches, backs))
    gap = np.full((len(left), BETWEEN, 3), tiles.PAPER, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _scale(back: NDArray[np.float32]) -> float:
    """Of a reconstruction, what becomes white: a few spikes would leave the rest grey."""
    return float(np.quantile(np.abs(back), CLIPPED)) or float(np.abs(back).max())


def _sized(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Small tiles enlarged, each pixel a square; large ones made smaller."""
    height, width = tile.shape[:2]
    if max(height, width) <= MOST:
        return tiles.enlarged(tile, LEAST)
    scale = MOST / max(height, width)
    return tiles.resized(tile, max(1, round(height * scale)), max(1, round(width * scale)))


def plate(one: Channel, title: str, remark: str) -> Plate:
    """The sheet of a channel with what it shows in words."""
    k, first, last = len(one.stored), float(one.stored[0]), float(one.stored[-1])
    said = [_classes(one, k), f"activations {first:.3g} to {last:.3g}", remark]
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
