"""The verb `reproduce`: what the lecture prints, recomputed, ours beside it."""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog.draw.beside import Beside, Pair
from neocog.draw.table import Table
from neocog.errors import UserError, unknown
from neocog.experiments.catalogue import EXPERIMENTS, STUDIES
from neocog.experiments.claims import NUMBER, Claim, Judgement, Sheet, Verdict
from neocog.experiments.training.scale import NAMES
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.experiments.training.outcome import Outcome

PAGE = 108  # columns of a terminal
LEGEND = """Each cell: as printed, a sign, and what it comes to here.
  =  the same                             ✗  misprint: the lecture is wrong, the reason stands below
  ≈  the same after the rounding below    ≠  mismatch: ours is neither the printed nor the right value"""


@dataclass(frozen=True)
class Compared:
    """One printed table with the verdict on each of its cells."""

    sheet: Sheet
    judgements: tuple[Judgement, ...]

    @property
    def table(self) -> Beside:
        """Laid out as printed where all is numbers; else a line for each cell."""
        cells = {(j.claim.row, j.claim.column): _pair(j) for j in self.judgements}
        names = tuple(dict.fromkeys(row for row, _ in cells))
        columns = tuple(dict.fromkeys(column for _, column in cells))
        words = any(j.claim.rounding.rule == "text" for j in self.judgements)
        if words or 2 * len(cells) < len(names) * len(columns):
            return Beside(("", ""), ("printed and ours",), tuple(_listed(self.judgements)))
        return Beside(("",), columns, tuple(((n,), tuple(cells.get((n, c)) for c in columns)) for n in names))

    @property
    def remarks(self) -> list[str]:
        """What is wrong and why, then notes, then how each column counts."""
        found = [(j.claim, _complaint(j)) for j in self.judgements if j.verdict is Verdict.MISMATCH]
        lines = [f"MISMATCH {_place(claim)}: {text}" for claim, text in found]
        misprints = [j.claim for j in self.judgements if j.verdict is Verdict.MISPRINT]
        for reason, claims in _grouped(misprints, [c.erratum for c in misprints]):
            cells = ", ".join(f"{c.row} {c.printed} → {c.corrected}" for c in claims)
            lines.append(f"misprint, {claims[0].column}: {cells}. Why: {reason}.")
        noted = [j.claim for j in self.judgements if j.claim.note]
        for note, claims in _grouped(noted, [c.note for c in noted]):
            lines.append(f"note, {' and '.join(map(_place, claims))}: {note}.")
        every = [j.claim for j in self.judgements]
        for convention, claims in _grouped(every, [_counting(c) for c in every]):
            lines.append(f"{_covering(claims, every)}: {convention}.")
        return [*lines, *([self.sheet.remark] if self.sheet.remark else [])]

    def __str__(self) -> str:
        claim = self.sheet.claims[0]
        head = [self.sheet.title, "─" * len(self.sheet.title)]
        place = textwrap.wrap(f"Slides: {claim.where}. Source: {claim.source}.", PAGE)
        foot = [
            textwrap.fill(line, PAGE, initial_indent="  ", subsequent_indent="    ") for line in self.remarks
        ]
        return "\n".join([*head, *place, "", str(self.table), "", *foot, f"  {counted(self.judgements)}"])

    def to_json(self) -> dict[str, Any]:
        claim = self.sheet.claims[0]
        return {
            "name": self.sheet.name,
            "title": self.sheet.title,
            "where": claim.where,
            "source": claim.source,
            "remark": self.sheet.remark,
            "cells": [_to_json(judgement) for judgement in self.judgements],
        }

    def _repr_html_(self) -> str:
        claim = self.sheet.claims[0]
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in self.remarks)
        return (
            f"<h4>{html.escape(self.sheet.title)}</h4><p>Slides: {html.escape(claim.where)}. "
            f"Source: {html.escape(claim.source)}.</p>{self.table._repr_html_()}"
            f"<ul>{notes}</ul><p>{counted(self.judgements)}</p>"
        )


@dataclass(frozen=True)
class Reproduction:
    """All printed tables of an experiment, ours beside them."""

    name: str
    tables: tuple[Compared, ...]

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(judgement for table in self.tables for judgement in table.judgements)

    @property
    def ok(self) -> bool:
        """Whether everything is as printed but for the misprints that are known."""
        return all(judgement.verdict is not Verdict.MISMATCH for judgement in self.judgements)

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(judgement.verdict for judgement in self.judgements)
        return {verdict.value: found[verdict] for verdict in Verdict}

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "counts": {"cells": len(self.judgements), **self.counts},
            "tables": [table.to_json() for table in self.tables],
        }

    def __str__(self) -> str:
        return "\n\n\n".join([LEGEND, *map(str, self.tables), counted(self.judgements)])

    def _repr_html_(self) -> str:
        tables = "".join(table._repr_html_() for table in self.tables)
        return f"<pre>{html.escape(LEGEND)}</pre>{tables}<p><b>{counted(self.judgements)}</b></p>"


