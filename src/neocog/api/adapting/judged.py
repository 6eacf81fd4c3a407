"""Every row of the table on every layer, over all draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from neocog.adaptation.methods import METHODS
from neocog.api.adapting.draws import Split
from neocog.api.adapting.options import ADABN, NAMES, Asked, Row
from neocog.api.adapting.pair import Pair
from neocog.evaluation.metrics import by_class, confusion_matrix
from neocog.evaluation.paired import Right
from neocog.inference.layer_features import LAST
from neocog.probing.kinds import KINDS, Fitted, Kind
from neocog.progress import Progress

ADABN_WORDS, ADABN_SOURCE = "batch norm with each domain's own statistics", "Li and others 2017, algorithm 1"
SLOW = 20_000
"""classes times features up to which MMDT takes about half a minute a draw"""
NEAREST = replace(KINDS["knn"], name="1-nn", words="nearest neighbour", strengths=(1.0,), usual=1.0)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How well a row does on a layer: a figure for each draw."""

    row: Row
    layer: str
    balanced: tuple[float, ...]
    """mean per-class accuracy on the target's judged pictures"""
    top1: tuple[float, ...]
    right: tuple[Right, ...]
    """of each draw, whether each judged picture is named rightly"""

    @property
    def name(self) -> str:
        """The row, and the layer where it is not what the last one reads."""
        return self.row.name if self.layer == LAST else f"{self.row.name} on {self.layer}"

    @property
    def mean(self) -> float:
        return float(np.mean(self.balanced))

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over the draws; None for a single one."""
        return float(np.std(self.balanced, ddof=1)) if len(self.balanced) > 1 else None

    @property
    def what(self) -> str:
        """The method in words."""
        return ADABN_WORDS if self.row.method == ADABN else METHODS[self.row.method].words

    @property
    def words(self) -> str:
        """The method and its classifier."""
        kind = "its own linear SVM" if self.row.method == "mmdt" else kind_of(self.row).words
        return f"{self.what}; {kind}"

    @property
    def origin(self) -> str:
        """The method's paper and section."""
        return ADABN_SOURCE if self.row.method == ADABN else METHODS[self.row.method].source

    def __str__(self) -> str:
        """`75.3 ± 2.0`, as the lecture prints it; without the deviation of a single draw."""
        mean = f"{100 * self.mean:.1f}"
        return mean if self.deviation is None else f"{mean} ± {100 * self.deviation:.1f}"


def without_slow(pair: Pair, asked: Asked) -> tuple[Asked, tuple[str, ...]]:
    """Without MMDT where it would take minutes a draw, unless it was asked for; and a sentence that says so."""
    widest = max(x.shape[1] for x in pair.source.features.values())
    rest = tuple(row for row in asked.rows if row.method != "mmdt")
    if asked.explicit or len(rest) == len(asked.rows) or len(pair.classes) * widest <= SLOW:
        return asked, ()
    return replace(asked, rows=rest), (
        f"{NAMES['mmdt']} is absent: with {len(pair.classes):,} classes and {widest:,} features a draw takes minutes; "
        "name it with --methods mmdt to have it.",
    )


def outcomes(
    pair: Pair, adapted: Pair | None, splits: tuple[Split, ...], asked: Asked, told: Progress
) -> Iterator[Outcome]:
    """Layer by layer, in the order of the rows. `adapted` is the pair through adapted norms, for AdaBN."""
    layers = list(pair.source.features)
    with told.step("classifiers", len(layers) * len(asked.rows) * len(splits)) as advance:
        for layer in layers:
            for row in asked.rows:
                if row.method == ADABN and (adapted is None or layer not in adapted.target.features):
                    advance(len(splits))
                    continue
                found = []
                for i, split in enumerate(splits):
                    where = adapted if row.method == ADABN and adapted else pair
                    found.append(
                        _judge(fitted(row, where, split, layer, asked.seed + i), where, split, layer)
                    )
                    advance(1)
                balanced, right = zip(*found, strict=True)
                yield Outcome(row, layer, balanced, tuple(float(each.mean()) for each in right), right)


def fitted(row: Row, pair: Pair, split: Split, layer: str, seed: int) -> Fitted:
    """AdaBN is in the features: behind it stands the classifier of all labelled pictures."""
    method = row.method
    if method == ADABN:
        method = "ST" if len(split.labelled) else "S"
    return METHODS[method].fit(split.domains(pair, layer), kind_of(row), seed)


def kind_of(row: Row) -> Kind:
    return NEAREST if row.kind == NEAREST.name else KINDS[row.kind]


def _judge(found: Fitted, pair: Pair, split: Split, layer: str) -> tuple[float, Right]:
    """Mean per-class accuracy, and whether each judged picture is named rightly."""
    truth = pair.target.labels[split.judged]
    said = found.predict(pair.target.features[layer][split.judged])
    confusion = confusion_matrix(said, truth, len(pair.classes))
    return by_class(confusion)[0], said == truth
