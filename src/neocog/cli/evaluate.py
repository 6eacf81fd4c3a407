"""neocog eval RUN DATA"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups

if TYPE_CHECKING:
    from neocog.api.evaluating.scored import Scored
    from neocog.api.evaluating.scored_several import ScoredSeveral


@with_groups
def evaluate(
    run: Annotated[str, Argument(help="folder of a run, runs/last, or a pretrained model's name")],
    data: reading.Data,
    pictures: reading.Labelled = reading.LABELLED,
    protocol: Annotated[
        str,
        Option(help="views of a picture: center, flip, 5-crop, 10-crop, dense, vgg-150, googlenet-144 .."),
    ] = "center",
    average: Annotated[str, Option(help="of views and members: softmax or logits")] = "softmax",
    ensemble: Annotated[
        list[str] | None,
        Option("--with", metavar="RUN", help="another that answers together with RUN; repeatable"),
    ] = None,
    soup: Annotated[bool, Option("--soup", help="average the runs' weights, not their answers")] = False,
    subset: Annotated[
        str | None,
        Option(help="only these classes as answers: a file of names, numbers or WordNet ids; or data"),
    ] = None,
    label_sets: Annotated[
        Path | None, Option(help="JSON file of the answers that are right, such as ImageNet ReaL's")
    ] = None,
    output: Annotated[
        Path | None, Option("-o", "--output", help="folder for a page, the figures and every answer")
    ] = None,
    exact: Annotated[
        bool, Option("--exact", help="score a run that decodes fast with every pixel decoded, too")
    ] = False,
    strict: reading.Strict = False,
    trained: loading.Trained = loading.TRAINED,
    as_json: loading.AsJson = False,
) -> None:
    """Score a classifier, or several together, on labelled pictures; labels are matched by name."""
    from neocog import runtime
    from neocog.api.evaluating.evaluate import evaluate as run_evaluate
    from neocog.api.evaluating.scored import Scored

    told = Console()
    scored = run_evaluate(
        run,
        data,
        protocol=protocol,
        average=average,
        ensemble=ensemble or (),
        soup=soup,
        subset=subset,
        label_sets=label_sets,
        output=output,
        exact=exact,
        strict=strict,
        **trained.options(),
        **pictures.options(),
        progress=told,
    )
    if not runtime.speaks():
        return
    _warn(scored, told)
    if as_json:
        out_json(scored.to_json())
    elif isinstance(scored, Scored):
        _print(scored, exact)
    else:
        _print_several(scored, exact)
    if output and not as_json:
        out(f"report  {output / 'report.html'}")


def _warn(scored: Scored | ScoredSeveral, told: Console) -> None:
    for path, reason in scored.skipped:
        told.say(f"skipped {path}: {reason}")
    if scored.unknown_classes:
        unknown = ", ".join(scored.unknown_classes)
        lacks = (
            "the model does not know" if scored.how.subset is None else "not among the answers allowed are"
        )
        told.say(f"warning: {lacks} {unknown}; {scored.without}")
    if scored.leaked and scored.leaked.same:
        told.say(
            f"warning: {scored.leaked.same:,} of these pictures trained the model; new ones may score lower"
        )


def _print(scored: Scored, exact: bool) -> None:
    from neocog.draw.table import Table

    scores = scored.scores
    low, high = scores.top1_interval
    out(f"top-1 {scores.top1:.4f} (95 % interval {low:.4f} to {high:.4f}), top-5 {scores.top5:.4f}")
    out(
        f"balanced {scores.balanced:.4f}, macro F1 {scores.macro_f1:.4f}, log loss {scores.nll:.4f}, "
        f"Brier {scores.brier:.4f}, calibration error {scores.ece:.4f}"
    )
    out(scored.how)
    for name, own in scored.members:
        out(f"  {name}: top-1 {own.top1:.4f}, top-5 {own.scores.top5:.4f}")
    if scored.gain:
        out(scored.gain)
    for row in scored.coverage:
        kept = "" if row.kept else "; so few have a chance below 2.5 % where the promise holds"
        out(f"coverage {row.wanted:g}: {row}{kept}")
    if scored.exact:
        low, high = scored.exact.scores.top1_interval
        out(
            f"with every pixel decoded: top-1 {scored.exact.top1:.4f} (95 % interval {low:.4f} to {high:.4f})"
        )
        out(f"other predictions: {scored.differing:,} of {scores.n:,}")
    elif exact:
        out("every pixel was decoded: this run decodes exactly")
    _print_counts(scored)
    rows = (
        (name, row.precision, row.recall, row.f1, row.n) for name, row in scores.per_class.items() if row.n
    )
    out(Table(("class", "precision", "recall", "F1", "pictures"), tuple(rows)))


def _print_counts(scored: Scored | ScoredSeveral) -> None:
    """Which pictures the figures are of."""
    if scored.leaked and scored.leaked.same:
        out(scored.leaked)
    left_out = f", in quarantine {len(scored.quarantined):,}" if scored.quarantined else ""
    excluded = getattr(scored, "excluded", 0)
    left_out += f", without a right answer {excluded:,}" if excluded else ""
    out(f"scored {scored.scores.n:,}, skipped {len(scored.skipped):,}{left_out}")


def _print_several(scored: ScoredSeveral, exact: bool) -> None:
    from neocog.draw.table import Table

    out(scored.scores)
    out(scored.how)
    for name, own in scored.members:
        out(f"  {name}: {own.scores}")
    if scored.exact:
        out(f"with every pixel decoded: {scored.exact.scores}")
        out(f"other predictions: {scored.differing:,} of {scored.scores.n:,}")
    elif exact:
        out("every pixel was decoded: this run decodes exactly")
    _print_counts(scored)
    rows = (
        (name, row.ap, row.precision, row.recall, row.f1, row.n)
        for name, row in scored.scores.per_class.items()
        if row.n or row.said
    )
    out(Table(("class", "AP", "precision", "recall", "F1", "pictures"), tuple(rows)))
