"""What one may say about features, by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neocog.data.reading import ReadingOptions
from neocog.errors import UserError


class PictureFeatureOptions(ReadingOptions, total=False):
    """Which features of which pictures, but for a run that has code of its own."""

    layers: str | Sequence[str]
    """names of papers or modules, or `features`, which the last layer reads: those alone if none is given"""
    pooling: str
    """how maps and tokens become a vector: `mean` if not given, `flat`, `max`, `gem`, `token`"""
    views: str
    """which views of a picture the mean is taken over: a name of `PROTOCOLS`, `center` if not given"""
    weights: str | Path | None
    """a file of weights, for a model's name"""
    img_size: int | None
    resize_mode: str | None
    decoding: str | None
    """of a model: `exact` or `fast`, as suits the size of the pictures if not given"""
    download: bool
    engine: str
    device: str
    cache: bool
    """whether features are looked up in the user's cache and kept there; they are if not given"""
    part: str | None
    """train, val or test where the data have such parts; all of them if not given"""
    learn_from: object
    """data whose pictures a classical method learns its words from; the data's own training part if not given"""
    strict: bool
    """an unreadable picture is an error instead of being skipped"""


class FeatureOptions(PictureFeatureOptions, total=False):
    """Which features of which pictures."""

    model: str | None
    """FILE.py:FUNCTION of a run that has one, to trust it on this machine"""


class EmbedOptions(FeatureOptions, total=False):
    """The same, and how exactly they are kept."""

    dtype: str
    """`float32` if not given; `float16` rounds to three digits and halves files and cache"""


OF_NETWORKS = ("layers", "pooling", "views", "weights", "img_size", "resize_mode", "decoding", "model")
DTYPES = ("float32", "float16")


def demand_left_out(options: EmbedOptions, names: Sequence[str], why: str) -> None:
    """UserError for the first of `names` that was given although it cannot be heeded."""
    for name in names:
        if options.get(name):
            raise UserError(f"{why}, got {name} {options[name]!r}; leave it out")  # type: ignore[literal-required]


def is_half(options: EmbedOptions) -> bool:
    """Whether features are rounded to float16."""
    dtype = options.get("dtype", "float32")
    if dtype not in DTYPES:
        raise UserError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    return dtype == "float16"
