"""AdaBN on features: each domain's pictures through a network whose batch norms have seen them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.api.adapting.options import ADABN, Asked
from neocog.api.adapting.pair import Domain, Pair
from neocog.api.adapting.places import Place
from neocog.api.embedding.features import opened
from neocog.api.embedding.sources import ready
from neocog.api.embedding.ways import Frozen
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples
from neocog.errors import Unreadable, UserError
from neocog.inference.feature_files import is_features_file
from neocog.inference.layer_features import LAST, gather
from neocog.inference.network import Floats
from neocog.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

PICTURES = 512
"""of a domain, drawn, over which statistics are measured at most"""
BATCH = 64


def with_adapted_norms(
    pair: Pair, places: tuple[Place, Place], asked: Asked, told: Progress
) -> tuple[Asked, Pair | None, tuple[str, ...]]:
    """The pair whose pictures went through batch norms with their own domain's statistics, where a row asks for it.

    So the paper has it: its network learned from the source, whose statistics it holds; a network that learned from
    other pictures is given those, too. Where there is no batch norm, what is asked is returned without that row and
    with a sentence that says so; UserError where the row was asked for by name.
    """
    if not any(row.method == ADABN for row in asked.rows):
        return asked, None, ()
    try:
        source = _adapted(places[0], asked.seed, pair.source, told)
        target = _adapted(places[1], asked.seed, pair.target, told)
    except NoNorms as why:
        if asked.explicit:
            raise UserError(str(why)) from why
        rest = tuple(row for row in asked.rows if row.method != ADABN)
        return replace(asked, rows=rest), None, (f"AdaBN is absent: {why}.",)
    adapted = replace(
        pair, source=replace(pair.source, features=source), target=replace(pair.target, features=target)
    )
    return asked, adapted, ()


class NoNorms(UserError):
    """There is no network, or it has no batch norm with running statistics."""


def _adapted(place: Place, seed: int, domain: Domain, told: Progress) -> dict[str, Floats]:
    """The features of the domain's pictures, in its order; statistics are those of the same pictures.

    They are of no use to another pair of domains, so the user's cache does not keep them.
    """
    if place.data is None or not _is_network(place):
        raise NoNorms(f"{place.features} is no network whose batch norms could be adapted")
    options: Any = place.options
    whole = opened(place.data, told, options)
    change = Adapting(domain.samples, seed, tuple(options.get("layers", ())) not in ((), (LAST,)))
    way = ready(place.features, whole, told, options, change).way
    found = gather(domain.samples, way, told, cached=False)
    return {layer: x.astype(np.float32) for layer, x in found.features.items()}


@dataclass(frozen=True)
class Adapting:
    """A network -> the same with its batch norms' statistics measured on pictures of a domain."""

    samples: Samples
    seed: int
    layers: bool
    """whether inner layers are read, so that it is the whole network that is adapted"""

    def __call__(self, frozen: Frozen) -> Frozen:
        from neocog.adaptation.adabn import adaptive_batch_norm, has_statistics
        from neocog.weights.digest import digest

        net = frozen.whole() if self.layers else frozen.network.backbone()
        if not has_statistics(net):
            raise NoNorms(f"{frozen.network.name} has no batch norm with statistics")
        adapted = adaptive_batch_norm(net, self.batches(frozen.network.preprocess)).eval()
        state = {name: value.detach().cpu().numpy() for name, value in adapted.state_dict().items()}

        def built() -> nn.Module:
            return deepcopy(adapted)

        network = replace(frozen.network, digest=digest(state), backbone=built)
        return replace(frozen, network=network, whole=built)

    def batches(self, preprocess: Preprocess) -> Iterator[Tensor]:
        """Drawn pictures as the network reads them, (batch, channels, height, width); none of one picture alone."""
        import torch

        order = np.random.default_rng(self.seed).permutation(len(self.samples))[:PICTURES]
        mean, std = (
            torch.tensor(numbers).view(-1, 1, 1) * 255 for numbers in (preprocess.mean, preprocess.std)
        )
        pixels = []
        for i in order:
            try:
                pixels.append(preprocess(self.samples.read(int(i))))
            except Unreadable:
                continue
        for batch in np.array_split(np.stack(pixels), max(1, len(pixels) // BATCH)):
            yield (torch.from_numpy(batch).permute(0, 3, 1, 2).float() - mean) / std


def _is_network(place: Place) -> bool:
    return not is_features_file(Path(place.features).expanduser()) and not str(place.features).startswith(
        "classical:"
    )
