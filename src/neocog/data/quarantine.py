"""A list of pictures to leave out: plain text, written by `data check`, edited by a person, honoured by `train`."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset, LeftOut
from neocog.data.samples import content_hash
from neocog.errors import Unreadable, UserError

LIST = "quarantine.txt"
HEADER = ("path", "sha256", "reason")
NAMED = 10  # pictures in an error
HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Entry:
    """A picture to leave out, by its path below the data's root, by its content, or by both."""

    path: str
    sha256: str = ""
    """64 hexadecimal digits; empty where only the path counts"""
    reason: str = ""
    line: int = 0
    """where it stands in its file"""


def write_list(entries: Iterable[Entry], comment: str = "", proposed: Iterable[Entry] = ()) -> str:
    """The list as text: lines of comment, then a table of three columns separated by commas.

    Those `proposed` follow as comments: whoever agrees takes the `# ` away.
    """
    file = io.StringIO()
    for line in comment.splitlines():
        file.write(f"# {line}\n")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(HEADER)
    for entry in entries:  # a path that starts like a comment would not be read again
        rows.writerow(
            (f"./{entry.path}" if entry.path.startswith("#") else entry.path, entry.sha256, entry.reason)
        )
    for entry in proposed:
        row = io.StringIO()
        csv.writer(row, lineterminator="").writerow((entry.path, entry.sha256, entry.reason))
        file.write(f"# {' '.join(row.getvalue().splitlines())}\n")
    return file.getvalue()


def read_list(path: Path) -> tuple[Entry, ...]:
    """The entries of a list, or of the one in a folder that `data check -o` wrote; a line may hold a path alone.

    Raises `UserError` naming file and line.
    """
    path = path / LIST if path.is_dir() else path
    try:
        text = path.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise UserError(
            f"cannot read the quarantine list {path}: {error.strerror}; give one that exists"
        ) from error
    return tuple(_entries(path, text))


def _entries(path: Path, text: str) -> Iterator[Entry]:
    rows = csv.reader(io.StringIO(text, newline=""))
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or tuple(cells) == HEADER[: len(cells)]:
            continue
        name, digest, reason = (*cells, "", "")[:3]
        digest = digest.lower()
        if digest and (len(digest) != 64 or not HEX.issuperset(digest)):
            raise UserError(
                f"{path}, line {rows.line_num}: sha256 must be 64 hexadecimal digits or nothing, got {digest!r}"
            )
        if not name and not digest:
            raise UserError(
                f"{path}, line {rows.line_num}: an entry needs a path or a sha256, got {','.join(row)!r}"
            )
        yield Entry(name.removeprefix("./"), digest, reason, rows.line_num)


def without_quarantined(dataset: Dataset, path: Path) -> Dataset:
    """`dataset` less the pictures on the list at `path`; they stay counted in `quarantined`, and notes say what is odd.

    An entry with a hash stands for that content: at its path, or wherever the content has moved to. A file that was
    replaced meanwhile is another picture and stays. An entry without a hash stands for its path.
    """
    entries = read_list(path)
    left_out, unmet = _places(dataset, entries)
    if len(left_out) == len(dataset) and len(dataset):
        raise UserError(f"{path} must leave a picture of {dataset.name}, but lists all {len(dataset):,}")
    gone = tuple(
        LeftOut(dataset.samples.name(i), reason, str(dataset.parts[i]))
        for i, reason in sorted(left_out.items())
    )
    kept = dataset.select(np.array([i for i in range(len(dataset)) if i not in left_out], dtype=np.int64))
    notes = tuple(
        f"{path}, line {entry.line}: no picture here is {entry.path or entry.sha256}" for entry in unmet
    )
    return replace(kept, quarantined=(*dataset.quarantined, *gone), notes=(*dataset.notes, *notes))


def demand_readable(dataset: Dataset, skipped: Sequence[tuple[int, str]]) -> None:
    """Raise `UserError` naming the pictures, (index, reason), that could not be read."""
    if skipped:
        named = "; ".join(f"{dataset.samples.name(i)}: {reason}" for i, reason in skipped[:NAMED])
        more = f"; and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else ""
        count = f"{len(skipped):,} of {len(dataset):,}"
        raise UserError(
            f"every picture must be readable with --strict, {count} are not ({named}{more}); "
            "repair them, or leave them out with --quarantine FILE (neocog data check writes one)"
        )


def _places(dataset: Dataset, entries: tuple[Entry, ...]) -> tuple[dict[int, str], list[Entry]]:
    """Index -> reason of the pictures that entries stand for, and the entries that stand for none."""
    wanted = {_plain(entry.path) for entry in entries}
    index = {name: i for i in range(len(dataset)) if (name := _plain(dataset.short_name(i))) in wanted}
    found: dict[int, str] = {}
    moved: list[Entry] = []
    for entry in entries:
        at = index.get(_plain(entry.path))
        if at is not None and (not entry.sha256 or _digest(dataset, at) == entry.sha256):
            found[at] = entry.reason or "on the quarantine list"
        else:
            moved.append(entry)
    return _find_moved(dataset, moved, found)


def _find_moved(
    dataset: Dataset, moved: list[Entry], found: dict[int, str]
) -> tuple[dict[int, str], list[Entry]]:
    """Look for the contents of `moved` in all pictures: only then is every file read."""
    reasons = {entry.sha256: entry.reason or "on the quarantine list" for entry in moved if entry.sha256}
    met = set()
    for i in range(len(dataset)) if reasons else ():
        digest = _digest(dataset, i)
        if digest in reasons:
            found.setdefault(i, reasons[digest])
            met.add(digest)
    return found, [entry for entry in moved if entry.sha256 not in met]


def _digest(dataset: Dataset, index: int) -> str:
    try:
        return content_hash(dataset.samples.read(index)).hex()
    except Unreadable:
        return ""


def _plain(path: str) -> str:
    """A path as it is compared: forward slashes, one Unicode form, nothing before its first name."""
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))
