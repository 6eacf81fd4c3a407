"""One picture becomes the views that a protocol averages over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.data.preprocess import Preprocess
from neocog.data.resize import Pixels, resize
from neocog.data.samples import Picture
from neocog.data.views.crops import Box, Extent, Places
from neocog.data.views.scales import edges_of, largest, whole


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which views of a picture a network answers; called with a preprocessing it gives what makes them.

    The answers, probabilities, are averaged with equal weights.
    """

    name: str
    source: str
    """paper and section"""
    scales: tuple[int, ...] = ()
    """shorter sides of the resized picture for an input of 224 pixels, see `edges_of`; none: as preprocessing says"""
    places: Places | None = None
    """where the views lie on the resized picture; None: the one view that preprocessing gives"""
    boxes: int = 1
    """how many places there are"""
    mirrored: bool = False
    """whether the mirrored picture has the same views"""

    @property
    def count(self) -> int:
        """Views of a picture."""
        return max(1, len(self.scales)) * self.boxes * (1 + self.mirrored)

    def __call__(self, preprocess: Preprocess) -> Views:
        return Views(self, preprocess)


@dataclass(frozen=True)
class Views:
    """Called with a picture it returns its views, uint8 (views, height, width, channels).

    The picture is decoded once, resized once for each scale, and cropped. Views stand scale by scale, at each those of
    the picture and then those of its mirror image in the same places: torchvision's TenCrop. Between the places of a
    view and of the one that shows its mirror image there is up to one pixel where room cannot be halved.
    """

    protocol: Protocol
    preprocess: Preprocess

    @property
    def name(self) -> str:
        return self.protocol.name

    @property
    def count(self) -> int:
        """Views of each picture."""
        return self.protocol.count

    @property
    def edges(self) -> list[Extent]:
        """Height and width that pictures are resized to before they are cut, at each scale; see `edges_of`."""
        if self.protocol.places is None:
            return [self.preprocess.edges()]
        return edges_of(self.preprocess, self.protocol.scales)

    def __call__(self, picture: Picture) -> Pixels:
        """Raises `Unreadable` with the reason; also for pictures too oblong to be resized whole."""
        decoded = self.preprocess.decoded(picture, largest(self.edges))
        places = self.protocol.places
        if places is None:
            return np.stack(self._mirrors(self.preprocess.of(decoded)))
        views = []
        for edges in self.edges:
            for pixels in self._mirrors(whole(self.preprocess, decoded, edges)):
                boxes = places((pixels.shape[0], pixels.shape[1]), edges, self.preprocess.size)
                views += [self._cut(pixels, box) for box in boxes]
        return np.stack(views)

    def _mirrors(self, pixels: Pixels) -> list[Pixels]:
        return [pixels, pixels[:, ::-1]] if self.protocol.mirrored else [pixels]

    def _cut(self, pixels: Pixels, box: Box) -> Pixels:
        """A part of the resized picture; one larger than the input is resized a second time."""
        part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        if (box.height, box.width) == self.preprocess.size:
            return part
        edges = (0.0, 0.0, float(box.width), float(box.height))
        return resize(part, edges, self.preprocess.size, self.preprocess.interpolation)
