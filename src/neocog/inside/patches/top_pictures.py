"""The pictures that each channel of a layer responds to most, and what follows from them about the channels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neocog.inside.patches.top import Floats, Indices

ALIKE = 1e-3
"""of a channel's largest value: by how much those of a duplicate may differ once both are scaled to 1"""
TELLING = 3
"""different values above zero that it takes: channels that are zero or at a ceiling tie, which says nothing"""


@dataclass(frozen=True, eq=False)
class Strongest:
    """Of one layer. A picture's value is the largest activation that the channel has anywhere in it."""

    values: Floats
    """(channels, k), largest first"""
    pictures: Indices
    """(channels, k), places in the data"""
    mean: Floats
    """(channels,), over all pictures"""
    deviation: Floats
    """(channels,), standard deviation over all pictures"""

    def first(self, k: int) -> Strongest:
        """With `k` pictures a channel, or as many as there are."""
        return replace(self, values=self.values[:, :k], pictures=self.pictures[:, :k])

    def silent(self) -> Indices:
        """The channels that were never above zero: behind a rectifier these are dead."""
        return np.flatnonzero(self.values[:, 0] <= 0)

    def duplicates(self) -> tuple[tuple[int, ...], ...]:
        """Groups of channels with the same pictures in the same order and values in the same proportion.

        Those with less than `TELLING` different values above zero are left out.
        """
        steps = (np.diff(self.values, axis=1) < 0) & (self.values[:, 1:] > 0)
        telling = (self.values[:, 0] > 0) & (1 + steps.sum(axis=1) >= TELLING)
        alike: dict[bytes, list[list[int]]] = defaultdict(list)
        for channel in np.flatnonzero(telling):
            groups = alike[self.pictures[channel].tobytes()]
            same = next((group for group in groups if self._proportional(group[0], int(channel))), None)
            if same is None:
                groups.append([int(channel)])
            else:
                same.append(int(channel))
        found = [tuple(group) for groups in alike.values() for group in groups if len(group) > 1]
        return tuple(sorted(found))

    def outstanding(self) -> Indices:
        """All channels, first those whose pictures stand out most.

        That is, whose last of k values lies the most standard deviations above the mean of all pictures.
        """
        above = (self.values[:, -1] - self.mean) / np.maximum(self.deviation, 1e-30)
        above = np.where(self.deviation > 0, above, -np.inf)
        return np.argsort(-above, kind="stable")

    def _proportional(self, one: int, other: int) -> bool:
        a, b = (self.values[channel] / self.values[channel, 0] for channel in (one, other))
        return bool(np.abs(a - b).max() <= ALIKE)


def labels_of(labels: NDArray[np.int64], pictures: Indices) -> tuple[tuple[int, int], ...]:
    """(label, how many of `pictures`), the most frequent first, of equally many the lowest; -1 is none."""
    found, counts = np.unique(labels[pictures], return_counts=True)
    order = np.lexsort((found, -counts))
    return tuple((int(found[i]), int(counts[i])) for i in order)
