"""A trained model on disk: weights, a card in JSON that says what they are, and a self-test. No pickle, no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from neocog import files
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.weights.published import Tensors, read_tensors

FORMAT = 3
FORMATS = {"softmax": 1, "sigmoid": 2}  # by activation: readers of format 1 know softmax alone
CALIBRATED = 3  # readers of earlier formats know no temperature
NEWER = ("mirrored", "activation", "calibration")  # fields that cards of earlier versions lack
SNAPSHOTS = "snapshots"  # the folder of weights after single epochs
MODEL, CARD, GOLDEN = "model.safetensors", "model.json", "golden.safetensors"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the weights are: everything needed to use them, and where they come from."""

    model: str
    """a name of `MODELS`, `timm:NAME`, `torchvision:NAME` or `FILE.py:FACTORY`"""
    head: str
    """name of the last linear layer; its weight has a row per class"""
    classes: tuple[str, ...]
    preprocess: Preprocess
    recipe: dict[str, Any]
    data: dict[str, Any]
    metrics: dict[str, Any]
    versions: dict[str, str]
    license: str
    source_sha256: str = ""
    """of FILE.py, where the model comes from one"""
    head_added: bool = False
    """true where the network ended in no linear layer, so that one was put behind it"""
    mirrored: bool = False
    """whether the answer is the mean over a picture and its mirror image"""
    activation: str = "softmax"
    """what makes probabilities of logits: softmax, or sigmoid where a picture may show several classes"""
    calibration: dict[str, Any] | None = None
    """temperature that the logits are divided by, and on what it was found; None where nobody did"""

    @property
    def temperature(self) -> float:
        return float(self.calibration["temperature"]) if self.calibration else 1.0


@dataclass(frozen=True)
class Bundle:
    """A card with its tensors."""

    card: Card
    tensors: Tensors

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight (classes, features) and bias (classes) of the last layer."""
        weight = self.tensors[f"{self.card.head}.weight"].astype(np.float32)
        bias = self.tensors.get(f"{self.card.head}.bias")
        return weight, np.zeros(len(weight), np.float32) if bias is None else bias.astype(np.float32)

    def backbone(self) -> Tensors:
        """Every tensor but the last layer's."""
        return {k: v for k, v in self.tensors.items() if k.rpartition(".")[0] != self.card.head}


@dataclass(frozen=True)
class Golden:
    """The self-test: a few photographs as encoded files, and the probabilities (n, classes) they got."""

    pictures: tuple[bytes, ...]
    probabilities: NDArray[np.float32]
    """before any calibration"""


@dataclass(frozen=True)
class Calibration:
    """What pictures that were not trained on say about how sure the model may be."""

    scores: NDArray[np.float64]
    """(n,), ascending: how little each picture's true class fits, 1 - its calibrated probability"""
    hashes: NDArray[np.uint8]
    """(n, 32), SHA-256 of the pictures"""


