"""IDX files, the format of MNIST and its family: a header that gives type and sizes, then the numbers.

The header is two zero bytes, a byte for the type of the numbers (8: unsigned bytes), a byte for the count of
dimensions, and each size as a big-endian 32-bit integer (LeCun, Cortes and Burges, the MNIST database's own page).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Joined
from neocog.data.sources.inside import entries
from neocog.data.sources.names import class_names
from neocog.data.sources.stack import Stack
from neocog.errors import UserError

# train-images-idx3-ubyte, emnist-letters-test-labels-idx1-ubyte.gz, t10k-images.idx3-ubyte (as some unpackers write it)
NAME = re.compile(r"(?P<stem>.*?)-?(?P<kind>images|labels)[-.]idx\d-ubyte(?P<zipped>\.gz)?")
DEFLATE = 1032  # no byte of a compressed file stands for more
UBYTE = 8
KNOWN = {"fashion": "fashion-mnist", "kmnist": "kmnist", "kuzushiji": "kmnist"}
"""whose class names are known, by a word in the name of the folder, of the one above it, or of a file"""
TURNED = "EMNIST's pictures are published lying on their side; they were set upright"


@dataclass(frozen=True)
class Pair:
    """The pictures of one part and their labels."""

    images: Path
    labels: Path

    @property
    def part(self) -> str:
        """train or test as the file's name says (`t10k`: MNIST's ten thousand test pictures), or nothing."""
        name = self.images.name
        return "train" if "train" in name else "test" if re.search("t10k|test", name) else ""


def recognises(path: Path) -> bool:
    """A folder with IDX files, or with a folder `raw` of them, as torchvision leaves it; or one of the files."""
    return bool(NAME.fullmatch(path.name)) if path.is_file() else bool(_named(_folder(path)))


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures of the folder's pairs of files, train before test; of a file, those of its own pair."""
    words = " ".join(
        (*root.resolve().parts[-3:], *(path.name for path in _named(_folder(root)).values()))
    ).lower()
    known = next((class_names(name) for word, name in KNOWN.items() if word in words), ())
    return read_pairs(root, known, turned="emnist" in words)


