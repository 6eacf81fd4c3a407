"""What came out of an adaptation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api.adapting.compared import best_of, compared
from neocog.api.adapting.draws import Split, per_class_of_source
from neocog.api.adapting.judged import Outcome
from neocog.api.adapting.notes import notes_of
from neocog.api.adapting.options import Asked
from neocog.api.adapting.page import page_of
from neocog.api.adapting.pair import Pair
from neocog.api.probing.two_best import TwoBest
from neocog.draw.adapting import AdaptPage, adapt_page
from neocog.draw.table import Table

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
        return best_of(self.outcomes)

    @cached_property
    def comparison(self) -> TwoBest | None:
        """The best row that adapts and the best of S, T and ST, which has the same labels, tested over the draws."""
        return compared(self.pair, self.splits, self.outcomes)

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
        return notes_of(self)

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
            "comparison": _compared(self.comparison) if self.comparison else None,
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


def _compared(two: TwoBest) -> dict[str, Any]:
    return {
        "first": two.first,
        "second": two.second,
        "difference": two.difference,
        "interval": list(two.interval),
        "p": two.p,
        "test": two.test,
        "equal": two.equal,
    }
