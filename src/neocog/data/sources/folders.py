"""Class folders, with or without train/val/test folders above them; the pictures below any folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from neocog.data.dataset import Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.reading import Reading, demand_heeded
from neocog.data.samples import Files
from neocog.data.sources import tables
from neocog.data.sources.beside import labelling, read_beside
from neocog.data.sources.rows import is_picture
from neocog.data.sources.tree import HIDDEN, arrange, is_sorted, natural
from neocog.errors import UserError


def recognises(path: Path) -> bool:
    """Every folder: what no other kind has taken."""
    return path.is_dir()


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures of a folder of class folders, of one with train/val/test folders, or of a flat one."""
    pictures = list(relative_pictures(root))
    table = None if is_sorted(pictures) else _table(root, pictures, reading)
    if table is not None:
        return table
    demand_heeded(reading, (), f"{root} with no table that names pictures")
    tops = _folders(root)
    folders = [top.name for top in tops]
    folders += [f"{top.name}/{folder.name}" for top in tops for folder in _folders(top)]
    found = arrange(pictures, folders, str(root))
    return Dataset(
        root.resolve().name,
        Files(root / pictures[i] for i in found.order),
        found.labels,
        found.classes,
        found.parts,
        root,
        notes=found.notes,
    )


def _table(root: Path, pictures: list[str], reading: Reading) -> Dataset | None:
    """What the folder's table says, or its tables for train, val and test, if they name pictures."""
    names = labelling(entry.name for entry in _listed(root) if tables.recognises(root / entry.name))
    found = read_beside(
        {name: tables.read_file(root / name) for name in names}, reading, tables.find_below(root)
    )
    if found is None:
        return None
    names, table = found
    named = set(map(os.path.normpath, table.paths))
    others = sum(os.path.normpath(root / path) not in named for path in pictures)
    notes = (*tables.from_tables(names, others), *table.notes)
    return tables.as_dataset(table, root.resolve().name, Files(table.paths), root, notes)


def pictures_below(folder: Path) -> Iterator[str]:
    """Every file below `folder` with a picture's suffix, in natural order; hidden ones are left out."""
    return (str(folder / path) for path in relative_pictures(folder))


def relative_pictures(folder: Path, prefix: str = "", above: frozenset[Path] = frozenset()) -> Iterator[str]:
    """`pictures_below` as POSIX paths relative to the folder, after `prefix`."""
    real = folder.resolve()
    if real in above:  # a symbolic link to a folder it lies in
        return
    for entry in sorted(_listed(folder), key=lambda entry: natural(entry.name)):
        if _is_folder(entry):
            yield from relative_pictures(folder / entry.name, f"{prefix}{entry.name}/", above | {real})
        elif is_picture(entry.name):
            yield prefix + entry.name


def ignored_files(root: Path) -> dict[str, int]:
    """How many files of each suffix below `root` are not taken for pictures; hidden ones do not count."""
    counts: Counter[str] = Counter()
    for top, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        shown = (name for name in names if not name.startswith("."))
        counts.update(Path(top, name).suffix.lower() or "no suffix" for name in shown)
    return {suffix: n for suffix, n in counts.most_common() if suffix not in SUFFIXES}


def _folders(top: Path) -> list[Path]:
    return [top / entry.name for entry in _listed(top) if _is_folder(entry)]


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in the folder and is not hidden."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(HIDDEN)]
    except OSError as error:
        raise UserError(f"cannot look into the folder {folder}: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link that leads round in a circle
        return False
