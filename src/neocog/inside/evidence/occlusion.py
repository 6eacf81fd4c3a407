"""What a network answers while a grey square covers one part of the picture after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.progress import Progress, Silent

Pixels = NDArray[np.uint8]
"""(height, width, channels)"""
Answer = Callable[[Pixels], NDArray[np.float32]]
"""pixels (n, height, width, channels) -> probabilities (n, classes), and what else is told of a picture behind them"""
BATCH = 32


class Square(NamedTuple):
    """What covers a part of the picture."""

    side: int
    stride: int
    """by how many pixels it moves"""
    fill: NDArray[np.uint8]
    """its colour: (channels,)"""


@dataclass(frozen=True, eq=False)
class Slid:
    """What was answered at each place of the square."""

    tops: NDArray[np.int64]
    """first row of the square, for each row of the maps"""
    lefts: NDArray[np.int64]
    """first column of the square, for each column of the maps"""
    square: int
    """its side in pixels"""
    answers: NDArray[np.float32]
    """(rows, columns, numbers of a picture)"""
    whole: NDArray[np.float32]
    """where nothing is covered: (numbers of a picture,)"""

    def of(self, target: int, classes: int | None = None) -> Occlusion:
        """About class `target`; the first `classes` numbers are probabilities, all if not given."""
        answers, whole = self.answers[..., :classes], self.whole[:classes]
        return Occlusion(
            self.tops,
            self.lefts,
            self.square,
            float(whole[target]),
            int(whole.argmax()),
            answers[..., target].astype(np.float64),
            answers.argmax(axis=-1),
        )

    def number(self, i: int) -> tuple[NDArray[np.float64], float]:
        """The i-th number of a picture: (rows, columns), and where nothing is covered."""
        return self.answers[..., i].astype(np.float64), float(self.whole[i])


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What became of one class by the place of the square."""

    tops: NDArray[np.int64]
    """first row of the square, for each row of the maps"""
    lefts: NDArray[np.int64]
    """first column of the square, for each column of the maps"""
    square: int
    """its side in pixels"""
    whole: float
    """probability of the class where nothing is covered"""
    winner_of_the_whole: int
    """the class with the largest probability where nothing is covered"""
    probability: NDArray[np.float64]
    """of the class: (rows, columns)"""
    winner: NDArray[np.int64]
    """the class with the largest probability: (rows, columns)"""

    @property
    def worst(self) -> tuple[int, int]:
        """Top and left of the square that costs most."""
        row, column = divmod(int(self.probability.argmin()), len(self.lefts))
        return int(self.tops[row]), int(self.lefts[column])

    def fall(self, height: int, width: int) -> NDArray[np.float64]:
        """How much probability a pixel is worth: the mean fall over all squares that cover it; 0 where none does."""
        total, count = np.zeros((height, width)), np.zeros((height, width))
        for (i, top), (j, left) in product(enumerate(self.tops), enumerate(self.lefts)):
            there = np.s_[top : top + self.square, left : left + self.square]
            total[there] += self.whole - self.probability[i, j]
            count[there] += 1
        return np.asarray(total / np.maximum(count, 1))

    def at(self, tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much the probability falls at these places of the square alone."""
        rows, columns = np.searchsorted(self.tops, tops), np.searchsorted(self.lefts, lefts)
        return np.asarray(self.whole - self.probability[np.ix_(rows, columns)])


def slid(answer: Answer, pixels: Pixels, square: Square, progress: Progress | None = None) -> Slid:
    """The square slides over `pixels`; the last one of a row and of a column ends at the edge.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2. UserError for a
    square that does not fit.
    """
    height, width = pixels.shape[:2]
    side, stride, fill = square
    if not 1 <= side <= min(height, width) or stride < 1:
        raise UserError(
            f"the square must fit into {height}x{width} pixels and move by at least 1, got {side} and {stride}"
        )
    tops, lefts = _starts(height, side, stride), _starts(width, side, stride)
    places, answers = list(product(tops, lefts)), []
    with (progress or Silent()).step("squares", len(places)) as advance:
        for first in range(0, len(places), BATCH):
            some = places[first : first + BATCH]
            answers.append(answer(np.stack([covered(pixels, place, side, fill) for place in some])))
            advance(len(some))
    by_place = np.concatenate(answers).reshape(len(tops), len(lefts), -1)
    return Slid(tops, lefts, side, by_place, answer(pixels[None])[0])


def coarser(square: Square, places: int, most: int = 8) -> Square:
    """The same one with longer steps, so that of `places` in a row or column at most `most` are left, or one more."""
    return square._replace(stride=square.stride * ceil(places / most))


def covered(pixels: Pixels, place: tuple[int, int], side: int, fill: NDArray[np.uint8]) -> Pixels:
    """A copy with a square of one colour whose first row and column are `place`."""
    out = pixels.copy()
    out[place[0] : place[0] + side, place[1] : place[1] + side] = fill
    return out


def _starts(length: int, side: int, stride: int) -> NDArray[np.int64]:
    return np.unique([*range(0, length - side + 1, stride), length - side])
