"""Predictive sparse decomposition: a sparse code and an encoder that foretells it (Kavukcuoglu et al. 2008).

For a patch y the code z is least in ‖y - W z‖² + λ‖z‖₁ + ‖z - g tanh(K y)‖²; then the dictionary W, with columns of
length 1, and the encoder K, g take a step down the same energy.

What DLID of the verb adapt learns differs: errors are halved there, so that its λ of the same figure is twice this
one, the encoder has an offset, and steps shrink with the epochs instead of following the curvature of each batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPARSITY = 0.5  # λ
BATCH, ROUNDS = 256, 300
RATE = 0.5  # of the longest step down that squared errors of this input allow without rising
STEPS = 30  # of a code's descent


@dataclass(frozen=True)
class Decomposition:
    """What was learned: (codes, pixels), (codes,), (pixels, codes), and the mean energy of each round."""

    encoder: Floats
    gains: Floats
    dictionary: Floats
    energies: tuple[float, ...]


def predictive_sparse_decomposition(
    patches: Floats, codes: int, draw: np.random.RandomState, rounds: int = ROUNDS
) -> Decomposition:
    """Learned from patches (n, pixels), a batch a round."""
    width = patches.shape[1]
    dictionary = draw.standard_normal((width, codes))
    dictionary /= np.linalg.norm(dictionary, axis=0)
    encoder, gains, energies = dictionary.T.copy(), np.ones(codes), []
    for _ in range(rounds):
        batch = patches[draw.randint(len(patches), size=BATCH)]
        answer = np.tanh(batch @ encoder.T)
        code = sparse_codes(batch, dictionary, answer * gains)
        missing, astray = code @ dictionary.T - batch, answer * gains - code
        energies.append(float((missing**2).sum(1).mean() + (astray**2).sum(1).mean() + SPARSITY * _l1(code)))
        dictionary = dictionary - RATE * missing.T @ code / _steepness(code)
        dictionary /= np.maximum(np.linalg.norm(dictionary, axis=0), 1e-12)
        slope = astray * gains * (1 - answer**2)
        encoder = encoder - RATE * slope.T @ batch / _steepness(batch)
        gains = gains - RATE * (astray * answer).mean(axis=0)
    return Decomposition(encoder, gains, dictionary, tuple(energies))


def _steepness(rows: Floats) -> float:
    """The largest second derivative of Σ(w·x - t)²/2 over the rows x."""
    products = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    return max(float(np.linalg.eigvalsh(products)[-1]), 1.0)


def _l1(code: Floats) -> float:
    return float(np.abs(code).sum(1).mean())


def sparse_codes(batch: Floats, dictionary: Floats, foretold: Floats, steps: int = STEPS) -> Floats:
    """Codes (n, codes) of least energy, from the foretold ones on (FISTA, Beck and Teboulle 2009)."""
    curve = 2 * (np.linalg.norm(dictionary, 2) ** 2 + 1)  # no second derivative is larger
    code = ahead = foretold
    pace = 1.0
    for _ in range(steps):
        slope = 2 * ((ahead @ dictionary.T - batch) @ dictionary + ahead - foretold)
        down = ahead - slope / curve
        next_code = np.sign(down) * np.maximum(np.abs(down) - SPARSITY / curve, 0)
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = next_code + (pace - 1) / next_pace * (next_code - code)
        code, pace = next_code, next_pace
    return np.asarray(code)
