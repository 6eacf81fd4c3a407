"""The view `maps`: what the layers of a network make of a picture, and what their strongest units see of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.given import demand_options, several
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import Seen, gallery
from neocog.api.see.units.shown import framed, window_words, with_places
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Plate, Room, file_stem
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.text import in_percent, size_text
from neocog.draw.tiles import Pixels, glowing, rgb, signed
from neocog.errors import UserError, unknown
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.strongest import Unit
    from neocog.inside.tokens import Patches
    from neocog.inside.units import Layer, Window

TOP = 36
"""maps of a layer if not told otherwise"""
Order = Literal["strongest", "number"]
COLUMNS, SIDE = 4, 76.0
LISTED = 8
"""maps with their figures in words"""
NOTES = (
    "Maps are activations of one forward in evaluation, read behind a layer's norm and non-linearity, where there are "
    "such.",
    "A map's peak is its largest number on this picture; of equal ones that nearest to the middle. Active is the share "
    "of its numbers above 0.",
    "Beside each map the pixels are framed on which the unit of its peak depends: its receptive field inside the "
    "picture, exactly, from kernels, strides and paddings. The rest is darkened; where nothing is, it depends on all.",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Maps(Seen):
    """Feature maps of some layers. In a notebook they show themselves."""

    maps: dict[str, NDArray[np.float32]]
    """layer -> (channels, rows, columns), all channels in their own order"""


def maps(
    model: object,
    image: object = None,
    *,
    layers: str | Sequence[str] = (),
    top: int = TOP,
    order: Order = "strongest",
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Maps:
    """The feature maps of `layers` of `model` on a picture; without any, of the last layer of each size.

    `top` maps of a layer are drawn, by `order` the strongest first, or by number. The tokens of a transformer are
    laid out as the patches that they stand for. UserError for a layer that there is not, or one without places.
    """
    demand_options(maps, options, OpenOptions)
    if order not in get_args(Order):
        raise unknown("order", order, get_args(Order))
    if top < 1:
        raise UserError(f"top must be 1 or more maps, got {top}")
    network = opened(model, progress or Silent(), options)
    view = picture(network, image)
    chosen = with_places(network, several(layers), _vector)
    found = _maps(network, view, chosen)
    rooms, figures = [], []
    for layer, values in zip(chosen, found, strict=True):
        shown = _Shown(view, layer, network.patches(layer), values, _order(values, order)[:top])
        rooms.append(_room(shown))
        figures.append(_figures(shown))
    facts = (
        ("picture", called(view)),
        ("layers", ", ".join(layer.name for layer in chosen)),
        ("order", "the strongest first" if order == "strongest" else "by number"),
    )
    return Maps(
        about=about(network, "maps"),
        gallery=gallery("Feature maps", network, tuple(rooms), facts=facts, notes=NOTES),
        figures={"picture": view.name, "layers": figures},
        maps={layer.name: values for layer, values in zip(chosen, found, strict=True)},
    )


def _vector(layer: Layer) -> str:
    return (
        f"maps are of layers with places, {layer.name} is a vector of {layer.channels}; "
        "`neocog see unit` shows one of its numbers"
    )


def _maps(network: Opened, view: View, layers: Sequence[Layer]) -> list[NDArray[np.float32]]:
    from neocog.inside.strongest import activations, as_maps

    values = activations(network.net, view.x, layers)
    return [as_maps(layer, one, network.patches(layer)) for layer, one in zip(layers, values, strict=True)]


def _order(values: NDArray[np.float32], order: Order) -> list[int]:
    if order == "number":
        return list(range(len(values)))
    peaks, means = values.max(axis=(1, 2)), values.mean(axis=(1, 2))  # a ceiling makes equal peaks
    return [int(i) for i in np.lexsort((-means, -peaks))]


@dataclass(frozen=True, eq=False)
class _Shown:
    """One layer's maps, and which of them are drawn."""

    view: View
    layer: Layer
    patches: Patches | None
    """of tokens"""
    values: NDArray[np.float32]
    """(channels, rows, columns)"""
    kept: list[int]

    def peak(self, channel: int) -> Unit:
        """The unit that puts out the most, in one channel."""
        from neocog.inside.strongest import Unit, peak_of

        _, row, column = peak_of(self.values[channel : channel + 1])
        return Unit(channel, (row, column), float(self.values[channel, row, column]))

    def strongest(self) -> Unit:
        from neocog.inside.strongest import peak_of

        return self.peak(peak_of(self.values)[0])

    def framed(self, unit: Unit) -> Window:
        """The pixels of the picture on which a unit depends; of a token the patch that it began as."""
        from neocog.inside.units import Window

        row, column = unit.at
        if self.layer.kind == "maps":
            return self.layer.reads((row, column))
        box = (0, 0, *self.layer.size) if self.patches is None else self.patches.box(row, column)
        return Window(*box)


