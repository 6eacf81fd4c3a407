"""Features tripled: what both domains share, what only the source has, what only the target has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neocog.adaptation.domains import Domains, Doubles
from neocog.adaptation.mapped import Map, Mapped, learned_behind
from neocog.inference.network import Floats
from neocog.probing.fitted import Fitted
from neocog.probing.kinds import Kind
from neocog.probing.scale import Scale, Scaled, learned_scale

RANK = 1e-10  # share of the largest eigenvalue below which a direction is rounding


def fit_daume(domains: Domains, kind: Kind, seed: int) -> Mapped:
    """Daumé III, "Frustratingly easy domain adaptation" (ACL 2007), section 3.1: any classifier, `augmented` features.

    Features are standardised over the labelled rows of both domains. The classifiers of `probe` see only products and
    distances of rows, so where 3 d features are more than there are rows, `Span` gives them the same problem in as many
    numbers as there are rows, `stretched` so that a strength means the same. Dropout acts on single features, so its
    classifiers get all 3 d.
    UserError where the target has no labels.
    """
    domains.need_labels("Daumé's augmentation")
    standard = learned_scale("standard", np.concatenate([domains.source, domains.known]))
    plain = 3 * domains.source.shape[1] <= len(domains.source) + len(domains.known)
    if plain or kind.name.endswith("-dropout"):
        of_source, of_target = _tripled(standard, False), _tripled(standard, True)
    else:
        span = Span(*(standard(x).astype(np.float64) for x in (domains.source, domains.known)))
        kind = stretched(kind, 3 * domains.source.shape[1] / span.axes.shape[1])
        of_source, of_target = _within(span, standard, False), _within(span, standard, True)
    return learned_behind(of_source, of_target, domains, kind, seed)


def stretched(kind: Kind, ratio: float) -> Kind:
    """The kind on rows whose mean square is `ratio` instead of 1: as if they had so many times their columns."""

    def path(x: Floats, *rest: Any) -> list[Fitted]:
        columns = x.shape[1]
        scale = Scale(np.zeros(columns, np.float32), np.full(columns, ratio**-0.5, np.float32))
        return [Scaled(scale, behind) for behind in kind.path(scale(x), *rest)]

    return replace(kind, path=path)


def augmented(x: Floats, target: bool) -> Floats:
    """(x, x, 0) of a row of the source, (x, 0, x) of one of the target: (n, d) -> (n, 3 d)."""
    nothing = np.zeros_like(x)
    return np.hstack([x, nothing, x] if target else [x, x, nothing])


@dataclass(frozen=True)
class Span:
    """Coordinates of `augmented` rows in the space that the training rows span, from the kernel alone.

    The product of two augmented rows is 2 <x, x'> within a domain and <x, x'> across (section 3.2 of the paper). With
    K = U diag(l) U' of the training rows, a row with products k to them has the coordinates k U / sqrt(l): their
    products and distances are those of the augmented rows, and what lies outside the span meets no training row.
    """

    source: Doubles
    target: Doubles
    axes: Doubles = field(init=False)

    def __post_init__(self) -> None:
        kernel = np.vstack([self.products(self.source, False), self.products(self.target, True)])
        values, vectors = np.linalg.eigh(kernel)
        kept = values > RANK * values[-1]
        object.__setattr__(self, "axes", vectors[:, kept] / np.sqrt(values[kept]))

    def products(self, x: Doubles, target: bool) -> Doubles:
        """The augmented products of rows of one domain with all training rows: (n, training rows)."""
        within, across = (self.target, self.source) if target else (self.source, self.target)
        both = [2 * (x @ within.T), x @ across.T]
        return np.hstack(both[::-1] if target else both)

    def coordinates(self, x: Doubles, target: bool) -> Doubles:
        """(n, d) -> (n, rank)"""
        return np.asarray(self.products(x, target) @ self.axes)


def _tripled(standard: Scale, target: bool) -> Map:
    def through(x: Floats) -> Floats:
        return augmented(standard(x), target)

    return through


def _within(span: Span, standard: Scale, target: bool) -> Map:
    def through(x: Floats) -> Floats:
        return span.coordinates(standard(x).astype(np.float64), target).astype(np.float32)

    return through
