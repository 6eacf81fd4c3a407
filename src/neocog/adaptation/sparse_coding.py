"""Predictive sparse decomposition: a dictionary, sparse codes, and an encoder that guesses the codes at once.

`classical.jarrett.sparse` has the same energy otherwise: there errors are not halved, so that its lambda of 0.5 is half
of this one, the encoder has no offset, since its patches are contrasts, and steps are as long as the curvature of each
batch allows. Here rows are features with an offset of their own, and are few, so batches are small and steps shrink.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.adaptation.domains import Doubles

SPARSITY = 0.5
"""lambda, the price of a code's magnitude, for inputs of variance 1"""
AGREEMENT = 1.0
"""alpha, the price of the encoder's error"""
STEPS = 10
"""of the search for codes, which begins at the encoder's guess"""
BATCH = 50
RATE = 1.0
"""of the first epoch's gradient steps; in epoch k it is a k-th of it"""


@dataclass(frozen=True)
class Encoder:
    """x -> gain tanh(x filters + offset), (n, d) -> (n, codes)."""

    filters: Doubles
    """(d, codes)"""
    offset: Doubles
    gain: Doubles

    def __call__(self, x: Doubles) -> Doubles:
        return np.asarray(self.gain * np.tanh(x @ self.filters + self.offset))


def learn(rows: Doubles, codes: int, epochs: int, seed: int) -> tuple[Encoder, Doubles]:
    """The encoder and the dictionary (codes, d) of `rows` (n, d), whose numbers have a variance of about 1.

    Kavukcuoglu, Ranzato, LeCun, "Fast inference in sparse coding algorithms with applications to object recognition"
    (2008), section 2: the energy of a row y is |y - z B|^2 / 2 + lambda |z|_1 + alpha |z - F(y)|^2 / 2 with a
    dictionary B of unit rows and the encoder F(y) = g tanh(y W + b). In turns over batches: z by `infer`, then one
    gradient step on B, W, b and g with z held. Rows come in an order drawn by `seed`.
    """
    rng = np.random.default_rng(seed)
    dictionary = _unit(rng.normal(size=(codes, rows.shape[1])))
    encoder = Encoder(dictionary.T.copy(), np.zeros(codes), np.ones(codes))
    for epoch in range(epochs):
        order = rng.permutation(len(rows))
        for first in range(0, len(order), BATCH):
            y = rows[order[first : first + BATCH]]
            z = infer(y, dictionary, encoder(y))
            rate = RATE / (1 + epoch)
            dictionary = _unit(dictionary + rate / len(y) * z.T @ (y - z @ dictionary))
            encoder = _towards(encoder, y, z, rate)
    return encoder, dictionary


def infer(y: Doubles, dictionary: Doubles, guess: Doubles, steps: int = STEPS) -> Doubles:
    """Codes z of little energy, (n, codes), by proximal gradient steps from the encoder's guess; no step raises it."""
    length = 1 / (np.linalg.norm(dictionary, 2) ** 2 + AGREEMENT)
    z = guess
    for _ in range(steps):
        slope = (z @ dictionary - y) @ dictionary.T + AGREEMENT * (z - guess)
        moved = z - length * slope
        z = np.sign(moved) * np.maximum(np.abs(moved) - length * SPARSITY, 0)
    return z


def _towards(encoder: Encoder, y: Doubles, z: Doubles, rate: float) -> Encoder:
    """One gradient step of |z - F(y)|^2 / 2, averaged over the rows."""
    bent = np.tanh(y @ encoder.filters + encoder.offset)
    error = (encoder.gain * bent - z) / len(y)
    inner = error * encoder.gain * (1 - bent**2)
    return Encoder(
        encoder.filters - rate * y.T @ inner,
        encoder.offset - rate * inner.sum(axis=0),
        encoder.gain - rate * (error * bent).sum(axis=0),
    )


def _unit(dictionary: Doubles) -> Doubles:
    return np.asarray(dictionary / np.maximum(np.linalg.norm(dictionary, axis=1, keepdims=True), 1e-12))
