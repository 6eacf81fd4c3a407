"""Classifiers on the same pictures: figures, costs, and whether their differences are real."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.cost import Cost
from neocog.api.evaluating.scored import Scored
from neocog.draw.table import Table
from neocog.evaluation.paired import Paired, compared_all


@dataclass(frozen=True)
class Compared:
    """A classifier with its scores of the pictures that all could read."""

    name: str
    model: str
    scored: Scored
    cost: Cost


@dataclass(frozen=True, repr=False)
class Comparison:
    """Classifiers on the same pictures, in the order in which they were named."""

    data: str
    runs: tuple[Compared, ...]
    left_out: int = 0
    """pictures that trained one of them"""

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.rights)} on {self.n:,} pictures of {self.data})"

    @property
    def n(self) -> int:
        return self.runs[0].scored.scores.n

    @cached_property
    def rights(self) -> dict[str, NDArray[np.bool_]]:
        """Name -> (n,), whether the most probable class is the true one."""
        return {run.name: run.scored.right for run in self.runs}

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Paired]:
        """Each pair by its names; their p are Holm's, so that all verdicts hold together."""
        return compared_all(self.rights)

    def verdict(self, first: str, second: str) -> str:
        """Which of two is better and by how much, or that they are not distinguishable."""
        pair = self.pairs[first, second]
        low, high = (100 * end for end in pair.interval)
        how_much = (
            f"{100 * pair.difference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}), p = {pair.p:.2g}"
        )
        if pair.verdict == "not distinguishable":
            return f"{first} and {second} are not distinguishable: {how_much}"
        better, worse = (first, second) if pair.verdict == "first" else (second, first)
        return f"{better} is better than {worse}: {first} − {second} = {how_much}"

    def table(self) -> Table:
        rows = tuple(
            (
                run.name,
                f"{run.scored.top1:.4f}",
                "{:.4f} to {:.4f}".format(*run.scored.scores.top1_interval),
                f"{run.scored.scores.top5:.4f}",
                run.cost.params,
                run.cost.macs,
                round(run.cost.rate or 0),
            )
            for run in self.runs
        )
        return Table(("run", "top-1", "95 % interval", "top-5", "params", "MACs", "pictures/s"), rows)

    def to_json(self) -> dict[str, Any]:
        """As `docs/evaluation.md` describes it, field by field."""
        return {
            "data": self.data,
            "n": self.n,
            "left_out": self.left_out,
            "runs": [
                {"name": run.name, "model": run.model, **asdict(run.cost), **run.scored.to_json()}
                for run in self.runs
            ],
            "pairs": [
                {"first": first, "second": second, **asdict(pair), "verdict": pair.verdict}
                for (first, second), pair in self.pairs.items()
            ],
        }

    def __str__(self) -> str:
        lines = [self.verdict(*pair) for pair in combinations(self.rights, 2)]
        return "\n".join([str(self.table()), f"{self.n:,} pictures of {self.data}", *lines])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(self.verdict(*pair))}</p>" for pair in combinations(self.rights, 2))
        return self.table()._repr_html_() + said
