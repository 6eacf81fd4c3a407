"""WebDataset shards: tar files in which the files of one sample share a name up to its first dot.

`0001.jpg` and `0001.cls` are a picture and its label. The label is the text of a `.cls` file, else that of a `.txt`
file, else the field `label` of a `.json` file (Aizman, Maltby and Breuel 2019, High Performance I/O For Large Scale
Deep Learning; the rule of names is the format's own). The shards stay packed: one pass over headers makes the index.
"""

from __future__ import annotations

import glob
import itertools
import json
import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import UNLABELLED, Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.reading import Reading
from neocog.data.samples import Joined, Members
from neocog.data.sources.inside import entries, files_with, part_in
from neocog.data.sources.tars import Broken, headers
from neocog.data.sources.tree import natural
from neocog.errors import UserError

LABELS = ("cls", "txt", "json")
"""suffixes of labels, the first that a sample has counts"""
FIELDS = ("label", "cls", "class")
CLASS_FILES = ("classes.txt", "classnames.txt", "classes.json")
MAX_LABEL = 1 << 20  # bytes
PEEK = 64  # members looked at to see what a tar file is
BRACES = re.compile(r"\{([^{}]*)\}")


class Member(NamedTuple):
    """A file of a shard."""

    name: str
    key: str
    """the name up to the first dot of its last part"""
    suffix: str
    """what follows, in small letters"""
    offset: int
    size: int


@dataclass
class Index:
    """What is known of a shard's pictures, in flat memory."""

    names: list[str] = field(default_factory=list)
    spans: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))


def pattern(data: str | Path) -> Path | None:
    """The path `data`, where it is no file but stands for several, as `train-{000..009}.tar` or `train-*.tar`."""
    text = os.path.expanduser(data)  # noqa: PTH111
    return Path(text) if text.endswith(".tar") and _stands_for_several(text) else None


def recognises(path: Path) -> bool:
    """A pattern of tar files, a folder with nothing but tar files beside texts, or a tar file, with samples inside."""
    if pattern(path):
        return True
    shards = _below(path) if path.is_dir() else [path] if path.suffix.lower() == ".tar" else []
    try:
        return bool(shards) and _has_samples(shards[0])
    except (
        UserError
    ):  # a broken file alone may be an archive of another kind; beside others it is a broken shard
        return path.is_dir()


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures of all shards in natural order; train, val or test as the shard's path says."""
    shards, folder = _shards(root)
    texts: dict[str, int] = {}
    indices = [_index(shard, texts) for shard in shards]
    given = np.concatenate([np.array(index.labels, dtype=np.int64) for index in indices])
    classes, places = _classes(folder, list(texts))
    labels = np.where(given == UNLABELLED, UNLABELLED, places[given]) if texts else given
    if not len(labels):
        raise UserError(f"{root} holds no picture; a sample is a picture and its .cls, .txt or .json file")
    return Dataset(
        folder.resolve().name if root != folder and _stands_for_several(str(root)) else root.resolve().stem,
        Joined([_members(*pair) for pair in zip(shards, indices, strict=True)]),
        labels,
        classes,
        np.repeat([part_in(shard.relative_to(folder)) for shard in shards], [len(i.labels) for i in indices]),
        folder,
        notes=(f"read as {len(shards):,} WebDataset shard{'s' * (len(shards) > 1)}",),
        listed=True,
    )


def _members(shard: Path, index: Index) -> Members:
    return Members(shard, index.names, np.array(index.spans, dtype=np.int64).reshape(-1, 2))


def _stands_for_several(text: str) -> bool:
    return not os.path.exists(text) and bool(BRACES.search(text) or glob.has_magic(text))  # noqa: PTH110


def _shards(root: Path) -> tuple[list[Path], Path]:
    """The shards in natural order, and the folder they lie in."""
    if not _stands_for_several(str(root)):
        return (_below(root), root) if root.is_dir() else ([root], root.parent)
    shards: list[Path] = []
    for text in expand(str(root)):
        found = [Path(name) for name in glob.glob(text)] if glob.has_magic(text) else [Path(text)]  # noqa: PTH207
        if not found or not found[0].is_file():
            raise UserError(f"{text} does not exist; give a pattern of shards that do")
        shards += sorted(found, key=lambda path: natural(str(path)))
    return shards, Path(os.path.commonpath([shard.parent for shard in shards]))


def expand(text: str) -> list[str]:
    """The texts that braces stand for, as in a shell: `{008..010}` counts, `{a,b}` lists."""
    found = BRACES.search(text)
    if not found:
        return [text]
    if count := re.fullmatch(r"(\d+)\.\.(\d+)", found[1]):
        width = len(count[1])
        choices = [f"{i:0{width}d}" for i in range(int(count[1]), int(count[2]) + 1)]
    else:
        choices = found[1].split(",")
    return [
        text[: found.start()] + choice + rest for choice in choices for rest in expand(text[found.end() :])
    ]


