"""The best linear classifier as a run: the network it was put on, with it as the last layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neocog import files
from neocog.api import names
from neocog.api.embedding.features import Embedded
from neocog.api.networks import backbone_of, load_classifier
from neocog.api.probing.measured import Measured
from neocog.api.probing.options import Asked, ProbeOptions
from neocog.api.probing.result import Probe
from neocog.api.training.outputs import versions
from neocog.bundle import Bundle, Card, Golden, is_bundle, write_bundle
from neocog.data.builtin import whole_photographs
from neocog.data.manifest import Row, to_csv
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.evaluation.calibration import stored_temperature
from neocog.evaluation.metrics import score
from neocog.inference.engines import choose
from neocog.inference.network import Head, Network, softmax
from neocog.probing.choose import fit_best, held_out
from neocog.probing.kinds import KINDS
from neocog.weights.digest import digest
from neocog.weights.published import Tensors

PROBABLE = ("logreg", "logreg-dropout")
"""kinds whose scores are logarithms of probabilities as they are"""


def demand_savable(source: str | Path, asked: Asked, options: ProbeOptions) -> None:
    """UserError where what is asked for can leave no run behind."""
    if asked.save is None:
        return
    reasons = {
        "one split, whose figures are those of the run": asked.splits > 1 or bool(asked.shots),
        "the last layer's features": bool(options.get("layers")),
        "one view of a picture": options.get("views", "center") != "center",
        "a scale that a linear layer can take over, standard or none": asked.scale == "l2",
        "a model or a run, not features alone": Path(source).expanduser().is_file()
        or str(source).startswith("classical:"),
        "pictures as they are, not cut to boxes": bool(
            asked.boxes or (asked.protocol and asked.protocol.box)
        ),
    }
    if missing := [reason for reason, failed in reasons.items() if failed]:
        raise UserError(f"a run is saved of {missing[0]}; leave --save out, or ask for that")
    if asked.save.is_dir() and any(asked.save.iterdir()):
        what = "a run" if is_bundle(asked.save) else "other files"
        raise UserError(f"--save must name a new or empty folder, {asked.save} holds {what}; name another")


@dataclass(frozen=True)
class _Frozen:
    """The network that the features came from, as a run stores it."""

    network: Network
    tensors: Tensors
    card: Card
    """of which classes, recipe, data and metrics are still those of others, or empty"""


def save_run(
    folder: Path, source: str | Path, found: Embedded, result: Probe, options: ProbeOptions
) -> Measured:
    """Write the best linear classifier with its network into `folder`; which it was.

    Scores that are no logarithms of probabilities are divided by the temperature that makes them least surprised, in
    cross-validation on the pictures that train (Guo and others 2017); by none where nothing bounds it, as where every
    picture is right.
    """
    linear = [(one, layer) for one in result.ranked if (layer := one.first.fitted.linear())]
    if not linear:
        raise UserError("a run is saved of a linear classifier, got none; add --kind logreg")
    best, layer = linear[0]
    division = result.divided.divisions[0]
    features, labels = found.features[best.layer], found.dataset.labels
    warmth = 1.0
    if best.kind not in PROBABLE:
        warmth = _temperature(found, best, result)
    head = Head(layer.weight / np.float32(warmth), layer.bias / np.float32(warmth))
    frozen = _frozen(source, found, options)
    scores = score(head.probabilities(features[division.judge]), labels[division.judge], result.classes)
    card = replace(
        frozen.card,
        classes=result.classes,
        recipe={"name": "probe", "kind": best.kind, "strength": best.first.strength, "seed": result.asked.seed,
                "scale": result.asked.scale, "temperature": warmth},
        data={"name": result.data, "fingerprint": _fingerprint(found), "pictures": len(found.dataset),
              "n_train": len(division.train), "n_val": len(division.judge), **_divided(result, len(linear))},
        metrics=scores.figures(),
        versions=versions(),
        activation="softmax",
        calibration=None,
    )  # fmt: skip
    _write(folder, frozen, card, head)
    files.write_text(folder / "split.csv", to_csv(_rows(found, result)))
    return best


def _divided(result: Probe, rivals: int) -> dict[str, Any]:
    """What a card says of how the pictures were divided, and of what those that judge have chosen."""
    parts = result.divided
    said: dict[str, Any] = {"division": parts.words}
    if parts.share is not None:
        said["val_fraction"] = parts.share
    if rivals > 1:
        said["kind"] = (
            f"the best of {rivals} on the pictures that judge, so its figures are a little too good"
        )
    return said


def _temperature(found: Embedded, best: Measured, result: Probe) -> float:
    chosen, seed, train = best.first, result.asked.seed, result.divided.divisions[0].train
    features, labels = found.features[best.layer][train], found.dataset.labels[train]
    kind = replace(KINDS[best.kind], strengths=(chosen.strength,), usual=chosen.strength)
    folds = result.divided.folds_of(train, found.dataset.labels, seed)
    said, truth = [], []
    for held in held_out(labels, folds):
        rest = fit_best(
            kind, features[~held], labels[~held], len(result.classes), seed, scale=result.asked.scale
        )
        said.append(softmax(rest.fitted.scores(features[held])))
        truth.append(labels[held])
    return stored_temperature(np.concatenate(said), np.concatenate(truth))[0] if said else 1.0


def _frozen(source: str | Path, found: Embedded, options: ProbeOptions) -> _Frozen:
    preprocess = Preprocess.from_json(found.origin.preprocess)
    try:
        reference = names.parse(str(source))
    except UserError:
        loaded = load_classifier(source, options.get("model"))
        bundle = loaded.bundle
        assert bundle
        network = replace(loaded.network, preprocess=preprocess)
        return _Frozen(network, bundle.backbone(), replace(bundle.card, preprocess=preprocess))
    weights = options.get("weights")
    backbone = backbone_of(reference, preprocess, None if weights is None else Path(weights).expanduser())
    card = Card(
        model=str(reference),
        head=backbone.head,
        head_added=backbone.head_added,
        preprocess=preprocess,
        license=backbone.license,
        source_sha256=names.source_sha256(reference),
        classes=(),
        recipe={},
        data={},
        metrics={},
        versions={},
    )
    return _Frozen(backbone.network, backbone.tensors, card)


def _write(folder: Path, frozen: _Frozen, card: Card, head: Head) -> None:
    photographs = whole_photographs()
    pictures = tuple(photographs.read(i) for i in range(len(photographs)))
    pixels = np.stack([frozen.network.preprocess(picture) for picture in pictures])
    golden = Golden(pictures, head.probabilities(choose(frozen.network, None).engine(pixels)))
    last = {f"{card.head}.weight": head.weight, f"{card.head}.bias": head.bias}
    write_bundle(folder, Bundle(card, {**frozen.tensors, **last}), golden)


def _fingerprint(found: Embedded) -> str:
    return digest({row.tobytes().hex(): row for row in found.hashes})


def _rows(found: Embedded, result: Probe) -> list[Row]:
    """Where each picture was: `neocog eval` leaves out those that trained."""
    division, dataset = result.divided.divisions[0], found.dataset
    parts = np.full(len(dataset), "", "<U5")
    parts[division.judge], parts[division.train] = "val", "train"
    return [
        Row(
            dataset.short_name(i),
            dataset.classes[dataset.labels[i]],
            str(parts[i]),
            sha256=found.hashes[i].tobytes().hex(),
        )
        for i in range(len(dataset))
    ]
