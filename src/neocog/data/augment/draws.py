"""Random numbers that belong to a picture: a function of seed, epoch, picture and purpose, not of what came before."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[np.uint64]
STEP = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio


@dataclass(frozen=True)
class Draws:
    """Random numbers for n pictures, a row each. The same picture gets the same row in whatever batch it comes.

    A counter-based generator (Salmon et al. 2011): nothing is stored between calls, so neither batch size nor
    workers, processes or an interruption change a number. `stream` names what the numbers are for; two calls with
    one stream return the same numbers, different streams are independent. The hash is SplitMix64's (Steele, Lea and
    Flood 2014). All numbers are made on the CPU.
    """

    seed: int
    epoch: int
    samples: NDArray[np.int64]
    """(n,) the pictures' places in the data set"""
    copies: NDArray[np.int64] | None = None
    """(n,) which copy of its picture each row is, where an epoch shows a picture several times; the first if None"""

    @classmethod
    def from_generator(cls, generator: torch.Generator, n: int) -> Draws:
        """For n pictures that have no place in a data set: one number of `generator` becomes the seed."""
        seed = int(torch.randint(2**62, (), generator=generator))
        return cls(seed, 0, np.arange(n))

    def __len__(self) -> int:
        return len(self.samples)

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Draws:
        """The same numbers for some of the pictures."""
        copies = None if self.copies is None else self.copies[chosen]
        return Draws(self.seed, self.epoch, self.samples[chosen], copies)

    def words(self, stream: str, count: int) -> Words:
        """(n, count) of 64 random bits."""
        start = blake2b(f"{self.seed} {self.epoch} {stream}".encode(), digest_size=8).digest()
        state = np.frombuffer(start, "<u8").astype(np.uint64)
        state = _hashed(state + STEP * (self.samples.astype(np.uint64) + np.uint64(1)))
        copies = np.zeros(1, np.uint64) if self.copies is None else self.copies.astype(np.uint64)
        state = _hashed(state + STEP * copies)
        return _hashed(state[:, None] + STEP * np.arange(1, count + 1, dtype=np.uint64))

    def uniform(self, stream: str, count: int = 1, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float64 (n, count), evenly from [low, high)."""
        share = (self.words(stream, count) >> np.uint64(11)) * 2.0**-53
        return torch.from_numpy(low + (high - low) * share)

    def integers(self, stream: str, count: int, stop: int | Tensor) -> Tensor:
        """int64 (n, count), evenly from 0 to below `stop`, which may be a tensor of that shape or (n, 1)."""
        return (self.uniform(stream, count) * stop).floor().long()

    def chance(self, stream: str, probability: float) -> Tensor:
        """bool (n,), true with `probability`."""
        return self.uniform(stream)[:, 0] < probability

    def normal(self, stream: str, count: int = 1) -> Tensor:
        """float64 (n, count) of mean 0 and standard deviation 1."""
        values: Tensor = torch.special.ndtri(self._inside(stream, count))
        return values

    def beta(self, stream: str, alpha: float) -> Tensor:
        """float64 (n,) of Beta(alpha, alpha)."""
        from scipy.special import betaincinv

        return torch.from_numpy(betaincinv(alpha, alpha, self._inside(stream, 1)[:, 0].numpy()))

    def dirichlet(self, stream: str, count: int, alpha: float) -> Tensor:
        """float64 (n, count) of the symmetric Dirichlet distribution: each row sums to 1."""
        from scipy.special import gammaincinv

        parts = torch.from_numpy(gammaincinv(alpha, self._inside(stream, count).numpy()))
        return parts / parts.sum(1, keepdim=True)

    def permutation(self, stream: str, count: int) -> Tensor:
        """int64 (n, count), each row an order of 0 to count - 1."""
        return self.uniform(stream, count).argsort(dim=1, stable=True)

    def octets(self, stream: str, count: int) -> Tensor:
        """uint8 (n, count), evenly from 0 to 255."""
        words = self.words(stream, -(-count // 8))
        return torch.from_numpy(words.astype("<u8", copy=False).view(np.uint8)[:, :count].copy())

    def _inside(self, stream: str, count: int) -> Tensor:
        """Evenly from (0, 1), neither end included."""
        share = ((self.words(stream, count) >> np.uint64(12)) * 2.0 + 1) * 2.0**-53
        return torch.from_numpy(share)


def _hashed(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
