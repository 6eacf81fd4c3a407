"""The index of a data set: against a sort of everything; kept, found again, and made anew where it is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file

from neocog import runtime
from neocog.data.samples import Arrays, content_hash
from neocog.errors import Unreadable, UserError
from neocog.inference import stream as stream_module
from neocog.inside.patches.index import Index, Kept, indexed, read_index, write_index
from neocog.progress import Silent

CHANNELS = {"first": 3, "second/odd name": 2}


def samples_of(values: np.ndarray) -> Arrays:
    """A picture of one row of numbers each."""
    return Arrays([row[None, :, None] for row in values])


def prepare(picture: Any) -> np.ndarray:
    if picture[0, 0, 0] == 255:
        raise Unreadable("no picture")
    return np.asarray(picture)


def infer(batch: np.ndarray) -> np.ndarray:
    """The numbers themselves as activations, some of them negative."""
    return np.asarray(batch[:, 0, :, 0], np.float32) - 2


def look(values: np.ndarray, k: int, infer: Callable[[Any], Any] = infer) -> Index:
    return indexed(samples_of(values), prepare, infer, CHANNELS, k, Silent())


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 12), st.integers(1, 3))
def test_the_index_is_a_sort_whatever_the_batch_and_the_workers(
    seed: int, k: int, batch: int, workers: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 5, (30, 5)).astype(np.uint8)
    values[[3, 17], 0] = 255
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "threads", lambda: workers)
        patch.setattr(stream_module.stream, "__defaults__", (lambda content: None, batch))
        found = look(values, k)
    read = [i for i in range(30) if values[i, 0] != 255]
    assert found.skipped == ((3, "no picture"), (17, "no picture"))
    assert (found.pictures, found.k) == (28, k)
    columns = [("first", 0), ("first", 1), ("first", 2), ("second/odd name", 0), ("second/odd name", 1)]
    for at, (layer, channel) in enumerate(columns):
        wanted = sorted(read, key=lambda i: (-int(values[i, at]), i))[:k]
        own = found.layers[layer]
        assert own.pictures[channel].tolist() == wanted
        assert own.values[channel].tolist() == [float(values[i, at]) - 2 for i in wanted]
        column = values[read, at].astype(float) - 2
        np.testing.assert_allclose(own.mean[channel], column.mean(), rtol=1e-6)
        np.testing.assert_allclose(own.deviation[channel], column.std(), rtol=1e-5)
    for i in read:
        assert found.hashes[i].tobytes() == content_hash(values[i][None, :, None])
    assert not found.hashes[[3, 17]].any()


def some(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 200, (20, 5)).astype(np.uint8)
    values[4, 0] = 255
    return values


def test_the_file_is_safetensors_and_says_the_same(tmp_path: Path) -> None:
    index, path = look(some(), 4), tmp_path / "index.safetensors"
    write_index(index, path, {"labels": np.arange(20)}, {"classes": "ant\nbee"})
    tensors = load_file(path)
    own = {f"{name}/{what}" for name in CHANNELS for what in ("values", "pictures", "mean", "deviation")}
    assert set(tensors) == {"hashes", "labels", *own}
    assert tensors["second/odd name/values"].shape == (2, 4)
    with safe_open(path, "numpy") as file:
        assert file.metadata()["classes"] == "ant\nbee"
    again, _ = read_index(path) or pytest.fail("it is not sound")
    same(again, index)


def same(one: Index, other: Index) -> None:
    assert one.skipped == other.skipped
    assert list(one.layers) == list(other.layers)
    for name, tensor in other.tensors().items():
        np.testing.assert_array_equal(one.tensors()[name], tensor)


def test_what_was_kept_is_found_by_content_and_k(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path))
    kept, samples = Kept("key"), samples_of(some())
    assert kept.find(samples, 4) is None
    index = look(some(), 4)
    kept.save(index, samples, {"engine": "torch"})
    found, said = Kept("key").find(samples_of(some()), 3) or pytest.fail("not found")
    same(found, index)
    assert said["engine"] == "torch"
    assert found.first(2).k == 2
    assert kept.find(samples, 5) is None
    assert kept.find(samples_of(some()[::-1]), 4) is None
    assert kept.find(samples_of(some(1)), 4) is None
    assert Kept("other").find(samples, 4) is None


@pytest.mark.parametrize("damage", ["a bit", "cut", "emptied", "text"])
def test_a_damaged_one_is_not_taken(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path))
    kept, samples = Kept("key"), samples_of(some())
    kept.save(look(some(), 4), samples, {"engine": "torch"})
    (path,) = tmp_path.rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    spoiled = {"a bit": bytes(data), "cut": bytes(data[:-40]), "emptied": b"", "text": b"{}" * 40}
    path.write_bytes(spoiled[damage])
    assert kept.find(samples, 4) is None
    kept.save(look(some(), 4), samples, {"engine": "torch"})
    assert kept.find(samples, 4) is not None


def test_what_is_no_number_is_named() -> None:
    def broken(batch: np.ndarray) -> np.ndarray:
        found = infer(batch)
        found[batch[:, 0, 0, 0] == 7] = np.nan
        return found

    values = np.full((12, 5), 3, np.uint8)
    values[9, 0] = 7
    with pytest.raises(UserError, match=r"^\[9\]: an activation is no finite number"):
        look(values, 2, broken)


def test_a_full_cache_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "file"))
    kept, samples = Kept("key"), samples_of(some())
    kept.save(look(some(), 4), samples, {"engine": "torch"})
    assert kept.find(samples, 4) is None
