"""Findings about pictures one by one: what could not be decoded, and what is unusual in those that could."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.facts import Facts, Trouble
from neocog.data.checks.finding import Finding
from neocog.data.checks.kinds import BLANK, LONGEST_SHAPE, OUTLIER, TINY_SIDE

Mask = NDArray[np.bool_]


def trouble_findings(troubles: tuple[Trouble, ...]) -> Iterator[Finding]:
    for trouble in troubles:
        yield Finding(trouble.kind, (trouble.index,), trouble.words)


def picture_findings(facts: Facts) -> Iterator[Finding]:
    """One finding for each kind, with all the pictures that it is about."""
    there: Mask = facts["readable"]
    for kind, mask, words in (*_modes(facts), *_shapes(facts)):
        if (mask & there).any():
            yield Finding(kind, tuple(np.flatnonzero(mask & there).tolist()), words)


def _modes(facts: Facts) -> Iterator[tuple[str, Mask, str]]:
    file = facts["format"] != "array"
    mode = facts["mode"]
    yield "wrong-extension", facts["wrong_suffix"], "the suffix names another format than the content has"
    yield "blank", facts["deviation"] < BLANK, "all pixels are nearly the same"
    yield "rotated", facts["orientation"] > 1, "an EXIF tag says how the camera was held"
    yield "16-bit", facts["bits"] == 16, "16 bits a channel"
    yield "grey", file & np.isin(mode, ("1", "L", "LA", "I", "I;16", "I;16B")), "stored with one channel"
    yield "alpha", facts["alpha"], "some pixels may be transparent"
    yield "cmyk", mode == "CMYK", "stored in printing colours"
    yield "palette", np.isin(mode, ("P", "PA")), "stored as places in a palette"
    yield "animated", facts["frames"] > 1, "several frames, of which the first is used"


def _shapes(facts: Facts) -> Iterator[tuple[str, Mask, str]]:
    width, height = facts["width"].astype(np.float64), facts["height"].astype(np.float64)
    there: Mask = facts["readable"]
    if not there.any():
        return
    shorter, longer = np.minimum(width, height), np.maximum(width, height)
    usual = float(np.median(shorter[there]))
    area = width * height
    middle = float(np.median(area[there]))
    tiny = (shorter < TINY_SIDE) & (usual >= TINY_SIDE)
    yield "tiny", tiny, f"the shorter side is below {TINY_SIDE} pixels, where the median is {usual:.0f}"
    yield (
        "extreme-shape",
        longer > LONGEST_SHAPE * shorter,
        f"more than {LONGEST_SHAPE:g} times as long as wide",
    )
    odd = ((area > OUTLIER * middle) | (area * OUTLIER < middle)) & ~tiny
    words = f"the area is more than {OUTLIER:g} times above or below the median of {middle:,.0f} pixels"
    yield "odd-size", odd, words
