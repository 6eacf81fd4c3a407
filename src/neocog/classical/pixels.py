"""Support vector machines on pixels, the lecture's comparison for LeNet-5."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

Kernel = Literal["linear", "rbf"]


def pixel_svm(kernel: Kernel) -> Pipeline:
    """An SVM on pixels (n, height, width, ...) of 0..255, one class against another (Cortes and Vapnik 1995).

    RBF with C 10 and gamma "scale" (one over the number of pixels times their variance); linear with C 1. Pixels
    are divided by 255, so that the linear machine's C has a scale.
    """
    machine = SVC(kernel="linear", C=1) if kernel == "linear" else SVC(kernel="rbf", C=10, gamma="scale")
    return make_pipeline(FunctionTransformer(flatten), machine)


def flatten(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(pixels, np.float32).reshape(len(pixels), -1) / np.float32(255)


def gallery_accuracy() -> float:
    """Test accuracy of scikit-learn's gallery example on its digits: first half trains, gamma .001. Printed: .9689."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    half = len(images) // 2
    return float(SVC(gamma=0.001).fit(images[:half], labels[:half]).score(images[half:], labels[half:]))
