"""Which picture comes when: a function of seed, epoch and rank, not of workers, machine or what came before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

Indices = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Position:
    """How far a run is: in `epoch`, `done` places of this rank's order were delivered."""

    seed: int
    epoch: int
    done: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Position:
        if set(stored) != {"seed", "epoch", "done"} or not all(type(v) is int for v in stored.values()):
            raise UserError(f"a position is whole numbers seed, epoch and done, got {dict(stored)}")
        if stored["epoch"] < 0 or stored["done"] < 0:
            raise UserError(f"epoch and done of a position must not be negative, got {dict(stored)}")
        return cls(**stored)


@dataclass(frozen=True)
class Picks:
    """Places of an order, a row each."""

    indices: Indices
    """which picture each shows"""
    copies: Indices
    """the how manieth showing of that picture in the epoch it is, from 0"""

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, chosen: slice) -> Picks:
        return Picks(self.indices[chosen], self.copies[chosen])


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """The order of `size` pictures in every epoch, and the part of it that one of `world` processes gets.

    Of the epoch's order the process `rank` takes every `world`-th place, so that the counts differ by one at most and
    none is padded. All ranks have equally many batches. Any machine and any number of workers get the same order.
    """

    size: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    shuffle: bool = True
    """else the pictures come as they lie"""
    repeats: int = 1
    """how often an epoch shows each picture, one copy after the other and so in different ranks: batch augmentation
    (Hoffer et al. 2020), timm's RASampler"""
    weights: Weights | None = None
    """(size,) draw the pictures with replacement, as often as these say in relation to each other"""
    length: int | None = None
    """places of an epoch over all ranks; without, `size` times `repeats`"""

    def __post_init__(self) -> None:
        rules = (
            (self.batch_size >= 1, "batch_size must be at least 1", self.batch_size),
            (self.repeats >= 1, "repeats must be at least 1", self.repeats),
            (0 <= self.rank < self.world, "rank must lie in 0..world - 1", f"{self.rank} of {self.world}"),
            (self.places >= self.world, "an epoch must have a picture for each process", self.places),
            (
                self.weights is not None or self.places <= self.size * self.repeats,
                f"without weights an epoch has at most {self.size * self.repeats} places",
                self.places,
            ),
            (self.weights is None or self.shuffle, "weights need a shuffled order", "shuffle=False"),
        )
        for holds, rule, given in rules:
            if not holds:
                raise UserError(f"{rule}, got {given}")
        if self.weights is not None:
            _check_weights(self.weights, self.size)

    @property
    def places(self) -> int:
        """Of an epoch, over all ranks."""
        return self.size * self.repeats if self.length is None else self.length

    @property
    def batch_count(self) -> int:
        """Batches of an epoch in each rank, of nearly equal size: a last one of one picture would break batch norm.

        None is empty; for that, with a `batch_size` of 1, one of a rank with an odd picture holds two.
        """
        return min(ceil(ceil(self.places / self.world) / self.batch_size), self.places // self.world)

    @property
    def largest_batch(self) -> int:
        return ceil(ceil(self.places / self.world) / self.batch_count)

    def epoch(self, number: int) -> Picks:
        """The places of this rank, in order."""
        return self.whole_epoch(number).rows(slice(self.rank, None, self.world))

    def whole_epoch(self, number: int) -> Picks:
        """The places of all ranks."""
        bases = ceil(self.places / self.repeats)
        if self.weights is not None:
            base = drawn(self.weights, _words(self.seed, number, bases))
        elif self.shuffle:
            # ties, one in 2^64, come as they lie
            base = np.argsort(_words(self.seed, number, self.size), kind="stable")[:bases]
        else:
            base = np.arange(bases)
        indices = base.repeat(self.repeats)[: self.places]
        drawn_again = self.weights is not None
        return Picks(indices, _showings(indices) if drawn_again else np.arange(self.places) % self.repeats)

    def batches(self, position: Position) -> Iterator[Picks]:
        """What is left of the epoch at `position`; inside a batch, first the rest of it."""
        if position.seed != self.seed:
            raise UserError(f"the position belongs to seed {position.seed}, the order has seed {self.seed}")
        picks = self.epoch(position.epoch)
        if position.done > len(picks):
            raise UserError(f"an epoch has {len(picks)} places in this process, got {position.done} as done")
        for start, stop in self._bounds(len(picks)):
            if stop > position.done:
                yield picks.rows(slice(max(start, position.done), stop))

    def _bounds(self, places: int) -> Iterator[tuple[int, int]]:
        """Where each batch begins and ends; the first are larger by one where they cannot all be equal."""
        least, larger = divmod(places, self.batch_count)
        for i in range(self.batch_count):
            yield i * least + min(i, larger), (i + 1) * least + min(i + 1, larger)


def balanced(labels: Indices) -> Weights:
    """Weights with which every class that occurs is drawn equally often."""
    weights: Weights = 1.0 / np.bincount(labels)[labels]
    return weights


def _words(seed: int, epoch: int, count: int) -> NDArray[np.uint64]:
    """Philox4x64-10 (Salmon et al. 2011) keyed by seed and epoch; NumPy promises its raw stream for all versions."""
    key = np.array([seed % 2**64, epoch], np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def drawn(weights: Weights, words: NDArray[np.uint64]) -> Indices:
    """The picture for each number of 64 random bits, never one of weight 0: the inverse of the distribution."""
    bounds = np.cumsum(weights)
    points = (words >> np.uint64(11)) * 2.0**-53 * bounds[-1]
    last = np.flatnonzero(weights)[-1]  # a product may round up to the end of the range
    indices: Indices = np.minimum(np.searchsorted(bounds, points, side="right"), last)
    return indices


def _showings(indices: Indices) -> Indices:
    """How often each entry was there before."""
    by_picture = np.argsort(indices, kind="stable")
    sorted_ = indices[by_picture]
    starts = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]])
    counts = np.diff(np.r_[starts, len(indices)])
    showings = np.empty_like(indices)
    showings[by_picture] = np.arange(len(indices)) - starts.repeat(counts)
    return showings


def _check_weights(weights: Weights, size: int) -> None:
    if weights.shape != (size,):
        raise UserError(f"there must be a weight for each of the {size} pictures, got {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
        raise UserError("weights must be finite and not negative, one of them above 0")
