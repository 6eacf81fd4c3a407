"""IDX files: MNIST's own and its family's."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import trees
from neocog.data.source import open_dataset
from neocog.data.sources.idx import read_idx
from neocog.errors import UserError


@pytest.mark.parametrize("zipped", [True, False])
def test_the_four_files_give_train_and_test(tmp_path: Path, zipped: bool) -> None:
    made = trees.mnist(tmp_path / "mnist", {"t10k": 11, "train": 23}, zipped)
    dataset = open_dataset(tmp_path / "mnist")
    pixels = np.concatenate([made["train"][0], made["t10k"][0]])
    np.testing.assert_array_equal(np.stack([dataset.samples.read(i) for i in range(34)]), pixels)
    assert dataset.labels.tolist() == [*(i % 10 for i in range(23)), *(i % 10 for i in range(11))]
    assert dataset.parts.tolist() == ["train"] * 23 + ["test"] * 11
    assert dataset.classes == tuple("0123456789")
    suffix = ".gz" if zipped else ""
    assert dataset.short_name(24) == f"t10k-images-idx3-ubyte{suffix}/00001"
    assert dataset.name == "mnist"


@settings(max_examples=40)
@given(arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)), st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "x-images-idx3-ubyte"
    data = trees.idx_bytes(array)
    path.write_bytes(gzip.compress(data) if zipped else data)
    np.testing.assert_array_equal(read_idx(path, 3), array)


def test_a_plain_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 3}, zipped=False)
    assert isinstance(read_idx(tmp_path / "train-images-idx3-ubyte", 3), np.memmap)


@pytest.mark.parametrize(("folder", "zipped"), [("mnist", False), ("mnist", True), ("emnist", False)])
def test_another_process_maps_plain_files_and_is_sent_what_was_unpacked(
    tmp_path: Path, folder: str, zipped: bool
) -> None:
    made = trees.mnist(tmp_path / folder, {"train": 70, "t10k": 3}, zipped)
    sent = pickle.dumps(open_dataset(tmp_path / folder).samples)
    pixels = np.concatenate([made["train"][0], made["t10k"][0]])
    assert (len(sent) > pixels.size) == zipped
    again = pickle.loads(sent)
    wanted = pixels.transpose(0, 2, 1) if folder == "emnist" else pixels
    assert all(np.array_equal(again.read(i), wanted[i]) for i in range(73))


def test_one_file_of_a_pair_gives_the_pair(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 12, "t10k": 7})
    for kind in ("images-idx3", "labels-idx1"):
        assert open_dataset(tmp_path / f"t10k-{kind}-ubyte.gz").parts.tolist() == ["test"] * 7


def test_of_a_plain_and_a_compressed_file_the_plain_is_taken(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 12}, zipped=False)
    for kind in ("images-idx3", "labels-idx1"):
        (tmp_path / f"train-{kind}-ubyte.gz").write_bytes(b"never opened")
    assert len(open_dataset(tmp_path)) == 12


def test_names_with_a_dot_as_some_unpackers_write_them_are_known(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 12}, zipped=False)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(open_dataset(tmp_path)) == 12


@pytest.mark.parametrize(
    ("folder", "second"),
    [("fashion-mnist", "Trouser"), ("FashionMNIST/raw", "Trouser"), ("KMNIST/raw", "ki"), ("numbers", "1")],
)
def test_classes_are_named_by_the_folders_name(tmp_path: Path, folder: str, second: str) -> None:
    trees.mnist(tmp_path / folder, {"train": 20})
    dataset = open_dataset(tmp_path / folder.removesuffix("/raw"))
    assert (dataset.classes[1], len(dataset.classes)) == (second, 10)
    assert dataset.name == folder.removesuffix("/raw")


def test_emnist_is_set_upright_and_named_by_its_mapping(tmp_path: Path) -> None:
    made = trees.mnist(tmp_path, {"train": 20, "test": 10}, prefix="emnist-letters-")
    trees.texts(
        tmp_path, {"emnist-letters-mapping.txt": "".join(f"{i} {65 + i} {97 + i}\n" for i in range(10))}
    )
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.samples.read(3), made["train"][0][3].T)
    assert dataset.classes == ("Aa", "Bb", "Cc", "Dd", "Ee", "Ff", "Gg", "Hh", "Ii", "Jj")
    assert dataset.parts.tolist() == ["train"] * 20 + ["test"] * 10
    assert "set upright" in dataset.notes[0]


def test_labels_outside_the_mapping_are_refused(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 20}, prefix="emnist-letters-")
    trees.texts(tmp_path, {"emnist-letters-mapping.txt": "0 65\n1 66\n"})
    with pytest.raises(UserError, match="each label must be one of the 2 classes of .*, got 2"):
        open_dataset(tmp_path)
    trees.texts(tmp_path, {"emnist-letters-mapping.txt": "0 65\nA B\n"})
    with pytest.raises(UserError, match="mapping.txt, line 2: must be a label and code points, got 'A B'"):
        open_dataset(tmp_path)


HEAD = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must begin with 00 00 08 03, got nothing"),
        (b"PK\3\4 and more", "must begin with 00 00 08 03, got 50 4b 03 04"),
        (bytes([0, 0, 13, 3]) + HEAD[4:] + bytes(96), "of unsigned bytes in 3 dimensions"),
        (HEAD[:9], "is cut: its header has 16 bytes, got 9"),
        (HEAD + bytes(20), "is cut: by its header it has 40 bytes, 4 are missing"),
        (HEAD + bytes(25), "by its header it has 40 bytes, but more follow"),
        (HEAD[:8] + bytes(4) + HEAD[12:], "holds nothing: its header gives the sizes 2 x 0 x 4"),
        (HEAD[:4] + b"\xff" * 12, "79,228,162,458,924,105,385,300,197,3.. bytes|is cut: by its header"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_is_not_what_its_header_says_is_refused(
    tmp_path: Path, data: bytes, message: str, zipped: bool
) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(data) if zipped else data)
    with pytest.raises(UserError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_a_compressed_file_cut_in_the_middle_tells_what_is_missing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype=np.uint8)
    whole = gzip.compress(trees.idx_bytes(noise))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"is cut: by its header it has 78,416 bytes, \d\d,\d{3} are missing"):
        read_idx(path, 3)


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(trees.idx_bytes(np.zeros((9, 9, 9), np.uint8))))
    whole[-6] ^= 1  # the checksum
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(whole)
    with pytest.raises(UserError, match="cannot read .*: CRC check failed"):
        read_idx(path, 3)


def test_a_missing_partner_and_unequal_counts_are_refused(tmp_path: Path) -> None:
    trees.mnist(tmp_path, {"train": 12})
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(trees.idx_bytes(np.zeros(11, np.uint8)))
    with pytest.raises(
        UserError, match="got 12 pictures in .*train-images.* and 11 labels in .*train-labels"
    ):
        open_dataset(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match="train-images-idx3-ubyte.gz has no labels beside it"):
        open_dataset(tmp_path)
