"""An interpolating path of features: learned from data sets that turn step by step from the source into the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.adaptation.domains import Domains, Doubles
from neocog.adaptation.mapped import Mapped, learned_behind
from neocog.adaptation.sparse_coding import Encoder, learn
from neocog.adaptation.subspaces import principal
from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.kinds import Kind
from neocog.probing.scale import learned_scale

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""of target pictures in the data sets along the path"""
DIMENSIONS = 64
CODES = 128
ROWS = 1000
"""at most in a data set of the path"""
EPOCHS = 8


def fit_dlid(domains: Domains, kind: Kind, seed: int) -> Mapped:
    """Chopra, Balakrishnan, Gopalan, "DLID: deep learning for domain adaptation by interpolating between domains"
    (ICML workshop on representation learning, 2013), section 3, on features in place of pictures.

    What theirs is and what this is: a path of data sets from the source to the target, the share of target pictures
    growing (their 3.1); at each an unsupervised extractor by predictive sparse decomposition (their 3.2); a picture is
    described by the outputs of all of them, one behind the other, and a classifier is learned on that from the source's
    labels and those that the target has. Theirs stacks convolutional layers of it on pixels and trains the classifier
    through them; here an extractor is one encoder of 128 codes on the first 64 principal components of the features of
    both domains, standardised over both, and stays as it was learned.
    UserError where all pictures of both have the same features.
    """
    together = np.concatenate([domains.source, domains.target])
    standard = learned_scale("standard", together)
    axes = principal(standard(together).astype(np.float64), DIMENSIONS)
    if not axes.shape[1]:
        raise UserError(
            "a path needs features that differ, got the same for all pictures; look at the weights and the layer"
        )
    spread = np.sqrt(np.square(standard(together) @ axes).mean())

    def inputs(x: Floats) -> Doubles:
        return np.asarray(standard(x) @ axes / spread)

    path = encoders(inputs(domains.source), inputs(domains.target), seed)

    def through(x: Floats) -> Floats:
        rows = inputs(x)
        return np.hstack([encode(rows) for encode in path]).astype(np.float32)

    return learned_behind(through, through, domains, kind, seed)


def encoders(source: Doubles, target: Doubles, seed: int) -> list[Encoder]:
    """One for each share of the path, each with its own draw of rows."""
    return [
        learn(mixed(source, target, share, [seed, i]), CODES, EPOCHS, seed)[0]
        for i, share in enumerate(SHARES)
    ]


def mixed(source: Doubles, target: Doubles, share: float, seed: list[int]) -> Doubles:
    """A data set with that share of the target: as many rows as the smaller domain has, `ROWS` at most, none twice."""
    rng = np.random.default_rng(seed)
    size = min(len(source), len(target), ROWS)
    many = round(share * size)
    return np.concatenate([_drawn(source, size - many, rng), _drawn(target, many, rng)])


def _drawn(rows: Doubles, many: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rows[rng.permutation(len(rows))[:many]]
