"""Zip archives: their index, and one member's bytes without unpacking the others."""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import SUFFIXES
from neocog.data.samples import MAX_MEMBER
from neocog.data.sources.listing import Inside, Listing
from neocog.errors import Unreadable, UserError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
STORED, DEFLATED, BZIP2 = 0, 8, 12  # methods of APPNOTE.TXT 4.4.5 that are read here
OTHER_METHODS = {9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
MAX_RATIO = 1100  # DEFLATE packs 1,032 bytes into one at most
ENCRYPTED, UTF8 = 0x1, 0x800  # bits of the flags, APPNOTE.TXT 4.4.4
BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    EOFError,
    struct.error,
)
"""what zipfile raises on a damaged index"""
HEADER = struct.Struct("<4s22xHH")  # of a member: signature, lengths of its name and of what follows it


def open_zip(path: Path) -> Inside:
    """The index of the archive; raises `UserError` where it is damaged, or a picture is encrypted."""
    listing = Listing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _list(info, listing)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror or error}") from error
    except BROKEN as error:
        raise UserError(f"{path} is no whole zip archive: {error}; copy or download it again") from error
    return listing.finish(fetch_zipped)


def fetch_zipped(file: BinaryIO, span: NDArray[np.int64]) -> bytes:
    """`span` is (offset of the member's header, size, packed size, CRC-32, method)."""
    offset, size, packed, crc, method = (int(number) for number in span)
    if max(size, packed) > MAX_MEMBER:
        raise Unreadable(f"too large: unpacks to {size:,} bytes, the most is {MAX_MEMBER:,}")
    if method == DEFLATED and size > MAX_RATIO * max(packed, 64):
        raise Unreadable(f"damaged: {packed:,} bytes cannot unpack to {size:,}")
    file.seek(offset)
    header = file.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(MAGIC[0]):
        raise Unreadable("damaged: the archive's index leads to no member")
    file.seek(sum(HEADER.unpack(header)[1:]), 1)
    data = _unpack(file.read(packed), size, method)
    if len(data) != size or zlib.crc32(data) != crc:
        raise Unreadable("damaged: what it unpacks to is not what was packed")
    return data


def _unpack(packed: bytes, size: int, method: int) -> bytes:
    """At most one byte more than `size`, whatever the packed bytes claim."""
    try:
        if method == DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        if method == BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, size + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise Unreadable(f"damaged: {error}") from error
    return packed


def _list(info: zipfile.ZipInfo, listing: Listing) -> None:
    name = _name(info)
    if name.endswith("/"):  # a folder
        return None
    if info.create_system == 3 and stat.S_ISLNK(info.external_attr >> 16):  # 3: made on Unix
        return listing.leave_out("links", name)
    if PurePosixPath(name).suffix.lower() in SUFFIXES:
        _demand_readable(info, name, listing.archive)
    span = (info.header_offset, info.file_size, info.compress_size, info.CRC, info.compress_type)
    return listing.add(name, span)


def _name(info: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: macOS writes UTF-8 without saying so, old Windows tools backslashes."""
    name = info.orig_filename
    if not info.flag_bits & UTF8:
        with suppress(UnicodeError):  # else it is in the code page that the format prescribes
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _demand_readable(info: zipfile.ZipInfo, name: str, archive: Path) -> None:
    if info.flag_bits & ENCRYPTED:
        raise UserError(f"{archive} must not be encrypted, but {name} is; unpack it with its password")
    if info.compress_type not in (STORED, DEFLATED, BZIP2):
        method = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise UserError(f"{archive}: {name} is packed by {method}, which is not read; pack it by deflate")
    if max(info.header_offset, info.file_size, info.compress_size) >= 1 << 62:
        raise UserError(f"{archive} is no whole zip archive: {name} lies nowhere; copy or download it again")
