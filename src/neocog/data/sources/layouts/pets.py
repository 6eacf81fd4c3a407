"""Oxford-IIIT Pets (Parkhi and others 2012): pictures in one folder, lists and head boxes in `annotations`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.layouts.published_files import position, rows
from neocog.errors import UserError

LISTS = {"trainval.txt": "train", "test.txt": "test"}
SPECIES = ("cat", "dog")
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def recognises(path: Path) -> bool:
    return (path / "images").is_dir() and all((path / "annotations" / name).is_file() for name in LISTS)


def read(root: Path, reading: Reading) -> Dataset:
    """Train (published as trainval) and test; columns `species` and, with `annotations/xmls`, `box` round the head."""
    names, labels, species, parts = [], [], [], []
    breeds: dict[int, str] = {}
    for file, part in LISTS.items():
        path = root / "annotations" / file
        for line, (name, label, kind, _) in enumerate(rows(path, 4), 1):
            labels.append(position(path, line, label, 37))
            species.append(SPECIES[position(path, line, kind, 2)])
            names.append(name)
            parts.append(part)
            breed = breeds.setdefault(labels[-1], _breed(name))
            if breed != _breed(name):
                raise UserError(
                    f"{path}, row {line}: class {label} must be one breed, got {breed} and {_breed(name)}"
                )
    order = sorted(breeds)
    columns = {"species": np.array(species)}
    xmls = root / "annotations" / "xmls"
    return Dataset(
        "oxford-pets",
        Files(root / "images" / f"{name}.jpg" for name in names),
        np.array([order.index(label) for label in labels], dtype=np.int64),
        tuple(breeds[label] for label in order),
        np.array(parts),
        root,
        columns=columns | ({"box": _boxes(xmls, names)} if xmls.is_dir() else {}),
        notes=(f"read as Oxford Pets, {len(order)} breeds, its own trainval and test",),
        listed=True,
    )


def _breed(name: str) -> str:
    """`american_bulldog_10` is an American bulldog: words as people write them."""
    return name.rpartition("_")[0].replace("_", " ").capitalize()


def _boxes(folder: Path, names: list[str]) -> NDArray[np.float64]:
    """(n, 4): left, top, width, height in pixels, from 0; not a number where there is none, as in most of test."""
    boxes = np.full((len(names), 4), np.nan)
    for i, name in enumerate(names):
        path = folder / f"{name}.xml"
        if not path.is_file():
            continue
        try:
            tree = ElementTree.parse(path)
            corners = [float(tree.findtext(f"object/bndbox/{corner}", "")) for corner in CORNERS]
        except (ElementTree.ParseError, ValueError) as error:
            raise UserError(
                f"{path} must hold an object with a bndbox: {error}; unpack the data set anew"
            ) from error
        left, top, right, bottom = corners
        boxes[i] = left - 1, top - 1, right - left, bottom - top
    return boxes
