"""Files that are either written whole or not at all, and their SHA-256."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from neocog.errors import UserError


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a crash at any moment leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; choose another place or free some space"
        ) from error
    finally:
        with suppress(OSError):  # gone where all went well, out of reach where the folder is
            temporary.unlink()
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def make_folder(path: Path) -> Path:
    """Create `path` with its parents; an error says why that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another place") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"cannot write into {path}: permission denied; choose another place")
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened for fsync on Windows
        return
    with suppress(OSError):  # some network file systems cannot; the file itself is written
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
