"""Parts that several pages share: pictures inside the page, mistakes, files left out. `parts.html` sets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.draw.svg import bar
from neocog.draw.text import count, duration, percent, points, short
from neocog.draw.tiles import uri
from neocog.errors import UserError

TINY = 64 * 64  # pixels up to which a picture is kept exactly
LONGEST = 512  # pixels of a picture's longer side, so that a page stays a few megabytes
GALLERY = 24  # mistakes shown
LISTED = 200  # skipped files listed for each reason

Said = tuple[tuple[str, float], ...]
"""classes with their probabilities"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mistake:
    """A held-out picture, (height, width, 1 or 3), that was taken for something else."""

    path: str
    pixels: NDArray[np.uint8]
    truth: str
    said: str
    probability: float
    probability_of_truth: float | None
    """None where the network cannot give the true class as an answer"""


@dataclass(frozen=True, kw_only=True, eq=False)
class WrongAnswers:
    """A held-out picture, (height, width, 1 or 3), with its classes, those missed and those named wrongly."""

    path: str
    pixels: NDArray[np.uint8]
    right: Said
    missed: Said
    wrong: Said


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (height, width, 1 or 3) inside the page: PNG, hence exact, if tiny; JPEG otherwise, and no larger than
    `LONGEST`.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise UserError(f"pixels must be uint8 (height, width, 1 or 3), got {pixels.dtype} {pixels.shape}")
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((LONGEST, LONGEST))
    return uri(np.asarray(image), image.width * image.height <= TINY, 85)


def left_out(
    skipped: Sequence[tuple[str, str]], quarantined: Sequence[tuple[str, str]]
) -> tuple[tuple[str, dict[str, list[str]]], ...]:
    """Why pictures were left out, and by each reason their paths; pairs are (path, reason)."""
    return (
        ("could not be read", _by_reason(skipped)),
        ("left out by the quarantine list", _by_reason(quarantined)),
    )


def _by_reason(skipped: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The paths of each reason, the most frequent reason first."""
    paths: dict[str, list[str]] = {}
    for path, reason in skipped:
        paths.setdefault(reason, []).append(path)
    return dict(sorted(paths.items(), key=lambda item: -len(item[1])))


FILTERS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "points": points,
    "count": count,
    "duration": duration,
    "uri": data_uri,
    "bar": bar,
    "short": short,
}
"""of the templates"""
