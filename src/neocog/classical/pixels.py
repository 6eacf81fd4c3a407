"""Support vector machines on pixels, the lecture's comparison for LeNet-5."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from neocog.classical.pictures import Floats, Picture, grey, resized
from neocog.classical.transformer import PictureTransformer
from neocog.errors import UserError

Kernel = Literal["linear", "poly", "rbf"]
# C 10 where the kernel is not linear: on pixels of 0..1 the data are then separated, as they were in 1998
MACHINES: dict[Kernel, dict[str, Any]] = {
    "linear": {"C": 1},
    "poly": {"C": 10, "degree": 4, "gamma": "scale", "coef0": 1},
    "rbf": {"C": 10, "gamma": "scale"},
}


def pixel_svm(kernel: Kernel, deslanted: bool = False) -> Pipeline:
    """An SVM on pixels (n, height, width, ...) of 0..255, one class against another (Cortes and Vapnik 1995).

    RBF with C 10 and gamma "scale" (one over the number of pixels times their variance); poly is (gamma x·y + 1)⁴,
    the degree of LeCun et al. 1998, with the same C and gamma; linear with C 1. Pixels are divided by 255, so that the
    linear machine's C has a scale. `deslanted` straightens digits first, as for LeCun's poly-4 (1.1 % on MNIST).
    """
    machine = SVC(kernel=kernel, **MACHINES[kernel])
    steps = [Deslant()] if deslanted else []
    return make_pipeline(*steps, FunctionTransformer(flatten), machine)


def flatten(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(pixels, np.float32).reshape(len(pixels), -1) / np.float32(255)


class Pixels(PictureTransformer):
    """Pictures -> (n, side²): grey pixels of 0..1, brought to side x side; MNIST's are left as they are.

    `deslanted` straightens digits, bright on a dark ground, as `Deslant` does.
    """

    def __init__(self, side: int = 28, deslanted: bool = False):
        self.side = side
        self.deslanted = deslanted

    def describe(self, picture: Picture) -> Floats:
        pixels = grey(resized(picture, self.side, self.side))
        if self.deslanted:
            bytes_ = np.rint(pixels * 255).astype(np.uint8)
            pixels = Deslant().transform(bytes_[None])[0] / np.float32(255)
        return pixels.ravel()


class Deslant(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Digits straightened: rows are shifted until the principal axis is vertical (LeCun et al. 1998, section III.A).

    The axis is that of the second moments of the foreground, pixels of at least `threshold`, each counted as one.
    Bright ink on a dark ground, (n, height, width) uint8; what is shifted beyond the border is lost, 0 comes in.
    """

    def __init__(self, threshold: int = 128) -> None:
        self.threshold = threshold

    def fit(self, X: NDArray[np.uint8], y: object = None) -> Deslant:
        return self

    def transform(self, X: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pictures = np.asarray(X)
        if pictures.ndim != 3:
            raise UserError(
                f"deslanting needs grey pictures (n, height, width), got an array of shape {pictures.shape}"
            )
        return np.stack([_sheared(p, *slant(p >= self.threshold)) for p in pictures])

    def __sklearn_is_fitted__(self) -> bool:
        return True  # nothing is learned


def slant(foreground: NDArray[np.bool_]) -> tuple[float, float]:
    """How far the foreground leans, columns per row, and its mean row; 0 where it has no height."""
    rows, columns = np.nonzero(foreground)
    if not len(rows) or np.ptp(rows) == 0:
        return 0.0, 0.0
    down, right = rows - rows.mean(), columns - columns.mean()
    return float((down * right).sum() / (down * down).sum()), float(rows.mean())


def _sheared(picture: NDArray[np.uint8], lean: float, middle: float) -> NDArray[np.uint8]:
    """Row r read `lean * (r - middle)` columns to the right, between two pixels by their distance."""
    matrix = np.array([[1, 0], [lean, 1]])
    shifted = affine_transform(picture.astype(np.float32), matrix, (0, -lean * middle), order=1)
    return np.asarray(np.rint(shifted), np.uint8)


def gallery_accuracy() -> float:
    """Test accuracy of scikit-learn's gallery example on its digits: first half trains, gamma .001. Printed: .9689."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    half = len(images) // 2
    return float(SVC(gamma=0.001).fit(images[:half], labels[:half]).score(images[half:], labels[half:]))
