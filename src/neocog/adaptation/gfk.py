"""The geodesic flow kernel: products averaged over all subspaces on the way from one domain to the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.adaptation.domains import Domains, Doubles
from neocog.adaptation.mapped import Mapped, learned_behind, times
from neocog.adaptation.subspaces import dimension, principal
from neocog.probing.kinds import Kind


def fit_gfk(domains: Domains, kind: Kind, seed: int) -> Mapped:
    """Gong, Shi, Sha, Grauman, "Geodesic flow kernel for unsupervised domain adaptation" (CVPR 2012).

    Each domain is standardised by itself (their section 4.1); subspaces are principal ones of all rows of a domain
    (GFK(PCA, PCA)) with the dimension of their section 3.4. The kernel is G = L L', so the classifier reads x L: with
    `knn` it is their nearest neighbour under the kernel's distance, with `svm` their SVM. It learns from the source's
    labels and from those that the target has.
    """
    standards = domains.standards()
    source, target = domains.standardised()
    d = dimension(source, target)
    root = Flow.between(principal(source, d), principal(target, d)).root()
    return learned_behind(times(standards[0], root), times(standards[1], root), domains, kind, seed)


@dataclass(frozen=True)
class Flow:
    """The geodesic between two subspaces: `start` cos(t angle) - `away` sin(t angle), column by column, 0 <= t <= 1.

    `start` is a basis of the first subspace, P_S U_1 in the paper's equation 5; `away` is R_S U_2, orthogonal to it.
    """

    start: Doubles
    """(D, d), orthonormal columns"""
    away: Doubles
    """(D, d), orthonormal columns; zero where the subspaces share the direction"""
    angles: Doubles
    """(d,), 0 to pi / 2: the principal angles"""

    @classmethod
    def between(cls, first: Doubles, last: Doubles) -> Flow:
        """From the columns of `first` to those of `last`, both (D, d) and orthonormal.

        R_S, the D - d directions beside the first subspace, is not made: what of `last` lies beside the first subspace
        is R_S U_2 sin(angle).
        """
        turn, cosines, back = np.linalg.svd(first.T @ last)
        start = first @ turn
        beside = start * cosines - last @ back.T
        beside -= start @ (start.T @ beside)
        sines = np.linalg.norm(beside, axis=0)
        parallel = sines < 1e-12
        away = np.where(parallel, 0, beside / np.where(parallel, 1, sines))
        return cls(start, away, np.arctan2(sines, cosines))

    def at(self, t: float) -> Doubles:
        """A basis of the subspace at `t`: (D, d)."""
        return self.start * np.cos(t * self.angles) - self.away * np.sin(t * self.angles)

    def root(self) -> Doubles:
        """L (D, 2 d) with L L' = G = the integral of at(t) at(t)' over t from 0 to 1.

        Equations 6 and 7, with the half that the paper drops: in the plane of each angle G is [[a, b], [b, c]] with
        a = (1 + sin 2w / 2w) / 2, b = (cos 2w - 1) / 4w, c = (1 - sin 2w / 2w) / 2.
        """
        w = self.angles
        a, c = (1 + np.sinc(2 * w / np.pi)) / 2, (1 - np.sinc(2 * w / np.pi)) / 2
        b = -np.sin(w) * np.sinc(w / np.pi) / 2  # (cos 2w - 1) / 4w, without its 0 / 0
        first, across = np.sqrt(a), b / np.sqrt(a)  # the plane's Cholesky factor
        second = np.sqrt(np.maximum(c - across**2, 0))
        return np.hstack([self.start * first + self.away * across, self.away * second])
