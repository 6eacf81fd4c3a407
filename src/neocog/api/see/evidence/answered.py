"""What a network answers about pictures, and which class a view is about."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.ways import choose_for_layers
from neocog.api.see.opened import Opened, as_input, in_words
from neocog.errors import UserError, unknown
from neocog.inference.engines import choose
from neocog.inference.network import Network
from neocog.weights.digest import digest

if TYPE_CHECKING:
    from torch import nn

    from neocog.inside.evidence.watched import StrongestMap

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def answering(network: Opened) -> Callable[[Pixels], Floats]:
    """Probabilities (n, classes) of pixels (n, height, width, channels), by the fastest engine that is right."""
    logits: Callable[[Pixels], Floats]
    if network.frozen is None:
        logits = partial(_by_torch, network)
    else:
        logits = choose(_whole(network, network.frozen.whole, "logits"), None).engine
    return lambda pixels: network.activated(_checked(network, logits(pixels)))


def answering_and_watching(network: Opened, watched: StrongestMap) -> Callable[[Pixels], Floats]:
    """The same, and behind the classes the mean of each map of the watched layer, in one pass."""
    run = _watching(network, watched)

    def answer(pixels: Pixels) -> Floats:
        logits, means = np.split(run(pixels), [watched.classes], axis=1)
        return np.concatenate([network.activated(_checked(network, logits)), means], axis=1)

    return answer


def class_of(network: Opened, probabilities: Floats, given: str | int | None) -> int:
    """The class that is meant: by name, by its place from 0 on, or the most probable one."""
    if given is None:
        return int(probabilities.argmax())
    place = _named(network, given) if isinstance(given, str) else int(given)
    if not 0 <= place < len(probabilities):
        raise UserError(f"a class is a name or a number from 0 to {len(probabilities) - 1}, got {given}")
    return place


def _named(network: Opened, given: str) -> int:
    """The place of a class by its name, whatever its case where one alone is meant; or the number that was written."""
    folded = [name.casefold() for name in network.classes]
    if given in network.classes:
        return network.classes.index(given)
    if folded.count(given.casefold()) == 1:
        return folded.index(given.casefold())
    try:
        return int(given)
    except ValueError:
        if network.classes:
            raise unknown("class", given, network.classes) from None
        raise UserError(
            f"the names of this network's classes are not known, got {given!r}; give a number from 0 on"
        ) from None


def mean_colour(network: Opened) -> Pixels:
    """(channels,): what preprocessing makes 0, the grey of Zeiler and Fergus's square."""
    return np.asarray(np.rint(np.array(network.preprocess.mean) * 255).clip(0, 255), np.uint8)


def _watching(network: Opened, watched: StrongestMap) -> Callable[[Pixels], Floats]:
    """Logits, and the means of maps beside them."""
    from neocog.inside.evidence.watched import Watched

    place, widths = watched.layer.place, (watched.classes, watched.layer.channels)
    frozen = network.frozen
    if frozen is None:
        return partial(_by_torch, replace(network, net=Watched(deepcopy(network.net), place)))
    said = f"logits and means of {place.module} {place.call}"
    whole = _whole(network, lambda: Watched(frozen.whole(), place), said)
    return choose_for_layers(whole, len(widths), lambda: widths, "auto", "auto").engine


def _whole(network: Opened, backbone: Callable[[], nn.Module], said: str) -> Network:
    """What gives `said`, to be told apart from what others give."""
    assert network.frozen is not None
    inner = network.frozen.network
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.net.state_dict().items()}
    return replace(
        inner,
        preprocess=network.preprocess,
        digest=digest(state),
        backbone=backbone,
        source=f"{inner.source}; {said}",
    )


def _by_torch(network: Opened, pixels: Pixels, batch: int = 16) -> Floats:
    import torch

    from neocog.analysis.capture import evaluated

    with in_words(network), torch.no_grad(), evaluated(network.net):
        parts = [network.net(as_input(network, pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
    if not all(isinstance(part, torch.Tensor) for part in parts):
        raise UserError(f"the network must give one tensor, it gave {type(parts[0]).__name__}")
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _checked(network: Opened, logits: Floats) -> Floats:
    if logits.ndim != 2 or (network.classes and logits.shape[1] != len(network.classes)):
        raise UserError(
            f"this view needs a number for each class, {network.title} gives {logits.shape[1:]} for "
            f"{len(network.classes)} classes"
        )
    return logits
