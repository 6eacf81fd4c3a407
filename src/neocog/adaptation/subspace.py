"""Subspace alignment: the source's principal subspace is turned into the target's."""

from __future__ import annotations

import numpy as np

from neocog.adaptation.domains import Domains, Doubles
from neocog.adaptation.mapped import Mapped, learned_behind, times
from neocog.adaptation.subspaces import highest_dimension, principal
from neocog.probing.kinds import Kind

DIMENSIONS = (5, 10, 20, 40, 80)


def fit_subspace(domains: Domains, kind: Kind, seed: int) -> Mapped:
    """Fernando, Habrard, Sebban, Tuytelaars, "Unsupervised visual domain adaptation using subspace alignment" (2013).

    Their algorithm 1: with principal bases P_S and P_T (d columns each) a row of the source goes to x P_S P_S' P_T, one
    of the target to x P_T. Each domain is standardised by itself first (their section 4.1). d is the one of
    `DIMENSIONS` whose classifier is best in cross-validation on the rows it learns from (section 3.3; without their
    bound on d beforehand); of equals the smallest. It learns from the source's labels and from those that the target
    has.
    """
    source, target = domains.standardised()
    most = highest_dimension(source, target)
    bases = principal(source, most), principal(target, most)
    most = min(basis.shape[1] for basis in bases)
    dimensions = [d for d in DIMENSIONS if d <= most] or [most]
    tried = [_aligned(domains, kind, seed, [basis[:, :d] for basis in bases]) for d in dimensions]
    return max(tried, key=lambda mapped: mapped.chosen.figures.get(mapped.chosen.strength, 0.0))


def alignment(source: Doubles, target: Doubles) -> Doubles:
    """P_S P_S' P_T from both bases: (features, d)."""
    return np.asarray(source @ (source.T @ target))


def _aligned(domains: Domains, kind: Kind, seed: int, bases: list[Doubles]) -> Mapped:
    standards = domains.standards()
    maps = times(standards[0], alignment(*bases)), times(standards[1], bases[1])
    return learned_behind(*maps, domains, kind, seed)
