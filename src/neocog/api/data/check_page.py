"""A data check as a page: the first findings of each kind with thumbnails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from neocog.api.thumbnails import thumbnail
from neocog.data.checks.finding import Finding
from neocog.data.checks.kinds import KINDS
from neocog.data.checks.labels import label_names
from neocog.data.dataset import Dataset
from neocog.draw.check import CheckPage, Group, Section, Thumb, render_check

if TYPE_CHECKING:
    from neocog.api.data.check import DataCheck

GROUPS = 12  # findings of a kind that are shown
PICTURES = 12  # of a finding
SINGLES = 24  # findings of one picture each
SIDE = 144  # pixels of a thumbnail's longer side


def check_page(found: DataCheck) -> str:
    """The page `check.html`."""
    dataset, seconds = found.dataset, found.scan.seconds
    facts = (
        ("Pictures", f"{len(dataset):,}"),
        ("Classes", f"{len(dataset.classes):,}"),
        ("Unreadable", f"{len(found.quarantine):,}"),
        *((("In quarantine", f"{len(dataset.quarantined):,}"),) if dataset.quarantined else ()),
        ("Looked at", f"{len(dataset) / max(seconds, 1e-9):,.0f} a second"),
    )
    page = CheckPage(
        name=dataset.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("neocog"),
        facts=facts,
        notes=dataset.notes,
        leakage=tuple(found.leakage_lines()),
        sections=_sections(dataset, found.by_kind()),
    )
    return render_check(page)


def _sections(dataset: Dataset, by_kind: Mapping[str, Sequence[Finding]]) -> tuple[Section, ...]:
    sections = []
    for kind, findings in by_kind.items():
        about = KINDS[kind]
        single = all(len(finding.pictures) <= 1 for finding in findings)
        shown = findings[: SINGLES if single else GROUPS]
        sections.append(
            Section(
                kind=kind,
                severity=about.severity,
                rule=about.rule,
                why=about.why,
                action=about.action,
                n_findings=len(findings),
                n_pictures=len({i for finding in findings for i in finding.pictures}),
                groups=tuple(_group(dataset, finding) for finding in shown),
                more=len(findings) - len(shown),
            )
        )
    return tuple(sections)


def _group(dataset: Dataset, finding: Finding) -> Group:
    shown = finding.pictures[:PICTURES]
    thumbs = tuple(_thumb(dataset, i, finding.severity != "error") for i in shown)
    return Group(words=finding.words, pictures=thumbs, more=len(finding.pictures) - len(shown))


def _thumb(dataset: Dataset, index: int, readable: bool) -> Thumb:
    labels = label_names(dataset, np.array([index]))
    return Thumb(
        path=dataset.short_name(index),
        label=labels[0] if labels else "",
        part=str(dataset.parts[index]),
        pixels=thumbnail(dataset.samples, index, SIDE) if readable else None,
    )
