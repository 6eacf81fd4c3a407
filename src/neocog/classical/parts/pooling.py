"""Pose-normalised pooling: features of each part, in the same place of the vector whatever the pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from neocog.classical.parts.boxes import Parted, Picture, crop
from neocog.errors import UserError, unknown

MISSING = ("zeros", "mean")


class PartPooling(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of each part's crop, one after another, or pooled into regions (Zhang et al. 2013).

    X is a sequence of `Parted`, all with as many boxes. `feature` is any transformer of pictures; one clone of it is
    fitted on the crops of all parts together and serves them all. (n, regions * d) float32 come out.

    regions: (regions, parts) weights >= 0 with which parts are summed into regions, as the weak variant of the paper
        does with parts of several poses; None keeps each part by itself
    missing: what stands for a part without pixels: `zeros`, or the training `mean` of that part. In regions a missing
        part is left out and the others' weights are raised to the same sum; where all are missing, `missing` stands.
    times: how many times as large as its box a crop is
    """

    def __init__(self, feature: Any, regions: Any = None, missing: str = "zeros", times: float = 1.0) -> None:
        self.feature = feature
        self.regions = regions
        self.missing = missing
        self.times = times

    def fit(self, X: Sequence[Parted], y: object = None) -> PartPooling:
        if self.missing not in MISSING:
            raise unknown("value of missing", self.missing, MISSING)
        self.parts_ = _parts(X)
        self.weights_ = self._weights()
        crops = [c for x in X for c in self._crops(x) if c is not None]
        if not crops:
            raise UserError("parts need a box with pixels to learn from, got none in any picture")
        self.feature_ = clone(self.feature).fit(crops)
        self.absent_ = np.zeros((len(self.weights_), np.shape(self.feature_.transform(crops[:1]))[1]))
        if self.missing == "mean":
            pooled, present = self._pooled(X)
            for region in range(len(self.weights_)):
                if present[:, region].any():
                    self.absent_[region] = pooled[present[:, region], region].mean(axis=0, dtype=np.float64)
        return self

    def transform(self, X: Sequence[Parted]) -> NDArray[np.float32]:
        check_is_fitted(self)
        pooled, present = self._pooled(X)
        pooled[~present] = np.broadcast_to(self.absent_, pooled.shape)[~present]
        return pooled.reshape(len(X), -1)

    def _crops(self, x: Parted) -> list[Picture | None]:
        return [crop(x.picture, box, self.times) for box in x.boxes]

    def _weights(self) -> NDArray[np.float64]:
        weights = np.eye(self.parts_) if self.regions is None else np.asarray(self.regions, np.float64)
        if weights.ndim != 2 or weights.shape[1] != self.parts_ or (weights < 0).any():
            raise UserError(
                f"regions must be weights (regions, {self.parts_}) of 0 or more, got shape {weights.shape}"
            )
        return weights

    def _pooled(self, X: Sequence[Parted]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(n, regions, d), and (n, regions) whether any part of a region is there; 0 where none is.

        A picture's parts are summed before the next is looked at: no second array of all pictures is held.
        """
        pooled = np.zeros((len(X), *self.absent_.shape), np.float32)
        present = np.zeros(pooled.shape[:2], bool)
        for i, x in enumerate(X):
            if len(x.boxes) != self.parts_:
                raise UserError(f"each picture must have {self.parts_} boxes, picture {i} has {len(x.boxes)}")
            crops = self._crops(x)
            there = [part for part, c in enumerate(crops) if c is not None]
            if there:
                weights = self.weights_[:, there]
                left = weights.sum(axis=1)  # regions: the weight of what is there
                scale = self.weights_.sum(axis=1) / np.where(left > 0, left, 1)
                features = self.feature_.transform([crops[part] for part in there])
                pooled[i], present[i] = weights @ features * scale[:, None], left > 0
        return pooled, present


def _parts(X: Sequence[Parted]) -> int:
    if not len(X):
        raise UserError("parts need a picture to learn from, got none")
    shape = np.shape(X[0].boxes)
    if len(shape) != 2 or shape[1] != 4:
        raise UserError(f"boxes must be (parts, 4), x, y, width and height, got shape {shape}")
    return int(shape[0])
