"""Local descriptors drawn from many pictures, for what is learned without labels: words, Gaussians."""

from __future__ import annotations

from collections import deque

import numpy as np

from neocog.classical.pictures import Floats, Picture, Pictures, TooSmall, checked
from neocog.classical.transformer import Extractor, Local
from neocog.errors import UserError

KEPT = 2**28  # bytes of descriptors that are kept between two looks at the same pictures


class Remembering(Extractor):
    """What `extractor` finds in a list of pictures, kept for a second pass over the same list, up to `KEPT` bytes."""

    def __init__(self, extractor: Extractor):
        self.extractor = extractor
        self._found: deque[Local | None] = deque()
        self._room = KEPT
        self._second = False

    def again(self) -> Remembering:
        """From the first picture on."""
        self._second = True
        return self

    def extract(self, picture: Picture) -> Local:
        if self._second:
            return self._found.popleft() or self.extractor.extract(picture)
        self._found.append(None)
        found = self.extractor.extract(picture)
        if found.descriptors.nbytes <= self._room:
            self._room -= found.descriptors.nbytes
            self._found[-1] = found
        return found


def sampled(extractor: Extractor, pictures: Pictures, most: int, needed: int, seed: int) -> Floats:
    """About `most` descriptors (n, d) at most, as many of each picture as of any other, as far as it has them.

    A picture too small to look at teaches nothing. UserError where fewer than `needed` different ones are found.
    Memory: that of the sample and of one picture.
    """
    if not len(pictures):
        raise UserError("there must be at least one picture to learn from, got none")
    quota = -(-most // len(pictures))
    rng = np.random.default_rng(seed)
    drawn = []
    for index, picture in enumerate(pictures):
        try:
            found = extractor.extract(checked(picture)).descriptors
        except TooSmall:
            continue
        except UserError as error:
            raise UserError(f"picture {index}: {error}") from None
        drawn.append(found[rng.permutation(len(found))[:quota]] if len(found) > quota else found)
    sample = np.concatenate(drawn) if drawn else np.zeros((0, 1), np.float32)
    different = len(np.unique(sample, axis=0)) if len(sample) else 0
    if different < needed:
        raise UserError(
            f"{needed} must be found at least, got {different} different descriptors in {len(pictures)} pictures; "
            "give more or larger pictures, or ask for fewer words or Gaussians"
        )
    return sample
