"""neocog predict RUN PICTURE..."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import loading
from neocog.cli.console import Console, out
from neocog.draw.table import printable
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.api.predictions import Prediction


def predict(
    run: Annotated[str, Argument(help="folder of a run, runs/last, or a pretrained model's name")],
    pictures: Annotated[list[str], Argument(help="files, folders, or - for a list of paths on stdin")],
    topk: Annotated[
        int | None, Option("-k", "--topk", help="labels per picture, 5; of several classes at once, all")
    ] = None,
    threshold: Annotated[
        float | None, Option(help="probability that names one of several classes at once, 0.5")
    ] = None,
    coverage: Annotated[
        float | None,
        Option(
            help="name as many classes as it takes to hold the true one this often, such as 0.95; where these are not "
            "one, the answer is unknown (after neocog calibrate)"
        ),
    ] = None,
    model: loading.Model = None,
    download: loading.Download = False,
    decoding: loading.Decoding = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: Annotated[bool, Option("--json", help="print a JSON list")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV")] = False,
) -> None:
    """Name what pictures show, most probable first, in the order given."""
    from neocog.api.answers import BEST
    from neocog.api.classifier import load

    if as_json and as_csv:
        raise UserError("give --json or --csv, not both")
    given = [line.rstrip("\r\n") for line in sys.stdin] if pictures == ["-"] else pictures
    places = [place for place in given if place]
    if not places:
        raise UserError("there must be a picture to predict, got an empty list on stdin")
    if topk is not None and topk < 1:
        raise UserError(f"topk must be at least 1, got {topk}")
    told = Console()
    classifier = load(run, model=model, download=download, engine=engine, device=device, progress=told)
    suited = classifier.suited_to(places, told, decoding)
    found = _counted(suited.predict_stream(places, topk, told, threshold, coverage), told)
    if as_json:
        _write_json(found)
    elif not as_csv:
        _write_text(found)
    elif classifier.several or coverage is not None:
        _write_csv_of_several(found, coverage is not None)
    else:
        _write_csv(found, min(topk or BEST, len(classifier.classes)))


def _counted(found: Iterable[Prediction], told: Console) -> Iterator[Prediction]:
    """`found`, naming each picture that cannot be read; raises at the end where none could."""
    read = skipped = 0
    for one in found:
        if one.reason:
            skipped += 1
            told.say(f"skipped {one.path}: {one.reason}")
        else:
            read += 1
        yield one
    if skipped and not read:
        raise UserError(f"no picture could be read, {skipped} skipped; give pictures in a known format")


def _write_text(found: Iterable[Prediction]) -> None:
    for one in found:
        if not one.reason:
            out(f"{printable(one.path)}: {printable(str(one))}")


def _write_json(found: Iterable[Prediction]) -> None:
    """A JSON list, written as it grows and closed even where an error ends it."""
    sys.stdout.write("[")
    separator = ""
    try:
        for one in found:
            sys.stdout.write(f"{separator}\n  {json.dumps(one.to_json(), ensure_ascii=False)}")
            separator = ","
    finally:
        sys.stdout.write("\n]\n")


def _write_csv(found: Iterable[Prediction], topk: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        ["path", *(f"{what}{k}" for k in range(1, topk + 1) for what in ("label", "probability"))]
    )
    for one in found:
        pairs = zip(one.labels, one.probabilities, strict=True)
        writer.writerow([one.path, *(cell for label, p in pairs for cell in (label, f"{p:.6f}"))])


def _write_csv_of_several(found: Iterable[Prediction], answered: bool) -> None:
    """As a table of pictures has several labels: separated by | in one cell, empty where it shows none."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", *(["answer"] if answered else []), "label", "probability", "error"])
    for one in found:
        probabilities = "|".join(f"{p:.6f}" for p in one.probabilities)
        answer = [one.answer or ""] if answered else []
        writer.writerow([one.path, *answer, "|".join(one.labels), probabilities, one.reason])
