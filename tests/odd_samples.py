"""Pictures that are read in odd ways. Worker processes import this file, so it imports little."""

import io
import sys
from time import sleep

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.errors import Unreadable

N = 45
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 12, 10, 3), dtype=np.uint8)


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """Without loss, so that what is decoded must be what was there."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


FILES = [encoded(picture) for picture in PIXELS]


class Counted:
    """Counts how many pictures were asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __len__(self) -> int:
        return N

    def name(self, index: int) -> str:
        return str(index)

    def read(self, index: int) -> bytes:
        self.count += 1
        return FILES[index]


class Light(Counted):
    """Cannot be read where torch is loaded."""

    def read(self, index: int) -> bytes:
        if "torch" in sys.modules:
            raise Unreadable("torch is loaded")
        return FILES[index]


class Broken(Counted):
    """Fails in a way that is no picture's fault."""

    def read(self, index: int) -> bytes:
        raise ZeroDivisionError("a mistake in the reader")


class Slow(Counted):
    """The picture number 9 takes for ever."""

    def read(self, index: int) -> bytes:
        if index == 9:
            sleep(600)
        return FILES[index]


class Stubborn(Counted):
    """Computes in Python, which only one thread at a time can."""

    def read(self, index: int) -> bytes:
        sum(i * i for i in range(40_000))
        return FILES[index]


class Uneven(Counted):
    """Numbers 5 and 13 are mistakes; numbers 0 and 20 take a while."""

    def read(self, index: int) -> bytes:
        sleep({0: 0.3, 20: 0.6}.get(index, 0))
        return Broken().read(index) if index in (5, 13) else FILES[index]
