"""A printed table with the verdict on each of its cells: as text for a terminal, as HTML, as JSON."""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from neocog.draw.beside import Beside, Pair
from neocog.draw.table import Table
from neocog.experiments.claims import NUMBER, Claim, Facts, Judgement, Sheet, Verdict

PAGE = 108  # columns of a terminal
SIGNS = {Verdict.MISPRINT: "✗", Verdict.MISMATCH: "≠", Verdict.CONTESTED: "?", Verdict.UNREAD: "·"}


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
            return Beside(("", ""), (f"printed and {self.sheet.beside}",), tuple(_listed(self.judgements)))
        return Beside(("",), columns, tuple(((n,), tuple(cells.get((n, c)) for c in columns)) for n in names))

    @property
    def _read(self) -> str:
        """That nothing of it was computed, where so."""
        return "" if self.sheet.beside == "ours" else " Beside the lecture stands what was published."

    @property
    def remarks(self) -> list[str]:
        """What is wrong and why, then notes, then how each column counts."""
        found = [(j.claim, _complaint(j)) for j in self.judgements if j.verdict is Verdict.MISMATCH]
        lines = [f"MISMATCH {_place(claim)}: {text}" for claim, text in found]
        misprints = [j.claim for j in self.judgements if j.verdict is Verdict.MISPRINT]
        for reason, claims in _grouped(misprints, [c.erratum for c in misprints]):
            cells = ", ".join(f"{c.row} {c.printed} → {c.corrected}" for c in claims)
            lines.append(f"misprint, {claims[0].column}: {cells}. Why: {reason}.")
        disputed = [j for j in self.judgements if j.verdict is Verdict.CONTESTED]
        lines += [_dispute(judgement) for judgement in disputed]
        alone = [j.claim for j in self.judgements if j.verdict is Verdict.UNREAD]
        for reason, claims in _grouped(alone, [c.unread for c in alone]):
            lines.append(f"unread, {', '.join(map(_place, claims))}: {reason}.")
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
        place = textwrap.wrap(f"Slides: {claim.where}. Source: {claim.source}.{self._read}", PAGE)
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
            "beside": self.sheet.beside,
            "cells": [_to_json(judgement) for judgement in self.judgements],
        }

    def _repr_html_(self) -> str:
        claim = self.sheet.claims[0]
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in self.remarks)
        return (
            f"<h4>{html.escape(self.sheet.title)}</h4><p>Slides: {html.escape(claim.where)}. "
            f"Source: {html.escape(claim.source)}.{self._read}</p>{self.table._repr_html_()}"
            f"<ul>{notes}</ul><p>{counted(self.judgements)}</p>"
        )


@dataclass(frozen=True)
class Known:
    """A table of facts with its remarks."""

    facts: Facts

    @property
    def table(self) -> Table:
        return Table(self.facts.header, self.facts.rows)

    def to_json(self) -> dict[str, Any]:
        return {"title": self.facts.title, "rows": self.table.to_json(), "remarks": list(self.facts.remarks)}

    def __str__(self) -> str:
        title = self.facts.title
        foot = [
            textwrap.fill(line, PAGE, initial_indent="  ", subsequent_indent="    ")
            for line in self.facts.remarks
        ]
        return "\n".join([title, "─" * len(title), str(self.table), "", *foot])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in self.facts.remarks)
        return f"<h4>{html.escape(self.facts.title)}</h4>{self.table._repr_html_()}<ul>{notes}</ul>"


def counted(judgements: Sequence[Judgement]) -> str:
    """How many cells, and what became of them."""
    found = Counter(judgement.verdict for judgement in judgements)
    rare = (Verdict.CONTESTED, Verdict.UNREAD)
    rest = "".join(f"{found[verdict]} {verdict.value}, " for verdict in rare if found[verdict])
    return (
        f"{_plural(len(judgements), 'cell')}: {found[Verdict.MATCH]} match, "
        f"{_plural(found[Verdict.MISPRINT], 'misprint')}, {rest}"
        f"{_plural(found[Verdict.MISMATCH], 'mismatch', 'mismatches')}"
    )


def _plural(count: int, word: str, several: str = "") -> str:
    return f"{count} {word if count == 1 else several or word + 's'}"


def _pair(judgement: Judgement) -> Pair:
    sign = SIGNS.get(judgement.verdict, "=" if judgement.exact else "≈")
    return Pair(judgement.claim.printed, sign, _shown(judgement))


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
    if claim.unread:
        return f"{ours}; marked as not to be read anywhere else"
    if claim.contested:
        return f"{ours}; marked as contested by {claim.otherwise}, because {claim.contested}"
    if not claim.erratum:
        return ours
    return f"{ours}; marked as a misprint of {claim.corrected}, because {claim.erratum}"


def _dispute(judgement: Judgement) -> str:
    claim = judgement.claim
    return f"contested, {_place(claim)}: {claim.printed}, or {claim.otherwise}. Why: {claim.contested}."


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
        **({"contested": claim.contested, "otherwise": claim.otherwise} if claim.contested else {}),
        **({"unread": claim.unread} if claim.unread else {}),
    }
