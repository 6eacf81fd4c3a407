"""Which picture comes when: a function of seed, epoch and rank, not of workers, machine or what came before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

Indices = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Position:
    """How far a run is: in `epoch`, `done` places of the order were delivered, over all ranks."""

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

    The epoch's order is cut into global batches, of which the process `rank` takes every `world`-th place: its shares
    differ from the others' by one at most, none is padded, none is empty. Any machine, any number of workers and any
    number of processes get the same global batches, so a run may go on with another number of them.
    """

    size: int
    batch_size: int
    """pictures of a batch, over all ranks"""
    seed: int = 0
    rank: int = 0
    world: int = 1
    shuffle: bool = True
    """else the pictures come as they lie"""
    repeats: int = 1
    """how often an epoch shows each picture, one copy after the other and so in different ranks of a batch: batch
    augmentation (Hoffer et al. 2020), timm's RASampler"""
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
        if self.places // self.batch_count < self.world:
            raise UserError(
                f"batch_size must give each of the {self.world} processes a picture of every batch, "
                f"got {self.batch_size}; use {ceil(self.places / (self.places // self.world))} or more"
            )
        if self.weights is not None:
            _check_weights(self.weights, self.size)

    @property
    def places(self) -> int:
        """Of an epoch, over all ranks."""
        return self.size * self.repeats if self.length is None else self.length

    @property
    def batch_count(self) -> int:
        """Batches of an epoch, of nearly equal size: a last one of one picture would break batch norm.

        For that, a `batch_size` of 2 with an odd number of places has one batch of three.
        """
        least = min(2, self.batch_size)
        return max(1, min(ceil(self.places / self.batch_size), self.places // least))

    @property
    def largest_batch(self) -> int:
        """Of this rank."""
        return ceil(ceil(self.places / self.batch_count) / self.world)

    def epoch(self, number: int) -> Picks:
        """The places of this rank, in order."""
        mine = [np.arange(start + self.rank, stop, self.world) for start, stop in self._bounds()]
        whole, places = self.whole_epoch(number), np.concatenate(mine)
        return Picks(whole.indices[places], whole.copies[places])

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
        """This rank's share of each batch that is left of the epoch at `position`.

        Inside a batch, first the rest of it, in which a rank may have no place.
        """
        whole = self.whole_epoch(position.epoch)
        for start, stop in self._left(position):
            yield whole.rows(slice(start + self.rank, stop, self.world))

    def ends(self, position: Position) -> Iterator[Position]:
        """Where a run goes on after each of these batches; the same in all ranks."""
        for _, stop in self._left(position):
            yield replace(position, done=stop)

    def _left(self, position: Position) -> list[tuple[int, int]]:
        if position.seed != self.seed:
            raise UserError(f"the position belongs to seed {position.seed}, the order has seed {self.seed}")
        if position.done > self.places:
            raise UserError(f"an epoch has {self.places} places, got {position.done} as done")
        return [(max(start, position.done), stop) for start, stop in self._bounds() if stop > position.done]

    def _bounds(self) -> Iterator[tuple[int, int]]:
        """Where each batch begins and ends; the first are larger by one where they cannot all be equal."""
        least, larger = divmod(self.places, self.batch_count)
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
