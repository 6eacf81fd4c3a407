"""The cache of features: what is found, what is kept, and how little memory it takes."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from neocog.inference import feature_cache as under_test
from neocog.inference.feature_cache import FeatureCache


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def content(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


def hashes(numbers: Any) -> Any:
    return np.frombuffer(b"".join(map(content, numbers)), np.uint8).reshape(-1, 32)


def rows(numbers: Any, width: int = 3) -> Any:
    """Rows that tell whose they are."""
    return np.array([[number + k / 8 for k in range(width)] for number in numbers], np.float32)


def save(cache: FeatureCache, numbers: Any, width: int = 3) -> None:
    cache.save(hashes(numbers), rows(numbers, width))


def shards(place: Path) -> list[Path]:
    return sorted(place.rglob("*.safetensors"))


def test_a_row_is_found_by_content_and_no_other_is() -> None:
    save(FeatureCache("k"), range(50))
    cache = FeatureCache("k")
    assert cache.width == 3
    for number in range(50):
        assert np.array_equal(cache.find(content(number)), rows([number])[0])
    assert cache.find(content(50)) is None
    assert FeatureCache("another").find(content(0)) is None
    assert FeatureCache("another").width is None


def test_contents_whose_hashes_begin_alike_are_told_apart() -> None:
    alike = np.zeros((3, 32), np.uint8)
    alike[:, 31] = [1, 2, 3]
    FeatureCache("k").save(alike, rows(range(3)))
    cache = FeatureCache("k")
    assert [cache.find(row.tobytes())[0] for row in alike] == [0, 1, 2]  # type: ignore[index]
    other = alike[0].copy()
    other[31] = 4
    assert cache.find(other.tobytes()) is None


def test_a_row_that_is_there_is_not_kept_again(place: Path) -> None:
    save(FeatureCache("k"), range(10))
    before = shards(place)
    save(FeatureCache("k"), range(10))
    assert shards(place) == before
    save(FeatureCache("k"), range(5, 12))
    assert sorted(len(load_file(path)["hashes"]) for path in shards(place)) == [2, 10]


def test_halves_are_rounded_once_and_found_in_whole_ones_too(place: Path) -> None:
    values = np.array([[1 / 3, 1000.06, 6e-8]], np.float32)
    FeatureCache("k", half=True).save(hashes([1]), values)
    rounded = values.astype(np.float16).astype(np.float32)
    assert np.array_equal(FeatureCache("k", half=True).find(content(1)), rounded[0])
    assert FeatureCache("k").find(content(1)) is None  # three digits are not enough for whoever wants seven
    (shard,) = shards(place)
    assert load_file(shard)["features"].dtype == np.float16
    FeatureCache("k").save(hashes([2]), values)
    assert np.array_equal(FeatureCache("k", half=True).find(content(2)), rounded[0])
    FeatureCache("k", half=True).save(hashes([2]), values)
    assert len(shards(place)) == 2


def test_a_picture_that_came_twice_is_kept_once(place: Path) -> None:
    save(FeatureCache("k"), [3, 1, 3, 2, 1])
    (shard,) = shards(place)
    assert len(load_file(shard)["hashes"]) == 3
    for number in (1, 2, 3):
        assert np.array_equal(FeatureCache("k").find(content(number)), rows([number])[0])


def test_what_several_processes_kept_at_once_is_one_after_merging(place: Path) -> None:
    for cache in [FeatureCache("k") for _ in range(under_test.FANOUT)]:
        save(cache, [7, 8, len(shards(place)) + 100])
    assert len(shards(place)) == under_test.FANOUT
    cache = FeatureCache("k")
    (shard,) = shards(place)
    assert len(load_file(shard)["hashes"]) == 2 + under_test.FANOUT
    for number in (7, 8, 100, 99 + under_test.FANOUT):
        assert np.array_equal(cache.find(content(number)), rows([number])[0])


@settings(max_examples=15)
@given(st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=40), min_size=1, max_size=45))
def test_however_many_shards_were_merged_each_picture_is_found_once(
    tmp_path_factory: pytest.TempPathFactory, jobs: list[list[int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("NEOCOG_CACHE", str(folder))
        for numbers in jobs:
            save(FeatureCache("k"), numbers)
        cache = FeatureCache("k")
        everything = {number for numbers in jobs for number in numbers}
        for number in everything:
            assert np.array_equal(cache.find(content(number)), rows([number])[0])
        assert cache.find(content(401)) is None
        assert len(shards(folder)) <= 2 * (under_test.FANOUT - 1)
        kept = [load_file(path)["hashes"] for path in shards(folder)]
        assert {row.tobytes() for table in kept for row in table} == set(map(content, everything))


def test_small_shards_are_merged_and_large_ones_stay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(FeatureCache("k"), range(1000, 1300))
    (large,) = shards(place)
    for i in range(under_test.FANOUT):
        save(FeatureCache("k"), [i])
    FeatureCache("k")
    assert large in shards(place)
    assert len(shards(place)) == 2
    monkeypatch.setattr(under_test, "LARGEST", 8)
    for i in range(2 * under_test.FANOUT):
        save(FeatureCache("k"), range(2000 + 8 * i, 2008 + 8 * i))
    assert len(shards(place)) == 2 + 2 * under_test.FANOUT  # eight pictures are too many to be moved


def peak(pictures: int, width: int) -> int:
    """Bytes that merging and finding take at most, with sixteen shards of so many pictures together."""
    key = f"k{pictures}"
    for i in range(under_test.FANOUT):
        numbers = range(i * pictures // 16, (i + 1) * pictures // 16)
        FeatureCache(key).save(hashes(numbers), np.repeat(rows(numbers, 1), width, axis=1))
    tracemalloc.start()
    try:
        cache = FeatureCache(key)
        for number in range(0, pictures, 100):
            assert cache.find(content(number)) is not None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_merging_holds_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 and 8 thousand rows of 4 kB: 8 and 32 MB."""
    monkeypatch.setattr("neocog.inference.tensor_file.BLOCK", 1 << 18)
    small, large = peak(2_000, 1_000), peak(8_000, 1_000)
    assert large < small + 1.5e6  # what is needed to sort: less than 200 bytes a row
    assert large < 4e6


@pytest.mark.parametrize("position", [3, 40, -1])
def test_damage_in_a_merged_shard_is_found(place: Path, position: int) -> None:
    for i in range(under_test.FANOUT):
        save(FeatureCache("k"), range(3 * i, 3 * i + 3))
    FeatureCache("k")
    (shard,) = shards(place)
    data = bytearray(shard.read_bytes())
    data[position] ^= 4
    shard.write_bytes(data)
    assert FeatureCache("k").find(content(0)) is None
    assert shards(place) == []
