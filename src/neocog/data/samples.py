"""Pictures in a fixed order, read by index: files on disk, members of an archive, or arrays in memory."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.errors import Unreadable, UserError

ORIENTATION = 0x0112
MAX_FILE = 1 << 30  # bytes that the most pixels which are decoded take in 16-bit colour, not compressed
MAX_MEMBER = 256 << 20  # bytes; a picture that unpacks to more is a bomb, or none
Picture = bytes | NDArray[np.generic] | Image.Image
"""An encoded file, an array (height, width) or (height, width, channels), or a PIL picture."""


@runtime_checkable
class Samples(Protocol):
    """Pictures in a fixed order."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What the picture is called: its path, or its place in memory."""

    def read(self, index: int) -> Picture:
        """The picture, not yet decoded; raises `Unreadable` where the file cannot be opened."""


class Names:
    """Text in one buffer: flat memory, however many there are."""

    def __init__(self, names: Iterable[str]):
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        self._ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._buffer = b"".join(encoded)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._buffer[start : self._ends[index]].decode("utf-8", "surrogateescape")


class Files:
    """Pictures on disk, their paths in flat memory."""

    def __init__(self, paths: Iterable[str | Path]):
        self._names = Names(map(str, paths))

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def read(self, index: int) -> bytes:
        try:
            with Path(self.name(index)).open("rb") as file:
                if (size := os.fstat(file.fileno()).st_size) > MAX_FILE:
                    raise Unreadable(f"too large: {size:,} bytes, the most is {MAX_FILE:,}")
                data = file.read()
        except OSError as error:
            raise Unreadable(f"cannot be opened: {error.strerror}") from error
        except ValueError as error:  # a name with a zero byte
            raise Unreadable(f"cannot be opened: {error}") from error
        if not data:
            raise Unreadable("empty file (0 bytes)")
        return data


Fetch = Callable[[BinaryIO, NDArray[np.int64]], bytes]
"""One member's bytes from the open archive and its row of numbers; raises `Unreadable`."""


def fetch_plain(file: BinaryIO, span: NDArray[np.int64]) -> bytes:
    """`span` is (offset, size): the bytes lie there as they are."""
    offset, size = int(span[0]), int(span[1])
    if size > MAX_MEMBER:
        raise Unreadable(f"too large: {size:,} bytes, the most is {MAX_MEMBER:,}")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise Unreadable(f"cut short: {len(data):,} of {size:,} bytes")
    return data


class Members:
    """Pictures inside an archive that stays packed: their names and where their bytes lie, in flat memory.

    A read opens the archive anew, so threads and processes share nothing.
    """

    def __init__(
        self,
        archive: Path,
        names: Iterable[str],
        spans: NDArray[np.int64],
        fetch: Fetch = fetch_plain,
        bytes_in: Path | None = None,
    ):
        """`spans` (n, k) holds what `fetch` needs; the bytes lie in `bytes_in` where that is not the archive."""
        self._archive, self._names, self._spans = archive, Names(names), spans
        self._fetch, self._bytes_in = fetch, bytes_in or archive
        self._state = _state(self._bytes_in.stat())

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return f"{self._archive}/{self._names[index]}"

    def read(self, index: int) -> bytes:
        try:
            with self._bytes_in.open("rb") as file:
                if _state(os.fstat(file.fileno())) != self._state:
                    raise Unreadable("the archive has changed since it was opened")
                data = self._fetch(file, self._spans[index])
        except OSError as error:
            raise Unreadable(f"cannot be opened: {error.strerror}") from error
        if not data:
            raise Unreadable("empty file (0 bytes)")
        return data


def _state(about: os.stat_result) -> tuple[int, int]:
    return about.st_size, about.st_mtime_ns


class Arrays:
    """Pictures in memory: arrays, PIL pictures, or the bytes of encoded files; among them, paths of others."""

    def __init__(
        self, pictures: Sequence[Picture | str | Path] | NDArray[np.generic], names: Sequence[str] = ()
    ):
        if names and len(names) != len(pictures):
            raise UserError(
                f"each picture needs one name, got {len(pictures)} pictures and {len(names)} names"
            )
        self._pictures, self._names = pictures, names

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, index: int) -> str:
        return self._names[index] if self._names else f"[{index}]"

    def read(self, index: int) -> Picture:
        picture = self._pictures[index]
        return Files([picture]).read(0) if isinstance(picture, str | Path) else picture


