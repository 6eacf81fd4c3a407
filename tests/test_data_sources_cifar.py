"""CIFAR's binary files."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import trees
from neocog.data.source import open_dataset
from neocog.errors import UserError

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def cifar10(root: Path, count: int = 3) -> Path:
    files = {f"data_batch_{k}.bin": [((k + i) % 10,) for i in range(count)] for k in range(1, 6)}
    trees.cifar(root, files | {"test_batch.bin": [(9,), (0,)]}, {"batches.meta.txt": NAMES})
    return root


def cifar100(root: Path) -> Path:
    coarse = [f"group{i}" for i in range(20)]
    fine = [f"thing{i}" for i in range(100)]
    names = {"coarse_label_names.txt": coarse, "fine_label_names.txt": fine}
    trees.cifar(root, {"train.bin": [(11, 19), (15, 29), (4, 0)], "test.bin": [(10, 49)]}, names)
    return root


def test_cifar10_is_read_batch_after_batch(tmp_path: Path) -> None:
    dataset = open_dataset(cifar10(tmp_path / "cifar-10-batches-bin"))
    assert dataset.labels.tolist() == [(k + i) % 10 for k in range(1, 6) for i in range(3)] + [9, 0]
    assert dataset.parts.tolist() == ["train"] * 15 + ["test"] * 2
    assert dataset.classes == tuple(NAMES)
    assert dataset.short_name(4) == "data_batch_2.bin/00001"
    assert (dataset.name, dataset.notes) == ("cifar-10", ())


def test_a_record_is_a_red_a_green_and_a_blue_plane(tmp_path: Path) -> None:
    picture = np.asarray(open_dataset(cifar10(tmp_path)).samples.read(4))
    assert picture.shape == (32, 32, 3)
    for y, x, c in ((0, 0, 0), (31, 0, 1), (5, 17, 2)):
        assert picture[y, x, c] == (7 * 1 + 97 * c + 3 * y + x) % 256


@pytest.mark.parametrize("make", [cifar10, cifar100])
def test_another_process_maps_the_files_itself(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    samples = open_dataset(make(tmp_path)).samples
    sent = pickle.dumps(samples)
    assert len(sent) < 3000  # a picture has 3,072 bytes
    again = pickle.loads(sent)
    assert [again.name(i) for i in range(len(again))] == [samples.name(i) for i in range(len(samples))]
    assert all(np.array_equal(again.read(i), samples.read(i)) for i in range(len(samples)))


def test_cifar100_has_its_coarse_labels_in_a_column(tmp_path: Path) -> None:
    dataset = open_dataset(cifar100(tmp_path / "cifar-100-binary"))
    assert [dataset.classes[i] for i in dataset.labels] == ["thing19", "thing29", "thing0", "thing49"]
    assert dataset.columns["coarse"].tolist() == ["group11", "group15", "group4", "group10"]
    assert dataset.parts.tolist() == ["train"] * 3 + ["test"]


def test_the_folder_above_and_a_single_file_are_known(tmp_path: Path) -> None:
    cifar10(tmp_path / "cifar-10-batches-bin")
    assert len(open_dataset(tmp_path)) == 17
    one = open_dataset(tmp_path / "cifar-10-batches-bin" / "test_batch.bin")
    assert (one.labels.tolist(), one.parts.tolist()) == ([9, 0], ["test", "test"])


def test_without_the_file_of_names_the_published_ones_are_used(tmp_path: Path) -> None:
    cifar10(tmp_path / "ten")
    (tmp_path / "ten" / "batches.meta.txt").unlink()
    assert open_dataset(tmp_path / "ten").classes == tuple(NAMES)
    cifar100(tmp_path / "hundred")
    for path in (tmp_path / "hundred").glob("*.txt"):
        path.unlink()
    dataset = open_dataset(tmp_path / "hundred")
    # the coarse and fine labels of the published files' first pictures; the page of the data set groups them so
    assert [dataset.classes[i] for i in dataset.labels] == ["cattle", "dinosaur", "apple", "mountain"]
    groups = [
        "large_omnivores_and_herbivores",
        "reptiles",
        "fruit_and_vegetables",
        "large_natural_outdoor_scenes",
    ]
    assert dataset.columns["coarse"].tolist() == groups


def test_a_missing_batch_is_said(tmp_path: Path) -> None:
    (cifar10(tmp_path) / "data_batch_3.bin").unlink()
    dataset = open_dataset(tmp_path)
    assert (len(dataset), dataset.notes) == (14, ("cifar-10 lacks data_batch_3.bin",))


def test_a_cut_file_tells_the_picture_and_the_bytes_that_lack(tmp_path: Path) -> None:
    path = cifar10(tmp_path) / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"data_batch_2.bin is cut: .* number 2, lacks 100; fetch it again"):
        open_dataset(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="data_batch_2.bin is empty"):
        open_dataset(tmp_path)


def test_a_label_out_of_range_tells_its_picture(tmp_path: Path) -> None:
    path = cifar10(tmp_path) / "data_batch_1.bin"
    data = bytearray(path.read_bytes())
    data[2 * 3073] = 10
    path.write_bytes(data)
    with pytest.raises(UserError, match="data_batch_1.bin: the label of picture 2 must be below 10, got 10"):
        open_dataset(tmp_path)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (exec, ("raise SystemExit('the pickle was opened')",))


@pytest.mark.parametrize("above", [True, False])
def test_the_pickled_version_is_refused_unopened(tmp_path: Path, above: bool) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(
        UserError, match="Python version of cifar-10, .* fetch the binary version, cifar-10-batches-bin"
    ):
        open_dataset(tmp_path if above else folder)
    other = tmp_path / "cifar-100-python"
    other.mkdir()
    for name in ("train", "test", "meta"):
        (other / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="cifar-100-binary"):
        open_dataset(other)
