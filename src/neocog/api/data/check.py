"""The verb `data check`: what is wrong or odd in a data set, as a table, JSON, a page and a quarantine list."""

from __future__ import annotations

import html
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.data.checks.check import Checked, check
from neocog.data.checks.facts import Scan
from neocog.data.checks.finding import Finding
from neocog.data.checks.kinds import KINDS, SEVERITIES
from neocog.data.checks.scan import scan
from neocog.data.dataset import Dataset
from neocog.data.quarantine import LIST, Entry, write_list
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.progress import Progress, Silent

PROPOSED = ("damaged", "cut", "two-labels", "leak")
PAGE, FIGURES = "check.html", "check.json"


@dataclass(frozen=True, eq=False)
class DataCheck:
    """What was found in a data set."""

    dataset: Dataset
    scan: Scan
    checked: Checked

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.checked.findings

    @property
    def quarantine(self) -> tuple[Entry, ...]:
        """The pictures from which nothing can be learned."""
        rows = (f for f in self.findings if f.severity == "error")
        return tuple(self._entry(f.pictures[0], f"{f.kind}: {f.words}") for f in rows)

    def ok(self, strict: bool = False) -> bool:
        """Whether there is no error; with `strict`, no warning either."""
        return not any(f.severity == "error" or (strict and f.severity == "warning") for f in self.findings)

    @property
    def table(self) -> Table:
        """A row for each kind of finding."""
        rows = []
        for kind, findings in self.by_kind().items():
            pictures = {i for f in findings for i in f.pictures}
            first = findings[0]
            example = self.dataset.short_name(first.pictures[0]) if first.pictures else ""
            rows.append((first.severity, kind, len(findings), len(pictures), first.words, example))
        return Table(
            ("severity", "kind", "findings", "pictures", "the first one", "its picture"), tuple(rows)
        )

    def __str__(self) -> str:
        counts = Counter(f.severity for f in self.findings)
        said = ", ".join(f"{counts[s]:,} {s}{'' if counts[s] == 1 else 's'}" for s in SEVERITIES if counts[s])
        n, classes = len(self.dataset), len(self.dataset.classes)
        gone = f" and {len(self.dataset.quarantined):,} in quarantine" if self.dataset.quarantined else ""
        lines = [f"{self.dataset.name}: {n:,} pictures{gone}, {classes:,} classes; {said or 'nothing found'}"]
        lines += [str(self.table)] if self.findings else []
        return "\n".join([*lines, *self.leakage_lines()])

    def leakage_lines(self) -> list[str]:
        return [
            f"Leakage: {row.same:,} of the {row.of:,} pictures of {row.part} are in the training part, too, and "
            f"{row.near:,} nearly ({100 * row.share:.2f} %)"
            for row in self.checked.leakage
        ]

    def to_json(self) -> dict[str, Any]:
        """`findings` and, by kind, their counts; pictures by their paths below the data's root."""
        name = self.dataset.short_name
        return {
            "data": self.dataset.name,
            "pictures": len(self.dataset),
            "classes": list(self.dataset.classes),
            "quarantined": [gone.to_json() for gone in self.dataset.quarantined],
            "notes": list(self.dataset.notes),
            "kinds": {
                kind: {
                    "severity": KINDS[kind].severity,
                    "findings": len(found),
                    "pictures": len({i for f in found for i in f.pictures}),
                }
                for kind, found in self.by_kind().items()
            },
            "findings": [
                {
                    "kind": f.kind,
                    "severity": f.severity,
                    "words": f.words,
                    "pictures": [name(i) for i in f.pictures],
                }
                for f in self.findings
            ],
            "leakage": {
                row.part: {"same": row.same, "near": row.near, "of": row.of, "share": row.share}
                for row in self.checked.leakage
            },
            "quarantine": [{"path": e.path, "sha256": e.sha256, "reason": e.reason} for e in self.quarantine],
        }

    def quarantine_text(self) -> str:
        """The list that `train --quarantine` reads."""
        comment = (
            f"Pictures of {self.dataset.name} that nothing can be learned from; `neocog train DATA --quarantine FILE` "
            "leaves them out.\nAdd lines or take some away: a path below the data's root is enough, sha256 and reason "
            "may be left out. Lines behind # count only once the # is gone."
        )
        return write_list(self.quarantine, comment, self._proposed())

    def _proposed(self) -> Iterator[Entry]:
        """Pictures that a person may want to leave out: damaged, with two labels, or trained on and judged by."""
        parts = self.dataset.parts
        for finding in self.findings:
            for i in finding.pictures if finding.kind in PROPOSED else ():
                if finding.kind != "leak" or parts[i] == "train":
                    yield self._entry(i, f"{finding.kind}: {finding.words}")

    def to_html(self) -> str:
        """A page of its own: the findings by kind, with thumbnails."""
        from neocog.api.data.check_page import check_page

        return check_page(self)

    def _repr_html_(self) -> str:
        page = html.escape(self.to_html())
        return f'<iframe srcdoc="{page}" width="100%" height="800" style="border: 0"></iframe>'

    def save(self, output: str | Path) -> tuple[Path, ...]:
        """Write the page to `output`.html, or page, figures and quarantine list into the folder `output`.

        Raises `UserError` where that would lie among the pictures.
        """
        place = Path(os.path.expanduser(output))  # noqa: PTH111  # unlike Path's it never raises
        root = None if self.dataset.listed else self.dataset.root
        if root is not None and place.resolve().is_relative_to(root.resolve()):
            raise UserError(f"nothing is written among the pictures of {root}; give --output elsewhere")
        if place.suffix.lower() in (".html", ".htm"):
            files.make_folder(place.parent)
            files.write_text(place, self.to_html())
            return (place,)
        files.make_folder(place)
        contents = {PAGE: self.to_html(), FIGURES: _json_text(self.to_json()), LIST: self.quarantine_text()}
        for name, text in contents.items():
            files.write_text(place / name, text)
        return tuple(place / name for name in contents)

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings of each kind, the gravest kind first."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.kind, []).append(finding)
        return found

    def _entry(self, index: int, reason: str) -> Entry:
        content = self.scan.facts["content"][index]
        return Entry(self.dataset.short_name(index), content.tobytes().hex() if content.any() else "", reason)


def check_data(
    data: object,
    *,
    vectors: NDArray[np.floating] | str | Path | None = None,
    threshold: float = 0.98,
    progress: Progress | None = None,
    **reading: Unpack[ReadingOptions],
) -> DataCheck:
    """Look at every picture of `data` and say what is wrong or odd; nothing is changed.

    `vectors` (n, d), one for each picture in order, or the .npy file of such an array, let pictures be found that are
    `alike`: their cosine is at least `threshold`. Raises `UserError` in words.
    """
    given = vectors if vectors is None or isinstance(vectors, np.ndarray) else read_vectors(Path(vectors))
    dataset = open_dataset(data, make_reading(**reading))
    scanned = scan(dataset.samples, progress)
    with (progress or Silent()).step("comparing", 1):
        return DataCheck(dataset, scanned, check(dataset, scanned, given, threshold))


def read_vectors(path: Path) -> NDArray[np.floating]:
    """The array of a .npy file, left on disk until it is used."""
    try:
        found = np.load(path.expanduser(), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"vectors must be an array in a .npy file, got {path} ({error})") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise UserError(f"vectors must be floating-point numbers in a .npy file, got {path}")
    return found


def _json_text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
