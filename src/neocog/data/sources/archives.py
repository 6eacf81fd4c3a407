"""Zip and tar archives, read in place: the rules of folders and tables hold inside them, nothing is unpacked."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.reading import Reading, demand_heeded
from neocog.data.sources.beside import labelling, read_beside
from neocog.data.sources.listing import Inside
from neocog.data.sources.rows import Rows, is_picture, read_rows
from neocog.data.sources.tables import TABLES, as_dataset, from_tables, the_picture
from neocog.data.sources.tars import open_tar
from neocog.data.sources.tree import HIDDEN, PART_FOLDERS, arrange, folders_above, is_sorted, natural_path
from neocog.data.sources.zips import MAGIC, open_zip
from neocog.errors import Unreadable, UserError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def recognises(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures in the archive, by class folders, by part folders, or without labels."""
    inside = open_archive(root)
    shown = [i for i, name in enumerate(inside.names) if not hidden(name)]
    pictures = [i for i in shown if is_picture(inside.names[i])]
    pictures.sort(key=lambda i: natural_path(inside.names[i]))
    if not pictures:
        raise UserError(f"no picture found in {root}; known are {', '.join(SUFFIXES)}")
    top = wrapper([inside.names[i] for i in pictures])
    names = [inside.names[i][len(top) :] for i in pictures]
    if not is_sorted(names):
        table = _table(inside, [inside.names[i] for i in shown], top, reading)
        if table is not None:
            return table
    demand_heeded(reading, (), f"{root} with no table that names pictures")
    found = arrange(names, folders_above(names), str(root))
    others = len(shown) - len(pictures)
    ignored = (f"ignored: {others:,} files that are no pictures by their names",) if others else ()
    return Dataset(
        stem(root),
        inside.members(np.array(pictures)[found.order]),
        found.labels,
        found.classes,
        found.parts,
        root,
        notes=(*inside.notes, *ignored, *found.notes),
    )


def _table(inside: Inside, shown: list[str], top: str, reading: Reading) -> Dataset | None:
    """What the table above the pictures says, or the tables for train, val and test, if they name pictures."""
    above = [name for name in shown if name.lower().endswith(TABLES) and top.startswith(_folder(name))]
    names = labelling(above) if len({_folder(name) for name in above}) == 1 else []
    folder = _folder(above[0]) if above else ""
    place = {name: i for i, name in enumerate(inside.names)}

    def find(path: str) -> str | None:
        return the_picture(posixpath.normpath(folder + path), place.__contains__)

    found = read_beside({name: _rows(inside, name, place[name]) for name in names}, reading, find)
    if found is None:
        return None
    names, table = found
    chosen = np.array([place[path] for path in table.paths])
    others = sum(is_picture(name) for name in shown) - len(chosen)
    notes = (*inside.notes, *from_tables(names, others), *table.notes)
    return as_dataset(table, stem(inside.archive), inside.members(chosen), inside.archive, notes)


def _rows(inside: Inside, name: str, index: int) -> Rows:
    place = f"{inside.archive}/{name}"
    try:
        data = inside.members(np.array([index])).read(0)
    except Unreadable as error:
        raise UserError(f"{place} cannot be read: {error}") from error
    return read_rows(data, place, PurePosixPath(name).suffix.lower())


def _folder(name: str) -> str:
    """What lies before the name's last part, with its slash."""
    return name[: name.rfind("/") + 1]


def open_archive(path: Path) -> Inside:
    """The archive's index, of the kind that its first bytes say."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}") from error
    if not magic:
        raise UserError(f"{path} must be an archive, got an empty file (0 bytes)")
    return open_zip(path) if magic in MAGIC or path.suffix.lower() == ".zip" else open_tar(path)


def stem(path: Path) -> str:
    """The file's name without the suffixes of an archive."""
    suffix = next(
        suffix for suffix in sorted(ARCHIVES, key=len, reverse=True) if path.name.lower().endswith(suffix)
    )
    return path.name[: -len(suffix)] or path.name


def hidden(name: str) -> bool:
    return any(part.startswith(HIDDEN) for part in name.split("/"))


def wrapper(names: list[str]) -> str:
    """The folder that holds everything else, as archives are often made, with its slash; `""` where there is none.

    It holds folders, not pictures, and is not itself a part folder.
    """
    top = ""
    while True:
        ways = [name[len(top) :].split("/") for name in names]
        if len({way[0] for way in ways}) > 1 or min(map(len, ways)) < 3 or ways[0][0].lower() in PART_FOLDERS:
            return top
        top += ways[0][0] + "/"
