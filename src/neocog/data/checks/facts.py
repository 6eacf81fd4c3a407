"""What is known of each picture after one look: numbers of fixed size, so that memory stays flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FACT = np.dtype(
    [
        ("readable", "?"),
        ("bytes", "i8"),  # of the file; of the numbers where the picture is an array
        ("format", "U8"),  # as the content says: JPEG, PNG, ...; ARRAY or the PIL mode's place otherwise
        ("mode", "U8"),  # Pillow's name of the pixels' kind before conversion
        ("bits", "u1"),  # of a channel
        ("width", "i4"),  # upright, in pixels
        ("height", "i4"),
        ("orientation", "u1"),  # EXIF, 1 (upright) to 8
        ("frames", "i4"),
        ("colour", "?"),  # whether any pixel is not grey
        ("alpha", "?"),
        ("mean", "f4"),  # brightness, 0 to 255
        ("deviation", "f4"),  # of the brightness over the picture, 0 to 127.5
        ("content", "u1", (32,)),  # SHA-256 of the file
        ("pixels", "u1", (16,)),  # start of the SHA-256 of size and pixels as decoded here
        ("scaled", "?"),  # whether these were decoded at a reduced scale
        ("phash", "u8"),
        ("dhash", "u8"),
        ("phash_mirror", "u8"),  # of the picture mirrored left to right
        ("dhash_mirror", "u8"),
        ("thumb", "u1", (32, 32)),  # grey
        ("wrong_suffix", "?"),
    ]
)
Facts = NDArray[np.void]
"""(n,) of `FACT`"""
BYTES_A_PICTURE = FACT.itemsize


@dataclass(frozen=True)
class Trouble:
    """Something said of one picture by whoever decoded it."""

    index: int
    kind: str
    """one of `KINDS`"""
    words: str


@dataclass(frozen=True)
class Scan:
    """The facts of every picture of a data set, and the troubles in decoding them."""

    facts: Facts
    troubles: tuple[Trouble, ...]
    seconds: float = 0.0
