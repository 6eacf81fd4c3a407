"""The view `deconv`: what in a picture made a unit fire, brought back to the pixels by a deconvnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.keywords import demand_known
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import gallery
from neocog.draw.gallery import Plate, Room, file_stem
from neocog.draw.tiles import Box, around_grey, cut, enlarged, mosaic, outlined, resized, rgb
from neocog.errors import UserError, unknown
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.back.rules import Rule
    from neocog.inside.units import Layer

LAYERS, OF_EACH, OF_ONE = 5, 3, 9  # layers shown where none is named; units of each, and of a named one
TILE, LINE = 224, 2
BACK = {
    "deconvnet": "One unit is kept, all others of its layer are set to zero; from there the signal goes back to the "
    "pixels: ReLUs let only positive numbers pass back, a max pooling puts each number where its maximum was, a "
    "convolution filters with its flipped kernels without bias (Zeiler and Fergus 2014, section 2.1). Local response "
    "normalisation is skipped, other norms count with their slope.",
    "guided": "One unit is kept, all others of its layer are set to zero; from there the gradient goes back to the "
    "pixels, through ReLUs only where it is positive and they were active (Springenberg et al. 2015, section 3.4).",
}
ROWS = (
    "Each row: the unit's window on the picture, the reconstruction there, the picture with the window outlined, the "
    "reconstruction in the whole picture. Grey is 0; each reconstruction has its own symmetric scale up to the "
    "99.5th percentile of what is not 0."
)
NO_SWITCHES = (
    "Before {} there is no max pooling, whose switches are all that a deconvnet knows of the picture, so the guided "
    "rule is used (Springenberg et al. 2015, section 3.4); --rule deconvnet shows the other."
)


@dataclass(frozen=True)
class _Asked:
    channel: int | None
    at: tuple[int, int] | None
    most: int
    """units of a layer"""


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit, how strongly it answers the picture, and what a deconvnet makes of that."""

    layer: str
    channel: int
    at: tuple[int, ...]
    """row and column in a map, () in a vector"""
    activation: float
    answer: float
    """the activation, before a ceiling such as ReLU6's cuts it off"""
    window: Box
    """what it reads of the picture: top, left, bottom, right, ends excluded, beyond the edge too"""
    reconstruction: NDArray[np.float32]
    """(channels, height, width), in the units of the network's input"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Deconv(Lined):
    """Units of a network and their reconstructions."""

    units: tuple[Unit, ...]


def deconv(
    model: object,
    image: object = None,
    *,
    layer: str | None = None,
    channel: int | None = None,
    at: tuple[int, int] | None = None,
    rule: Rule | None = None,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Deconv:
    """The units of `model` that answer a picture most, and what in the picture they answer to.

    Of several layers from first to last with maps, or of one `layer`, or one `channel` of it, where that is strongest
    or at row and column `at`. `rule` is deconvnet, or guided, as it is by default where no max pooling lies before a
    layer. UserError where a non-linearity on the way is no rectifier.
    """
    demand_known("see deconv", options, OpenOptions.__annotations__)
    _demand_named(layer, channel, at)
    told = progress or Silent()
    network = opened(model, told, options)
    layers = _spread(network.maps()) if layer is None else (network.layer(layer),)
    rules = _rules(network, rule, layers, network.layers[-1:] if layer is None else ())
    asked = _Asked(channel, at, OF_EACH if layer is None else OF_ONE)
    view, rooms, units = picture(network, image), [], list[Unit]()
    with told.step("layers", len(layers)) as advance:
        for one in layers:
            found = _units(network, view, one, asked, rules[one.name])
            rooms.append(_room(view, one, found))
            units += found
            advance(1)
    used = tuple(dict.fromkeys(rules.values()))
    guided = [name for name in rules if rules[name] == "guided" and rule is None]
    said = (NO_SWITCHES.format(", ".join(guided)),) if guided else ()
    facts = (("picture", view.name), ("rule", _words_of(rules)))
    return Deconv(
        gallery=gallery(
            "units back to the pixels",
            network,
            tuple(rooms),
            facts=facts,
            notes=(*said, *(BACK[one] for one in used), ROWS),
        ),
        figures={"picture": view.name, "rules": rules, "units": [_figures(unit) for unit in units]},
        lines=tuple((one.name, _words(one, units)) for one in layers),
        units=tuple(units),
    )


def _demand_named(layer: str | None, channel: int | None, at: tuple[int, int] | None) -> None:
    """UserError for a channel without its layer, and a place without its channel."""
    if channel is not None and layer is None:
        raise UserError(f"a channel needs the layer that it is of, got channel {channel}; add --layer NAME")
    if at is not None and channel is None:
        raise UserError(
            f"a place needs the channel that it is of, got {','.join(map(str, at))}; add --channel N"
        )


def _words_of(rules: Mapping[str, Rule]) -> str:
    """The rule, and where there are two which layers have which."""
    by: dict[str, list[str]] = {}
    for name, rule in rules.items():
        by.setdefault(rule, []).append(name)
    return next(iter(by)) if len(by) == 1 else "; ".join(f"{rule} for {', '.join(by[rule])}" for rule in by)


def _spread(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """At most five, from first to last."""
    picked = np.unique(np.rint(np.linspace(0, len(layers) - 1, LAYERS)).astype(int))
    return tuple(layers[i] for i in picked)


def _rules(
    network: Opened, given: Rule | None, layers: Sequence[Layer], others: Sequence[Layer]
) -> dict[str, Rule]:
    """Layer -> the rule: the one that is given, or the one that suits what lies before the layer.

    UserError where neither has a meaning for one of the layers or the `others`.
    """
    from neocog.analysis.trace import trace
    from neocog.inside.back.behind import kinds_before, rule_for
    from neocog.inside.back.rules import unfit

    if given not in (None, "deconvnet", "guided"):
        raise unknown("rule", given, ("deconvnet", "guided"))
    plain = trace(network.net, network.size)
    for layer in (*layers, *others):
        odd = unfit(kinds_before(plain, layer), "guided")
        if odd:
            raise UserError(
                f"a deconvnet needs rectifiers (ReLU, ReLU6), {network.title} has {odd} on the way to {layer.name}; "
                "use `neocog see saliency`, or name a layer before it"
            )
    return {layer.name: given or rule_for(plain, layer) for layer in layers}


def _units(network: Opened, view: View, layer: Layer, asked: _Asked, rule: Rule) -> list[Unit]:
    channel, at = asked.channel, asked.at
    if channel is not None and not 0 <= channel < layer.channels:
        raise UserError(f"{layer.name} has channels 0 to {layer.channels - 1}, got {channel}")
    if at is not None and (layer.kind != "maps" or not _inside(at, layer.shape[1:])):
        places = "x".join(map(str, layer.shape[1:])) if layer.kind == "maps" else "no"
        raise UserError(f"{layer.name} has {places} places, got {','.join(map(str, at))}")
    answers = _answers(network, view, layer)
    wanted = _strongest(layer, answers, asked.most) if channel is None else [(channel, at)]
    return [_unit(network, view, layer, answers[one], (one, place), rule) for one, place in wanted]


def _inside(at: tuple[int, int], sides: Sequence[int]) -> bool:
    return len(at) == len(sides) and all(0 <= place < side for place, side in zip(at, sides, strict=True))


def _strongest(
    layer: Layer, answers: NDArray[np.float32], most: int
) -> list[tuple[int, tuple[int, int] | None]]:
    """The channels with the largest activations, the largest first; only those above 0."""
    peaks = answers.reshape(layer.channels, -1).max(axis=1)
    order = np.argsort(-peaks, kind="stable")[:most]
    return [(int(channel), None) for channel in order if peaks[channel] > 0]


def _answers(network: Opened, view: View, layer: Layer) -> NDArray[np.float32]:
    """(channels, ...) of the picture."""
    from neocog.inside.evidence.answers import answers

    values = answers(network.net, view.x, layer.place)[0]
    return np.asarray((values.T if layer.kind == "tokens" else values).numpy())


def _unit(
    network: Opened,
    view: View,
    layer: Layer,
    values: NDArray[np.float32],
    wanted: tuple[int, tuple[int, int] | None],
    rule: Rule,
) -> Unit:
    """The unit that is `wanted`, or its channel's strongest; `values` are what the channel answers."""
    from neocog.inside.back.rules import reconstruct

    channel, at = wanted
    place = at or tuple(int(i) for i in np.unravel_index(values.argmax(), values.shape))
    back = reconstruct(network.net, view.x, layer.place, channel, [place], rule)
    unit = (0, *place, channel) if layer.kind == "tokens" else (0, channel, *place)
    window = layer.window((place[0], place[1]) if layer.kind == "maps" else None)
    pixels = back.pixels[0].numpy()
    return Unit(
        layer.name, channel, place, float(back.activation[unit]), float(values[place]), (*window,), pixels
    )


