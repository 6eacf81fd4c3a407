"""One classifier or an ensemble against labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
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
from neocog.api.evaluating.scored import Scored, scored_answers
from neocog.api.evaluating.scored_several import ScoredSeveral, scored_several_answers
from neocog.data.dataset import Dataset
from neocog.errors import UserError
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.training.processes.distributed import World


@dataclass(frozen=True)
class Asked:
    """How pictures are to be answered."""

    protocol: str = PLAIN
    average: str = "softmax"
    strict: bool = False
    """an unreadable picture is an error"""


def judge(
    members: Sequence[Member], dataset: Dataset, asked: Asked, told: Progress, world: World | None = None
) -> Scored | ScoredSeveral:
    """The answers of `members` together, with those of each where there are several."""
    demand_average(asked.average)
    several = _several(members, dataset)
    for note in dataset.notes:
        told.say(note)
    ways = [answering_of(member, asked) for member in members]
    classes, head = members[0].loaded.classes, members[0].loaded.head
    order = [in_order_of(classes, member) for member in members]
    found = agreed(
        [
            _answered_in(places, way, dataset, member, told, world)
            for places, way, member in zip(order, ways, members, strict=True)
        ]
    )
    rows = [one.probabilities for one in found]
    together = replace(
        found[0], probabilities=ensemble_answer(rows, asked.average, head.activation), known=_known(found)
    )

    def scored(one: Answered, by: Sequence[Member]) -> Scored | ScoredSeveral:
        make = scored_several_answers if several else scored_answers
        return make(one, classes, dataset, how_of(by, ways[0], asked), asked.strict)

    whole = scored(together, members)
    if len(members) == 1:
        return whole
    own = tuple((member.name, scored(one, [member])) for member, one in zip(members, found, strict=True))
    return replace(whole, members=own)  # type: ignore[arg-type]  # of the same kind


def how_of(members: Sequence[Member], way: Answering, asked: Asked) -> How:
    """How `members` answer together, for whoever reads the figures."""
    return How(
        protocol=asked.protocol,
        views=way.views,
        average=asked.average,
        members=members[0].soup_of or tuple(member.name for member in members),
        soup=bool(members[0].soup_of),
        engine=members[0].engine.name,
        temperature=members[0].loaded.head.temperature,
    )


def _answered_in(
    places: NDArray[np.int64],
    way: Answering,
    dataset: Dataset,
    member: Member,
    told: Progress,
    world: World | None,
) -> Answered:
    """The member's answers with their columns in the order of `places`."""
    found = answered(way, dataset, training_hashes(member.loaded.folder), told, world)
    return replace(found, probabilities=found.probabilities[:, places])


def answering_of(member: Member, asked: Asked) -> Answering:
    """How `member` answers a picture by the protocol."""
    if asked.protocol == PLAIN:
        preprocess = member.loaded.network.preprocess
        return by_views(member, lambda picture: preprocess(picture)[None], 1, asked.average)
    raise UserError(f"protocol must be {PLAIN}, got {asked.protocol}")


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
