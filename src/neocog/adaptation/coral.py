"""Correlation alignment: the source's features are given the target's covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.adaptation.domains import Domains, Doubles
from neocog.adaptation.mapped import Mapped, learned_behind
from neocog.adaptation.subspaces import spectrum
from neocog.inference.network import Floats
from neocog.probing.kinds import Kind


def fit_coral(domains: Domains, kind: Kind, seed: int) -> Mapped:
    """Sun, Feng, Saenko, "Return of frustratingly easy domain adaptation" (AAAI 2016), algorithm 1.

    Each domain is standardised by itself (their section 3.1: after that both means are 0); the source is whitened and
    recoloured with covariances to which the identity is added; the classifier learns from the aligned source, and from
    the target's labelled rows where there are any.
    """
    standards = domains.standards()
    one, other = map(Covariance.of, domains.standardised())

    def of_source(x: Floats) -> Floats:
        return other.times(one.times(standards[0](x).astype(np.float64), -0.5), 0.5).astype(np.float32)

    def of_target(x: Floats) -> Floats:
        return standards[1](x)

    return learned_behind(of_source, of_target, domains, kind, seed)


@dataclass(frozen=True)
class Covariance:
    """cov + ridge I of some rows, by its eigenvectors: as many as there are rows, where features are more."""

    directions: Doubles
    """(d, r), orthonormal"""
    variances: Doubles
    """(r,); beside these directions there is no variance"""
    ridge: float

    @classmethod
    def of(cls, rows: Doubles, ridge: float = 1.0) -> Covariance:
        """The unbiased covariance (divided by n - 1) of `rows` (n, d)."""
        return cls(*spectrum(rows), ridge)

    def times(self, x: Doubles, power: float) -> Doubles:
        """x (cov + ridge I)^power: (n, d) -> (n, d); no matrix of d times d is made."""
        beside = self.ridge**power
        within = (self.variances + self.ridge) ** power - beside
        return np.asarray(beside * x + ((x @ self.directions) * within) @ self.directions.T)
