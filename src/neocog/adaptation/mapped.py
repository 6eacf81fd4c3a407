"""A classifier behind the maps by which a method brings two domains together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.adaptation.domains import Domains, Doubles
from neocog.inference.network import Floats
from neocog.probing.choose import Chosen, fit_best
from neocog.probing.kinds import Kind
from neocog.probing.scale import Scale

Map = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Mapped:
    """Scores raw features of the target: `of_target` maps them, `chosen` has learned where they lie then."""

    of_source: Map
    """(n, d) -> (n, k), where a picture of the source lies"""
    of_target: Map
    """(n, d) -> (n, k), where a picture of the target lies"""
    chosen: Chosen

    def scores(self, features: Floats) -> Floats:
        return self.chosen.fitted.scores(self.of_target(features))

    def predict(self, features: Floats) -> NDArray[np.int64]:
        return self.chosen.fitted.predict(self.of_target(features))


def learned_behind(of_source: Map, of_target: Map, domains: Domains, kind: Kind, seed: int) -> Mapped:
    """The classifier learned from the source's labels and from those that the target has, behind both maps.

    The maps' units are kept: a method has brought them to where distances mean something.
    """
    rows, labels = domains.pooled(of_source(domains.source), of_target(domains.known))
    return Mapped(of_source, of_target, fit_best(kind, rows, labels, domains.classes, seed, scale="none"))


def times(standard: Scale, matrix: Doubles) -> Map:
    """x -> standardised x times `matrix` (d, k)."""

    def through(x: Floats) -> Floats:
        return np.asarray(standard(x) @ matrix, np.float32)

    return through