def _room(view: View, layer: Layer, units: Sequence[Unit]) -> Room:
    shape = "x".join(map(str, layer.shape))
    if not units:
        return Room(title=layer.name, words=f"{shape}; no unit answers this picture.")
    plate = Plate(
        name=file_stem(layer.name),
        title="the strongest first" if len(units) > 1 else "the unit",
        caption="; ".join(_said(unit) for unit in units) + ".",
        pixels=mosaic([tile for unit in units for tile in _tiles(view, unit)], 4, gap=4),
    )
    return Room(title=layer.name, words=shape, plates=(plate,))


def _tiles(view: View, unit: Unit) -> list[NDArray[np.uint8]]:
    """Window, reconstruction in it, both in the whole picture."""
    height, width = view.pixels.shape[:2]
    top, left, bottom, right = unit.window
    if bottom - top > height or right - left > width:
        top, left, bottom, right = 0, 0, height, width
    colours = unit.reconstruction.transpose(1, 2, 0)
    some = np.abs(colours[colours != 0])
    whole = rgb(around_grey(colours, float(np.percentile(some, 99.5)) if some.size else None))
    shown = rgb(view.pixels)
    inner = [cut(pixels, (top, left, bottom, right)) for pixels in (shown, whole)]
    factor = max(1, -(-TILE // max(height, width)))
    box = (top * factor - LINE, left * factor - LINE, bottom * factor + LINE, right * factor + LINE)
    outer = [outlined(enlarged(pixels, TILE), box, line=LINE) for pixels in (shown, whole)]
    return [_tile(pixels) for pixels in (*inner, *outer)]


def _tile(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """On a square of one size; small ones as squares of one colour, none distorted."""
    large = enlarged(pixels, TILE) if max(pixels.shape[:2]) * 2 <= TILE else pixels
    scale = TILE / max(large.shape[:2])
    sides = [max(1, round(side * scale)) for side in large.shape[:2]]
    fitted = resized(large, *sides) if sides != list(large.shape[:2]) else large
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - sides[0]) // 2, (TILE - sides[1]) // 2
    tile[top : top + sides[0], left : left + sides[1]] = fitted
    return tile


def _said(unit: Unit) -> str:
    place = f" at {unit.at[0]},{unit.at[1]}" if len(unit.at) == 2 else ""
    cut_off = f", cut from {unit.answer:.3g}" if unit.answer > unit.activation else ""
    return f"channel {unit.channel}{place}: {unit.activation:.3g}{cut_off}"


def _words(layer: Layer, units: Sequence[Unit]) -> str:
    own = [_said(unit) for unit in units if unit.layer == layer.name]
    return "; ".join(own) or "no unit answers this picture"


def _figures(unit: Unit) -> dict[str, Any]:
    return {
        "layer": unit.layer,
        "channel": unit.channel,
        "at": list(unit.at),
        "activation": unit.activation,
        "answer": unit.answer,
        "window": list(unit.window),
    }
