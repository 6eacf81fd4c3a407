"""What a reader should know about the figures of an adaptation, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.api.adapting.draws import per_class_of_source
from neocog.api.adapting.options import ADABN
from neocog.draw.text import count

if TYPE_CHECKING:
    from neocog.api.adapting.result import Adaptation

SEE = {"gfk": "Gong", "coral": "Sun", "subspace": "Fernando", "dlid": "Chopra", ADABN: "Li"}
"""methods that see the target's pictures without labels, by first author"""


def notes_of(found: Adaptation) -> tuple[str, ...]:
    said = (*_comparison(found), *_labels(found), *_draws(found), *_seen(found))
    return (*said, *found.pair.notes, *found.left_out, *_skipped(len(found.skipped)))


def _comparison(found: Adaptation) -> list[str]:
    said = [f"{found.comparison.verdict}."] if found.comparison else []
    if (many := len(found.outcomes)) > 1:
        said.append(
            f"The {many} figures were compared on the pictures that judge, and the highest is so by chance, too: on "
            "new pictures its row would reach a little less. No test here takes that choice into account."
        )
    return said


def _labels(found: Adaptation) -> list[str]:
    asked, split = found.asked, found.splits[0]
    said = [
        f"Of each class of the source {_labelled(per_class_of_source(found.pair, asked))}, or as many as there are: "
        f"{count(len(split.source), 'picture')}."
    ]
    judges = count(len(split.judged), "picture")
    if asked.labels_per_class:
        said.append(
            f"Of each class of the target {_labelled(asked.labels_per_class)}, all others with a label judge: {judges}."
        )
    elif asked.explicit:
        said.append(f"No picture of the target is labelled; {judges} judge.")
    else:
        said.append(
            "No picture of the target is labelled: the rows T and ST, Daumé's and Hoffman's, which need such labels, "
            f"are absent; {judges} judge."
        )
    return said


def _labelled(many: int) -> str:
    return f"{count(many, 'picture')} {'is' if many == 1 else 'are'} labelled"


def _draws(found: Adaptation) -> list[str]:
    said, kin = [], len(found.splits[0].kin)
    if kin == 1:
        said.append("1 picture of the target shares a group with a labelled one and does not judge.")
    elif kin:
        said.append(f"{kin:,} pictures of the target share a group with a labelled one and do not judge.")
    if len(found.splits) > 1:
        said.append(f"{len(found.splits)} random draws; what follows ± is their standard deviation.")
    return said


def _seen(found: Adaptation) -> list[str]:
    ran = {outcome.row.method for outcome in found.outcomes}
    names = [name for method, name in SEE.items() if method in ran]
    if not names:
        return []
    *others, last = names
    if not others:
        whose = f"The method of {last} sees"
        papers = "it adapts, those that judge among them, as in the paper."
    else:
        whose = f"The methods of {', '.join(others)} and {last} see"
        papers = "they adapt, those that judge among them, as in the papers."
    return [f"{whose} the target's pictures without labels while {papers}"]


def _skipped(many: int) -> list[str]:
    return [f"{count(many, 'picture')} could not be read: not counted."] if many else []
