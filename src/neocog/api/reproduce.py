"""The verb `reproduce`: what the lecture prints, recomputed, ours beside it."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog.api.reproduced import Compared, Known, counted
from neocog.draw.table import Table
from neocog.errors import UserError, unknown
from neocog.experiments.catalogue import EXPERIMENTS, STUDIES
from neocog.experiments.claims import Experiment, Facts, Judgement, Sheet, Verdict
from neocog.experiments.training.scale import NAMES
from neocog.files import make_folder, write_text
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.experiments.training.outcome import Outcome

LEGEND = """Each cell: as printed, a sign, and what it comes to here.
  =  the same                             ✗  misprint: the lecture is wrong, the reason stands below
  ≈  the same after the rounding below    ≠  mismatch: ours is neither the printed nor the right value"""
RARE = {
    Verdict.CONTESTED: "  ?  contested: another figure has as good a claim to the cell, the reason stands below",
    Verdict.UNREAD: "  ·  unread: the figure is the lecture's alone, its source could not be read",
}


@dataclass(frozen=True)
class Reproduction:
    """All printed tables of an experiment, ours beside them."""

    name: str
    tables: tuple[Compared, ...]
    facts: tuple[Facts, ...] = ()
    """what else is known, with nothing printed beside it"""

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
        return {v.value: found[v] for v in Verdict if v not in RARE or found[v]}

    @property
    def legend(self) -> str:
        return "\n".join([LEGEND, *(words for verdict, words in RARE.items() if verdict in self.counts)])

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "counts": {"cells": len(self.judgements), **self.counts},
            "tables": [table.to_json() for table in self.tables],
            **({"facts": [Known(facts).to_json() for facts in self.facts]} if self.facts else {}),
        }

    def __str__(self) -> str:
        known = (str(Known(facts)) for facts in self.facts)
        return "\n\n\n".join([self.legend, *map(str, self.tables), *known, counted(self.judgements)])

    def _repr_html_(self) -> str:
        tables = "".join(table._repr_html_() for table in self.tables)
        tables += "".join(Known(facts)._repr_html_() for facts in self.facts)
        return f"<pre>{html.escape(self.legend)}</pre>{tables}<p><b>{counted(self.judgements)}</b></p>"


def reproduce(
    name: str = "tables",
    scale: str | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Reproduction | Outcome:
    """Recompute what the lecture prints, or try what it claims about training; `name` is one of `experiments()`.

    Experiments on training run at a `scale`: minutes (what None means), hour or full. A stopped one goes on where it
    was; with `output` a page, its plots, the figures as JSON and the finished trials are written into that folder. Of
    what is computed at once only that with plots can be written.
    """
    if name in STUDIES:
        if scale not in (None, *NAMES):
            raise unknown("scale", str(scale), NAMES)
        from neocog.api.experiment import experiment

        return experiment(name, scale or "minutes", output, progress or Silent())
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, [*EXPERIMENTS, *STUDIES])
    made = EXPERIMENTS[name]
    plots = made.plots()
    if scale is not None or (output is not None and not plots):
        folder = "" if plots else " and the output folder"
        raise UserError(f"{name} is computed at once and printed; leave out the scale{folder}")
    found = judged(name, made.sheets(), made.facts())
    if output is not None:
        write_page(found, made, Path(output).expanduser())
        (progress or Silent()).say(f"written to {Path(output) / name}.md")
    return found


def judged(name: str, sheets: Iterable[Sheet], facts: tuple[Facts, ...] = ()) -> Reproduction:
    """The verdict on each claim of some sheets; `facts` are shown behind them."""
    tables = tuple(Compared(s, tuple(claim.judge() for claim in s.claims)) for s in sheets)
    return Reproduction(name, tables, facts)


def write_page(found: Reproduction, made: Experiment, folder: Path) -> None:
    """`NAME.md` with the experiment's plots, and every figure in `NAME.json`."""
    make_folder(folder)
    for name, svg in made.plots().items():
        write_text(folder / f"{name}.svg", svg)
    figures = json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / f"{found.name}.json", f"{figures}\n")
    pictures = "\n\n".join(f"![{name}]({name}.svg)" for name in made.plots())
    write_text(folder / f"{found.name}.md", f"{made.preface}\n\n{pictures}\n\n```text\n{found}\n```\n")


def experiments() -> Table:
    """What can be reproduced, a line each."""
    tables = tuple((name, experiment.about) for name, experiment in EXPERIMENTS.items())
    return Table(("experiment", "what it recomputes, or trains and compares"), (*tables, *STUDIES.items()))
