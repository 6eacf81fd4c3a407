"""A trained or frozen network becomes a way from pictures to the features of its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from neocog.api.networks import Backbone, Loaded, published_module, rebuild
from neocog.errors import UserError
from neocog.inference.engines import TOLERANCE, Chosen, Engine, choose, difference
from neocog.inference.layer_features import (
    CENTER,
    LAST,
    MEAN,
    Way,
    demand_pooling_and_views,
    last_key,
    last_layer,
    layer_key,
    seen,
    split,
)
from neocog.inference.network import Network
from neocog.weights.digest import digest
from neocog.weights.shipped import is_shipped

if TYPE_CHECKING:
    from torch import nn

    from neocog.inference.tapping import Tap

BROUGHT = "weights that come with neocog"


@dataclass(frozen=True)
class Frozen:
    """A network with its weights, whose layers can be read."""

    network: Network
    """up to what the last layer reads"""
    whole: Callable[[], nn.Module]
    """with the last layer, fresh at each call"""
    head: str
    """name of the last layer; empty where the network has none that could be exchanged: its output is the features"""
    source: str
    """where the weights come from, in words"""
    head_drawn: bool = False
    """whether the last layer is drawn at random, though the others are not"""
    mirrored: bool = False
    """whether features are the mean over a picture and its mirror image"""


@dataclass(frozen=True)
class Found:
    """What computes features, and what is to be known about it."""

    way: Way
    chosen: Chosen
    """the engine that goes the way"""
    digests: dict[str, str]
    """layer -> SHA-256 of the weights that it depends on"""


@dataclass(frozen=True)
class Asked:
    """Which features are wanted."""

    layers: tuple[str, ...] = (LAST,)
    pooling: str = MEAN
    views: str = CENTER


def of_backbone(backbone: Backbone) -> Frozen:
    head = "" if backbone.head_added else backbone.head
    return Frozen(backbone.network, backbone.whole, head, backbone.source, backbone.head_drawn)


def of_loaded(loaded: Loaded) -> Frozen:
    """A run's network, or a published one."""
    bundle, network = loaded.bundle, loaded.network
    if bundle is None:
        return Frozen(network, partial(published_module, network.name), loaded.last, "published weights")

    def whole() -> nn.Module:
        net = rebuild(bundle, loaded.model)
        return net.get_submodule("backbone") if bundle.card.head_added else net

    head = "" if bundle.card.head_added else bundle.card.head
    epoch = "" if loaded.epoch is None else f"@{loaded.epoch}"
    source = BROUGHT if is_shipped(loaded.folder) else f"the run {loaded.folder}{epoch}"
    return Frozen(network, whole, head, source, mirrored=bundle.card.mirrored)


def way_of(frozen: Frozen, asked: Asked, engine: str = "auto", device: str = "auto") -> Found:
    """The way from pictures to the features that are asked for."""
    if asked.layers == (LAST,):
        if asked.pooling != MEAN:
            raise UserError(
                f"pooling is for layers, the network itself pools what its last one reads, got {asked.pooling}; "
                "name a layer"
            )
        chosen = choose(frozen.network, None, engine, device)
        way = last_layer(frozen.network, chosen.engine, asked.views)
        return Found(way, chosen, {LAST: frozen.network.digest})
    return _layers_way(frozen, asked, engine, device)


def _layers_way(frozen: Frozen, asked: Asked, engine: str, device: str) -> Found:
    from neocog.inference.tapping import Tapping

    net = frozen.whole()
    taps = _taps(net, frozen, asked)
    preprocess = frozen.network.preprocess
    tapping = Tapping(frozen.whole, taps, (preprocess.channels, *preprocess.size), frozen.mirrored)
    own = [_digested(frozen, tap, net) for tap in taps]
    deepest = next((one for one in own if one.digest != frozen.network.digest), frozen.network)
    said = ", ".join(f"{tap.module} {tap.pooling}" for tap in taps)
    network = replace(deepest, backbone=tapping.module, source=f"{deepest.source}; {said}")
    chosen = choose_for_layers(network, len(taps), lambda: tapping.widths, engine, device)
    prepare, infer, batch = seen(preprocess, chosen.engine, asked.views)
    keys = tuple(_key(one, tap, chosen.engine, asked.views) for one, tap in zip(own, taps, strict=True))
    way = Way(tuple(tap.key for tap in taps), prepare, infer, keys, lambda: tapping.widths, batch)
    return Found(way, chosen, {tap.key: one.digest for tap, one in zip(taps, own, strict=True)})


def _key(network: Network, tap: Tap, engine: Engine, views: str) -> str:
    if tap.key == LAST:
        return last_key(network, engine, views)
    return f"{layer_key(network, (tap.module, tap.pooling, views))[:24]}-{engine.name}"


def _taps(net: nn.Module, frozen: Frozen, asked: Asked) -> tuple[Tap, ...]:
    from neocog.inference.tapping import Tap
    from neocog.models.layer_names import find_layer

    def tap(layer: str) -> Tap:
        if layer == LAST:
            return Tap(LAST, frozen.head, MEAN, read=bool(frozen.head))
        place = find_layer(net, frozen.network.name, layer)
        return Tap(layer, place.module, "flat" if place.flat else asked.pooling)

    return tuple(map(tap, asked.layers))


def _digested(frozen: Frozen, tap: Tap, net: nn.Module) -> Network:
    """The network whose digest covers all that the layer depends on: the last layer, too, where that is part of it."""
    head = frozen.head
    if tap.read or not head or not f"{head}.".startswith(f"{tap.module}."):
        return frozen.network
    if frozen.head_drawn:
        raise UserError(
            f"{frozen.source} has no last layer for the classes of {frozen.network.name}, whose {head} {tap.key} "
            "depends on; name a layer below it"
        )
    state = {name: tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}
    return replace(frozen.network, digest=digest(state))


def choose_for_layers(
    network: Network, layers: int, widths: Callable[[], tuple[int, ...]], engine: str, device: str
) -> Chosen:
    """The engine that agrees with torch about each layer by itself: a small one may lie beside a large one.

    `network` gives so many layers side by side, of these widths.
    """
    chosen = choose(network, None, engine, device)
    if chosen.compared is None or layers == 1:
        return chosen
    each = zip(*(split(one, widths) for one in chosen.compared), strict=True)
    off = max(difference(reference, given, None) for reference, given in each)
    if off <= TOLERANCE:
        return chosen
    why = f"OpenVINO differs from torch by {off:.1e} in one of the layers, above {TOLERANCE:.0e}"
    return replace(choose(network, None, "torch", "cpu"), why=why)


def asked_of(layers: str | Sequence[str], pooling: str, views: str) -> Asked:
    """One layer or several, each once, in the order given; without any what the last one reads."""
    demand_pooling_and_views(pooling, views)
    several = [layers] if isinstance(layers, str) else layers
    return Asked(tuple(dict.fromkeys(several)) or (LAST,), pooling, views)