def write_bundle(folder: Path, bundle: Bundle, golden: Golden) -> None:
    """Write its files; the card comes last, so that a folder with a card is complete."""
    files.make_folder(folder)
    (folder / CARD).unlink(missing_ok=True)  # of the bundle that was here: it is not that of the new weights
    stored = {f"picture{i:06d}": np.frombuffer(data, np.uint8) for i, data in enumerate(golden.pictures)}
    contents = {
        MODEL: save({name: np.asarray(tensor, order="C") for name, tensor in bundle.tensors.items()}),
        GOLDEN: save({**stored, "probabilities": np.asarray(golden.probabilities, order="C")}),
    }
    for name, data in contents.items():
        files.write_bytes(folder / name, data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    _write_card(folder, bundle.card, sums)


def calibrate_bundle(folder: Path, facts: Mapping[str, Any], calibration: Calibration) -> None:
    """Add `facts` and `calibration` to the bundle in `folder`, or put them in place of earlier ones.

    The card is written last: a crash before leaves the bundle as it was.
    """
    card, sums = _read_card(folder)
    old = _calibration_name(sums)
    data = save({"scores": calibration.scores, "hashes": calibration.hashes})
    digest = hashlib.sha256(data).hexdigest()
    name = f"calibration-{digest[:8]}.safetensors"
    files.write_bytes(folder / name, data)
    kept = {MODEL: sums[MODEL], GOLDEN: sums[GOLDEN], name: digest}
    _write_card(folder, replace(card, calibration=dict(facts)), kept)
    if old and old != name:
        (folder / old).unlink(missing_ok=True)


def read_calibration(folder: Path) -> Calibration | None:
    """What `calibrate_bundle` stored; None where nothing was."""
    _, sums = _read_card(folder)
    name = _calibration_name(sums)
    if name is None:
        return None
    path = _checked(folder, name, sums)
    tensors = read_tensors(path)
    if set(tensors) != {"scores", "hashes"} or not np.isfinite(tensors["scores"]).all():
        raise UserError(f"{path} holds no calibration; run neocog calibrate again")
    return Calibration(tensors["scores"].astype(np.float64), tensors["hashes"].astype(np.uint8))


def _calibration_name(sums: Mapping[str, str]) -> str | None:
    """The file that holds a calibration: its name follows from its content."""
    return next((n for n, total in sums.items() if n == f"calibration-{total[:8]}.safetensors"), None)


def snapshot_name(epoch: int, total: str) -> str:
    """The file of the weights after so many epochs; `total` is its SHA-256, of which the name holds the beginning."""
    return f"epoch-{epoch:04d}-{total[:8]}.safetensors"


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """(epoch, file) of the weights that the run in `folder` kept (`train --snapshots N`)."""
    found = (
        re.fullmatch(r"epoch-(\d+)-[0-9a-f]{8}\.safetensors", p.name) for p in (folder / SNAPSHOTS).glob("*")
    )
    return sorted((int(match[1]), folder / SNAPSHOTS / match[0]) for match in found if match)


def read_snapshot(folder: Path, epoch: int) -> Tensors:
    """The weights of the run in `folder` after `epoch` epochs."""
    kept = dict(snapshots(folder))
    if epoch not in kept:
        there = (
            f"it has {', '.join(map(str, sorted(kept)))}"
            if kept
            else "train --snapshots N keeps the newest N"
        )
        raise UserError(f"{folder} has no weights of epoch {epoch}: {there}")
    check_snapshot(kept[epoch])
    return read_tensors(kept[epoch])


def check_snapshot(path: Path) -> None:
    """UserError where the file is not the one that was written."""
    if snapshot_name(int(path.name.split("-")[1]), files.sha256(path)) != path.name:
        raise UserError(f"{path} is damaged: its SHA-256 is not the one in its name; take another epoch")


def is_bundle(folder: Path) -> bool:
    return (folder / CARD).is_file()


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, every byte checked against its SHA-256."""
    card, stored = _read_card(folder)
    tensors = read_tensors(_checked(folder, MODEL, stored))
    if f"{card.head}.weight" not in tensors or len(tensors[f"{card.head}.weight"]) != len(card.classes):
        raise UserError(f"{folder / MODEL} does not fit its card: no row per class in {card.head}.weight")
    return Bundle(card, tensors)


def read_golden(folder: Path) -> Golden:
    _, stored = _read_card(folder)
    tensors = read_tensors(_checked(folder, GOLDEN, stored))
    pictures = [tensors[name].tobytes() for name in sorted(tensors) if name.startswith("picture")]
    return Golden(tuple(pictures), tensors["probabilities"].astype(np.float32))


def _write_card(folder: Path, card: Card, sums: Mapping[str, str]) -> None:
    stored = {
        "format": CALIBRATED if card.calibration else FORMATS[card.activation],
        "kind": "neocog bundle",
        **{name: value for name, value in asdict(card).items() if value is not None},
        "sha256": dict(sums),
    }
    stored["card_sha256"] = _card_sum(stored)
    files.write_text(folder / CARD, _spelled(stored))


def _read_card(folder: Path) -> tuple[Card, dict[str, str]]:
    path = folder / CARD
    if not path.is_file():
        raise UserError(
            f"{folder} is not a bundle: it has no {CARD}; give the folder that `neocog train` made"
        )
    try:
        text = path.read_bytes().decode()
        stored = json.loads(text)
        version = stored["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}); restore it from a copy"
        ) from error
    if not isinstance(version, int) or version > FORMAT:
        raise UserError(
            f"{path} has format {version}, this neocog reads up to {FORMAT}; install a newer neocog"
        )
    if text != _spelled(stored) or _card_sum(stored) != stored.get("card_sha256"):
        raise UserError(f"{path} was changed after it was written (SHA-256 differs); restore it from a copy")
    try:
        fields = {
            name: stored[name] for name in Card.__dataclass_fields__ if name in stored or name not in NEWER
        }
        fields["classes"] = tuple(fields["classes"])
        fields["preprocess"] = Preprocess.from_json(fields["preprocess"])
        if fields.get("activation", "softmax") not in FORMATS:
            raise KeyError(f"the activation {fields['activation']}")
        if fields.get("calibration") is not None and not _positive(fields["calibration"]["temperature"]):
            raise KeyError("the temperature")
        return Card(**fields), stored["sha256"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no card of this neocog: {error} is missing or wrong") from error


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


def _checked(folder: Path, name: str, sums: Mapping[str, str]) -> Path:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder} lacks {name}; restore it from a copy")
    if files.sha256(path) != sums.get(name):
        raise UserError(f"{path} is damaged: its SHA-256 is not the one in {CARD}; restore it from a copy")
    return path


def _card_sum(card: Mapping[str, Any]) -> str:
    """SHA-256 of the card without this field itself."""
    rest = {key: value for key, value in card.items() if key != "card_sha256"}
    return hashlib.sha256(_spelled(rest).encode()).hexdigest()


def _spelled(card: Mapping[str, Any]) -> str:
    """The card as JSON; a folder's name that is no UTF-8 comes as surrogates, which only an escape can write."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)
