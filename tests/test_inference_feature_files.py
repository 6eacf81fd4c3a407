"""Files of features: what others read in them, what comes back, and what is said about damaged ones."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from neocog.errors import UserError
from neocog.inference.feature_files import Contents, demand_place, read_contents, write_contents

SUFFIXES = (".npz", ".parquet", ".safetensors")
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


def contents(
    n: int = 5,
    dtype: Any = np.float32,
    targets: bool = False,
    classes: Any = ("ant", "bee", "Käfer"),
    **changes: Any,
) -> Contents:
    rng = np.random.default_rng(n)
    labels = rng.integers(-1, len(classes), n)
    made = {
        "features": {
            "fc6": rng.normal(size=(n, 7)).astype(dtype),
            "module:x.1": rng.normal(size=(n, 2)).astype(dtype),
        },
        "hashes": rng.integers(0, 256, (n, 32), dtype=np.uint8),
        "labels": labels.astype(np.int64),
        "classes": tuple(classes),
        "parts": np.array(["train", "", "test", "val"])[np.arange(n) % 4],
        "path": lambda i: f"a/ü {i}.png",
        "targets": rng.random((n, len(classes))) < 0.5 if targets else None,
        "about": {"origin": {"model": "m"}},
    }
    return Contents(**{**made, **changes})  # type: ignore[arg-type]


def assert_equal(got: Contents, wanted: Contents) -> None:
    assert list(got.features) == list(wanted.features)
    for layer, rows in wanted.features.items():
        assert got.features[layer].dtype == rows.dtype
        assert np.array_equal(got.features[layer], rows), layer
    assert np.array_equal(got.hashes, wanted.hashes)
    assert np.array_equal(got.labels, wanted.labels)
    assert got.classes == wanted.classes
    assert got.parts.tolist() == wanted.parts.tolist()
    assert [got.path(i) for i in range(len(got))] == [wanted.path(i) for i in range(len(wanted))]
    assert (got.targets is None) == (wanted.targets is None)
    if wanted.targets is not None:
        assert np.array_equal(got.targets, wanted.targets)
    assert got.about["origin"] == wanted.about["origin"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("n", [0, 1, 5, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("targets", [False, True])
def test_what_is_written_comes_back(tmp_path: Path, suffix: str, n: int, dtype: Any, targets: bool) -> None:
    path = tmp_path / f"f{suffix}"
    write_contents(path, contents(n, dtype, targets))
    assert_equal(read_contents(path), contents(n, dtype, targets))


@settings(max_examples=25)
@given(
    st.sampled_from(SUFFIXES),
    st.lists(WORDS, min_size=1, max_size=4, unique=True),
    st.lists(WORDS, max_size=6),
)
def test_names_in_any_script_come_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, classes: list[str], paths: list[str]
) -> None:
    path = tmp_path_factory.mktemp("f") / f"f{suffix}"
    made = contents(len(paths), classes=classes, path=lambda i: paths[i])
    write_contents(path, made)
    assert_equal(read_contents(path), made)


def test_a_name_that_is_no_text_comes_back_where_the_format_can_hold_it(tmp_path: Path) -> None:
    odd = "a/\udcff.png"
    for suffix, wanted in ((".npz", odd), (".safetensors", odd), (".parquet", "a/\\xff.png")):
        write_contents(tmp_path / f"f{suffix}", contents(2, path=lambda i: odd))
        assert read_contents(tmp_path / f"f{suffix}").path(1) == wanted


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_features_are_the_same_file(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_contents(tmp_path / f"{name}{suffix}", contents(9))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_numpy_reads_an_npz_without_unpickling(tmp_path: Path) -> None:
    write_contents(tmp_path / "f.npz", contents(5, targets=True))
    wanted = contents(5, targets=True)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        assert np.array_equal(file["fc6"], wanted.features["fc6"])
        assert file["paths"].tolist() == [f"a/ü {i}.png" for i in range(5)]
        assert file["classes"].tolist() == ["ant", "bee", "Käfer"]
        assert file["parts"].tolist() == wanted.parts.tolist()
        assert np.array_equal(file["targets"], wanted.targets)  # type: ignore[arg-type]
        assert np.array_equal(file["labels"], wanted.labels)
        assert np.array_equal(file["hashes"], wanted.hashes)
        assert json.loads(str(file["about"][0]))["origin"] == {"model": "m"}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_pandas_reads_a_parquet_file(tmp_path: Path, dtype: Any) -> None:
    write_contents(tmp_path / "f.parquet", contents(5, dtype))
    wanted = contents(5, dtype)
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert list(frame.columns) == ["path", "label", "part", "hash", "fc6", "module:x.1"]
    assert np.array_equal(np.stack(frame["fc6"].tolist()), wanted.features["fc6"])
    labels = [None if label < 0 else wanted.classes[label] for label in wanted.labels]
    assert [None if pd.isna(label) else label for label in frame["label"]] == labels
    assert b"".join(frame["hash"]) == wanted.hashes.tobytes()


def test_safetensors_own_reader_reads_a_file(tmp_path: Path) -> None:
    write_contents(tmp_path / "f.safetensors", contents(5, np.float16))
    wanted = contents(5, np.float16)
    tensors = load_file(tmp_path / "f.safetensors")
    assert np.array_equal(tensors["fc6"], wanted.features["fc6"])
    assert np.array_equal(tensors["labels"], wanted.labels)
    assert tensors["parts"].tolist() == [1, 0, 3, 2, 1]  # train, nothing, test, val, as the page says
    ends, text = tensors["path_ends"], tensors["paths"].tobytes()
    assert text[ends[2] : ends[3]].decode() == "a/ü 3.png"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_refused_in_words(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    write_contents(path, contents(40))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    undetected = 0
    for position in [*rng.integers(0, len(whole), 60).tolist(), 0, len(whole) - 1]:
        data = bytearray(whole)
        data[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            got = read_contents(path)
        except UserError as error:
            assert str(path) in str(error)
            continue
        undetected += 1
        assert_features_equal(got, contents(40))
    assert undetected < 12
    for length in (0, 1, 3, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="is damaged or no file of features"):
            read_contents(path)


def assert_features_equal(got: Contents, wanted: Contents) -> None:
    """A flipped bit that is not noticed lies where nothing depends on it, such as a zip's date."""
    for layer, rows in wanted.features.items():
        assert np.array_equal(got.features[layer], rows)
    assert np.array_equal(got.hashes, wanted.hashes) and np.array_equal(got.labels, wanted.labels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_programs_files_are_refused_in_words(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    table = np.ones((2, 3), np.float32)
    if suffix == ".npz":
        np.savez(path, fc6=table)
    elif suffix == ".parquet":
        pd.DataFrame({"x": [1, 2]}).to_parquet(path)
    else:
        save_file({"fc6": table}, path)
    with pytest.raises(UserError, match="no file of features .neocog did not write it."):
        read_contents(path)
    for text in (b"", b"no such thing", b"\x93NUMPY\x01\0"):
        path.write_bytes(text)
        with pytest.raises(UserError, match="no file of features"):
            read_contents(path)


def test_an_npz_that_would_be_unpickled_is_not(tmp_path: Path) -> None:
    write_contents(tmp_path / "f.npz", contents(2))
    with zipfile.ZipFile(tmp_path / "f.npz") as old, zipfile.ZipFile(tmp_path / "g.npz", "w") as new:
        for name in old.namelist():
            if name != "fc6.npy":
                new.writestr(name, old.read(name))
        np.save(tmp_path / "o.npy", np.array([{}, {}], object), allow_pickle=True)
        new.writestr("fc6.npy", (tmp_path / "o.npy").read_bytes())
    with pytest.raises(UserError, match="allow_pickle=False"):
        read_contents(tmp_path / "g.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1, 3])}, "a label is none of 3 classes"),
        ({"labels": np.array([0, 1, -2])}, "a label is none of 3 classes"),
        ({"labels": np.array([0, 1])}, "not as many as pictures"),
        ({"parts": np.array(["a", "train", "val"])}, "a part has another name"),
        ({"features": {}}, "there is no layer"),
        ({"features": {"x": np.ones((2, 4), np.float32)}}, "x is no table with a row for each of 3"),
        ({"features": {"x": np.array([[1], [2], [np.nan]], np.float32)}}, r"x of a/ü 2\.png holds others"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_contents(tmp_path / "f.npz", contents(3, **changes))
    with pytest.raises(UserError, match=message):
        read_contents(tmp_path / "f.npz")


def test_layers_cannot_be_called_as_what_stands_beside_them(tmp_path: Path) -> None:
    odd = contents(2, features={"labels": np.ones((2, 2), np.float32)})
    with pytest.raises(UserError, match="'labels' is no layer; name it module:labels"):
        write_contents(tmp_path / "f.npz", odd)


def test_places_that_cannot_be_written_are_refused_before_anything_is_computed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.npz, \.parquet, \.safetensors, got 'f\.h5'"):
        demand_place(tmp_path / "f.h5")
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        demand_place(tmp_path / "d.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        demand_place(tmp_path / "file" / "f.npz")
    assert demand_place(tmp_path / "new" / "f.npz").parent.is_dir()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_is_written_a_block_at_a_time(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """48 MB that lie in a mapped file."""
    monkeypatch.setattr("neocog.inference.tensor_file.BLOCK", 1 << 18)
    table = np.memmap(tmp_path / "raw", np.float32, "w+", shape=(3_000, 4_000))
    table[:] = np.arange(4_000)
    wide = contents(3_000, features={"x": table})
    tracemalloc.start()
    try:
        write_contents(tmp_path / f"f{suffix}", wide)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    assert np.array_equal(read_contents(tmp_path / f"f{suffix}").features["x"], table)
