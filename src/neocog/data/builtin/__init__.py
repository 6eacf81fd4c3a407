"""Small data sets that need no download: scikit-learn's digits, and public-domain photographs shipped here."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.samples import Arrays, Files, Samples

HERE = Path(__file__).parent
Labelled = tuple[Samples, NDArray[np.int64], tuple[str, ...]]


def digits() -> Labelled:
    """1,797 handwritten digits of 8x8 pixels and 17 grey levels (Alpaydin and Kaynak 1998), white on black."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    names = [f"digits/{i:04d}" for i in range(len(pixels))]
    return Arrays(pixels, names), labels.astype(np.int64), tuple(map(str, range(10)))


def photos() -> Labelled:
    """Views of public-domain photographs, a class per subject; `sources.csv` says where each comes from."""
    paths = sorted((HERE / "photos").glob("*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    labels = [classes.index(path.parent.name) for path in paths]
    return Files(paths), np.array(labels, dtype=np.int64), tuple(classes)


def whole_photographs() -> Files:
    """A few of the photographs uncropped: what engines are checked on, and what a bundle's self-test replays."""
    return Files(sorted((HERE / "whole").glob("*.jpg")))


BUILTIN = {"digits": digits, "photos": photos}
