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
from neocog.classical.sampling import single_thread
from neocog.classical.transformer import takes_pictures
from neocog.errors import UserError, unknown

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
        self._check(X)
        with single_thread():
            self._learn(X)
        return self

    def _learn(self, X: Pictures) -> None:
        draw = check_random_state(self.random_state)
        learned = any(WAYS[self._way(i)].learned for i in range(len(self.stages)))
        chosen = draw.permutation(len(X))[: LEARNED_FROM if learned else 1]
        maps = [prepared(X[i], self.side) for i in chosen]
        self.banks_: list[tuple[Maps, Maps]] = []
        for i, stage in enumerate(self.stages):
            if i:
                maps = [self._stage(i - 1, m) for m in maps]
            self._check_room(stage, maps[0])
            self.banks_.append(_bank(maps, stage, self._way(i), draw))
        self.shape_ = self._stage(len(self.stages) - 1, maps[0]).shape

    def transform(self, X: Pictures) -> NDArray[np.float32]:
        check_is_fitted(self)
        return described(X, self._describe)

    def __sklearn_tags__(self) -> Any:
        return takes_pictures(super().__sklearn_tags__())

    def _describe(self, picture: Picture) -> NDArray[np.float32]:
        maps = prepared(picture, self.side)
        for stage in range(len(self.stages)):
            maps = self._stage(stage, maps)
        return maps.ravel()

    def _way(self, stage: int) -> str:
        return "templates" if stage and self.filters == "gabor" else self.filters

    def _stage(self, index: int, maps: Maps) -> Maps:
        stage, parts = self.stages[index], self.layers.split("-")
        maps = filter_bank(maps, *self.banks_[index])
        if "R" in parts:
            maps = np.abs(maps)
        if "N" in parts:
            maps = normalise(maps)
        return pool(maps, stage.pool, stage.step, average="PA" in parts)

    def _check(self, X: Pictures) -> None:
        if not len(X):
            raise UserError("filters need a picture, got none")
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


def _bank(maps: list[Maps], stage: Stage, way: str, draw: np.random.RandomState) -> tuple[Maps, Maps]:
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
