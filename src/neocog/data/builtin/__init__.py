"""Data sets with a name: small ones that come with neocog, and published ones that are found or fetched."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from neocog.data.builtin.published import PUBLISHED, open_published
from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Arrays, Files

HERE = Path(__file__).parent


def digits(reading: Reading) -> Dataset:
    """1,797 handwritten digits of 8x8 pixels and 17 grey levels (Alpaydin and Kaynak 1998), white on black."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    names = [f"digits/{i:04d}" for i in range(len(pixels))]
    classes, parts = tuple(map(str, range(10))), np.full(len(labels), "")
    return Dataset("digits", Arrays(pixels, names), labels.astype(np.int64), classes, parts)


def photos(reading: Reading) -> Dataset:
    """Views of public-domain photographs, a class per subject; `sources.csv` says where each comes from."""
    paths = sorted((HERE / "photos").glob("*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    labels = [classes.index(path.parent.name) for path in paths]
    parts = np.full(len(labels), "")
    return Dataset(
        "photos", Files(paths), np.array(labels, dtype=np.int64), tuple(classes), parts, HERE / "photos"
    )


def whole_photographs() -> Files:
    """A few of the photographs uncropped: what engines are checked on, and what a bundle's self-test replays."""
    return Files(sorted((HERE / "whole").glob("*.jpg")))


BUILTIN: dict[str, Callable[[Reading], Dataset]] = {
    "digits": digits,
    "photos": photos,
    **{name: partial(open_published, published) for name, published in PUBLISHED.items()},
}


def fetched(data: object) -> bool:
    """Whether `data` names a data set that may be fetched over the network."""
    return str(data).removeprefix("builtin/") in PUBLISHED and str(data).startswith("builtin/")