def read_pairs(root: Path, known: tuple[str, ...] = (), turned: bool = False) -> Dataset:
    """As `read`, with the classes' names where they are `known`; pictures lying on their side are `turned` upright."""
    folder = root.parent if root.is_file() else _folder(root)
    pairs = _pairs(folder, root)
    stacks: list[Stack] = []
    labels: list[NDArray[np.uint8]] = []
    for pair in pairs:
        pixels, given = read_idx(pair.images, 3), read_idx(pair.labels, 1)
        if len(pixels) != len(given):
            raise UserError(
                f"each picture needs one label, got {len(pixels):,} pictures in {pair.images} and {len(given):,} "
                f"labels in {pair.labels}; fetch both files again"
            )
        stacks.append(Stack(str(pair.images), pixels.transpose(0, 2, 1) if turned else pixels))
        labels.append(given)
    numbers = np.concatenate(labels)
    classes, indices = _classes(folder, _mapping(folder, pairs) or dict(enumerate(known)), numbers)
    name = root.name if root.is_file() else folder.resolve().name
    return Dataset(
        folder.resolve().parent.name if name == "raw" else name,
        Joined(stacks),
        indices,
        classes,
        np.repeat([pair.part for pair in pairs], [len(given) for given in labels]),
        folder,
        notes=(TURNED,) if turned else (),
        listed=True,
    )


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The file's unsigned bytes in the shape its header gives; memory-mapped unless it is compressed.

    UserError where it is no such file, cut, damaged, or longer than its header says.
    """
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if not zipped:
                shape, start = _header(plain, path, dimensions)
                _demand_size(path, path.stat().st_size, start + prod(shape))
                return np.memmap(path, np.uint8, "r", start, shape)
        with gzip.open(path) as file:
            shape, start = _header(file, path, dimensions)
            return _unzipped(file, path, shape, start)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}; fetch the file again") from error


def _header(file: BufferedIOBase, path: Path, dimensions: int) -> tuple[tuple[int, ...], int]:
    """The shape of the numbers, and how many bytes lie before them."""
    start = 4 + 4 * dimensions
    head = file.read(start)
    magic = bytes((0, 0, UBYTE, dimensions))
    if head[:4] != magic[: len(head)] or not head:
        raise UserError(
            f"{path} is no IDX file of unsigned bytes in {dimensions} dimensions: it must begin with "
            f"{magic.hex(' ')}, got {head[:4].hex(' ') or 'nothing'}; give the file as it was published"
        )
    if len(head) < start:
        raise UserError(f"{path} is cut: its header has {start} bytes, got {len(head)}; fetch it again")
    shape = tuple(np.frombuffer(head, ">u4", offset=4).tolist())
    if 0 in shape:
        raise UserError(f"{path} holds nothing: its header gives the sizes {' x '.join(map(str, shape))}")
    return shape, start


def _unzipped(file: BufferedIOBase, path: Path, shape: tuple[int, ...], start: int) -> NDArray[np.uint8]:
    wanted = prod(shape)
    _demand_size(path, min(start + wanted, path.stat().st_size * DEFLATE), start + wanted)
    array = np.empty(shape, np.uint8)
    room, there = array.data.cast("B"), 0
    try:
        while there < wanted and (count := file.readinto(room[there:])):
            there += count
    except EOFError:  # cut in the middle of the compressed bytes
        pass
    _demand_size(path, start + there + len(file.read(1) if there == wanted else b""), start + wanted)
    return array


def _demand_size(path: Path, size: int, wanted: int) -> None:
    if size < wanted:
        raise UserError(
            f"{path} is cut: by its header it has {wanted:,} bytes, {wanted - size:,} are missing; fetch it again"
        )
    if size > wanted:
        raise UserError(
            f"{path} is no sound IDX file: by its header it has {wanted:,} bytes, but more follow; fetch it again"
        )


def _folder(path: Path) -> Path:
    return path / "raw" if not _named(path) and (path / "raw").is_dir() else path


def _named(folder: Path) -> dict[tuple[str, str], Path]:
    """The folder's IDX files by stem and kind, train before test; of a plain and a compressed one the plain."""
    found: dict[tuple[str, str], Path] = {}
    for path in entries(folder):
        if match := NAME.fullmatch(path.name):
            found.setdefault((match["stem"], match["kind"]), path)
    return dict(sorted(found.items(), key=lambda item: "train" not in item[0][0]))


def _pairs(folder: Path, root: Path) -> list[Pair]:
    """Each images file with its labels; only that of `root` where this is a file."""
    named = _named(folder)
    stems = list(dict.fromkeys(stem for stem, _ in named))
    if root.is_file() and (match := NAME.fullmatch(root.name)):
        stems = [match["stem"]]
        named[stems[0], match["kind"]] = root
    for stem in stems:
        for kind, other in (("images", "labels"), ("labels", "images")):
            if (stem, kind) not in named:
                raise UserError(f"{named[stem, other]} has no {kind} beside it; add the file of its {kind}")
    return [Pair(named[stem, "images"], named[stem, "labels"]) for stem in stems]


def _classes(
    folder: Path, names: Mapping[int, str], given: NDArray[np.uint8]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Classes and their indices: the names by number, or the numbers that occur where there are no names."""
    numbers, indices = np.unique(given, return_inverse=True)
    if not names:
        return tuple(str(n) for n in numbers), indices.astype(np.int64)
    if odd := sorted({int(n) for n in numbers} - set(names)):
        raise UserError(
            f"each label must be one of the {len(names)} classes of {folder}, got {odd[0]}; fetch the files again"
        )
    order = sorted(names)
    return tuple(names[n] for n in order), np.searchsorted(order, given).astype(np.int64)


def _mapping(folder: Path, pairs: list[Pair]) -> dict[int, str]:
    """EMNIST's `emnist-SPLIT-mapping.txt`: a label and the code points of its characters a line."""
    names = {}
    for place in sorted({pair.images.name.partition("-train-")[0].partition("-test-")[0] for pair in pairs}):
        path = folder / f"{place}-mapping.txt"
        for number, line in enumerate(path.read_text("latin-1").splitlines() if path.is_file() else [], 1):
            words = line.split()
            if not all(word.isdecimal() and int(word) < 256 for word in words) or len(words) == 1:
                raise UserError(f"{path}, line {number}: must be a label and code points, got {line!r}")
            if words:
                names[int(words[0])] = "".join(chr(int(code)) for code in words[1:])
    return names
