"""SIFT at detected points (Lowe 2004), by scikit-image, which follows Otero and Delbracio (2014)."""

from __future__ import annotations

import numpy as np

from neocog.classical.descriptors import rooted, unit
from neocog.classical.pictures import Floats, Picture, TooSmall, grey, skimage_feature, within
from neocog.classical.transformer import Extractor, Local

UPSAMPLING = 2  # the picture is doubled first, as Lowe does
SMALLEST = 12 // UPSAMPLING  # pixels of the shorter side: what the coarsest octave needs


class Sift(Extractor):
    """Picture -> SIFT (n, 128) at extrema of differences of Gaussians, turned to their main orientation.

    `root` makes it RootSIFT. Of more than `most` points, those with the largest squares are kept. Pictures whose longer
    side is not within `sides` are enlarged or shrunk to it first.
    """

    def __init__(self, root: bool = False, most: int = 1000, sides: tuple[int, int] | None = (128, 300)):
        self.root = root
        self.most = most
        self.sides = sides

    def extract(self, picture: Picture) -> Local:
        image = grey(within(picture, self.sides))
        if min(image.shape) < SMALLEST:
            raise TooSmall(
                f"a picture looked at with {image.shape[0]} x {image.shape[1]} pixels is too small for SIFT, which "
                f"needs {SMALLEST} x {SMALLEST}; give larger pictures or larger sides"
            )
        descriptors, places, radii = detected(image)
        kept = np.argsort(-radii, kind="stable")[: self.most]
        found = unit(descriptors[kept])
        found = rooted(found) if self.root else found
        return Local(found, places[kept], radii[kept], image.shape).seen_in(picture)


def detected(image: Floats) -> tuple[Floats, Floats, Floats]:
    """Descriptors (n, 128) of 0..255, places (n, 2) and radii (n,)."""
    sift = skimage_feature().SIFT(upsampling=UPSAMPLING)
    try:
        # it fits parabolas to plateaus, too, and drops them
        with np.errstate(divide="ignore", invalid="ignore"):
            sift.detect_and_extract(image)
    except RuntimeError:  # its way to say that there are none
        return np.zeros((0, 128), np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    places = (sift.positions + 0.5).astype(np.float32)
    return sift.descriptors.astype(np.float32), places, (sift.lambda_descr * sift.sigmas).astype(np.float32)
