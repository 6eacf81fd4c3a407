"""What a training run leaves behind: the bundle, tables as CSV, and the report."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from neocog import files
from neocog.api import names
from neocog.api.answers import AnyScores, answers_of
from neocog.api.training.config import initial_weights
from neocog.api.training.learned import Learned
from neocog.api.training.plan import Plan
from neocog.api.training.reporting import make_report
from neocog.api.training.reporting_several import make_several_report
from neocog.bundle import Bundle, Card, Golden, is_bundle, write_bundle
from neocog.data.builtin import whole_photographs
from neocog.data.decode import Pixels
from neocog.data.manifest import SKIPPED, Row, label_text, to_csv
from neocog.errors import UserError
from neocog.evaluation.metrics import Scores
from neocog.evaluation.several import SeveralScores
from neocog.training.resume.saving import CHECKPOINTS
from neocog.weights.digest import digest

BESIDE = ("metrics.csv", "predictions.csv", "split.csv", "report.html", "run.json")
"""what a run leaves beside its bundle"""


def write_run(
    folder: Path, plan: Plan, learned: Learned, seconds: dict[str, float], is_default: bool
) -> dict[str, Any]:
    """Write everything and return the run's figures; the bundle first, so that no trained weights can be lost.

    Raises UserError that says what of the run is there, where the disk refuses.
    """
    try:
        return _write_run(folder, plan, learned, seconds, is_default)
    except (OSError, UserError) as error:
        raise UserError(f"{error}; {_what_is_there(folder)}") from error


def _what_is_there(folder: Path) -> str:
    if is_bundle(folder):
        missing = ", ".join(name for name in BESIDE if not (folder / name).is_file())
        return f"the bundle in {folder} is whole, and `neocog eval` takes it, but it lacks {missing}"
    again = (
        "" if (folder / CHECKPOINTS).is_dir() else "; then train again, there is no checkpoint to go on from"
    )
    return f"the bundle of the run was not finished and is not kept{again}"


def _write_run(
    folder: Path, plan: Plan, learned: Learned, seconds: dict[str, float], is_default: bool
) -> dict[str, Any]:
    dataset, answers = plan.dataset, answers_of(plan.dataset)
    truth = dataset.answers[learned.split.held_out]
    scores = answers.score(learned.probabilities, truth, dataset.classes)
    figures = _figures(folder, plan, learned, scores, seconds)
    start = perf_counter()
    write_bundle(
        folder, Bundle(make_card(plan, learned, scores, figures), learned.tensors), make_golden(learned)
    )
    files.write_text(folder / "metrics.csv", _metrics(plan, learned, scores))
    files.write_text(folder / "predictions.csv", _predictions(plan, learned))
    files.write_text(folder / "split.csv", to_csv(_manifest(plan, learned)))
    if is_default:
        _point_last(folder)
    figures["seconds"]["writing"] = round(perf_counter() - start, 3)
    files.write_text(folder / "report.html", _report(plan, learned, scores, figures))
    files.write_text(folder / "run.json", json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return figures


def make_card(plan: Plan, learned: Learned, scores: AnyScores, figures: Mapping[str, Any]) -> Card:
    dataset = plan.dataset
    recipe = {"name": plan.recipe_name, **_recipe(plan), "seed": plan.seed}
    recipe["initial weights"] = initial_weights(plan)
    contents = {name: np.frombuffer(bytes.fromhex(name), np.uint8) for name in learned.split.hashes.values()}
    return Card(
        model=str(plan.reference),
        head=learned.head_name,
        head_added=learned.head_added,
        mirrored=learned.mirrored,
        activation=learned.head.activation,
        classes=dataset.classes,
        preprocess=plan.preprocess,
        recipe={**recipe, **learned.facts},
        data={
            "name": dataset.name,
            "fingerprint": digest(contents),
            "pictures": len(learned.split.hashes),
            "n_train": figures["n_train"],
            "n_val": figures["n_val"],
            "val_fraction": plan.val_fraction,
        },
        metrics=scores.figures(),
        versions=versions(),
        license=learned.license,
        source_sha256=names.source_sha256(plan.reference),
    )


def _recipe(plan: Plan) -> dict[str, Any]:
    """The recipe's fields; the frozen network's has none."""
    if plan.recipe is None:
        return {}
    from neocog.training.recipes.config import recipe_facts

    return recipe_facts(plan.recipe)


def make_golden(learned: Learned) -> Golden:
    """The shipped photographs with the probabilities that the new classifier gives them."""
    photographs = whole_photographs()
    pictures = tuple(photographs.read(i) for i in range(len(photographs)))
    pixels: Pixels = np.stack([learned.network.preprocess(picture) for picture in pictures])
    return Golden(pictures, learned.head.probabilities(learned.engine.engine(pixels)))


def versions() -> dict[str, str]:
    """Of everything that the figures depend on."""
    known = (
        "neocog",
        "torch",
        "numpy",
        "pillow",
        "simplejpeg",
        "scikit-learn",
        "openvino",
        "timm",
        "torchvision",
    )
    found = {}
    for name in known:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text, lines ended by a newline."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _figures(
    folder: Path, plan: Plan, learned: Learned, scores: AnyScores, seconds: Mapping[str, float]
) -> dict[str, Any]:
    samples, truth = plan.dataset.samples, plan.dataset.answers[learned.split.held_out]
    found = answers_of(plan.dataset).leaked(learned.probabilities, truth, learned.split.leaked)
    return {
        "run": str(folder),
        "model": str(plan.reference),
        "recipe": plan.recipe_name,
        "classes": list(plan.dataset.classes),
        **scores.figures(),
        "n_train": len(learned.split.train),
        "n_val": len(learned.split.held_out),
        "leakage": asdict(found),
        "interrupted": learned.interrupted,
        "beside_probe": learned.verdict.to_json() if learned.verdict else None,
        "skipped": [{"path": samples.name(i), "reason": reason} for i, reason in learned.skipped],
        "quarantined": [gone.to_json() for gone in plan.dataset.quarantined],
        "seconds": {step: round(s, 3) for step, s in seconds.items()},
    }


def _metrics(plan: Plan, learned: Learned, scores: AnyScores) -> str:
    answers = answers_of(plan.dataset)
    judged = ("loss", *answers.judged_by)
    header = ("epoch", "train_loss", *(f"eval_{name}" for name in judged), "lr", "seconds", "data_wait")
    if learned.epochs or learned.interrupted:
        rows = [epoch.to_json() for epoch in learned.epochs]
    else:
        loss = answers.loss(learned.probabilities, plan.dataset.answers[learned.split.held_out])
        rows = [{"epoch": 1, "train_loss": learned.train_loss, **scores.judged(loss).to_json()}]
    return table(
        header, [tuple(row.get(column) for column in header) for row in rows]
    )  # None is an empty cell


def _predictions(plan: Plan, learned: Learned) -> str:
    dataset, answers = plan.dataset, answers_of(plan.dataset)
    rows = [
        [dataset.samples.name(i), label_text(dataset, i), *answers.cells(row, dataset.classes)]
        for i, row in zip(learned.split.held_out.tolist(), learned.probabilities, strict=True)
    ]
    return table(["path", "truth", *answers.columns(len(dataset.classes))], rows)


def _report(plan: Plan, learned: Learned, scores: AnyScores, figures: Mapping[str, Any]) -> str:
    facts = _facts(learned)
    if isinstance(scores, SeveralScores):
        return make_several_report(plan, learned, scores, figures, facts)
    assert isinstance(scores, Scores)
    return make_report(plan, learned, scores, figures, facts)


def _manifest(plan: Plan, learned: Learned) -> list[Row]:
    """Where each picture was in this run; one that had no say in it is in the part that the data put it in."""
    dataset = plan.dataset
    judged = {int(i): str(dataset.parts[i]) for i in learned.split.held_out}
    parts = {i: part if part in ("val", "test") else "val" for i, part in judged.items()}
    parts |= {int(i): "train" for i in learned.split.train}
    reasons = dict(learned.skipped)
    return [
        Row(
            dataset.short_name(i),
            label_text(dataset, i),
            SKIPPED if i in reasons else parts.get(i, str(dataset.parts[i])),
            sha256=learned.split.hashes.get(i, ""),
        )
        for i in range(len(dataset))
    ]


def _facts(learned: Learned) -> dict[str, str]:
    facts = {
        key: ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        for key, value in learned.facts.items()
    }
    engine = f"{learned.engine.engine.name}, {learned.engine.why}"
    both = ", ".join(f"{name} {version}" for name, version in versions().items())
    return {**facts, "engine": engine, "license of the weights": learned.license, "versions": both}


def _point_last(folder: Path) -> None:
    """`runs/last` leads to this run: a symbolic link, or a text file where the system has none."""
    last = folder.parent / "last"
    try:
        if last.is_symlink() or last.is_file():
            last.unlink()
        last.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        if not last.exists():
            files.write_text(last, folder.name)
