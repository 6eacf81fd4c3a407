"""What came out of an adaptation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api.adapting.draws import Split, per_class_of_source
from neocog.api.adapting.judged import Outcome
from neocog.api.adapting.options import Asked
from neocog.api.adapting.page import page_of
from neocog.api.adapting.pair import Pair
from neocog.draw.adapting import AdaptPage, adapt_page
from neocog.draw.table import Table
from neocog.draw.text import count

REPORT, FIGURES = "adaptation.html", "adaptation.json"


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The table: a row for each method with its classifier, a column for each layer."""

    pair: Pair
    splits: tuple[Split, ...]
    asked: Asked
    outcomes: tuple[Outcome, ...]
    """layer by layer"""
    skipped: tuple[tuple[str, str], ...] = ()
    """(path, reason)"""
    left_out: tuple[str, ...] = ()
    """rows that could not be had, a sentence each"""

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.pair.source.features)

    @property
    def best(self) -> Outcome:
        """The highest mean; of equals the first."""
        return max(self.outcomes, key=lambda outcome: outcome.mean)

    def outcome(self, row: str, layer: str | None = None) -> Outcome | None:
        """By the row's name and the layer, the first if not given; None where that row has no figure on the layer."""
        wanted = layer or self.layers[0]
        mine = (each for each in self.outcomes if each.row.name == row and each.layer == wanted)
        return next(mine, None)

    def table(self) -> Table:
        """Mean per-class accuracy in percent, with its standard deviation over the draws."""
        rows = [each.row.name for each in self.outcomes if each.layer == self.layers[0]]
        return Table(
            ("method", *self.layers),
            tuple((name, *(str(self.outcome(name, layer) or "-") for layer in self.layers)) for name in rows),
        )

    def notes(self) -> tuple[str, ...]:
        """What a reader should know about these figures, in sentences."""
        return (*_protocol(self), *self.pair.notes, *self.left_out, *_skipped(self.skipped))

    def to_json(self) -> dict[str, Any]:
        pair, best = self.pair, self.best
        return {
            "model": pair.origin.model,
            "source": {"name": pair.source.name, "pictures": len(pair.source), "only": list(pair.only[0])},
            "target": {"name": pair.target.name, "pictures": len(pair.target), "only": list(pair.only[1])},
            "classes": list(pair.classes),
            "layers": list(self.layers),
            "labels_per_class": self.asked.labels_per_class,
            "source_per_class": per_class_of_source(pair, self.asked),
            "splits": len(self.splits),
            "seed": self.asked.seed,
            "judged": [len(split.judged) for split in self.splits],
            "rows": [_row(outcome) for outcome in self.outcomes],
            "best": {"row": best.row.name, "layer": best.layer},
            "notes": list(self.notes()),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
        }

    @cached_property
    def page(self) -> AdaptPage:
        """With both domains by t-SNE, before and after the best method that maps them: a few seconds."""
        return page_of(self)

    def to_html(self) -> str:
        """A page in one file."""
        return adapt_page(self.page)

    def write(self, folder: Path) -> None:
        """The page and the figures."""
        files.write_text(folder / REPORT, self.to_html())
        files.write_text(
            folder / FIGURES, json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "row": outcome.row.name,
        "method": outcome.row.method,
        "classifier": outcome.row.kind,
        "words": outcome.words,
        "from": outcome.origin,
        "layer": outcome.layer,
        "balanced": {"mean": outcome.mean, "std": outcome.deviation, "splits": list(outcome.balanced)},
        "top1": {"mean": sum(outcome.top1) / len(outcome.top1), "splits": list(outcome.top1)},
    }


def _protocol(found: Adaptation) -> list[str]:
    asked, split = found.asked, found.splits[0]
    many = per_class_of_source(found.pair, asked)
    said = [
        f"Of each class of the source {many} pictures are labelled, or as many as there are: "
        f"{count(len(split.source), 'picture')}."
    ]
    if asked.labels_per_class:
        said.append(
            f"Of each class of the target {asked.labels_per_class} pictures are labelled, all others with a label "
            f"judge: {count(len(split.judged), 'picture')}."
        )
    else:
        said.append(
            "No picture of the target is labelled: the rows T and ST, Daumé's and Hoffman's, which need such labels, "
            f"are absent; {count(len(split.judged), 'picture')} judge."
        )
    if len(split.kin):
        said.append(
            "1 picture of the target shares a group with a labelled one and does not judge."
            if len(split.kin) == 1
            else f"{len(split.kin):,} pictures of the target share a group with a labelled one and do not judge."
        )
    if len(found.splits) > 1:
        said.append(f"{len(found.splits)} random draws; what follows ± is their standard deviation.")
    said.append(
        "The methods of Gong, Sun, Fernando, Chopra and Li see the target's pictures without labels while they adapt, "
        "those that judge among them, as in the papers."
    )
    return said


def _skipped(skipped: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{count(len(skipped), 'picture')} could not be read: not counted."] if skipped else []
