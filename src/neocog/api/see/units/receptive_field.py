"""The view `receptive-field`: what units of each layer could see of a picture, and what moves them in effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from neocog.api.see.about import about
from neocog.api.see.given import demand_options, several
from neocog.api.see.opened import Opened, OpenOptions, View, as_input, opened, picture, view_of
from neocog.api.see.seen import Seen, gallery
from neocog.api.see.units.shown import framed, one_or_both, window_words, with_places
from neocog.api.see.wording import called
from neocog.data.builtin import whole_photographs
from neocog.draw.gallery import Plate, Room, file_stem
from neocog.draw.text import in_percent, size_text
from neocog.draw.tiles import overlaid
from neocog.draw.trends import Trend, trends
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.fields import Sight
    from neocog.inside.units import Layer

NAMED = 8
"""layers up to which the plot names each"""
PHOTOGRAPHS = 5
"""over which the effective field is a mean where no picture is given"""
NOTES = (
    "The theoretical field follows from kernels, strides and paddings alone; inside the picture it is exact, also "
    "where a pool rounded off.",
    "The effective field (Luo et al. 2016) is the absolute gradient of the unit's sum over its channels with respect "
    "to each pixel, averaged over pictures and colours.",
    "Its size is the side of a square as large as the fewest pixels that hold 95 % of it; its deviation is that of "
    "a pixel's place, weighted by the gradient, down and across.",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReceptiveFields(Seen):
    """What layers see. In a notebook they show themselves."""

    fields: tuple[Sight, ...]
    """of the layers shown, with the effective field"""
    all_fields: tuple[Sight, ...]
    """of all layers with maps or tokens, in theory"""


def receptive_field(
    model: object,
    image: object = None,
    *,
    layers: str | Sequence[str] = (),
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> ReceptiveFields:
    """The receptive field of the middle unit of `layers` of `model`; without any, of the last layer of each size.

    In theory, as rows and columns of the picture; and in effect, by the gradient over the picture given, or over a few
    photographs that neocog brings. UserError for a layer that there is not, or that has no places.
    """
    demand_options(receptive_field, options, OpenOptions)
    told = progress or Silent()
    network = opened(model, told, options)
    views = _views(network, image)
    chosen = with_places(network, several(layers), _vector)
    shown = _in_effect(network, views, chosen, told)
    everything = _everything(network, shown)
    rooms = (_pictures_room(views[0], shown), _table_room(shown), _growth_room(network, everything, shown))
    pictures = called(views[0]) if len(views) == 1 else f"{len(views)} photographs that neocog brings"
    facts = (
        ("pictures", pictures),
        *((seen.layer.name, _line(seen)) for seen in shown),
    )
    return ReceptiveFields(
        about=about(network, "receptive-field"),
        gallery=gallery("Receptive fields", network, rooms, facts=facts, notes=NOTES),
        figures={
            "picture": views[0].name if len(views) == 1 else None,
            "pictures": len(views),
            "shown": [{"picture": view.name} for view in views],
            "layers": [_figures(seen) for seen in shown],
        },
        fields=shown,
        all_fields=everything,
    )


def _views(network: Opened, image: object) -> list[View]:
    if image is not None:
        return [picture(network, image)]
    brought = whole_photographs()
    first = picture(network)
    others = [i for i in range(len(brought)) if not brought.name(i).endswith(first.name)][: PHOTOGRAPHS - 1]
    return [first, *(view_of(network, brought.name(i), brought.read(i)) for i in others)]


def _vector(layer: Layer) -> str:
    return (
        f"a vector such as {layer.name} has no middle unit, it sees what its map sees; name a layer before it"
    )


def _in_effect(
    network: Opened, views: Sequence[View], layers: Sequence[Layer], told: Progress
) -> tuple[Sight, ...]:
    from neocog.inside.fields import in_effect, sight

    pictures = as_input(network, np.stack([view.pixels for view in views]))
    found = []
    with told.step("layers", len(layers)) as advance:
        for layer in layers:
            found.append(in_effect(network.net, pictures, sight(layer, network.patches(layer))))
            advance(1)
    return tuple(found)


def _everything(network: Opened, shown: Sequence[Sight]) -> tuple[Sight, ...]:
    """All layers with places, those shown among them, in the network's order."""
    from neocog.inside.fields import sight

    own = {seen.layer.op: seen for seen in shown}
    others = [one for one in network.layers if one.kind != "vector" and one.op not in own]
    found = [*own.values(), *(sight(one, network.patches(one)) for one in others)]
    return tuple(sorted(found, key=lambda seen: seen.layer.op))


