"""The best row that adapts beside the best that does without, on the same labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neocog.api.adapting.draws import Split
from neocog.api.adapting.judged import Outcome
from neocog.api.adapting.pair import Pair
from neocog.api.probing.two_best import TwoBest, two_best
from neocog.probing.splits import Division

PLAIN = ("S", "T", "ST")
"""methods without adaptation"""


def best_of(outcomes: Iterable[Outcome]) -> Outcome:
    """The highest mean; of equals the first."""
    return max(outcomes, key=lambda outcome: outcome.mean)


def compared(pair: Pair, splits: Sequence[Split], outcomes: Sequence[Outcome]) -> TwoBest | None:
    """Their difference in mean per-class accuracy, tested over the draws; None where one of the two did not run."""
    plain = [each for each in outcomes if each.row.method in PLAIN]
    adapted = [each for each in outcomes if each.row.method not in PLAIN]
    if not plain or not adapted:
        return None
    divisions = [Division(split.labelled, split.judged) for split in splits]
    return two_best(best_of(adapted), best_of(plain), divisions, pair.target.labels, "balanced")