class Subset:
    """Some of the pictures of `samples`, in the order of `indices`."""

    def __init__(self, samples: Samples, indices: NDArray[np.int64]):
        self._samples, self._indices = samples, indices

    def __len__(self) -> int:
        return len(self._indices)

    def name(self, index: int) -> str:
        return self._samples.name(int(self._indices[index]))

    def read(self, index: int) -> Picture:
        return self._samples.read(int(self._indices[index]))


class Joined:
    """The pictures of several `Samples`, one after the other."""

    def __init__(self, several: Sequence[Samples]):
        self._several = tuple(several)
        self._ends = np.cumsum([len(samples) for samples in several], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def name(self, index: int) -> str:
        samples, place = self._find(index)
        return samples.name(place)

    def read(self, index: int) -> Picture:
        samples, place = self._find(index)
        return samples.read(place)

    def _find(self, index: int) -> tuple[Samples, int]:
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self._several[which], int(index - (self._ends[which - 1] if which else 0))


class Verified:
    """Pictures that are only read while their content is the one that is expected; an empty hash expects nothing."""

    def __init__(self, samples: Samples, hashes: Sequence[str], source: str):
        self._samples, self._source = samples, source
        self._known = np.array([bool(digest) for digest in hashes])
        self._hashes = b"".join(bytes.fromhex(digest or "0" * 64) for digest in hashes)

    def __len__(self) -> int:
        return len(self._samples)

    def name(self, index: int) -> str:
        return self._samples.name(index)

    def read(self, index: int) -> Picture:
        picture = self._samples.read(index)
        if self._known[index] and content_hash(picture) != self._hashes[32 * index : 32 * index + 32]:
            raise Unreadable(f"changed since {self._source} was made: its SHA-256 is another")
        return picture


def as_samples(pictures: object) -> Samples:
    """Paths, arrays (n, height, width[, channels]), PIL pictures, or a mix of them, as `Samples`."""
    if isinstance(pictures, Samples):
        return pictures
    if isinstance(pictures, str | Path):
        return Files([pictures])
    if isinstance(pictures, bytes | Image.Image):
        return Arrays([pictures])
    if isinstance(pictures, np.ndarray) and pictures.dtype != object and pictures.dtype.kind not in "US":
        return Arrays(pictures if pictures.ndim == 4 or _is_grey_stack(pictures) else [pictures])
    if not isinstance(pictures, Iterable):
        raise UserError(f"pictures must be paths, arrays or PIL pictures, got {type(pictures).__name__}")
    items = list(pictures)
    if all(isinstance(item, str | Path) for item in items):
        return Files(items)
    names = [str(item) if isinstance(item, str | Path) else f"[{i}]" for i, item in enumerate(items)]
    return Arrays(items, names)


def content_hash(picture: Picture) -> bytes:
    """SHA-256 of what the picture is made of: the same picture has the same hash under any name."""
    if isinstance(picture, bytes):
        return hashlib.sha256(picture).digest()
    try:
        array = np.ascontiguousarray(picture)
    except Exception as error:  # a PIL picture may only now read its file
        raise Unreadable(f"damaged: {error}") from error
    about = f"{array.dtype}{array.shape}"
    if isinstance(picture, Image.Image):  # the same numbers may mean other colours, or lie another way
        about += repr((picture.mode, picture.getpalette(), picture.info.get("transparency"), held(picture)))
    return hashlib.sha256(about.encode() + array.tobytes()).digest()


def held(image: Image.Image) -> int:
    """How the camera was held, 1 (upright) to 8, as the picture's EXIF block says."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a damaged block says nothing about the picture
        return 1


def _is_grey_stack(array: NDArray[np.generic]) -> bool:
    """(n, height, width), unlike one picture (height, width, 1 | 3 | 4)."""
    return array.ndim == 3 and array.shape[-1] not in (1, 3, 4)
