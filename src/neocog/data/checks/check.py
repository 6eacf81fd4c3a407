"""Everything that is found in a data set, from one pass over its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.classes import class_findings
from neocog.data.checks.copies import find_copies
from neocog.data.checks.facts import Scan
from neocog.data.checks.finding import Finding
from neocog.data.checks.kinds import KINDS
from neocog.data.checks.labels import Leakage, copy_findings, disputed_findings, label_findings, leak_findings
from neocog.data.checks.pictures import picture_findings, trouble_findings
from neocog.data.checks.similar import alike_groups
from neocog.data.dataset import Dataset
from neocog.data.sources.folders import ignored_files

ORDER = {kind: i for i, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Checked:
    """Findings, the gravest kind first, and how much of what judges was trained on."""

    findings: tuple[Finding, ...]
    leakage: tuple[Leakage, ...]


def check(
    dataset: Dataset, scan: Scan, vectors: NDArray[np.floating] | None = None, threshold: float = 0.98
) -> Checked:
    """`vectors` (n, d), a picture each: pairs whose cosine is at least `threshold` are alike."""
    facts = scan.facts
    copies = find_copies(dataset.samples, facts)
    alike = () if vectors is None else alike_groups(vectors, facts["readable"], threshold, copies)
    leaks, leakage = leak_findings(dataset, copies, alike)
    found: Sequence[Finding] = [
        *trouble_findings(scan.troubles),
        *label_findings(dataset, copies, alike),
        *disputed_findings(dataset),
        *leaks,
        *copy_findings(copies, alike),
        *picture_findings(facts),
        *class_findings(dataset, facts),
        *_ignored(dataset),
    ]
    return Checked(tuple(sorted(found, key=lambda finding: ORDER[finding.kind])), tuple(leakage))


def _ignored(dataset: Dataset) -> Iterator[Finding]:
    """Files in a folder of pictures that are no pictures by their names."""
    if dataset.root is None or dataset.listed or not dataset.root.is_dir():
        return
    for suffix, n in ignored_files(dataset.root).items():
        yield Finding("ignored", (), f"{n:,} file{'' if n == 1 else 's'} with {suffix}")
