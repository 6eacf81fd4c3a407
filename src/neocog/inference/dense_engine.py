"""Whole pictures, not cropped, through a fully convolutional network: dense evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from neocog import runtime
from neocog.data.preprocess import Preprocess
from neocog.data.resize import Pixels
from neocog.data.samples import Picture
from neocog.data.views.crops import Extent
from neocog.data.views.scales import edges_of, largest, whole
from neocog.errors import UserError, unknown
from neocog.inference.engines import Engine
from neocog.inference.network import Floats, softmax

if TYPE_CHECKING:
    from torch import nn

Averaged = Literal["logits", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class DenseProtocol:
    """At which scales a network runs over whole pictures, and over their mirror images."""

    name: str
    source: str
    """paper and section"""
    scales: tuple[int, ...] = ()
    """shorter sides of the resized picture for an input of 224 pixels, see `edges_of`; none: as preprocessing says"""


DENSE = {
    protocol.name: protocol
    for protocol in (
        DenseProtocol(name="dense", source="Simonyan and Zisserman 2015 (VGG), section 3.2, at one scale"),
        DenseProtocol(
            name="vgg-dense",
            source="Simonyan and Zisserman 2015 (VGG), sections 3.2 and 4.2",
            scales=(256, 384, 512),
        ),
        DenseProtocol(
            name="resnet-dense",
            source="He et al. 2016 (ResNet), section 3.4",
            scales=(224, 256, 384, 480, 640),
        ),
    )
}
"""name -> protocol"""


@dataclass(frozen=True)
class DenseEngine:
    """Called with a picture it returns probabilities (classes,), from any thread; made by `dense_engine`.

    The picture is decoded once and resized once for each scale; at each scale the network runs over it and over its
    mirror image, one after the other. Logits are averaged over the positions of the map before they become
    probabilities, and probabilities are averaged over the two and over the scales: VGG's section 3.2. With `average`
    "probabilities" those of each position are averaged.
    """

    protocol: DenseProtocol
    preprocess: Preprocess
    maps: Engine
    """uint8 pixels (n, height, width, channels) -> logits (n, classes, rows, columns)"""
    average: Averaged = "logits"
    activated: Callable[[Floats], Floats] = softmax
    """logits (n, classes) -> probabilities"""

    @property
    def edges(self) -> list[Extent]:
        """Height and width that pictures are resized to at each scale; see `edges_of`."""
        return edges_of(self.preprocess, self.protocol.scales)

    def __call__(self, picture: Picture) -> Floats:
        """Raises `Unreadable` with the reason; also for pictures too oblong to be resized whole."""
        decoded = self.preprocess.decoded(picture, largest(self.edges))
        answers = []
        for edges in self.edges:
            pixels = whole(self.preprocess, decoded, edges)
            answers += [self._answer(pixels), self._answer(pixels[:, ::-1])]
        return np.asarray(np.mean(answers, axis=0, dtype=np.float64), np.float32)

    def _answer(self, pixels: Pixels) -> Floats:
        """Probabilities (classes,) of one resized picture."""
        logits = self.maps(np.stack([pixels]))[0]  # a copy: what is not resized may be read-only
        rows = logits.reshape(len(logits), -1).T  # positions, classes
        if self.average == "logits":
            rows = rows.mean(axis=0, keepdims=True, dtype=np.float64)
        return np.asarray(self.activated(rows).mean(axis=0, dtype=np.float64), np.float32)


def dense_engine(
    net: nn.Module,
    preprocess: Preprocess,
    protocol: str = "dense",
    *,
    average: Averaged = "logits",
    activated: Callable[[Floats], Floats] = softmax,
    device: str = "auto",
) -> DenseEngine:
    """Dense evaluation of a classifier with logits, through torch; `protocol` is a name of `DENSE`.

    UserError where the network has no fully convolutional form, see `dense`.
    """
    from neocog.inference.dense import dense
    from neocog.inference.torch_engine import TorchEngine

    if protocol not in DENSE:
        raise unknown("dense protocol", protocol, DENSE)
    if average not in get_args(Averaged):
        raise UserError(f"average must be one of {', '.join(get_args(Averaged))}, got {average!r}")
    twin = dense(net, (preprocess.channels, *preprocess.size))
    maps = TorchEngine(twin, preprocess, runtime.device(device))
    return DenseEngine(DENSE[protocol], preprocess, maps, average, activated)