def _below(folder: Path) -> list[Path]:
    """The folder's shards; none where pictures lie beside them."""
    if any(path.suffix.lower() in SUFFIXES for path in entries(folder)):
        return []
    return files_with(folder, ".tar")


def _has_samples(shard: Path) -> bool:
    """Whether a picture and a label share a name among the first members."""
    first = list(itertools.islice(members(shard), PEEK))
    pictures = {member.key for member in first if f".{member.suffix}" in SUFFIXES}
    return any(member.key in pictures for member in first if member.suffix in LABELS)


def members(shard: Path) -> Iterator[Member]:
    """The files of a shard; UserError where it is no tar file, cut, or holds more behind its end."""
    whole = 0
    try:
        for info in headers(shard):
            stem, dot, suffix = info.name.rpartition("/")[2].partition(".")
            if info.isreg() and not info.issparse() and dot and stem:
                key = info.name[: len(info.name) - len(suffix) - 1]
                yield Member(info.name, key, suffix.lower(), info.offset_data, info.size)
            whole += 1
    except Broken as error:
        raise UserError(f"{shard} {error}, behind {whole:,} whole members; fetch it again") from error
    except OSError as error:
        raise UserError(f"cannot open {shard}: {error.strerror or error}") from error


def _index(shard: Path, texts: dict[str, int]) -> Index:
    """The pictures of one shard; label texts not yet in `texts` are added to it, numbered as they come."""
    index = Index()
    with shard.open("rb") as file:
        for key, group in itertools.groupby(members(shard), key=lambda member: member.key):
            found: dict[str, Member] = {}
            for member in group:
                if member.suffix in found:
                    raise UserError(
                        f"{shard}: each file of a sample must have its own suffix, {key} has two "
                        f".{member.suffix}; pack it anew"
                    )
                found[member.suffix] = member
            pictures = [member for suffix, member in found.items() if f".{suffix}" in SUFFIXES]
            if len(pictures) > 1:
                raise UserError(
                    f"{shard}: a sample must have one picture, {key} has {len(pictures)}; pack it anew"
                )
            if not pictures:
                continue
            index.names.append(pictures[0].name)
            index.spans.extend((pictures[0].offset, pictures[0].size))
            label = next((found[suffix] for suffix in LABELS if suffix in found), None)
            text = _label(shard, file, label) if label else None
            index.labels.append(UNLABELLED if text is None else texts.setdefault(text, len(texts)))
    return index


def _label(shard: Path, file: BinaryIO, member: Member) -> str:
    """A label as text, whatever file it comes from."""
    file.seek(member.offset)
    data = file.read(min(member.size, MAX_LABEL))
    place = f"{shard}, {member.name}"
    try:
        text = data.decode("utf-8").strip()
        if member.suffix == "json":
            fields = json.loads(text)
            named = [name for name in FIELDS if name in fields] if isinstance(fields, dict) else []
            if not named:
                raise UserError(f"{place} must have a field {' or '.join(FIELDS)}, got {text[:60]!r}")
            text = str(fields[named[0]]).strip()
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{place} is no label: {error}") from error
    if not text or "\n" in text:
        raise UserError(f"{place} must be one line, a label, got {text[:60]!r}")
    return text


def _classes(folder: Path, texts: list[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names, and which of them each label text means."""
    names = next((_class_names(folder / name) for name in CLASS_FILES if (folder / name).is_file()), ())
    if names and all(text.isdecimal() for text in texts):
        if odd := [text for text in texts if int(text) >= len(names)]:
            raise UserError(f"each label must be below {len(names)}, the names of {folder}, got {odd[0]}")
        return names, np.array([int(text) for text in texts], dtype=np.int64)
    names = names or tuple(sorted(texts, key=natural))
    where = {name: i for i, name in enumerate(names)}
    if odd := [text for text in texts if text not in where]:
        raise UserError(f"each label must be one of the {len(names)} names of {folder}, got {odd[0]!r}")
    return names, np.array([where[text] for text in texts], dtype=np.int64)


def _class_names(path: Path) -> tuple[str, ...]:
    """A name a line; or JSON: a list, or an object from number to name or from name to number."""
    try:
        text = path.read_text("utf-8")
        if path.suffix != ".json":
            return tuple(line.strip() for line in text.splitlines() if line.strip())
        given = json.loads(text)
        if isinstance(given, dict):
            pairs = [(int(a), str(b)) if str(a).isdecimal() else (int(b), str(a)) for a, b in given.items()]
            if sorted(number for number, _ in pairs) != list(range(len(pairs))):
                raise ValueError("the numbers must run from 0 without a gap")
            return tuple(name for _, name in sorted(pairs))
        return tuple(map(str, given))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} must hold class names: {error}") from error