def _pictures_room(view: View, shown: Sequence[Sight]) -> Room:
    plates = tuple(_plate(view, seen) for seen in shown)
    words = "The frame is what the middle unit of a layer could see, the glow what moves it in effect."
    return Room(title="On the picture", words=words, plates=plates, small=True)


def _plate(view: View, seen: Sight) -> Plate:
    assert seen.effective is not None
    glow, side = overlaid(view.pixels, np.sqrt(seen.effective.influence)), round(seen.effective_side or 0)
    return Plate(
        name=f"field-{file_stem(seen.layer.name)}",
        title=seen.layer.name,
        caption=f"Frame, in theory: {window_words(seen.window, view)}. In effect {size_text((side, side))}. Glow: "
        "square root of the mean absolute gradient, dark is 0, bright the largest of this layer.",
        pixels=framed(glow, [seen.window]),
    )


def _table_room(shown: Sequence[Sight]) -> Room:
    header = (
        "layer", "map", "field", "stride", "padding", "rows", "columns", "of the picture", "in effect", "deviation",
    )  # fmt: skip
    rows = tuple(_row(seen) for seen in shown)
    words = (
        "Of the middle unit. Rows and columns are those on which it depends, inside the picture; of the picture is "
        "their share of it."
    )
    cause = next((seen.cause for seen in shown if seen.cause), "")
    if cause:
        words += f" From {cause} on every unit sees everything."
    return Room(title="Layer by layer", words=words, header=header, rows=rows)


def _row(seen: Sight) -> tuple[str, ...]:
    assert seen.effective is not None
    stride, padding = ("", "") if seen.triple is None else (_pair(seen, "stride"), _pair(seen, "padding"))
    inside = seen.inside
    return (
        seen.layer.name,
        size_text(seen.layer.shape[1:] if seen.layer.kind == "maps" else seen.layer.shape[:1]),
        _size(seen),
        stride,
        padding,
        f"{inside.top} to {inside.bottom - 1}",
        f"{inside.left} to {inside.right - 1}",
        in_percent(seen.share),
        f"{seen.effective_side:.0f}",
        " × ".join(f"{d:.1f}" for d in seen.effective.deviation),
    )


def _pair(seen: Sight, name: str) -> str:
    assert seen.triple is not None
    down, across = (getattr(axis, name) for axis in seen.triple)
    return one_or_both(down, across)


def _size(seen: Sight) -> str:
    if seen.cause:
        return "everything"
    return one_or_both(*seen.size)


def _line(seen: Sight) -> str:
    of = f"{in_percent(seen.share)} of the picture"
    return f"{_size(seen)} in theory, {of}; {seen.effective_side:.0f} in effect"


def _growth_room(network: Opened, everything: Sequence[Sight], shown: Sequence[Sight]) -> Room:
    own = {seen.layer.op for seen in shown}
    pixels = network.size[1] * network.size[2]
    theory = [(i, seen.side) for i, seen in enumerate(everything, 1)]
    within = [(i, (seen.share * pixels) ** 0.5) for i, seen in enumerate(everything, 1)]
    effect = [(i, seen.effective_side or 0.0) for i, seen in enumerate(everything, 1) if seen.layer.op in own]
    lines = [
        Trend(label, tuple((float(x), y, y, y) for x, y in points))
        for label, points in (("in theory", theory), ("inside the picture", within), ("in effect", effect))
    ]
    marks = (
        [(float(i), seen.layer.name) for i, seen in enumerate(everything, 1)]
        if len(everything) <= NAMED
        else []
    )
    plate = Plate(
        name="growth",
        title="Side of the field, in pixels",
        caption="Of the middle unit, layer by layer, in pixels of the input: from kernels, strides and paddings; the "
        "part inside the picture; and the fewest pixels that hold 95 % of the gradient. Where a field is no square, "
        "the side of one as large.",
        svg=trends("side of the receptive field, pixels", "layer", lines, marks=marks),
    )
    words = "How far a layer could see, and how far what moves it lies apart."
    return Room(title="Growth", words=words, plates=(plate,))


def _figures(seen: Sight) -> dict[str, Any]:
    assert seen.effective is not None
    triple = seen.triple
    return {
        "layer": seen.layer.name,
        "at": list(seen.at),
        "receptive_field": list(seen.size),
        "effective_stride": None if triple is None else [axis.stride for axis in triple],
        "effective_padding": None if triple is None else [axis.padding for axis in triple],
        "window": list(seen.window),
        "inside": list(seen.inside),
        "share": seen.share,
        "cause": seen.cause,
        "effective_side": seen.effective_side,
        "deviation": list(seen.effective.deviation),
        "share_of_95_percent": seen.effective.share,
    }
