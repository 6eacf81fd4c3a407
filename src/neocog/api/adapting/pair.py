"""Two domains with the same classes: matched by name, without pictures that lie in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.features import Embedded, Origin
from neocog.data.dataset import UNLABELLED
from neocog.data.samples import Samples, Subset
from neocog.draw.text import count
from neocog.errors import UserError
from neocog.inference.network import Floats

Labels = NDArray[np.int64]
NAMED = 5  # classes in a sentence


@dataclass(frozen=True, eq=False)
class Domain:
    """Features of a domain's pictures."""

    name: str
    features: dict[str, Floats]
    """layer -> (n, d)"""
    labels: Labels
    """places in the pair's classes; -1 where it is not known"""
    hashes: NDArray[np.uint8]
    """(n, 32)"""
    groups: NDArray[np.str_]
    """(n,): pictures of one object or person share theirs; one whose group is empty stands alone"""
    samples: Samples
    """the pictures themselves"""

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: NDArray[np.bool_]) -> Domain:
        return Domain(
            self.name,
            {layer: x[rows] for layer, x in self.features.items()},
            self.labels[rows],
            self.hashes[rows],
            self.groups[rows],
            Subset(self.samples, np.flatnonzero(rows)),
        )

    def per_class(self, classes: int) -> Labels:
        """How many different pictures each class has."""
        _, first = np.unique(self.hashes, axis=0, return_index=True)
        known = self.labels[first]
        return np.bincount(known[known >= 0], minlength=classes)


@dataclass(frozen=True, eq=False)
class Pair:
    source: Domain
    target: Domain
    classes: tuple[str, ...]
    origin: Origin
    only: tuple[tuple[str, ...], tuple[str, ...]]
    """classes that only the source has, and only the target"""
    notes: tuple[str, ...]


def paired(source: Embedded, target: Embedded) -> Pair:
    """The pictures of the classes that both have; unlabelled ones of the target stay, since they may be seen.

    UserError where the features are not of one network, layer and preprocessing, and where fewer than two classes have
    the same name in both.
    """
    source.origin.demand_like(target.origin, f"the target {target.dataset.name}")
    if target.dataset.targets is not None or source.dataset.targets is not None:
        raise UserError("adapt is for one class for each picture, got several for some; give other data")
    classes = _common(source, target)
    one, other = _domain(source, classes), _domain(target, classes)
    one = one.select(one.labels >= 0)
    foreign = (other.labels < 0) & (target.dataset.labels != UNLABELLED)
    other = other.select(~foreign)
    _demand_every_class(one, classes, "none has a label")
    shared = np.isin(_keys(one), _keys(other))
    notes = []
    if shared.any():
        one = one.select(~shared)
        _demand_every_class(one, classes, "they also lie in the target")
        notes.append(
            f"{count(int(shared.sum()), 'picture')} of the source left out: the same lie in the target."
        )
    only = tuple(
        tuple(name for name in each.dataset.classes if name not in classes) for each in (source, target)
    )
    for name, names in zip(("source", "target"), only, strict=True):
        if names:
            notes.append(f"Left out of the {name}: {listed(names)}, which the other domain lacks.")
    return Pair(one, other, classes, source.origin, (only[0], only[1]), tuple(notes))


def _demand_every_class(source: Domain, classes: tuple[str, ...], why: str) -> None:
    """UserError where a class has no picture of the source to learn from."""
    empty = [name for i, name in enumerate(classes) if not (source.labels == i).any()]
    if empty:
        raise UserError(
            f"each class needs pictures of the source, got none of {listed(empty)} ({why}); give other pictures"
        )


def with_column(pair: Pair, layer: str, source: Embedded, target: Embedded) -> Pair:
    """The pair with further features of the same pictures; those that have none are left out, which is noted.

    UserError where a class of the source loses all of its pictures so.
    """
    notes, domains = list(pair.notes), []
    for domain, found in ((pair.source, source), (pair.target, target)):
        rows = {content.tobytes(): i for i, content in enumerate(found.hashes)}
        kept = np.array([content.tobytes() in rows for content in domain.hashes])
        if not kept.all():
            notes.append(
                f"{layer} makes nothing of {count(int((~kept).sum()), 'picture')} of {domain.name}: left out."
            )
        kept_domain = domain.select(kept)
        order = [rows[content.tobytes()] for content in kept_domain.hashes]
        features = np.hstack(list(found.features.values()))
        domains.append(replace(kept_domain, features=kept_domain.features | {layer: features[order]}))
    _demand_every_class(domains[0], pair.classes, f"{layer} makes nothing of them")
    return replace(pair, source=domains[0], target=domains[1], notes=tuple(notes))


def _common(source: Embedded, target: Embedded) -> tuple[str, ...]:
    theirs = set(target.dataset.classes)
    common = tuple(name for name in source.dataset.classes if name in theirs)
    if len(common) < 2:
        found = f"only {common[0]}" if common else "none"
        raise UserError(
            f"the domains must share two classes or more by name, got {found}: the source has "
            f"{listed(source.dataset.classes)}, the target {listed(target.dataset.classes)}; name them alike"
        )
    return common


def _domain(embedded: Embedded, classes: tuple[str, ...]) -> Domain:
    place = {name: i for i, name in enumerate(classes)}
    index = np.array([place.get(name, UNLABELLED) for name in embedded.dataset.classes], np.int64)
    labels = embedded.dataset.labels
    places = np.where(labels == UNLABELLED, UNLABELLED, index[np.maximum(labels, 0)])
    groups = embedded.dataset.columns.get("group", np.full(len(labels), ""))
    return Domain(
        embedded.dataset.name,
        embedded.features,
        places,
        embedded.hashes,
        np.asarray(groups).astype(str),
        embedded.dataset.samples,
    )


def _keys(domain: Domain) -> NDArray[np.void]:
    return np.ascontiguousarray(domain.hashes).view(np.dtype((np.void, 32)))[:, 0]


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
