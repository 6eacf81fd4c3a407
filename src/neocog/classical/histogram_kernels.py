"""A kernel for histograms that scikit-learn lacks; chi-squared is its `chi2_kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def histogram_intersection(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """(n, d), (m, d) -> (n, m) sums of the smaller of both (Swain and Ballard 1991); for `SVC(kernel=...)`.

    On rows of `BagOfWords` with several levels it is the pyramid match kernel.
    """
    return (
        np.stack([np.minimum(row, y).sum(axis=1) for row in x]) if len(x) else np.zeros((0, len(y)), x.dtype)
    )
