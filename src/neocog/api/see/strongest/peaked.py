"""The index of a network's strongest activations over some data: by the fast engine, or as it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neocog.api.embedding.ways import choose_for_layers
from neocog.api.see.opened import Opened
from neocog.data.samples import Samples
from neocog.errors import UserError
from neocog.inference.network import Network
from neocog.progress import Progress
from neocog.weights.digest import digest

if TYPE_CHECKING:
    from torch import nn

    from neocog.inference.engines import Engine
    from neocog.inside.patches.index import Index
    from neocog.inside.units import Layer

K = 9
"""pictures a channel: as many are shown where nothing else is said, and kept even where fewer are asked for"""


@dataclass(frozen=True, eq=False)
class Peaked:
    """An index, and how it was got."""

    index: Index
    engine: str
    """what computed it, in words"""
    found: bool
    """whether it was kept from before"""


@dataclass(frozen=True)
class Means:
    """What computes, and whether what is computed is kept."""

    engine: str = "auto"
    device: str = "auto"
    cache: bool = True


def peaked(
    network: Opened, layers: Sequence[Layer], samples: Samples, k: int, means: Means, told: Progress
) -> Peaked:
    """The `k` pictures of `samples` that each channel of all `layers` responds to most.

    The index of a model or a run is kept by weights, code, preprocessing, layers and the contents of the pictures. A
    module's is not: nothing says whether its code has changed.
    """
    from neocog.inside.patches.index import Kept, indexed

    peaks = peaks_network(network, layers)
    kept = Kept(f"{peaks.key()[:24]}-{means.engine}-{means.device}") if peaks and means.cache else None
    earlier = kept.find(samples, k) if kept else None
    if earlier:
        index, said = earlier
        return Peaked(index.first(k), said["engine"], True)
    channels = {layer.name: layer.channels for layer in layers}
    engine, why = _engine(network, peaks, layers, means)
    told.say(f"engine: {engine.name}; {why}")
    index = indexed(samples, network.preprocess, engine, channels, max(k, K), told)
    if kept:
        kept.save(index, samples, {"engine": engine.name})
    return Peaked(index.first(k), engine.name, False)


def peaks_network(network: Opened, layers: Sequence[Layer]) -> Network | None:
    """What gives the largest activations, to be told apart from others; None of a module."""
    frozen = network.frozen
    if frozen is None:
        return None

    def backbone() -> nn.Module:
        from neocog.inside.patches.peaks import Peaks

        return Peaks(frozen.whole().eval(), layers)

    said = ", ".join(f"{layer.name} {layer.place.module} {layer.place.call}" for layer in layers)
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.net.state_dict().items()}
    return replace(
        frozen.network,
        preprocess=network.preprocess,
        digest=digest(state),
        backbone=backbone,
        source=f"{frozen.network.source}; largest of {said}",
    )


def _engine(
    network: Opened, peaks: Network | None, layers: Sequence[Layer], means: Means
) -> tuple[Engine, str]:
    if peaks is not None:
        widths = tuple(layer.channels for layer in layers)
        chosen = choose_for_layers(peaks, len(layers), lambda: widths, means.engine, means.device)
        return chosen.engine, chosen.why
    if means.engine == "openvino":
        raise UserError("the openvino engine runs models by name and runs, a module was given; use torch")
    from neocog import runtime
    from neocog.inference.torch_engine import TorchEngine
    from neocog.inside.patches.peaks import Peaks

    own = Peaks(deepcopy(network.net).eval(), layers)
    return TorchEngine(own, network.preprocess, runtime.device(means.device)), "it runs any module"
