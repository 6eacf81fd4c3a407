"""One classifier or an ensemble against labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import Answered, agreed, answered, training_hashes
from neocog.api.evaluating.answering import (
    PLAIN,
    Answering,
    Member,
    by_views,
    demand_average,
    ensemble_answer,
    in_order_of,
)
from neocog.api.evaluating.how import How
from neocog.api.evaluating.scored import Scored, match_labels, scored_answers
from neocog.api.evaluating.scored_several import ScoredSeveral, scored_several_answers
from neocog.api.networks import module_of
from neocog.data.dataset import Dataset
from neocog.data.views.protocols import PROTOCOLS, views
from neocog.errors import UserError, unknown
from neocog.evaluation.truth import LabelSets, class_subset, read_label_sets, restricted
from neocog.inference.dense_engine import DENSE, dense_engine
from neocog.inference.network import ACTIVATIONS
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.training.processes.distributed import World


@dataclass(frozen=True)
class Asked:
    """How pictures are to be answered, and what counts as right."""

    protocol: str = PLAIN
    average: str = "softmax"
    strict: bool = False
    """an unreadable picture is an error"""
    subset: tuple[int | str, ...] | None = None
    """the only classes that are allowed as answers, by number, name or WordNet id"""
    of_data: bool = False
    """whether these are the classes of the data: names, of which the model may lack some"""
    label_sets: Path | None = None
    """a file that says which answers are right, in place of the data's labels"""


def judge(
    members: Sequence[Member], dataset: Dataset, asked: Asked, told: Progress, world: World | None = None
) -> Scored | ScoredSeveral:
    """The answers of `members` together, with those of each where there are several."""
    demand_average(asked.average)
    several = _several(members, dataset)
    for note in dataset.notes:
        told.say(note)
    raw = asked.average == "logits" and len(members) > 1
    ways = [answering_of(member, asked, raw) for member in members]
    every, head = members[0].loaded.classes, members[0].loaded.head
    columns = _columns(every, asked, several)
    order = [in_order_of(every, member) for member in members]
    classes = every if columns is None else tuple(every[i] for i in columns)
    sets = _label_sets(classes, dataset, asked)  # before anything is computed
    found = agreed(
        [
            _in_order(places, answered(way, dataset, _trained(member), told, world))
            for member, way, places in zip(members, ways, order, strict=True)
        ]
    )
    settle = partial(_settled, activation=head.activation if raw else None, columns=columns)
    own = [settle(one) for one in found]
    together = settle(_mean(found)) if raw else _mean(own)

    def scored(one: Answered, by: Sequence[Member], way: Answering) -> Scored | ScoredSeveral:
        how = how_of(by, way, asked, columns)
        if several:
            return scored_several_answers(one, classes, dataset, how, asked.strict)
        return scored_answers(one, classes, dataset, how, asked.strict, sets)

    whole = scored(together, members, ways[0])
    if len(members) == 1:
        return whole
    each = tuple((m.name, scored(one, [m], way)) for m, one, way in zip(members, own, ways, strict=True))
    return replace(whole, members=each)  # type: ignore[arg-type]  # of the same kind


def how_of(members: Sequence[Member], way: Answering, asked: Asked, columns: NDArray[np.int64] | None) -> How:
    """How `members` answer together, for whoever reads the figures."""
    temperatures = {member.loaded.head.temperature for member in members}
    return How(
        protocol=asked.protocol,
        views=way.views,
        average=asked.average,
        members=tuple(name for member in members for name in member.names),
        soup=bool(members[0].soup_of),
        engine=way.engine,
        subset=None if columns is None else len(columns),
        label_sets=asked.label_sets.name if asked.label_sets else "",
        temperature=temperatures.pop() if len(temperatures) == 1 else None,
    )


def _columns(classes: tuple[str, ...], asked: Asked, several: bool) -> NDArray[np.int64] | None:
    """The places of the classes that are allowed as answers; None where all are."""
    if several and (asked.subset is not None or asked.label_sets):
        raise UserError(
            "a subset of classes and label sets are for models that name one class per picture, this one names several"
        )
    if asked.subset is not None and asked.label_sets:
        raise UserError("label sets say what is right among all classes of a model; leave the subset out")
    return None if asked.subset is None else class_subset(classes, asked.subset, asked.of_data)


def _label_sets(classes: tuple[str, ...], dataset: Dataset, asked: Asked) -> LabelSets | None:
    """What is right of each picture, where a file says it; UserError where model and data share no class."""
    if asked.label_sets is None:
        match_labels(classes, dataset.classes)
        return None
    names = [dataset.short_name(i) for i in range(len(dataset))]
    return read_label_sets(asked.label_sets, names, classes)


def _in_order(places: NDArray[np.int64], found: Answered) -> Answered:
    return replace(found, probabilities=found.probabilities[:, places])


def _settled(found: Answered, activation: str | None, columns: NDArray[np.int64] | None) -> Answered:
    """Probabilities, made of logits where there is an `activation`, and of these only `columns`."""
    rows = ACTIVATIONS[activation](found.probabilities) if activation else found.probabilities
    return replace(found, probabilities=rows if columns is None else restricted(rows, columns))


def _mean(found: Sequence[Answered]) -> Answered:
    rows = [one.probabilities for one in found]
    return replace(found[0], probabilities=ensemble_answer(rows), known=_known(found))


def _trained(member: Member) -> frozenset[str]:
    return frozenset().union(*map(training_hashes, member.folders))


def answering_of(member: Member, asked: Asked, raw: bool = False) -> Answering:
    """How `member` answers a picture by the protocol; with `raw` in logits."""
    preprocess = member.loaded.network.preprocess
    if asked.protocol in DENSE:
        return _dense(member, asked)
    if asked.protocol not in PROTOCOLS:
        raise unknown("protocol", asked.protocol, [*PROTOCOLS, *DENSE])
    taken = views(asked.protocol, preprocess)
    return by_views(member, taken, taken.count, asked.average, raw)


def _dense(member: Member, asked: Asked) -> Answering:
    """Whole pictures, a pass for each scale and its mirror image; the engine is torch, which takes any size."""
    head, preprocess = member.loaded.head, member.loaded.network.preprocess
    if asked.average != "softmax":
        raise UserError(
            "dense evaluation averages logits over positions and then probabilities, as its papers do; "
            "leave --average out"
        )
    run = dense_engine(
        module_of(member.loaded),
        preprocess,
        asked.protocol,
        activated=head.activated,
        device=member.device,
    )
    passes = 2 * max(1, len(DENSE[asked.protocol].scales))
    return Answering(run, lambda answers: answers, passes, 1, run.maps.name)


def _several(members: Sequence[Member], dataset: Dataset) -> bool:
    """Whether a picture may show several classes at once; UserError where members and data disagree about it."""
    kinds = {member.loaded.head.activation for member in members}
    if len(kinds) > 1:
        one = next(m.name for m in members if m.loaded.head.activation == "softmax")
        raise UserError(
            f"the members of an ensemble must answer alike, {one} names one class per picture and others several"
        )
    if kinds == {"sigmoid"}:
        return True
    if dataset.targets is not None:
        raise UserError(
            f"the model names one class per picture, some pictures of {dataset.name} have several; "
            "keep one label a picture, or train on such data"
        )
    return False


def _known(found: Sequence[Answered]) -> NDArray[np.bool_] | None:
    """Which pictures any member was trained on; None where no member knows."""
    known = [one.known for one in found if one.known is not None]
    return reduce(np.logical_or, known) if known else None
