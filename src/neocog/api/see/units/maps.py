"""The view `maps`: what the layers of a network make of a picture, and what their strongest units see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.keywords import demand_known
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import Seen, gallery
from neocog.api.see.units.shown import framed, window_words, with_places
from neocog.draw.gallery import Plate, Room
from neocog.draw.labelled import Tile, tiles
from neocog.draw.tiles import glowing, signed
from neocog.errors import UserError, unknown
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.strongest import Unit
    from neocog.inside.units import Layer, Window

TOP = 36
"""maps of a layer if not told otherwise"""
ORDERS = ("strongest", "number")
COLUMNS, SIDE = 6, 76.0
NOTES = (
    "Activations are read behind a layer's norm and non-linearity, where there are such.",
    "A map's peak is its largest number on this picture; active is the share of its numbers above 0.",
    "The window on the picture is the exact receptive field of the unit where the strongest map peaks.",
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
    order: str = "strongest",
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Maps:
    """The feature maps of `layers` of `model` on a picture; without any, of the last layer of each size.

    `top` maps of a layer are drawn, by `order` the strongest first, or by number. The tokens of a transformer are
    laid out as the patches that they stand for. UserError for a layer that there is not, or one without places.
    """
    demand_known("see maps", options, OpenOptions.__annotations__)
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    if top < 1:
        raise UserError(f"top must be 1 or more maps, got {top}")
    network = opened(model, progress or Silent(), options)
    view = picture(network, image)
    chosen = with_places(network, [layers] if isinstance(layers, str) else layers, _vector)
    found = _maps(network, view, chosen)
    rooms, figures = [], []
    for number, (layer, values) in enumerate(zip(chosen, found, strict=True)):
        kept = _order(values, order)[:top]
        rooms.append(_room(view, layer, values, kept, number))
        figures.append(_figures(layer, values, kept))
    facts = (
        ("picture", view.name),
        ("layers", ", ".join(layer.name for layer in chosen)),
        ("order", "the strongest first" if order == "strongest" else "by number"),
    )
    return Maps(
        gallery=gallery("Feature maps", network, tuple(rooms), facts=facts, notes=NOTES),
        figures={"model": network.title, "picture": view.name, "layers": figures},
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


def _order(values: NDArray[np.float32], order: str) -> list[int]:
    if order == "number":
        return list(range(len(values)))
    peaks, means = values.max(axis=(1, 2)), values.mean(axis=(1, 2))  # a ceiling makes equal peaks
    return [int(i) for i in np.lexsort((-means, -peaks))]


def _room(view: View, layer: Layer, values: NDArray[np.float32], kept: list[int], number: int) -> Room:
    peak = _peak(values)
    plates = (_sheet(layer, values, kept, number), _window(view, layer, values, peak, number))
    rows = tuple(_row(i, values[i]) for i in kept[:8])
    size = "x".join(map(str, values.shape[1:]))
    words = f"{len(values)} maps of {size} units."
    if layer.kind == "tokens":
        words = f"{len(values)} channels; each token stands where its patch lies, {size}."
    return Room(
        title=layer.name,
        words=words,
        plates=plates,
        beside=True,
        header=("channel", "peak", "at row, column", "active"),
        rows=rows,
    )


def _row(channel: int, values: NDArray[np.float32]) -> tuple[str, ...]:
    from neocog.inside.strongest import peak_of

    _, row, column = peak_of(values[None])
    return str(channel), f"{values.max():.4g}", f"{row}, {column}", f"{100 * (values > 0).mean():.0f} %"


def _peak(values: NDArray[np.float32]) -> Unit:
    from neocog.inside.strongest import Unit, peak_of

    channel, row, column = peak_of(values)
    return Unit(channel, (row, column), float(values[channel, row, column]))


def _sheet(layer: Layer, values: NDArray[np.float32], kept: list[int], number: int) -> Plate:
    negative = float(values.min()) < 0
    paint = signed if negative else glowing
    shown = [Tile(pixels=paint(values[i]), label=f"{i}: {values[i].max():.3g}") for i in kept]
    scale = "0 is white, below blue, above red" if negative else "0 is dark, the map's peak bright"
    which = f"{len(kept)} of {len(values)}" if len(kept) < len(values) else f"All {len(values)}"
    return Plate(
        name=f"maps_{number:02}",
        title=f"Maps of {layer.name}",
        caption=f"{which}. Each is scaled on its own: {scale}. Below: channel and peak.",
        svg=tiles(f"maps of {layer.name}", shown, COLUMNS, SIDE),
    )


def _window(view: View, layer: Layer, values: NDArray[np.float32], peak: Unit, number: int) -> Plate:
    row, column = peak.at
    shown = layer.window((row, column))
    if layer.kind == "tokens":
        shown = _patch(view, values.shape[1:], (row, column))
        words = "It sees the whole picture; framed is the patch that its token stands for."
    else:
        words = f"Its receptive field: {window_words(shown, view)}."
    ties = int((values == peak.value).sum()) - 1  # at the ceiling of a non-linearity
    others = f", as {ties:,} others do; it is the nearest to the middle" if ties else ""
    return Plate(
        name=f"window_{number:02}",
        title="What the strongest unit sees",
        caption=f"Of all units of {layer.name}, channel {peak.channel} at row {row}, column {column} puts out the "
        f"most, {peak.value:.4g}{others}. {words}",
        pixels=framed(view.pixels, [shown]),
    )


def _patch(view: View, grid: tuple[int, ...], at: tuple[int, int]) -> Window:
    """The pixels of a patch, where the picture is cut into a grid of them."""
    from neocog.inside.units import Window

    (height, width), (rows, columns) = view.pixels.shape[:2], grid
    return Window(
        at[0] * height // rows,
        at[1] * width // columns,
        (at[0] + 1) * height // rows,
        (at[1] + 1) * width // columns,
    )


def _figures(layer: Layer, values: NDArray[np.float32], kept: list[int]) -> dict[str, Any]:
    peak = _peak(values)
    at = peak.at if layer.kind == "maps" else None
    return {
        "layer": layer.name,
        "shape": list(values.shape),
        "strongest": {
            "channel": peak.channel,
            "at": list(peak.at),
            "value": peak.value,
            "window": list(layer.window(at)),  # type: ignore[arg-type]
        },
        "channels": kept,
        "peaks": [float(values[i].max()) for i in kept],
        "silent": int((values.max(axis=(1, 2)) <= 0).sum()),
    }
