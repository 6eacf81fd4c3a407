"""Caltech-101 (Fei-Fei, Fergus and Perona 2004): `101_ObjectCategories`, with boxes in `Annotations`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.inside import entries
from neocog.data.sources.layouts.published_files import matlab
from neocog.errors import UserError

PICTURES = "101_ObjectCategories"
CLUTTER = "BACKGROUND_Google"  # no class of the 101: what the pictures of a search engine show
ELSEWHERE = {
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
    "airplanes": "Airplanes_Side_2",
}
"""folders of annotations that are not called like their class"""


def recognises(path: Path) -> bool:
    """The folder `101_ObjectCategories`, or the one that holds it."""
    return (path / PICTURES).is_dir() or (path.is_dir() and path.resolve().name == PICTURES)


def read(root: Path, reading: Reading) -> Dataset:
    """All pictures but the clutter; no parts, since none are published. With annotations, boxes in the column `box`."""
    folder = root / PICTURES if (root / PICTURES).is_dir() else root
    classes = sorted(p.name for p in entries(folder) if p.is_dir() and p.name != CLUTTER)
    found = [(i, path) for i, name in enumerate(classes) for path in pictures_below(folder / name)]
    if not found:
        raise UserError(f"{folder} must hold a folder of pictures per class, got none; unpack it anew")
    annotated = folder.resolve().parent / "Annotations"
    boxes = {"box": _boxes(annotated, [Path(path) for _, path in found])} if annotated.is_dir() else {}
    without = (f"{CLUTTER} was left out: it is no class",) if (folder / CLUTTER).is_dir() else ()
    return Dataset(
        "caltech-101",
        Files(path for _, path in found),
        np.array([label for label, _ in found], dtype=np.int64),
        tuple(classes),
        np.full(len(found), ""),
        root,
        columns=boxes,
        notes=(f"read as Caltech-101, {len(classes)} classes", *without),
        listed=True,
    )


def _boxes(folder: Path, paths: list[Path]) -> NDArray[np.float64]:
    """(n, 4): left, top, width, height in pixels, from 0; not a number where a picture has no annotation.

    The files have top, bottom, left, right, from 1 (the data set's own `show_annotation.m`).
    """
    boxes = np.full((len(paths), 4), np.nan)
    for i, path in enumerate(paths):
        name = path.parent.name
        place = folder / ELSEWHERE.get(name, name) / f"{path.stem.replace('image', 'annotation')}.mat"
        if place.is_file():
            (corners,) = matlab(place, "box_coord")
            if np.shape(corners) != (4,):
                raise UserError(f"{place}: box_coord must be 4 numbers, got the shape {np.shape(corners)}")
            top, bottom, left, right = map(float, corners)
            boxes[i] = left - 1, top - 1, right - left, bottom - top
    return boxes
