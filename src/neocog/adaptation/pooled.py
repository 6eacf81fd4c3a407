"""No adaptation: what the lecture's table compares with."""

from __future__ import annotations

from neocog.adaptation.domains import Domains
from neocog.probing.choose import fit_best
from neocog.probing.kinds import Fitted, Kind


def source_only(domains: Domains, kind: Kind, seed: int) -> Fitted:
    """S: learned from the source's labels, used in the target as it is."""
    return fit_best(kind, domains.source, domains.source_labels, domains.classes, seed).fitted


def target_only(domains: Domains, kind: Kind, seed: int) -> Fitted:
    """T: learned from the target's few labels alone. UserError where a class has none."""
    domains.need_every_class("T (target only)")
    return fit_best(kind, domains.known, domains.target_labels, domains.classes, seed).fitted


def both(domains: Domains, kind: Kind, seed: int) -> Fitted:
    """ST: learned from both domains' labels, in one heap. UserError where the target has none."""
    domains.need_labels("ST (source and target)")
    rows, labels = domains.pooled(domains.source, domains.known)
    return fit_best(kind, rows, labels, domains.classes, seed).fitted
