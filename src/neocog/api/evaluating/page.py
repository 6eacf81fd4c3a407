"""The page of an evaluation, filled from scores."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.gain import summed
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.scored_several import ScoredSeveral
from neocog.data.dataset import Dataset
from neocog.data.decode import Pixels
from neocog.data.preprocess import Preprocess
from neocog.data.views.protocols import PROTOCOLS
from neocog.draw.alternatives import AlternativeRow
from neocog.draw.evaluation import (
    AnswerResult,
    ClassResult,
    CoverageRow,
    EvaluationPage,
    Figure,
    MultiLabel,
    Seen,
    SingleLabel,
)
from neocog.draw.parts import GALLERY, Mistake, WrongAnswers
from neocog.draw.procedure import Procedure
from neocog.draw.reliability import ReliabilityBins
from neocog.errors import Unreadable
from neocog.evaluation.calibration import reliability
from neocog.evaluation.conformal import Coverage
from neocog.evaluation.intervals import REPEATS, wilson
from neocog.evaluation.leakage import Leaked
from neocog.evaluation.paired import compared
from neocog.evaluation.per_picture import best
from neocog.inference.dense_engine import DENSE

SINGLE = ("top1", "top5", "balanced", "macro_f1", "nll", "brier", "ece")
WILSON = ("top1", "top5", "exact")  # shares of pictures
SEVERAL = ("map", "auroc", "micro_f1", "macro_f1", "exact", "hamming")


def page_of(scored: Scored | ScoredSeveral, dataset: Dataset, preprocess: Preprocess) -> EvaluationPage:
    """Everything about `scored`; pictures as the network sees them through `preprocess`."""
    single = isinstance(scored, Scored)
    names = SINGLE if single else SEVERAL
    return EvaluationPage(
        name=dataset.name,
        model=", ".join(scored.how.members),
        n=scored.scores.n,
        figures=tuple(_figure(scored, name) for name in names),
        procedure=_procedure(scored),
        result=_single(scored, dataset, preprocess)
        if isinstance(scored, Scored)
        else _several(scored, dataset, preprocess),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("neocog"),
        skipped=scored.skipped,
        quarantined=tuple((gone.path, gone.reason) for gone in scored.quarantined),
        alternatives=_alternatives(scored) if isinstance(scored, Scored) else (),
        leaked=_seen(scored),
        card=_card(scored),
    )


def _figure(scored: Scored | ScoredSeveral, name: str) -> Figure:
    value = getattr(scored.scores, name)
    interval = scored.intervals.get(name)
    by = "Wilson" if name in WILSON else "bootstrap"
    return Figure(name=name, value=value, interval=interval, by=by if interval else "")


def _procedure(scored: Scored | ScoredSeveral) -> Procedure:
    how = scored.how
    return Procedure(
        protocol=how.protocol,
        in_words=in_words(how.protocol),
        engine=how.engine,
        precision="float32",
        views=how.views,
        averaged="softmax" if how.average == "softmax" else "logits",
        members=how.members if len(how.members) > 1 else (),
        soup=how.soup,
        answers="" if how.subset is None else f"{how.subset:,} of the model's classes",
        right_if=f"one of the labels in {how.label_sets}" if how.label_sets else "",
        unknown=_unknown(scored),
        seed=0,
        repeats=REPEATS,
    )


def in_words(protocol: str) -> str:
    """What the views of a protocol are."""
    if protocol in DENSE:
        return f"the whole picture and its mirror image, fully convolutionally; {DENSE[protocol].source}"
    return PROTOCOLS[protocol].source


def _alternatives(scored: Scored) -> tuple[AlternativeRow, ...]:
    """An ensemble, then each of its members beside it."""
    if scored.gain is None:
        return ()
    macs = scored.gain.macs
    whole = AlternativeRow(
        name=f"all {len(macs)} together",
        views=scored.how.views,
        top1=scored.top1,
        interval=scored.scores.top1_interval,
        top5=scored.scores.top5,
        macs=summed(macs),
    )
    return (whole, *(_member(scored, i, count) for i, count in enumerate(macs)))


def _member(scored: Scored, i: int, macs: int | None) -> AlternativeRow:
    name, own = scored.members[i]
    pair = compared(own.right, scored.right)
    return AlternativeRow(
        name=name,
        views=own.how.views,
        top1=own.top1,
        interval=own.scores.top1_interval,
        top5=own.scores.top5,
        macs=macs,
        difference=pair.difference,
        difference_interval=pair.interval,
        p=pair.p,
    )


def _seen(scored: Scored | ScoredSeveral) -> Seen | None:
    found = scored.leaked
    if found is None or not found.same:
        return None
    without = found.top1_without if isinstance(found, Leaked) else found.map_without
    return Seen(same=found.same, of=found.of, without=without)


def _unknown(scored: Scored | ScoredSeveral) -> tuple[tuple[str, int], ...]:
    return tuple((name, scored.scores.per_class[name].n) for name in scored.unknown_classes)


def _card(scored: Scored | ScoredSeveral) -> tuple[tuple[str, str], ...]:
    excluded = scored.excluded if isinstance(scored, Scored) else 0
    return (("excluded", f"{excluded:,} pictures without a right answer"),) if excluded else ()


def _single(scored: Scored, dataset: Dataset, preprocess: Preprocess) -> SingleLabel:
    scores = scored.scores
    bins = reliability(scored.probabilities, scored.labels)
    return SingleLabel(
        classes=_class_results(scored),
        confusion=scores.confusion,
        wrong=int((~scored.right).sum()),
        mistakes=_mistakes(scored, dataset, preprocess),
        reliability=ReliabilityBins(
            edges=bins.edges,
            counts=bins.counts,
            confidence=bins.confidence,
            accuracy=bins.accuracy,
            ece=bins.ece,
        ),
        temperature=scored.how.temperature if scored.how.temperature != 1 else None,
        coverage=tuple(_coverage_row(row) for row in scored.coverage),
    )


def _class_results(scored: Scored) -> tuple[ClassResult, ...]:
    confusion = scored.scores.confusion
    hits, said = np.diagonal(confusion), confusion.sum(axis=0)
    known = len(scored.names) - len(scored.unknown_classes)
    return tuple(
        ClassResult(
            name=name,
            n=row.n,
            right=int(hits[i]),
            interval=wilson(int(hits[i]), row.n) if row.n else (0.0, 1.0),
            said=int(said[i]),
            precision=row.precision,
            f1=row.f1,
            known=i < known,
        )
        for i, (name, row) in enumerate(scored.scores.per_class.items())
    )


def _coverage_row(row: Coverage) -> CoverageRow:
    return CoverageRow(
        wanted=row.wanted,
        found=row.share,
        interval=row.interval,
        kept=row.kept,
        mean_size=row.mean_size,
        single=row.single,
        empty=row.empty,
        single_accuracy=row.single_accuracy,
    )


def _mistakes(scored: Scored, dataset: Dataset, preprocess: Preprocess) -> tuple[Mistake, ...]:
    """The wrong answers, the surest first."""
    said, rows = best(scored.probabilities), np.arange(len(scored.labels))
    sure = scored.probabilities[rows, said]
    wrong = np.flatnonzero(said != scored.labels)
    known = scored.probabilities.shape[1]
    found = []
    for k in wrong[np.argsort(-sure[wrong], kind="stable")][:GALLERY]:
        truth = int(scored.labels[k])
        found.append(
            Mistake(
                path=dataset.short_name(int(scored.indices[k])),
                pixels=shown(dataset, preprocess, int(scored.indices[k])),
                truth=scored.names[truth],
                said=scored.names[said[k]],
                probability=float(sure[k]),
                probability_of_truth=float(scored.probabilities[k, truth]) if truth < known else None,
            )
        )
    return tuple(found)


def shown(dataset: Dataset, preprocess: Preprocess, index: int) -> Pixels:
    """A picture as the network sees it."""
    try:
        return preprocess(dataset.samples.read(index))
    except Unreadable:  # it was moved away in the meantime
        return np.full((*preprocess.size, preprocess.channels), 128, np.uint8)


def _several(scored: ScoredSeveral, dataset: Dataset, preprocess: Preprocess) -> MultiLabel:
    return MultiLabel(
        classes=tuple(
            AnswerResult(
                name=name,
                n=row.n,
                said=row.said,
                ap=row.ap,
                auroc=row.auroc,
                precision=row.precision,
                recall=row.recall,
                f1=row.f1,
            )
            for name, row in scored.scores.per_class.items()
        ),
        wrong=round((1 - scored.scores.exact) * scored.scores.n),
        threshold=scored.scores.threshold,
        mistakes=_wrong_answers(scored, dataset, preprocess),
    )


def _wrong_answers(
    scored: ScoredSeveral, dataset: Dataset, preprocess: Preprocess
) -> tuple[WrongAnswers, ...]:
    """The pictures with a wrong answer, the surest of these first."""
    said = scored.probabilities >= scored.scores.threshold
    off = np.where(said == scored.truth, 0, np.abs(scored.probabilities - scored.truth))
    worst = off.max(axis=1)
    chosen = [k for k in np.argsort(-worst, kind="stable")[:GALLERY] if worst[k] > 0]
    names = tuple(scored.scores.per_class)

    def told(k: int, which: NDArray[np.bool_]) -> tuple[tuple[str, float], ...]:
        return tuple((names[i], float(scored.probabilities[k, i])) for i in np.flatnonzero(which))

    return tuple(
        WrongAnswers(
            path=dataset.short_name(int(scored.indices[k])),
            pixels=shown(dataset, preprocess, int(scored.indices[k])),
            right=told(k, said[k] & scored.truth[k]),
            missed=told(k, ~said[k] & scored.truth[k]),
            wrong=told(k, said[k] & ~scored.truth[k]),
        )
        for k in chosen
    )
