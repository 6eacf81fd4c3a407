"""The systems from before the CNNs by name; docs/classical.md says what is as in the papers and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A scikit-learn transformer of pictures, and what it is."""

    words: str
    source: str
    build: Callable[[], Any]
    """() -> an unfitted transformer with the settings of the catalogue"""
    size: int | None
    """the longer side in pixels that it looks at: it shrinks larger pictures to that by itself; None is any"""
    grey: bool
    """whether colour makes no difference"""


def tiny() -> Any:
    from neocog.classical.tiny import TinyImages

    return TinyImages()


def hog() -> Any:
    from neocog.classical.hog import Hog

    return Hog()


def lbp() -> Any:
    from neocog.classical.lbp import LocalBinaryPatterns

    return LocalBinaryPatterns()


def gist() -> Any:
    from neocog.classical.gist import Gist

    return Gist()


def surf_bow() -> Any:
    from neocog.classical.surf import Surf
    from neocog.classical.words import BagOfWords

    return BagOfWords(Surf(), words=800)


def sift_bow() -> Any:
    from neocog.classical.sift import Sift
    from neocog.classical.words import BagOfWords

    return BagOfWords(Sift(), words=800)


def dense_sift_bow() -> Any:
    from neocog.classical.dense_sift import DenseSift
    from neocog.classical.words import BagOfWords

    return BagOfWords(DenseSift(), words=400)


def spatial_pyramid() -> Any:
    from neocog.classical.dense_sift import DenseSift
    from neocog.classical.words import BagOfWords

    return BagOfWords(DenseSift(), words=200, levels=3)


def fisher() -> Any:
    from neocog.classical.dense_sift import DenseSift
    from neocog.classical.fisher import FisherVector

    return FisherVector(DenseSift(step=4, bins=(4, 6, 8)), gaussians=64, components=64)


def jarrett(stages: int, filters: str = "random") -> Any:
    from neocog.classical.jarrett.features import JARRETT_1, JARRETT_2, JarrettFeatures

    return JarrettFeatures(JARRETT_1 if stages == 1 else JARRETT_2, filters=filters)


def pixels(deslanted: bool = False) -> Any:
    from neocog.classical.pixels import Pixels

    return Pixels(deslanted=deslanted)


def all_kinds() -> Any:
    """Five of the kinds of features that Xiao et al. combine, on one scale: a linear machine sums their kernels."""
    from sklearn.pipeline import FeatureUnion

    from neocog.classical.kernels.balanced import Balanced

    kinds = ("gist", "hog", "lbp", "spatial-pyramid", "tiny")
    return FeatureUnion([(name, Balanced(CLASSICAL[name].build())) for name in kinds])


def cells(base: str, cell: int) -> Any:
    from neocog.classical.parts.cells import AlignedCells

    return AlignedCells(base, cell)


CLASSICAL: dict[str, Entry] = {
    "tiny": Entry("32x32 pixels in colour", "Torralba et al. 2008", tiny, None, grey=False),
    "hog": Entry("histograms of oriented gradients", "Dalal and Triggs 2005", hog, None, grey=False),
    "lbp": Entry("local binary patterns in 4x4 cells", "Ojala et al. 2002", lbp, None, grey=True),
    "gist": Entry("32 Gabor filters in 4x4 blocks", "Oliva and Torralba 2001", gist, None, grey=True),
    "surf-bow": Entry(
        "SURF at blobs, a bag of 800 words", "Bay et al. 2008; Saenko et al. 2010", surf_bow, 300, grey=True
    ),
    "sift-bow": Entry(
        "SIFT at points, a bag of 800 words", "Lowe 2004; Csurka et al. 2004", sift_bow, 300, grey=True
    ),
    "dense-sift-bow": Entry(
        "SIFT on a grid, a bag of 400 words", "Lazebnik et al. 2006", dense_sift_bow, 300, grey=True
    ),
    "spatial-pyramid": Entry(
        "SIFT on a grid, 200 words in 1, 4 and 16 cells",
        "Lazebnik et al. 2006",
        spatial_pyramid,
        300,
        grey=True,
    ),
    "fisher": Entry(
        "SIFT on a grid, gradients by 64 Gaussians", "Perronnin et al. 2010", fisher, 300, grey=True
    ),
    "jarrett-1": Entry(
        "64 random filters, rectified, normalised, pooled",
        "Jarrett et al. 2009",
        partial(jarrett, 1),
        151,
        grey=True,
    ),
    "jarrett-1-gabor": Entry(
        "the same with Gabor filters", "Jarrett et al. 2009", partial(jarrett, 1, "gabor"), 151, grey=True
    ),
    "jarrett-1-k-means": Entry(
        "the same with filters by k-means",
        "Coates et al. 2011",
        partial(jarrett, 1, "k-means"),
        151,
        grey=True,
    ),
    "jarrett-2": Entry(
        "jarrett-1, then 256 filters on 16 maps each",
        "Jarrett et al. 2009",
        partial(jarrett, 2),
        151,
        grey=True,
    ),
    "pixels": Entry("28x28 pixels in grey", "LeCun et al. 1998", pixels, None, grey=True),
    "pixels-deslanted": Entry(
        "the same, digits straightened first",
        "LeCun et al. 1998",
        partial(pixels, deslanted=True),
        None,
        grey=True,
    ),
    "cells": Entry(
        "64x128 pixels in cells of 8x8, 8 directions",
        "Berg and Belhumeur 2013",
        partial(cells, "gradients", 8),
        None,
        grey=False,
    ),
    "cells-16": Entry(
        "the same in cells of 16x16",
        "Berg and Belhumeur 2013",
        partial(cells, "gradients", 16),
        None,
        grey=False,
    ),
    "colour-cells": Entry(
        "64x128 pixels in cells of 8x8, 32 learned colours",
        "Berg and Belhumeur 2013",
        partial(cells, "colours", 8),
        None,
        grey=False,
    ),
    "colour-cells-16": Entry(
        "the same in cells of 16x16",
        "Berg and Belhumeur 2013",
        partial(cells, "colours", 16),
        None,
        grey=False,
    ),
    "all": Entry(
        "gist, hog, lbp, spatial-pyramid and tiny side by side",
        "Xiao et al. 2010",
        all_kinds,
        None,
        grey=False,
    ),
}
