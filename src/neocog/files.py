"""Files that are either written whole or not at all, and their SHA-256."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from neocog.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT}  # what a full disk and a used-up quota answer


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a crash at any moment leaves the old file or the new one."""
    with whole_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, which becomes `path` where the block ends well and vanishes where it does not.

    A crash at any moment, a power cut too, leaves the old file or the new one; a killed process also leaves a
    temporary file, for `remove_strays`. Raises UserError in words where the system refuses to write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; choose another place or free some space"
        ) from error
    finally:
        with suppress(OSError):  # gone where all went well, out of reach where the folder is
            temporary.unlink()


def remove_strays(folder: Path) -> None:
    """Remove temporary files of `whole_file` whose process was killed."""
    for path in folder.glob(".*.*-*.tmp"):
        pid = path.name.split(".")[-2].partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            with suppress(OSError):  # Windows refuses where somebody still writes
                path.unlink()


def make_folder(path: Path) -> Path:
    """Create `path` with its parents; an error says why that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another place") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"cannot write into {path}: permission denied; choose another place")
    return path


def make_result_folder(path: Path, mark: str) -> Path:
    """A folder for results: a new one, an empty one, or one that held such results before, which `mark` tells."""
    demand_result_folder(path, mark)
    return make_folder(path)


def demand_result_folder(path: Path, mark: str) -> None:
    """UserError unless `make_result_folder` would make `path`, as far as can be told; nothing is made."""
    try:
        if path.is_dir() and not (path / mark).is_file() and any(path.iterdir()):
            raise UserError(
                f"results need a folder of their own, {path} holds other files; name another with -o"
            )
        there = next((place for place in (path, *path.parents) if place.exists()), path)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another place") from error
    if not there.is_dir():
        raise UserError(f"cannot make the folder {path}: {there} is a file; choose another place")
    if not os.access(there, os.W_OK):
        raise UserError(f"cannot write into {there}: permission denied; choose another place")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _alive(pid: int) -> bool:
    if os.name != "posix":  # on Windows `kill` ends the process, whatever the signal
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no number of a process
        pass
    return True


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened for fsync on Windows
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:  # some network file systems cannot; the file itself is written
        if error.errno in FULL | {errno.EIO}:
            raise
