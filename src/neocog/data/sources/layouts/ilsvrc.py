"""ILSVRC 2012: the archives as image-net.org publishes them with their development kit, or as Kaggle arranges them.

Russakovsky and others (2015). The kit numbers the classes in an order of its own (`meta.mat`), which its ground truth
of the validation pictures uses; the field, and this reader, order them by WordNet id.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files, Joined, Samples
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.layouts import wordnet
from neocog.data.sources.layouts.published_files import matlab, position, text
from neocog.errors import UserError

TRAIN = ("ILSVRC2012_img_train", "train")
VAL = ("ILSVRC2012_img_val", "val")
TEST = ("ILSVRC2012_img_test", "ILSVRC2012_img_test_v10102019", "test")
KIT = Path("data", "meta.mat")
TRUTH = Path("data", "ILSVRC2012_validation_ground_truth.txt")
KAGGLE = Path("ILSVRC", "Data", "CLS-LOC")
SOLUTION = "LOC_val_solution.csv"


@dataclass(frozen=True)
class Labels:
    """What is known of the classes and of the validation pictures, whose names are numbered from 1."""

    words: dict[str, str]
    val: dict[str, str]
    """the WordNet id of each validation picture by its name without suffix"""


def recognises(path: Path) -> bool:
    """A development kit beside a folder of the pictures, or Kaggle's tree."""
    if (path / KAGGLE).is_dir():
        return True
    return _kit(path) is not None and any((path / name).is_dir() for name in (*TRAIN, *VAL))


def read(root: Path, reading: Reading) -> Dataset:
    """Training and validation pictures, classes in the order of their WordNet ids; the test pictures have no labels."""
    kit = _kit(root)
    top = root / KAGGLE if (root / KAGGLE).is_dir() else root
    labels = _kaggle_labels(root) if kit is None else _kit_labels(kit)
    train, val = wordnet.places(_first(top, TRAIN)), _val(_first(top, VAL), labels)
    wnids = sorted({*train, *labels.words} | ({wnid for wnid, _ in val} if kit else set()))
    index = {wnid: i for i, wnid in enumerate(wnids)}
    if odd := next((wnid for wnid, _ in val if wnid not in index), None):
        raise UserError(f"each label must be a class of {root}, got {odd}; unpack the data set anew")
    trained: list[Samples] = [wordnet.pictures(place) for place in train.values()]
    counts = [len(place) for place in trained]
    given = [np.repeat(np.array([index[w] for w in train], dtype=np.int64), counts)]
    return Dataset(
        root.resolve().name,
        Joined([*trained, Files(path for _, path in val)]),
        np.concatenate([*given, np.array([index[wnid] for wnid, _ in val], dtype=np.int64)]),
        wordnet.readable(wnids, labels.words),
        np.repeat(["train", "val"], [sum(counts), len(val)]),
        root,
        notes=_notes(_first(top, TEST), kit is None),
        listed=True,
    )


def _first(top: Path, names: tuple[str, ...]) -> Path:
    return next((top / name for name in names if (top / name).is_dir()), top / names[0])


def _kit(root: Path) -> Path | None:
    kits = (root, *sorted(root.glob("ILSVRC2012_devkit*"))) if root.is_dir() else ()
    return next((kit for kit in kits if (kit / KIT).is_file()), None)


def _kit_labels(kit: Path) -> Labels:
    """The 1,000 synsets without children, and the ground truth by the kit's own numbers."""
    (synsets,) = matlab(kit / KIT, "synsets")
    try:
        leaves = [row for row in np.atleast_1d(synsets) if int(row["num_children"]) == 0]
        by_number = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        words = {str(row["WNID"]): str(row["words"]) for row in leaves}
        if sorted(by_number) != list(range(1, len(leaves) + 1)):
            raise ValueError("the numbers of its classes must run from 1 without a gap")
    except (ValueError, TypeError, IndexError) as error:
        raise UserError(f"{kit / KIT} is not the development kit's table of synsets: {error}") from error
    names = {}
    for number, line in enumerate(text(kit / TRUTH).split(), 1):
        label = position(kit / TRUTH, number, line, len(by_number)) + 1
        names[f"ILSVRC2012_val_{number:08d}"] = by_number[label]
    return Labels(words, names)


def _kaggle_labels(root: Path) -> Labels:
    names = {}
    for number, row in enumerate(csv.reader(text(root / SOLUTION).splitlines()), 1):
        wnid = row[1].split()[0] if len(row) == 2 and row[1].split() else ""
        if number > 1 and not wordnet.WNID.fullmatch(wnid):
            raise UserError(
                f"{root / SOLUTION}, line {number}: must name a picture and a WordNet id, got {row}"
            )
        if number > 1:
            names[row[0]] = wnid
    return Labels(wordnet.words_beside(root), names)


def _val(folder: Path, labels: Labels) -> list[tuple[str, str]]:
    """WordNet id and path of each validation picture, in the order of their numbers; some copies are sorted already."""
    if sorted_already := wordnet.places(folder):
        return [(wnid, path) for wnid, place in sorted_already.items() for path in pictures_below(place)]
    found = []
    for path in pictures_below(folder) if folder.is_dir() else ():
        stem = Path(path).stem
        if stem not in labels.val:
            raise UserError(
                f"each validation picture must have a label, got none for {path}; unpack the labels anew"
            )
        found.append((labels.val[stem], path))
    return found


def _notes(test: Path, kaggle: bool) -> tuple[str, ...]:
    said = "read as ILSVRC 2012 " + ("as Kaggle arranges it" if kaggle else "with its development kit")
    left_out = ("its test pictures were left out: their labels are not published",) if test.is_dir() else ()
    return (f"{said}; classes in the order of their WordNet ids", *left_out)
