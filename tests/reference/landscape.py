"""Filter normalisation as Li et al. (2018) write it, number by number."""

import numpy as np
from numpy.typing import NDArray


def filter_normalised(drawn: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each filter d_i of a direction times |w_i| / |d_i|, with Frobenius' norm; a vector, such as a bias, becomes 0."""
    out = np.zeros_like(drawn)
    if weight.ndim < 2:
        return out
    for i in range(len(weight)):
        own = sum(float(w) ** 2 for w in weight[i].ravel()) ** 0.5
        length = sum(float(d) ** 2 for d in drawn[i].ravel()) ** 0.5
        for place in np.ndindex(weight[i].shape):
            out[i][place] = drawn[i][place] * own / length
    return out
