"""Data sets that lie at an address, or where a system's package puts them; fetched only if the user says so."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.sources import cifar, idx
from neocog.data.sources.names import class_names
from neocog.download import Remote, fetch
from neocog.errors import UserError
from neocog.runtime import cache_folder


@dataclass(frozen=True, kw_only=True)
class Published:
    """A data set's files: where they are looked for, and where they are fetched from."""

    name: str
    address: str
    """of the folder that holds the files"""
    sha256: dict[str, str]
    """of each file"""
    mib: int
    """size of all files in units of 2^20 bytes"""
    read: Callable[[Path], Dataset]
    unpacked: str = ""
    """the folder that the one file, an archive, unpacks to"""
    usual: Path | None = None
    """where a system's package puts the files"""
    package: str = ""
    """that package"""

    def remotes(self) -> list[Remote]:
        way = f"give the folder of {self.name} as DATA"
        return [
            Remote(f"{self.address}{file}", file, sha256, f"data/{self.name}", way)
            for file, sha256 in self.sha256.items()
        ]

    def cache(self) -> Path:
        """Where fetched files are kept, once they are all there."""
        return cache_folder() / "data" / self.name / self.unpacked

    def here(self) -> Path | None:
        """Where the files are on this machine, if they are: the system's place before the cache."""
        if self.usual and self.usual.is_dir():
            return self.usual
        whole = self.unpacked or all(remote.path().exists() for remote in self.remotes())
        return self.cache() if whole and self.cache().is_dir() else None

    def ways(self) -> str:
        """How to get the files, as the end of a sentence."""
        package = f"install the system's package {self.package}, or " if self.package else ""
        return f"fetch it with --download ({self.mib} MiB), or {package}give the folder of its files as DATA"


def open_published(published: Published, reading: Reading) -> Dataset:
    """The data set from `reading.place`, the system's place or the cache; fetched there with `reading.download`."""
    place = reading.place or published.here()
    if place is None or (reading.download and place == published.cache()):
        if not reading.download:
            raise UserError(f"builtin/{published.name} is not on this machine; {published.ways()}")
        place = _fetch(published, reading)
    return replace(published.read(place.expanduser()), name=published.name)


def _fetch(published: Published, reading: Reading) -> Path:
    """The cache's folder with every file; what is there and sound already is not fetched again."""
    place = published.cache()
    if published.unpacked and place.is_dir():
        return place
    paths = [fetch(remote, reading.progress) for remote in published.remotes()]
    if published.unpacked:
        _unpack(paths[0], place)
    return place


def _unpack(archive: Path, place: Path) -> None:
    """Put the one folder of the checked `archive` at `place`, whole or not at all, and remove the archive."""
    try:
        with TemporaryDirectory(dir=archive.parent) as room:
            with tarfile.open(archive) as tar:
                tar.extractall(room, filter="data")
            if not place.is_dir():  # another process may have been faster
                os.replace(Path(room) / place.name, place)  # noqa: PTH105
        archive.unlink(missing_ok=True)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"cannot unpack {archive}: {error}; free some space or set NEOCOG_CACHE") from error


def _cifar(place: Path) -> Dataset:
    if not cifar.recognises(place):
        raise UserError(f"{place} holds none of CIFAR's binary files; give their folder")
    return cifar.read(place, Reading())


def _idx(name: str, place: Path) -> Dataset:
    if not idx.recognises(place):
        raise UserError(f"{place} holds no IDX files (train-images-idx3-ubyte and so on); give their folder")
    return idx.read_pairs(place, class_names(name))


# SHA-256 of the files at these addresses as tensorflow_datasets lists them (url_checksums/*.txt)
PUBLISHED = {
    published.name: published
    for published in (
        Published(
            name="fashion-mnist",
            address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            sha256={
                "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            },
            mib=30,
            read=partial(_idx, "fashion-mnist"),
            usual=Path("/usr/share/datasets/fashion-mnist"),
            package="dataset-fashion-mnist (Debian)",
        ),
        Published(
            name="mnist",
            address="https://storage.googleapis.com/cvdf-datasets/mnist/",
            sha256={
                "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            },
            mib=11,
            read=partial(_idx, "mnist"),
        ),
        Published(
            name="cifar-10",
            address="https://www.cs.toronto.edu/~kriz/",
            sha256={
                "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
            },
            mib=162,
            read=_cifar,
            unpacked="cifar-10-batches-bin",
        ),
        Published(
            name="cifar-100",
            address="https://www.cs.toronto.edu/~kriz/",
            sha256={
                "cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
            },
            mib=161,
            read=_cifar,
            unpacked="cifar-100-binary",
        ),
    )
}
