"""One or two stages as a scikit-learn transformer, and the paper's sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neocog.classical.jarrett.filters import WAYS, Floats
from neocog.classical.jarrett.layers import WINDOW, Maps, filter_bank, normalise, pool
from neocog.classical.jarrett.picture import prepared
from neocog.classical.pictures import Picture, Pictures, described
from neocog.classical.transformer import takes_pictures
from neocog.errors import UserError, unknown
from neocog.runtime import single_thread

Bank = tuple[Maps, Maps]
"""kernels and gains"""
LAYERS = ("R-N-PA", "R-PA", "N-PM", "N-PA", "PA")
"""what follows the filters: the columns of the paper's table 1"""
LEARNED_FROM = 500  # pictures at most
PATCHES = 10_000  # at most, for each set of filters


@dataclass(frozen=True)
class Stage:
    """The sizes of one stage."""

    filters: int
    kernel: int
    pool: int
    step: int
    fan_in: int | None = None
    """maps that a filter reads, drawn at random; None is all"""


JARRETT_1 = (Stage(filters=64, kernel=9, pool=10, step=5),)
JARRETT_2 = (*JARRETT_1, Stage(filters=256, kernel=9, pool=6, step=4, fan_in=16))
SIDE = 151
SHARED = 16  # learned filters that read the same maps: what is learned together needs the same input


class JarrettFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """F_CSG, rectification, local contrast normalisation and pooling, once or twice (Jarrett et al. 2009).

    `fit(X)` sets the filters, `transform(X)` gives (n, maps * rows * columns) float32; X are uint8 pictures of any
    size. With the paper's sizes a picture of 143 pixels becomes 64 maps of 26 x 26 in one stage, 43,264 numbers, and
    256 of 4 x 4 in two, 4,096. Nothing is trained with labels: these are the paper's systems R, U and G, of which the
    latter's second stage has templates.

    stages: sizes, `JARRETT_1` or `JARRETT_2`
    layers: what follows the filters, one of `LAYERS`
    filters: one of `WAYS`
    side: pixels of the longer side before the first normalisation, which takes 8
    """

    def __init__(
        self,
        stages: tuple[Stage, ...] = JARRETT_1,
        layers: str = "R-N-PA",
        filters: str = "random",
        side: int = SIDE,
        random_state: Any = 0,
    ) -> None:
        self.stages = stages
        self.layers = layers
        self.filters = filters
        self.side = side
        self.random_state = random_state

    def fit(self, X: Pictures, y: object = None) -> JarrettFeatures:
        self._check()
        if not len(X):
            raise UserError("filters need a picture, got none")
        with single_thread():
            self._set(X if self._learns() else ())
        return self

    def transform(self, X: Pictures) -> NDArray[np.float32]:
        """Without `fit`, too, where filters do not depend on the pictures."""
        if not hasattr(self, "banks_") and not self._learns():
            self.fit([np.zeros((1, 1), np.uint8)])
        check_is_fitted(self)
        return described(X, self._describe)

    def __sklearn_tags__(self) -> Any:
        tags = takes_pictures(super().__sklearn_tags__())
        tags.requires_fit = self._learns()
        return tags

    def _learns(self) -> bool:
        ways = (WAYS.get(self._way(i)) for i in range(len(self.stages)))
        return any(way is None or way.learned for way in ways)

    def _set(self, X: Pictures) -> None:
        """The filters, of some of the pictures, or without any."""
        draw = check_random_state(self.random_state)
        maps = [prepared(X[i], self.side) for i in draw.permutation(len(X))[:LEARNED_FROM]]
        maps = maps or [np.zeros((1, self.side - WINDOW + 1, self.side - WINDOW + 1), np.float32)]
        banks: list[Bank] = []
        for i, stage in enumerate(self.stages):
            self._check_room(stage, maps[0])
            banks.append(_bank(maps, stage, self._way(i), draw))
            maps = [self._through(stage, banks[-1], m) for m in maps]
        self.shape_ = maps[0].shape
        self.banks_ = banks  # whole at once: another thread may be looking

    def _describe(self, picture: Picture) -> NDArray[np.float32]:
        maps = prepared(picture, self.side)
        for stage, bank in zip(self.stages, self.banks_, strict=True):
            maps = self._through(stage, bank, maps)
        return maps.ravel()

    def _way(self, stage: int) -> str:
        return "templates" if stage and self.filters == "gabor" else self.filters

    def _through(self, stage: Stage, bank: Bank, maps: Maps) -> Maps:
        parts = self.layers.split("-")
        maps = filter_bank(maps, *bank)
        if "R" in parts:
            maps = np.abs(maps)
        if "N" in parts:
            maps = normalise(maps)
        return pool(maps, stage.pool, stage.step, average="PA" in parts)

    def _check(self) -> None:
        if self.layers not in LAYERS:
            raise unknown("layers", self.layers, LAYERS)
        if self.filters not in WAYS:
            raise unknown("filters", self.filters, WAYS)
        if self.side < WINDOW:
            raise UserError(f"side must be at least {WINDOW}, the normalisation's window, got {self.side}")

    def _check_room(self, stage: Stage, maps: Maps) -> None:
        least = stage.kernel + stage.pool - 1
        if maps.shape[1] < least:
            raise UserError(
                f"kernels of {stage.kernel} and pooling over {stage.pool} need maps of {least} pixels, got "
                f"{maps.shape[1]}: a larger side than {self.side}, or smaller stages"
            )
        if stage.fan_in is not None and not 1 <= stage.fan_in <= len(maps):
            raise UserError(f"fan_in must be 1 to {len(maps)}, the maps there are, got {stage.fan_in}")


def _bank(maps: list[Maps], stage: Stage, way: str, draw: np.random.RandomState) -> Bank:
    """Kernels (filters, maps, k, k), zero where a filter does not read a map, and gains."""
    count, size = len(maps[0]), stage.kernel
    fan_in = stage.fan_in or count
    together = stage.filters if fan_in == count else (SHARED if WAYS[way].learned else 1)
    kernels = np.zeros((stage.filters, count, size, size), np.float32)
    gains = np.empty(stage.filters, np.float32)
    for first in range(0, stage.filters, together):
        last = min(first + together, stage.filters)
        read = np.sort(draw.choice(count, fan_in, replace=False))
        found, gain = WAYS[way].make(_patches(maps, read, size, way, draw), last - first, draw)
        kernels[first:last, read] = found.reshape(last - first, fan_in, size, size)
        gains[first:last] = gain
    return kernels, gains


def _patches(
    maps: list[Maps], read: NDArray[np.intp], size: int, way: str, draw: np.random.RandomState
) -> Floats:
    """(n, maps * k * k), as many from each picture; where nothing is learned one of zeros."""
    width = len(read) * size * size
    if not WAYS[way].learned:
        return np.zeros((1, width))
    each = -(-PATCHES // len(maps))
    found = []
    for m in maps:
        windows = sliding_window_view(m[read], (size, size), axis=(1, 2))
        rows, columns = (draw.randint(n, size=each) for n in windows.shape[1:3])
        found.append(windows[:, rows, columns].transpose(1, 0, 2, 3).reshape(each, width))
    return np.concatenate(found).astype(np.float64)
