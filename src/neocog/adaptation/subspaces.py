"""Principal subspaces of a domain, and the dimension at which those of two domains fit together."""

from __future__ import annotations

import numpy as np

from neocog.adaptation.domains import Doubles
from neocog.errors import UserError

MOST = 100
"""dimensions that are tried"""
ORTHOGONAL = 0.99
"""what counts as 1 for the measure of disagreement, which in measured data comes near it, not to it"""


def principal(rows: Doubles, most: int) -> Doubles:
    """The first directions of greatest variance as columns, (d, k): k is `most`, or the rank where that is less."""
    return spectrum(rows, most)[0]


def spectrum(rows: Doubles, most: int | None = None) -> tuple[Doubles, Doubles]:
    """Directions (d, k) and variances (k,), divided by n - 1, the greatest first; all of them if `most` is not given.

    From the smaller of the two Gram matrices. Directions with a 1e10th of the greatest variance or less are left out.
    """
    from scipy.linalg import eigh

    centred = rows - rows.mean(axis=0)
    wide = centred.shape[1] > len(centred)
    gram = centred @ centred.T if wide else centred.T @ centred
    size = len(gram)
    values, vectors = eigh(gram, subset_by_index=(max(0, size - (most or size)), size - 1))
    kept = values > 1e-10 * max(float(values[-1]), 1e-300)
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    directions = np.linalg.qr(centred.T @ vectors)[0] if wide else vectors
    return directions, values / (len(rows) - 1)


def highest_dimension(source: Doubles, target: Doubles) -> int:
    """Up to which dimension subspaces of both domains are compared: half of the features, and fewer than the rows.

    A geodesic between two subspaces needs room beside the first (Gong and others 2012, section 3.2: d < D / 2).
    UserError where that leaves none, and where the rows of a domain are all the same.
    """
    if not (np.ptp(source, axis=0).any() and np.ptp(target, axis=0).any()):
        raise UserError(
            "subspaces need features that differ within each domain, got a domain whose pictures all have the same; "
            "look at the weights and the layer"
        )
    features: int = source.shape[1]
    most = min(features // 2, len(source) - 1, len(target) - 1, MOST)
    if most < 1:
        raise UserError(
            f"subspaces need two features or more and two rows or more in each domain, got {features} features; "
            "take a layer with more"
        )
    return most


def disagreement(source: Doubles, target: Doubles) -> Doubles:
    """D(d) for d = 1, 2, ...: how far both principal subspaces lie from that of the union of the domains.

    Gong and others 2012, section 3.4: D(d) = (sin a_d + sin b_d) / 2 with a_d the d-th (largest) principal angle
    between the subspaces of the source and of the union, b_d that between those of the target and of the union.
    """
    most = highest_dimension(source, target)
    union = principal(np.concatenate([source, target]), most)
    products = [principal(domain, most).T @ union for domain in (source, target)]
    return np.array(
        [
            np.mean([_largest_sine(product[:d, :d]) for product in products])
            for d in range(1, min(len(product) for product in products) + 1)
        ]
    )


def dimension(source: Doubles, target: Doubles) -> int:
    """The smallest d at which D(d) is 1 (`ORTHOGONAL`), as the paper's d*; where there is none, the d with most."""
    measure = disagreement(source, target)
    reached = np.flatnonzero(measure >= ORTHOGONAL)
    return int(reached[0] if len(reached) else measure.argmax()) + 1


def _largest_sine(product: Doubles) -> float:
    """Of the principal angles, from the products of two orthonormal bases."""
    cosine = min(float(np.linalg.svd(product, compute_uv=False)[-1]), 1.0)
    return float(np.sqrt(1 - cosine * cosine))