def reproduce(
    name: str = "tables",
    scale: str | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Reproduction | Outcome:
    """Recompute what the lecture prints, or try what it claims about training; `name` is one of `experiments()`.

    Experiments on training run at a `scale`: minutes (what None means), hour or full. A stopped one goes on where it
    was; with `output` a page, its plots, the figures as JSON and the finished trials are written into that folder.
    """
    if name in STUDIES:
        if scale not in (None, *NAMES):
            raise unknown("scale", str(scale), NAMES)
        from neocog.api.experiment import experiment

        return experiment(name, scale or "minutes", output, progress or Silent())
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, [*EXPERIMENTS, *STUDIES])
    if scale is not None or output is not None:
        raise UserError(f"{name} is computed at once and printed; leave out the scale and the output folder")
    return judged(name, EXPERIMENTS[name].sheets())


def judged(name: str, sheets: Iterable[Sheet]) -> Reproduction:
    """The verdict on each claim of some sheets."""
    return Reproduction(name, tuple(Compared(s, tuple(claim.judge() for claim in s.claims)) for s in sheets))


def experiments() -> Table:
    """What can be reproduced, a line each."""
    tables = tuple((name, experiment.about) for name, experiment in EXPERIMENTS.items())
    return Table(("experiment", "what it recomputes, or trains and compares"), (*tables, *STUDIES.items()))


def counted(judgements: Sequence[Judgement]) -> str:
    """How many cells, and what became of them."""
    found = Counter(judgement.verdict for judgement in judgements)
    match, misprint, mismatch = (found[verdict] for verdict in Verdict)
    return (
        f"{_plural(len(judgements), 'cell')}: {match} match, {_plural(misprint, 'misprint')}, "
        f"{_plural(mismatch, 'mismatch', 'mismatches')}"
    )


def _plural(count: int, word: str, several: str = "") -> str:
    return f"{count} {word if count == 1 else several or word + 's'}"


def _pair(judgement: Judgement) -> Pair:
    signs = {Verdict.MATCH: "=" if judgement.exact else "≈", Verdict.MISPRINT: "✗", Verdict.MISMATCH: "≠"}
    return Pair(judgement.claim.printed, signs[judgement.verdict], _shown(judgement))


def _shown(judgement: Judgement) -> str:
    """Our value in the printed unit, to a thousandth."""
    value = judgement.scaled
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    printed = judgement.claim.printed
    found = NUMBER.search(printed)
    suffix = printed[found.end() :] if found else " %"
    text = f"{float(value):,.3f}".rstrip("0").rstrip(".") + suffix
    return text if "," in printed else text.replace(",", "")


def _complaint(judgement: Judgement) -> str:
    claim = judgement.claim
    ours = f"{claim.printed} is printed, ours is {_shown(judgement)}"
    if not claim.erratum:
        return ours
    return f"{ours}; marked as a misprint of {claim.corrected}, because {claim.erratum}"


def _place(claim: Claim) -> str:
    return claim.row if claim.column == "all" else f"{claim.row} {claim.column}"


def _counting(claim: Claim) -> str:
    rule = claim.rounding.rule
    if rule in ("exact", "text"):
        return claim.convention
    if rule.startswith("more than"):
        return f"{claim.convention}; {claim.printed}: {rule}"
    how = rule.replace("half up", "rounded half up").replace("cut", "cut off")
    return f"{claim.convention}; {how}"


def _covering(claims: Sequence[Claim], every: Sequence[Claim]) -> str:
    """The names of the columns or rows that `claims` fill, whichever are fewer; else of the cells."""
    chosen = {claim.name for claim in claims}
    names = []
    for axis in ("column", "row"):
        filled = dict.fromkeys(getattr(claim, axis) for claim in claims)
        if all(claim.name in chosen for claim in every if getattr(claim, axis) in filled):
            names.append(", ".join(filled))
    return min(names or [", ".join(map(_place, claims))], key=len)


def _listed(judgements: Sequence[Judgement]) -> Iterator[tuple[tuple[str, str], tuple[Pair]]]:
    """A line for each cell; a row's name stands at its first."""
    before = ""
    for judgement in judgements:
        claim = judgement.claim
        row = "" if claim.row == before else claim.row
        yield (row, "" if claim.column == "all" else claim.column), (_pair(judgement),)
        before = claim.row


def _grouped(claims: Sequence[Claim], keys: Sequence[str]) -> list[tuple[str, list[Claim]]]:
    """Claims of which the same is said, together."""
    groups: dict[str, list[Claim]] = {}
    for claim, key in zip(claims, keys, strict=True):
        groups.setdefault(key, []).append(claim)
    return list(groups.items())


def _to_json(judgement: Judgement) -> dict[str, Any]:
    claim, scaled = judgement.claim, judgement.scaled
    return {
        "name": claim.name,
        "row": claim.row,
        "column": claim.column,
        "printed": claim.printed,
        "ours": float(scaled) if isinstance(scaled, Fraction) else scaled,
        "verdict": judgement.verdict.value,
        "corrected": claim.corrected,
        "erratum": claim.erratum,
        "note": claim.note,
        "convention": claim.convention,
        "rounding": claim.rounding.rule,
        "unit": float(claim.rounding.unit),
    }
