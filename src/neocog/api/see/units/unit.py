"""The view `unit`: one number of a network as arithmetic, from the window on the picture to the pool behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from neocog.api.see.about import about
from neocog.api.see.given import demand_options
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import Facts, Seen, gallery
from neocog.api.see.tokens.grid import placed
from neocog.api.see.units import sums
from neocog.api.see.units.shown import window_plates, window_words
from neocog.api.see.wording import called
from neocog.draw.gallery import Plate, Room
from neocog.draw.kernels import kernel_tiles
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.tiles import glowing, signed
from neocog.errors import UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neocog.inside.strongest import Unit
    from neocog.inside.sums.arithmetic import Computed, Pooled
    from neocog.inside.sums.terms import Arithmetic
    from neocog.inside.units import Layer

BANK = 24
"""filters and maps shown beside the unit's own"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OneUnit(Seen):
    """A unit's arithmetic. In a notebook it shows itself."""

    layer: str
    channel: int
    at: tuple[int, ...]
    """(row, column) of maps, (token,) of tokens, () of a vector"""
    arithmetic: Arithmetic
    pooled: Pooled | None
    """what a pool behind the layer makes of the unit"""


def unit(
    model: object,
    image: object = None,
    *,
    layer: str | None = None,
    channel: int | None = None,
    at: tuple[int, ...] | None = None,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> OneUnit:
    """One unit of `layer` of `model` on a picture, as arithmetic: window, kernel, products, bias, sum, non-linearity.

    The layer is the first convolution unless given; the unit is the strongest of the layer, of `channel`, or at the
    place `at`: (row, column) of maps, of tokens the number of one or the (row, column) of its patch. Works for
    convolutions, linear layers and pools. UserError for a layer, channel or place that there is not.
    """
    demand_options(unit, options, OpenOptions)
    network = opened(model, progress or Silent(), options)
    view = picture(network, image)
    found = _layer(network, layer)
    chosen, values = _chosen(network, view, found, channel, at)
    computed = _computed(network, view, found, chosen)
    rooms = (
        _window_room(network, view, found, chosen),
        *_bank_room(network, found, chosen, values),
        *sums.rooms(computed.arithmetic, _names(network, found, computed.arithmetic)),
        *sums.pool_room(computed.pooled),
    )
    facts = _facts(view, found, chosen, computed)
    return OneUnit(
        about=about(network, "unit"),
        gallery=gallery("One unit", network, rooms, facts=facts, notes=sums.NOTES),
        figures={"picture": view.name, **_figures(found, chosen, computed)},
        layer=found.name,
        channel=chosen.channel,
        at=chosen.at,
        arithmetic=computed.arithmetic,
        pooled=computed.pooled,
    )


def _layer(network: Opened, layer: str | None) -> Layer:
    if layer is not None:
        return network.layer(layer)
    if not network.layers:
        raise UserError(
            f"{network.title} has no convolution and no linear layer; name the layer of a unit by --layer"
        )
    return next((one for one in network.layers if one.kind == "maps"), network.layers[0])


def _chosen(
    network: Opened, view: View, layer: Layer, channel: int | None, at: tuple[int, ...] | None
) -> tuple[Unit, NDArray[np.float32]]:
    """The unit, and what all units of the layer put out."""
    from neocog.inside.strongest import activations, demand_unit, strongest

    at = placed(network, layer, at)
    demand_unit(layer, channel, at)
    (values,) = activations(network.net, view.x, [layer])
    return strongest(layer, values, channel, at), values


def _computed(network: Opened, view: View, layer: Layer, chosen: Unit) -> Computed:
    from neocog.inside.sums.arithmetic import computed

    return computed(network.net, view.x, layer, chosen.channel, chosen.at)


def _name(layer: Layer, chosen: Unit) -> str:
    place = {2: "row {}, column {}", 1: "token {}", 0: ""}[len(chosen.at)].format(*chosen.at)
    return f"channel {chosen.channel} of {layer.name}" + (f" at {place}" if place else "")


def _names(network: Opened, layer: Layer, arithmetic: Arithmetic) -> tuple[str, ...]:
    """Of the channels that are read."""
    first = network.layers and layer.op == network.layers[0].op
    if first and arithmetic.kind == "conv2d" and len(arithmetic.channels) == 3:
        return ("red", "green", "blue")
    if arithmetic.window.shape[1:] != (1, 1) and len(arithmetic.window) == 1 and arithmetic.kind == "linear":
        return ("all",)
    return tuple(f"channel {i}" for i in arithmetic.channels)


def _window_room(network: Opened, view: View, layer: Layer, chosen: Unit) -> Room:
    words = "A unit sees one window of the picture; its neighbours see the same window, moved by a step."
    if layer.kind != "maps":
        words = "This unit sees what all numbers of its layer see."
    plates = window_plates(view, layer.window(chosen.at), _name(layer, chosen))
    return Room(title="The window on the picture", words=words, plates=plates, beside=True)


def _bank_room(network: Opened, layer: Layer, chosen: Unit, values: NDArray[np.float32]) -> tuple[Room, ...]:
    """The bank of filters and the maps that they make, with those of the unit marked."""
    if layer.kind != "maps" or max(layer.shape[1:]) == 1:
        return ()
    others = [i for i in range(layer.channels) if i != chosen.channel][: BANK - 1]
    kept = sorted([*others, chosen.channel])
    plates = (*_kernel_plate(network, layer, chosen, kept), _maps_plate(layer, chosen, values, kept))
    words = (
        f"The layer is a bank of {layer.channels} filters; each is moved over the whole picture and makes one map. "
        "The unit is one number of one of these maps."
    )
    return (Room(title="The bank of filters", words=words, plates=plates),)


def _kernel_plate(network: Opened, layer: Layer, chosen: Unit, kept: list[int]) -> tuple[Plate, ...]:
    from neocog.inside.kernels.filters import bank_of

    if not layer.weights or network.layers[0].op != layer.op:
        return ()
    bank = bank_of(network.net, network.size, layer.weights)
    if not bank.pictorial:
        return ()
    kernels = bank.kernels
    shown = [
        Tile(pixels=tile, label=str(i), marked=i == chosen.channel)
        for i, tile in zip(kept, kernel_tiles(kernels[kept]), strict=True)
    ]
    plate = Plate(
        name="bank",
        title="Filters",
        caption=f"{_shown(kept, layer)}: the weights of each as colours, scaled on its own with 0 as middle grey; the "
        "unit's has a frame.",
        sheet=Sheet(title=f"Filters of {layer.name}", tiles=shown, columns=12, side=56.0),
    )
    return (plate,)


def _maps_plate(layer: Layer, chosen: Unit, values: NDArray[np.float32], kept: list[int]) -> Plate:
    paint = signed if float(values.min()) < 0 else glowing
    shown = [Tile(pixels=paint(values[i]), label=str(i), marked=i == chosen.channel) for i in kept]
    scale = "blue below 0, red above" if paint is signed else "dark is 0, bright the largest"
    return Plate(
        name="maps",
        title="Feature maps",
        caption=f"{_shown(kept, layer)}: what each filter makes of the picture, behind norm and non-linearity, each "
        f"scaled on its own: {scale}. The unit's has a frame.",
        sheet=Sheet(title=f"Maps of {layer.name}", tiles=shown, columns=12, side=56.0),
    )


def _shown(kept: list[int], layer: Layer) -> str:
    return f"All {layer.channels}" if len(kept) == layer.channels else f"{len(kept)} of {layer.channels}"


def _facts(view: View, layer: Layer, chosen: Unit, computed: Computed) -> Facts:
    sum_ = computed.arithmetic
    facts = [
        ("picture", called(view)),
        ("unit", _name(layer, chosen)),
        ("sees", window_words(layer.window(chosen.at), view)),
        ("reads", sums.reads(sum_)),
        ("by hand", sums.number(sum_.total)),
        ("in the network", f"{sums.number(sum_.tensor)}, {sum_.difference:.1e} apart"),
        ("the unit's value", sums.number(sum_.unit)),
    ]
    if computed.pooled is not None and computed.pooled.arithmetic.kernel is None:
        pooled = computed.pooled
        facts.append(("pooling", f"wins {pooled.wins} of the {pooled.windows} windows that it lies in"))
    return tuple(facts)


def _figures(layer: Layer, chosen: Unit, computed: Computed) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "channel": chosen.channel,
        "at": list(chosen.at),
        "window": list(layer.window(chosen.at)),
        "value": computed.arithmetic.unit,
        "arithmetic": sums.figures(computed.arithmetic),
        "pool": sums.pool_figures(computed.pooled),
    }
