"""Oxford Flowers-102 (Nilsback and Zisserman 2008): `jpg`, `imagelabels.mat` and `setid.mat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.layouts.published_files import matlab
from neocog.data.sources.names import class_names
from neocog.errors import UserError

SETS = {"trnid": "train", "valid": "val", "tstid": "test"}


def recognises(path: Path) -> bool:
    return (path / "jpg").is_dir() and all(
        (path / f"{name}.mat").is_file() for name in ("imagelabels", "setid")
    )


def read(root: Path, reading: Reading) -> Dataset:
    """The parts as published, pictures in the order of their numbers: `tstid`, the largest part, is the test part."""
    (labels,) = matlab(root / "imagelabels.mat", "labels")
    labels = np.atleast_1d(labels).astype(np.int64) - 1
    classes = class_names("flowers-102")
    if len(odd := np.flatnonzero((labels < 0) | (labels >= len(classes)))):
        raise UserError(
            f"{root / 'imagelabels.mat'}: label {odd[0] + 1} must be from 1 to {len(classes)}, got {labels[odd[0]] + 1}"
        )
    parts = np.full(len(labels), "", dtype="<U5")
    for name, ids in zip(SETS, matlab(root / "setid.mat", *SETS), strict=True):
        places = np.atleast_1d(ids).astype(np.int64) - 1
        if places.size and not (places.min() >= 0 and places.max() < len(labels)):
            raise UserError(f"{root / 'setid.mat'}: {name} must hold numbers from 1 to {len(labels):,}")
        if (twice := places[parts[places] != ""]).size:
            raise UserError(f"{root / 'setid.mat'}: picture {twice[0] + 1} must be in one part, got two")
        parts[places] = SETS[name]
    return Dataset(
        "flowers-102",
        Files(root / "jpg" / f"image_{i:05d}.jpg" for i in range(1, len(labels) + 1)),
        labels,
        classes,
        parts,
        root,
        notes=(
            "read as Flowers-102; as published the test part is the largest, train and val have 10 a class",
        ),
        listed=True,
    )
