"""Published data sets: found in a given folder, in the system's place or the cache, or fetched with their sums."""

import functools
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trees
from door import refused
from neocog.data import builtin
from neocog.data.builtin import published
from neocog.data.builtin.published import PUBLISHED, Published, open_published
from neocog.data.reading import Reading
from neocog.data.source import open_dataset
from neocog.errors import UserError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def log_message(self, *words: object) -> None:
        Quiet.asked.append(self.path)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine that gives what lies in `tmp_path/shop`."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shop").mkdir()
    Quiet.asked.clear()
    handler = functools.partial(Quiet, directory=str(tmp_path / "shop"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def of_the_shop(shop: str, tmp_path: Path, name: str = "fashion-mnist") -> Published:
    """The entry `name` as if its address were the shop's, with files of two dozen pictures."""
    if name.startswith("cifar"):
        folder = tmp_path / "made" / "cifar-10-batches-bin"
        trees.cifar(folder, {"data_batch_1.bin": [(3,), (5,)], "test_batch.bin": [(0,)]}, {})
        with tarfile.open(tmp_path / "shop" / "cifar-10-binary.tar.gz", "w:gz") as tar:
            tar.add(folder, "cifar-10-batches-bin")
    else:
        trees.mnist(tmp_path / "shop", {"train": 14, "t10k": 10})
    return replace(PUBLISHED[name], address=shop, sha256=sums(tmp_path / "shop"), usual=None)


def test_what_was_fetched_is_checked_kept_and_not_fetched_again(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path)
    dataset = open_published(entry, Reading(download=True))
    assert (dataset.name, len(dataset), dataset.classes[9]) == ("fashion-mnist", 24, "Ankle boot")
    assert sums(tmp_path / "cache" / "data" / "fashion-mnist") == entry.sha256
    asked = len(Quiet.asked)
    assert asked == 4
    assert len(open_published(entry, Reading())) == len(open_published(entry, Reading(download=True))) == 24
    assert len(Quiet.asked) == asked


def test_without_the_users_word_nothing_is_asked_for(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path)
    with pytest.raises(
        UserError, match=r"not on this machine; fetch it with --download \(30 MiB\), or install .*Debian"
    ):
        open_published(entry, Reading())
    assert Quiet.asked == []


def test_a_file_with_another_sum_is_not_kept(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path)
    wrong = entry.sha256 | {"t10k-labels-idx1-ubyte.gz": "0" * 64}
    with pytest.raises(
        UserError, match=r"t10k-labels.* is not the published file.*give the folder of fashion-mnist"
    ):
        open_published(replace(entry, sha256=wrong), Reading(download=True))
    kept = {path.name for path in (tmp_path / "cache" / "data" / "fashion-mnist").iterdir()}
    assert kept == {"t10k-images-idx3-ubyte.gz"}
    with pytest.raises(UserError, match="not on this machine"):
        open_published(entry, Reading())


def test_a_given_folder_comes_before_everything(shop: str, tmp_path: Path) -> None:
    trees.mnist(tmp_path / "system", {"train": 20})
    entry = replace(of_the_shop(shop, tmp_path), usual=tmp_path / "system")
    trees.mnist(tmp_path / "mine", {"train": 30})
    assert len(open_published(entry, Reading(place=tmp_path / "mine"))) == 30
    with pytest.raises(UserError, match="holds no IDX files"):
        open_published(entry, Reading(place=tmp_path))


def test_the_systems_place_comes_before_the_cache(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path)
    open_published(entry, Reading(download=True))
    trees.mnist(tmp_path / "system", {"train": 30})
    assert len(open_published(replace(entry, usual=tmp_path / "system"), Reading())) == 30


def test_an_archive_is_unpacked_whole_and_thrown_away(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path, "cifar-10")
    dataset = open_published(entry, Reading(download=True))
    assert [dataset.classes[i] for i in dataset.labels] == ["cat", "dog", "airplane"]
    assert [path.name for path in (tmp_path / "cache" / "data" / "cifar-10").iterdir()] == [
        "cifar-10-batches-bin"
    ]
    assert len(open_published(entry, Reading(download=True))) == 3
    assert len(Quiet.asked) == 1


def test_an_archive_without_its_folder_is_refused(shop: str, tmp_path: Path) -> None:
    entry = of_the_shop(shop, tmp_path, "cifar-10")
    with tarfile.open(tmp_path / "shop" / "cifar-10-binary.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("else"), io.BytesIO())
    entry = replace(entry, sha256=sums(tmp_path / "shop"))
    with pytest.raises(UserError, match="cannot unpack .*cifar-10-binary.tar.gz"):
        open_published(entry, Reading(download=True))
    assert not (tmp_path / "cache" / "data" / "cifar-10" / "cifar-10-batches-bin").exists()


def test_every_published_file_has_a_whole_sum_and_an_address() -> None:
    assert set(PUBLISHED) == {"fashion-mnist", "mnist", "cifar-10", "cifar-100"}
    for entry in PUBLISHED.values():
        assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in entry.sha256.values())
        assert all(remote.address == entry.address + remote.name for remote in entry.remotes())
        assert builtin.BUILTIN[entry.name].func is published.open_published  # type: ignore[attr-defined]


# seconds since 1970 at which the published files of Fashion-MNIST were compressed; Debian left that and the name out
COMPRESSED = {"train": 1504176606, "t10k": 1504176627}


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's dataset-fashion-mnist")
@pytest.mark.parametrize("name", PUBLISHED["fashion-mnist"].sha256)
def test_the_sums_are_those_of_debians_files_with_their_published_headers(name: str) -> None:
    """Put back what `gzip -n` leaves out: the header's flag, the time and the name (RFC 1952, section 2.3)."""
    time = struct.pack("<I", COMPRESSED[name.split("-")[0]])
    header = b"\x1f\x8b\x08\x08" + time + b"\x00\x03" + name.removesuffix(".gz").encode() + b"\0"
    published_file = header + (DEBIAN / name).read_bytes()[10:]
    assert hashlib.sha256(published_file).hexdigest() == PUBLISHED["fashion-mnist"].sha256[name]


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_debians_fashion_mnist_is_the_published_one() -> None:
    """Sizes and balance as Xiao, Rasul and Vollgraf (2017) state them."""
    dataset = open_dataset("builtin/fashion-mnist")
    assert (dataset.name, len(dataset)) == ("fashion-mnist", 70_000)
    for part, each in (("train", 6000), ("test", 1000)):
        assert np.bincount(dataset.labels[dataset.parts == part]).tolist() == [each] * 10
    first = np.asarray(dataset.samples.read(0))
    assert first.shape == (28, 28)
    assert dataset.classes[dataset.labels[0]] == "Ankle boot"  # the first picture of every tutorial


def test_the_command_says_how_to_get_what_is_not_here(tmp_path: Path) -> None:
    assert refused("train", "builtin/mnist", cwd=tmp_path) == (
        "builtin/mnist is not on this machine; fetch it with --download (11 MiB), "
        "or give the folder of its files as DATA"
    )
