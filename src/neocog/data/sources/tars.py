"""Tar archives: an index of byte ranges; compressed ones are decompressed once, as a whole, into the cache."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import struct
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from neocog import runtime
from neocog.data.samples import fetch_plain
from neocog.data.sources.listing import Inside, Listing
from neocog.errors import UserError
from neocog.files import make_folder

CHUNK = 1 << 20
MAX_HEADER = 1 << 20  # bytes of a name or of extended attributes
XZ_MEMORY = 256 << 20  # bytes; level 9 of xz needs 65 MiB
MAX_RATIO, NO_BOMB = 200, 1 << 30  # bytes unpacked per byte packed, and how many are always allowed
FREE = 1 << 30  # bytes that stay free on the disk of the cache
BLOCK = tarfile.BLOCKSIZE
BROKEN = (tarfile.TarError, ValueError, LookupError, OverflowError, EOFError, struct.error, RecursionError)
"""what tarfile raises on a damaged header"""


def open_tar(path: Path) -> Inside:
    """The index of the archive; raises `UserError` where it is cut short or damaged."""
    try:
        bytes_in = _decompressed(path)
        return _index(path, bytes_in).finish(fetch_plain, bytes_in)
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror or error}") from error


class Broken(Exception):
    """The archive ends, or stops making sense, at this member."""


def _index(path: Path, bytes_in: Path) -> Listing:
    listing = Listing(path)
    whole = 0
    try:
        for info in headers(bytes_in):
            _list(info, listing)
            whole += 1
    except Broken as error:
        raise _not_whole(path, str(error), whole) from error
    return listing


def headers(path: Path) -> Iterator[tarfile.TarInfo]:
    """The header of each member that lies whole in the tar; raises `Broken` where the next one does not."""
    total = path.stat().st_size
    with path.open("rb") as file:
        try:
            last = -1
            tar = tarfile.TarFile(fileobj=_Headers(file), mode="r")  # type: ignore[arg-type]
            while (info := tar.next()) is not None:
                if info.size < 0 or info.offset <= last:  # would be read for ever
                    raise Broken(f"makes no sense at byte {info.offset:,}")
                if info.offset_data + (info.size if info.isreg() else 0) > total:
                    raise Broken(f"is cut short in {info.name[:200]}")
                yield info
                last = info.offset
                tar.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
            end = tar.offset
        except BROKEN as error:
            raise Broken(f"makes no sense: {error}") from error
        file.seek(end)
        block = file.read(BLOCK)
    if len(block) < BLOCK:
        raise Broken("is cut short: it has no end mark")
    if any(block):
        raise Broken(f"makes no sense at byte {end:,}: no header there")


def _list(info: tarfile.TarInfo, listing: Listing) -> None:
    if info.isdir():
        return
    if info.issparse():
        listing.leave_out("sparse files", info.name)
    elif info.isreg():
        listing.add(info.name, (info.offset_data, info.size))
    else:
        listing.leave_out("links and devices", info.name)


class _Headers:
    """A tar file of which only headers are read, so that a false length cannot fill the memory."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


def _not_whole(path: Path, why: str, whole: int) -> UserError:
    return UserError(f"{path} {why}; {whole:,} members before that are whole; copy or download it again")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _decompressed(path: Path) -> Path:
    """The tar itself: `path`, or what it unpacks to, kept in the cache until `path` changes."""
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        chunks = _chunks(file, magic, path)
        if chunks is None:
            return path
        about = os.fstat(file.fileno())
        key = f"{path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape")
        target = make_folder(runtime.cache_folder() / "archives") / f"{hashlib.sha256(key).hexdigest()}.tar"
        if not target.exists():
            _write(chunks, target, path, about)
    return target


def _chunks(file: BinaryIO, magic: bytes, path: Path) -> Iterator[bytes] | None:
    if magic.startswith(b"\x1f\x8b"):
        unzipped = gzip.GzipFile(fileobj=file)
        return iter(lambda: unzipped.read1(CHUNK), b"")
    if magic.startswith(b"BZh"):
        return _streams(file, bz2.BZ2Decompressor)
    if magic == b"\xfd7zXZ\x00":
        return _streams(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        raise UserError(
            f"a tar archive may be packed by gzip, bzip2 or xz, got zstd in {path}; unpack it first"
        )
    return None


def _streams(file: BinaryIO, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """What all streams in the file unpack to, at most `CHUNK` bytes at a time."""
    stream, data = make(), file.read(CHUNK)
    while data or not stream.needs_input:
        yield stream.decompress(data, CHUNK)
        if stream.eof:
            data = (stream.unused_data or file.read(CHUNK)).lstrip(b"\0")
            if not data:
                return
            stream = make()
        else:
            data = file.read(CHUNK) if stream.needs_input else b""
    raise EOFError("the packed data end too early")


def _write(chunks: Iterator[bytes], target: Path, path: Path, about: os.stat_result) -> None:
    """What `chunks` give, whole or not at all; stops at a bomb, and before the disk is full."""
    temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    most, done = max(NO_BOMB, MAX_RATIO * about.st_size), 0
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                done += file.write(chunk)
                if done > most:
                    raise UserError(
                        f"{path} unpacks to more than {MAX_RATIO} times its size: a bomb; unpack it by hand"
                    )
                if shutil.disk_usage(target.parent).free < FREE:
                    raise UserError(
                        f"the cache {target.parent} has no room for {path}; unpack it, or set NEOCOG_CACHE"
                    )
        # the same in every process that unpacks it, so that none takes another's copy for a changed archive
        os.utime(temporary, ns=(about.st_mtime_ns, about.st_mtime_ns))
        temporary.replace(target)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # of the disk; of the data it has no number
            raise
        raise _not_whole(path, f"cannot be unpacked to its end: {error}", _whole_in(temporary)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _whole_in(beginning: Path) -> int:
    """How many members lie whole in the beginning of a tar archive."""
    whole = 0
    with suppress(Broken, OSError):
        for _ in headers(beginning):
            whole += 1
    return whole
