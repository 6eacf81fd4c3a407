"""The page that sets classifiers beside each other, filled from a comparison."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.comparison import Comparison
from neocog.api.evaluating.page import in_words, shown
from neocog.api.evaluating.scored import Scored
from neocog.data.dataset import Dataset
from neocog.data.preprocess import Preprocess
from neocog.draw.comparison import Answer, ComparisonPage, Disagreement, PairRow, RunRow
from neocog.draw.parts import GALLERY
from neocog.evaluation.intervals import REPEATS
from neocog.evaluation.per_picture import best


def page_of_comparison(found: Comparison, dataset: Dataset, preprocess: Preprocess) -> ComparisonPage:
    """Everything about `found`; pictures of `dataset` as the first network sees them through `preprocess`."""
    rights = np.stack([*found.rights.values()])
    return ComparisonPage(
        name=found.data,
        n=found.n,
        runs=_runs(found),
        pairs=_pairs(found),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("neocog"),
        how=_how(found),
        all_right=int(rights.all(axis=0).sum()),
        all_wrong=int((~rights).all(axis=0).sum()),
        left_out=found.left_out,
        disagreements=_disagreements(found, rights, dataset, preprocess),
    )


def _runs(found: Comparison) -> tuple[RunRow, ...]:
    return tuple(
        RunRow(
            name=run.name,
            model=run.model,
            top1=run.scored.top1,
            interval=run.scored.scores.top1_interval,
            top5=run.scored.scores.top5,
            params=run.cost.params,
            macs=run.cost.macs,
            rate=run.cost.rate,
            unknown=run.scored.unknown_classes,
            skipped=len(run.scored.skipped),
        )
        for run in found.runs
    )


def _pairs(found: Comparison) -> tuple[PairRow, ...]:
    places = {run.name: i for i, run in enumerate(found.runs)}
    return tuple(
        PairRow(
            first=places[first],
            second=places[second],
            difference=pair.difference,
            interval=pair.interval,
            p=pair.p,
            both=pair.both,
            only_first=pair.only_first,
            only_second=pair.only_second,
            neither=pair.neither,
            distinguishable=pair.verdict != "not distinguishable",
        )
        for (first, second), pair in found.pairs.items()
    )


def _how(found: Comparison) -> tuple[str, ...]:
    how = found.runs[0].scored.how
    return (
        f"Protocol {how.protocol}: {in_words(how.protocol)}.",
        "Whether a difference is real: McNemar's exact test on the pictures that one of two alone gets right, "
        "p adjusted by Holm over all pairs, real below 0.05.",
        f"Its interval: 95 %, bootstrap over pictures, pairs kept, {REPEATS:,} resamples, seed 0.",
        "Pictures per second: from the file to the answer, on this machine, one run after the other.",
    )


def _disagreements(
    found: Comparison, rights: NDArray[np.bool_], dataset: Dataset, preprocess: Preprocess
) -> tuple[Disagreement, ...]:
    """Pictures that some runs get right and others wrong, those first of which both are surest."""
    sure = np.stack([run.scored.probabilities.max(axis=1) for run in found.runs])
    best_right = np.where(rights, sure, 0).max(axis=0)
    worst_wrong = np.where(rights, 0, sure).max(axis=0)
    telling = np.minimum(best_right, worst_wrong)  # 0 where all are right or none is
    order = [int(k) for k in np.argsort(-telling, kind="stable")[:GALLERY] if telling[k] > 0]
    first = found.runs[0].scored
    return tuple(
        Disagreement(
            path=dataset.short_name(int(first.indices[k])),
            pixels=shown(dataset, preprocess, int(first.indices[k])),
            truth=first.names[int(first.labels[k])],
            answers=tuple(_answer(run.scored, k) for run in found.runs),
        )
        for k in order
    )


def _answer(scored: Scored, k: int) -> Answer:
    said = int(best(scored.probabilities[k : k + 1])[0])
    return Answer(
        said=scored.names[said],
        probability=float(scored.probabilities[k, said]),
        right=bool(scored.right[k]),
    )