def _room(shown: _Shown) -> Room:
    layer, values = shown.layer, shown.values
    size = size_text(values.shape[1:])
    words = f"{len(values):,} maps of {size} units."
    if layer.kind == "tokens":
        placed = f"each token stands where its patch lies, {size}"
        words = f"{len(values):,} channels; {placed if shown.patches else 'the tokens stand in a row'}."
    return Room(
        title=layer.name,
        words=words,
        plates=(_sheet(shown), _window(shown)),
        header=("channel", "peak", "at row, column", "active", "framed rows", "framed columns"),
        rows=tuple(_row(shown, i) for i in shown.kept[:LISTED]),
    )


def _row(shown: _Shown, channel: int) -> tuple[str, ...]:
    unit, active = shown.peak(channel), float((shown.values[channel] > 0).mean())
    top, left, bottom, right = shown.framed(unit)
    return (
        str(channel),
        f"{unit.value:.4g}",
        "{}, {}".format(*unit.at),
        in_percent(active),
        f"{top} to {bottom - 1}",
        f"{left} to {right - 1}",
    )


def _sheet(shown: _Shown) -> Plate:
    layer, values, kept = shown.layer, shown.values, shown.kept
    negative = float(values.min()) < 0
    scale = "0 is white, below blue, above red" if negative else "0 is dark, the map's peak bright"
    which = f"{len(kept)} of {len(values):,} maps" if len(kept) < len(values) else f"All {len(values):,} maps"
    return Plate(
        name=f"maps-{file_stem(layer.name)}",
        title=f"Maps of {layer.name}",
        caption=f"{which}, each scaled on its own: {scale}. At its right the picture with {_what_is_framed(shown)}. "
        f"Below: channel and peak.{_without_peak(shown)}",
        sheet=Sheet(
            title=f"Maps of {layer.name}",
            tiles=[_tile(shown, i, signed if negative else glowing) for i in kept],
            columns=COLUMNS,
            side=SIDE,
            picture=rgb(shown.view.pixels),
        ),
    )


def _what_is_framed(shown: _Shown) -> str:
    """What is framed on the picture."""
    if shown.layer.kind == "maps":
        return "the exact receptive field of its strongest unit"
    if shown.patches is not None:
        return "the patch that the token of its peak began as; each sees the whole picture"
    return "nothing framed, since each token sees all of it"


def _without_peak(shown: _Shown) -> str:
    """What is framed of maps that are the same everywhere, where there are any."""
    many = sum(float(np.ptp(shown.values[i])) == 0 and shown.values[i].size > 1 for i in shown.kept)
    said = "map is the same everywhere and has" if many == 1 else "maps are the same everywhere and have"
    return f" {many} {said} no peak: there the middle is framed." if many else ""


def _tile(shown: _Shown, channel: int, paint: Callable[[NDArray[np.float32]], Pixels]) -> Tile:
    unit = shown.peak(channel)
    box = shown.framed(unit)
    words = "channel {} peaks at row {}, column {} with {:.4g}".format(channel, *unit.at, unit.value)
    return Tile(
        pixels=paint(shown.values[channel]),
        label=f"{channel}: {unit.value:.3g}",
        sees=box,
        words=f"{words}; framed are rows {box.top} to {box.bottom - 1}, columns {box.left} to {box.right - 1}",
    )


def _window(shown: _Shown) -> Plate:
    layer, unit, view = shown.layer, shown.strongest(), shown.view
    row, column = unit.at
    if layer.kind == "tokens":
        box, words = shown.framed(unit), "It sees the whole picture."
        if shown.patches is not None:
            words = "It sees the whole picture; framed is the patch that its token began as."
    else:
        box = layer.window((row, column))
        words = f"Framed is its receptive field: {window_words(box, view)}."
    ties = int((shown.values == unit.value).sum()) - 1  # at the ceiling of a non-linearity
    others = f", as {ties:,} others do; it is the nearest to the middle" if ties else ""
    return Plate(
        name=f"window-{file_stem(layer.name)}",
        title="What the strongest unit sees",
        caption=f"{as_it_gets(view)} Of all units of {layer.name}, channel {unit.channel} at row {row}, column "
        f"{column} puts out the most, {unit.value:.4g}{others}. {words}",
        pixels=framed(view.pixels, [box]),
    )


def _figures(shown: _Shown) -> dict[str, Any]:
    layer, values, peak = shown.layer, shown.values, shown.strongest()
    units = [shown.peak(i) for i in shown.kept]
    return {
        "layer": layer.name,
        "shape": list(values.shape),
        "strongest": {
            "channel": peak.channel,
            "at": list(peak.at),
            "value": peak.value,
            "window": list(layer.window(peak.at)),
        },
        "channels": shown.kept,
        "peaks": [unit.value for unit in units],
        "framed": [list(shown.framed(unit)) for unit in units],
        "silent": int((values.max(axis=(1, 2)) <= 0).sum()),
    }
