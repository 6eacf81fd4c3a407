"""Office-31 (Saenko and others 2010): the same 31 classes in three domains, each in a folder `images`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.inside import entries
from neocog.data.sources.tree import natural
from neocog.errors import UserError

DOMAINS = ("amazon", "dslr", "webcam")


def recognises(path: Path) -> bool:
    """The folder with two or three of the domains, or the folder of one."""
    return len(_domains(path)) > 1 or (path.resolve().name in DOMAINS and (path / "images").is_dir())


def read(root: Path, reading: Reading) -> Dataset:
    """All domains, told apart by the column `domain`; the folder of one gives that one. No parts are published."""
    domains = _domains(root) or [root.resolve()]
    folders = [
        (domain.name, folder)
        for domain in domains
        for folder in sorted(entries(domain / "images"), key=lambda path: natural(path.name))
        if folder.is_dir()
    ]
    classes = sorted({folder.name for _, folder in folders}, key=natural)
    found = [(domain, folder.name, path) for domain, folder in folders for path in pictures_below(folder)]
    if not found:
        raise UserError(
            f"{root} must hold a folder of pictures per class and domain, got none; unpack it anew"
        )
    return Dataset(
        "office-31" if len(domains) > 1 else f"office-31/{domains[0].name}",
        Files(path for *_, path in found),
        np.array([classes.index(name) for _, name, _ in found], dtype=np.int64),
        tuple(classes),
        np.full(len(found), ""),
        root,
        columns={"domain": np.array([domain for domain, *_ in found])},
        notes=(f"read as Office-31: {', '.join(domain.name for domain in domains)}",),
        listed=True,
    )


def _domains(path: Path) -> list[Path]:
    return [path / name for name in DOMAINS if (path / name / "images").is_dir()]
