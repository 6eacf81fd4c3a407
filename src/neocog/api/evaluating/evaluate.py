"""The verb `eval`: a classifier, or several together, on labelled pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from neocog import runtime
from neocog.api.classifier import Classifier, load
from neocog.api.evaluating.answering import PLAIN
from neocog.api.evaluating.coverage import coverage_of
from neocog.api.evaluating.gain import gain_of
from neocog.api.evaluating.judge import Asked, judge
from neocog.api.evaluating.options import EvalOptions, JudgedOptions, JudgingOptions, PictureOptions
from neocog.api.evaluating.outputs import FIGURES, write_evaluation
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.scored_several import ScoredSeveral
from neocog.api.evaluating.soup import soup as mean_of
from neocog.data.dataset import Dataset, judged_part, labelled
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.evaluation.truth import read_class_list
from neocog.files import make_result_folder
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.training.processes.distributed import World

UNEVEN = timedelta(hours=2)  # that one process may need longer than another for its share of the pictures


def evaluate(
    run: str | Path,
    data: object,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[EvalOptions],
) -> Scored | ScoredSeveral:
    """Scores of a run, or of an ensemble, on labelled `data`; labels are matched by name.

    With `output` a page, the figures and all answers are written into that folder (`write_evaluation`).
    Started by torchrun, the processes divide the pictures, and each returns the figures of all. `EvalOptions` says what
    may be given. Raises `UserError` in words.
    """
    told = progress or Silent()
    with together(options.get("device", "auto")) as world:
        first = world is None or world.first
        heard = told if first else Silent()
        if output is not None and first:
            make_result_folder(Path(output), FIGURES)
        dataset = judged_data(data, heard, options, options.get("part"), labels=not options.get("label_sets"))
        members = loaded_members([run, *options.get("ensemble", ())], dataset, heard, options)
        asked = asked_for(options, dataset)
        scored = judged(members, dataset, asked, heard, world, exact=options.get("exact", False))
        if output is not None and first:
            write_evaluation(Path(output), scored, dataset, members[0].preprocess)
        return scored


def asked_for(options: EvalOptions | JudgingOptions, dataset: Dataset) -> Asked:
    """How the pictures of `dataset` are to be answered."""
    subset, sets = options.get("subset"), options.get("label_sets")
    of_data = subset == "data"
    if of_data:
        subset = dataset.classes
    elif isinstance(subset, str | Path):
        subset = read_class_list(Path(subset))
    return Asked(
        options.get("protocol", PLAIN),
        options.get("average", "softmax"),
        options.get("strict", False),
        None if subset is None else tuple(subset),
        of_data,
        Path(sets) if sets else None,
    )


def judged_data(
    data: object, told: Progress, options: PictureOptions, part: str | None, *, labels: bool = True
) -> Dataset:
    """The pictures that are to be judged; those without a label are left out, unless no `labels` are needed."""
    reading = {key: options[key] for key in ReadingOptions.__annotations__ if key in options}  # type: ignore[literal-required]
    opened = open_dataset(
        data, replace(make_reading(**reading), download=options.get("download", False), progress=told)
    )
    chosen = judged_part(opened, part)
    return labelled(chosen) if labels else chosen


def loaded_members(
    runs: Sequence[str | Path], dataset: Dataset, told: Progress, options: EvalOptions
) -> list[Classifier]:
    """The classifiers, ready for the pictures; one where their weights are averaged."""
    members = [loaded_for(run, dataset, told, options) for run in runs]
    if not options.get("soup"):
        return members
    if len(members) < 2:
        raise UserError("a soup needs at least two runs; name the others with --with")
    mixed = mean_of([one.loaded for one in members], options.get("model"))
    return [
        replace(members[0], loaded=mixed, soup_of=tuple((one.name, one.loaded.folder) for one in members))
    ]


def loaded_for(run: str | Path, dataset: Dataset, told: Progress, options: JudgedOptions) -> Classifier:
    """One classifier, ready for the pictures."""
    one = load(
        run,
        model=options.get("model"),
        download=options.get("download", False),
        engine=options.get("engine", "auto"),
        device=options.get("device", "auto"),
        progress=told,
    )
    return one.suited_to(dataset, told, options.get("decoding"))


@contextmanager
def together(device: str) -> Iterator[World | None]:
    """The processes that torchrun started, until the end of the `with`; None where there is one."""
    if not runtime.launched():
        yield None
        return
    from neocog.training.processes.distributed import joined

    with joined(runtime.device(device), UNEVEN) as world:
        yield world


def judged(
    classifiers: Sequence[Classifier],
    dataset: Dataset,
    asked: Asked,
    told: Progress,
    world: World | None = None,
    *,
    exact: bool = False,
) -> Scored | ScoredSeveral:
    """The scores of `classifiers` together, with all that follows from them."""
    members = [one.member() for one in classifiers]
    scored = judge(members, dataset, asked, told, world)
    if isinstance(scored, Scored):
        kept = classifiers[0].calibration()
        scored = replace(scored, gain=gain_of(scored, members), coverage=coverage_of(scored, kept))
    if exact and not all(one.preprocess.decoding == "exact" for one in classifiers):
        again = judge([one.with_every_pixel().member() for one in classifiers], dataset, asked, told, world)
        scored = replace(scored, exact=again)  # type: ignore[arg-type]  # of the same kind
    return scored
