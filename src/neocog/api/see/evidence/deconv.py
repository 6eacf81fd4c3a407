"""The view `deconv`: what in a picture made a unit fire, brought back to the pixels by a deconvnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from neocog.api.see.about import about
from neocog.api.see.evidence.reconstructed import Unit, room, words
from neocog.api.see.given import Asked, demand_options, demand_rule, demand_seed
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import gallery
from neocog.api.see.tokens.grid import placed
from neocog.api.see.wording import called
from neocog.draw.gallery import Room
from neocog.errors import UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from torch import nn

    from neocog.inside.back.rules import Rule
    from neocog.inside.strongest import Unit as Chosen
    from neocog.inside.units import Layer

LAYERS, OF_EACH, OF_ONE = 5, 3, 9  # layers shown where none is named; units of each, and of a named one
BACK = {
    "deconvnet": "One unit is kept, all others of its layer are set to zero; from there the signal goes back to the "
    "pixels: ReLUs let only positive numbers pass back, a max pooling puts each number where its maximum was, a "
    "convolution filters with its flipped kernels without bias (Zeiler and Fergus 2014, section 2.1). Local response "
    "normalisation is skipped, other norms count with their slope.",
    "guided": "One unit is kept, all others of its layer are set to zero; from there the gradient goes back to the "
    "pixels, through ReLUs only where it is positive and they were active (Springenberg et al. 2015, section 3.4).",
    "gradient": "One unit is kept, all others of its layer are set to zero; from there the plain gradient goes back to "
    "the pixels (Simonyan et al. 2014).",
}
STRONGEST = (
    "The strongest unit is the one with the largest activation, of equal ones the nearest to the middle, as in the "
    "views unit and maps; but where a ceiling such as ReLU6's makes many equal, what it reads decides. Then follow "
    "the strongest of the other channels."
)
SUPPORT = (
    "In its field: the share of the reconstruction's absolute sum that lies on pixels which can change the "
    "unit. It must be all of it."
)
REDRAWN = (
    "Random weights: the unit in the same place of the same network with weights drawn anew, brought back by the "
    "same rule (the next channel that is active there, where its own is silent). The figure is Spearman's rank "
    "correlation of the two reconstructions' absolute values over the pixels that the unit depends on (after Adebayo "
    "et al. 2018), without what both owe to the distance from the middle of the window, near which more ways lead to "
    "a unit whatever the weights. Near 0 what is shown was learned. The higher it is, the more the picture alone "
    "makes the reconstruction (Nie, Zhang and Patel 2018 explain how). Over a window of a few pixels chance alone "
    "makes it large."
)
NO_SWITCHES = (
    "Before {} there is no max pooling, whose switches are all that a deconvnet knows of the picture, so the guided "
    "rule is used (Springenberg et al. 2015, section 3.4); --rule deconvnet shows the other."
)


@dataclass(frozen=True)
class _Asked:
    channel: int | None
    at: tuple[int, ...] | None
    most: int
    """units of a layer"""


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
    at: tuple[int, ...] | None = None,
    rule: Asked = "auto",
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Deconv:
    """The units of `model` that answer a picture most, and what in the picture they answer to.

    Of several layers from first to last with maps, or of one `layer`, or one `channel` of it, where that is strongest
    or at `at`, a place as in the view `unit`. `rule` auto is deconvnet, and guided where no max pooling lies before a
    layer. Each comes with the share of it that lies where it must, and the rank correlation with what comes back in a
    network with weights drawn anew from `seed`. UserError where a non-linearity on the way is no rectifier, but for
    the gradient.
    """
    demand_options(deconv, options, OpenOptions)
    demand_seed(seed)
    _demand_named(layer, channel, at)
    told = progress or Silent()
    network = opened(model, told, options)
    layers = _spread(network) if layer is None else (network.layer(layer),)
    rules = rules_of(network, rule, layers, network.layers[-1:] if layer is None else ())
    asked = _Asked(channel, at, OF_EACH if layer is None else OF_ONE)
    view, other = picture(network, image), _unlearned(network, seed)
    found = dict[str, list[Unit]]()
    with told.step("layers", len(layers)) as advance:
        for one in layers:
            found[one.name] = _units(network, view, one, asked, rules[one.name], other)
            advance(1)
    rooms = tuple(room(view, one, found[one.name]) for one in layers)
    return _seen(network, view, rooms, found, rules, _notes(rules, rule))


def _seen(
    network: Opened,
    view: View,
    rooms: tuple[Room, ...],
    found: Mapping[str, Sequence[Unit]],
    rules: Mapping[str, Rule],
    notes: tuple[str, ...],
) -> Deconv:
    units = tuple(unit for some in found.values() for unit in some)
    facts = (("picture", called(view)), ("rule", _words_of(rules)))
    return Deconv(
        about=about(network, "deconv"),
        gallery=gallery("units back to the pixels", network, rooms, facts=facts, notes=notes),
        figures={"picture": view.name, "rules": rules, "units": [unit.to_json() for unit in units]},
        lines=tuple((name, words(some)) for name, some in found.items()),
        units=units,
    )


def _demand_named(layer: str | None, channel: int | None, at: tuple[int, ...] | None) -> None:
    """UserError for a channel without its layer, and a place without its channel."""
    if channel is not None and layer is None:
        raise UserError(f"a channel needs the layer that it is of, got channel {channel}; add --layer NAME")
    if at is not None and channel is None:
        raise UserError(
            f"a place needs the channel that it is of, got {','.join(map(str, at))}; add --channel N"
        )


def _notes(rules: Mapping[str, Rule], given: Asked) -> tuple[str, ...]:
    guided = [name for name in rules if rules[name] == "guided" and given == "auto"]
    said = (NO_SWITCHES.format(", ".join(guided)),) if guided else ()
    used = (BACK[rule] for rule in dict.fromkeys(rules.values()))
    return (*said, *used, STRONGEST, SUPPORT, REDRAWN)


def _words_of(rules: Mapping[str, Rule]) -> str:
    """The rule, and where there are two which layers have which."""
    by: dict[str, list[str]] = {}
    for name, rule in rules.items():
        by.setdefault(rule, []).append(name)
    return next(iter(by)) if len(by) == 1 else "; ".join(f"{rule} for {', '.join(by[rule])}" for rule in by)


def _spread(network: Opened) -> tuple[Layer, ...]:
    """At most five with maps, from first to last."""
    from neocog.inside.strongest import spread

    return tuple(spread(network.maps(), LAYERS))


def rules_of(
    network: Opened, given: Asked, layers: Sequence[Layer], others: Sequence[Layer] = ()
) -> dict[str, Rule]:
    """Layer -> the rule: the one that is given, or the one that suits what lies before the layer.

    UserError where that has no meaning for one of the layers or the `others`.
    """
    from neocog.analysis.trace import trace
    from neocog.inside.back.behind import kinds_before, rule_for
    from neocog.inside.back.rules import unfit

    demand_rule(given)
    plain = trace(network.net, network.size)
    for layer in (*layers, *others):
        odd = unfit(kinds_before(plain, layer), "gradient" if given == "gradient" else "guided")
        if odd:
            raise UserError(
                f"a deconvnet needs rectifiers (ReLU, ReLU6), {network.title} has {odd} on the way to {layer.name}; "
                "use `neocog see saliency`, --rule gradient, or name a layer before it"
            )
    return {layer.name: rule_for(plain, layer) if given == "auto" else given for layer in layers}


def _unlearned(network: Opened, seed: int) -> nn.Module:
    from neocog.inside.evidence.sanity import randomised

    return randomised(network.net, seed)


def _units(
    network: Opened, view: View, layer: Layer, asked: _Asked, rule: Rule, other: nn.Module
) -> list[Unit]:
    from neocog.inside.evidence.brought_back import brought_back

    chosen = _chosen(network, view, layer, asked)
    backs = brought_back(network.net, view.x, layer, chosen, rule, other)
    return [Unit.of(layer, one, back) for one, back in zip(chosen, backs, strict=True)]


def _chosen(network: Opened, view: View, layer: Layer, asked: _Asked) -> list[Chosen]:
    """The unit that is asked for, or the strongest ones, with what they answer before a ceiling cuts it off."""
    from neocog.inside.answers import answers
    from neocog.inside.evidence.brought_back import strongest_channels
    from neocog.inside.strongest import demand_unit, strongest

    at = placed(network, layer, asked.at)
    demand_unit(layer, asked.channel, at)
    values = answers(network.net, view.x, layer.place)[0].numpy()
    if asked.channel is None:
        return strongest_channels(layer, values, asked.most)
    return [strongest(layer, values, asked.channel, at)]
