"""What a check before training is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Finding:
    """One line: what was seen, why it matters, what to do. After an error training would fail or learn nothing."""

    kind: Literal["error", "warning"]
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One batch as the loop would learn from it, and what is known about all the others."""

    pixels: Tensor
    """uint8 (n, height, width, channels), augmented"""
    targets: Tensor
    """int64 (n,) labels, or float (n, classes)"""
    normalise: Callable[[Tensor], Tensor]
    """`pixels` -> float (n, channels, height, width) on the network's device"""
    criterion: Callable[[Tensor, Tensor], Tensor]
    """logits (n, classes) and targets -> loss of each picture (n,)"""
    labels: NDArray[np.int64] | NDArray[np.float32]
    """of all training pictures: (pictures,), or (pictures, classes)"""
    held_out: int | None = None
    """pictures that judge; None where that is not known"""
    stored: tuple[int, int] | None = None
    """usual height and width of the pictures before they were resized"""
    pretrained: bool = False
    """the network comes with trained weights, under a fresh last layer"""
    memory: int | None = None
    """bytes that are free on the device; None asks the machine"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """All that a check may look at."""

    net: nn.Module
    sample: Sample
    recipe: Recipe
    classes: tuple[str, ...]
    head: str

    @property
    def smallest_batch(self) -> int:
        """Pictures of an epoch's smallest batch: the loader cuts it into batches of nearly equal size."""
        pictures = len(self.sample.labels) * self.recipe.repeats
        return max(1, pictures // max(1, ceil(pictures / self.recipe.batch_size)))


Check = Callable[[Subject], Iterator[Finding]]


def error(text: str) -> Finding:
    return Finding("error", text)


def warning(text: str) -> Finding:
    return Finding("warning", text)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first of the names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def count(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def by(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides))


def first_line(reason: Exception) -> str:
    """What an exception says, or its kind where it says nothing."""
    return next((line for line in str(reason).splitlines() if line.strip()), type(reason).__name__)
