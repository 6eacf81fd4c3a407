"""Features of layers, streamed: protocols against literal loops, several layers, halves, what is no number, memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.inference.feature_rows import Spooled
from neocog.inference.layer_features import Gathered, Way, gather, last_layer, seen
from neocog.inference.network import Network
from neocog.progress import Silent

PREPROCESS = Preprocess(size=(6, 8), resize_mode="squash", crop_pct=1.0)


class Means:
    """An engine of two layers side by side: the mean of each channel, and the corner pixels. It counts its pictures."""

    name = "torch"

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self, batch: Any) -> Any:
        self.computed += len(batch)
        corners = batch[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(len(batch), -1)
        return np.concatenate([batch.mean(axis=(1, 2)), corners], axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pixels(n: int, seed: int = 7) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 8, 3), dtype=np.uint8)


def way(engine: Any, keys: tuple[str, ...] = ("means", "corners")) -> Way:
    return Way(("means", "corners"), PREPROCESS, engine, keys, lambda: (3, 12))


def found(engine: Any, pictures: Any, **how: Any) -> Gathered:
    return gather(Arrays(pictures), way(engine), Silent(), **how)


def test_layers_are_told_apart_and_come_in_order() -> None:
    got = found(Means(), pixels(21))
    wanted = Means()(pixels(21))
    assert np.array_equal(got.features["means"], wanted[:, :3])
    assert np.array_equal(got.features["corners"], wanted[:, 3:])
    assert got.indices.tolist() == list(range(21))
    assert got.cached == 0


def test_one_of_several_layers_is_found_later_and_so_are_both() -> None:
    found(Means(), pixels(20))
    engine = Means()
    corners = Way(("only",), PREPROCESS, engine, ("corners",), tuple)
    one = gather(Arrays(pixels(20)), corners, Silent())
    assert np.array_equal(one.features["only"], Means()(pixels(20))[:, 3:])
    both = found(engine, pixels(20))
    assert (engine.computed, one.cached, both.cached) == (0, 20, 20)
    assert np.array_equal(both.features["corners"], one.features["only"])


def test_where_a_layer_is_missing_all_are_computed_and_only_that_one_is_kept(place: Path) -> None:
    found(Means(), pixels(20))
    more = Way(("means", "new"), PREPROCESS, Means(), ("means", "new"), lambda: (3, 12))
    assert gather(Arrays(pixels(20)), more, Silent()).cached == 0
    counts = {folder.name: len(list(folder.iterdir())) for folder in (place / "features").iterdir()}
    assert counts == {"means": 1, "corners": 1, "new": 1}


def test_without_the_cache_nothing_is_kept_and_nothing_is_found(place: Path) -> None:
    found(Means(), pixels(5))
    engine = Means()
    assert found(engine, pixels(5), cached=False).cached == 0
    assert engine.computed == 5
    found(Means(), pixels(9, seed=1), cached=False)
    assert found(Means(), pixels(9, seed=1)).cached == 0


def test_in_files_are_the_same_numbers_and_no_file_has_a_name(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    pictures = [*pixels(19), np.zeros((2, 2, 2), np.uint8), *pixels(4, seed=2)]
    whole, mapped = (
        found(Means(), pictures, cached=False),
        found(Means(), pictures, cached=False, spool=spool),
    )
    assert isinstance(mapped.features["means"], np.memmap)
    assert list(spool.iterdir()) == []
    for layer in whole.features:
        assert np.array_equal(whole.features[layer], mapped.features[layer])
    assert np.array_equal(whole.hashes, mapped.hashes) and whole.indices.tolist() == mapped.indices.tolist()
    assert whole.skipped == mapped.skipped and [i for i, _ in whole.skipped] == [19]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_is_told_once_and_no_second_error_hides_it(tmp_path: Path) -> None:
    rows = Spooled(tmp_path)
    rows._file.close()
    rows._file = Path("/dev/full").open("wb")  # type: ignore[assignment]  # noqa: SIM115
    rows.append(np.ones((2, 3), np.float32))  # so little waits to be written
    with pytest.raises(UserError, match="cannot write into .*No space left on device; choose another place"):
        rows.array()
    rows.close()


@pytest.mark.parametrize("spooled", [False, True])
def test_without_a_readable_picture_there_are_no_rows(tmp_path: Path, spooled: bool) -> None:
    got = found(Means(), [np.zeros((2, 2, 2), np.uint8)] * 3, spool=tmp_path if spooled else None)
    assert (len(got.indices), len(got.hashes), len(got.skipped)) == (0, 0, 3)
    assert all(len(rows) == 0 for rows in got.features.values())


def ten_crops(picture: Any, crop: tuple[int, int]) -> list[Any]:
    """AlexNet's ten patches, cut by hand out of a picture that is larger than the crop."""
    (h, w), (ch, cw) = picture.shape[:2], crop
    corners = [(0, 0), (0, w - cw), (h - ch, 0), (h - ch, w - cw)]
    places = [*corners, (round((h - ch) / 2), round((w - cw) / 2))]
    views = [side[y : y + ch, x : x + cw] for side in (picture, picture[:, ::-1]) for y, x in places]
    assert len(views) == 10
    return views


@pytest.mark.parametrize(("protocol", "views"), [("10-crop", ten_crops), ("flip", None), ("center", None)])
def test_a_protocols_features_are_the_mean_of_its_views(
    protocol: str, views: Callable[..., list[Any]] | None
) -> None:
    """Pictures have the size between resizing and the crop, so that no pixel is mixed."""
    preprocess = Preprocess(size=(14, 14), crop_pct=0.875)
    pictures = np.random.default_rng(3).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    engine = Means()
    prepare, infer, batch = seen(preprocess, engine, protocol)
    got = gather(Arrays(pictures), Way(("x",), prepare, infer, ("x",), tuple, batch), Silent()).features["x"]
    for row, picture in zip(got, pictures, strict=True):
        middle = picture[1:15, 1:15]
        taken = (
            views(picture, (14, 14)) if views else [middle, middle[:, ::-1]][: 2 if protocol == "flip" else 1]
        )
        wanted = np.mean([Means()(view[None])[0] for view in taken], axis=0, dtype=np.float64)
        np.testing.assert_allclose(row, wanted, rtol=1e-6)
    assert engine.computed == 7 * {"10-crop": 10, "flip": 2, "center": 1}[protocol]


def test_protocols_have_caches_of_their_own() -> None:
    network = Network("n", PREPROCESS, "d", lambda: None)  # type: ignore[arg-type, return-value]
    ways = [last_layer(network, Means(), protocol) for protocol in ("center", "flip", "10-crop")]
    assert len({way.keys for way in ways}) == 3
    assert ways[0].keys == (f"{network.key()[:24]}-torch",)  # training's own


class Odd(Means):
    """One feature of the thirteenth picture is no number."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value

    def __call__(self, batch: Any) -> Any:
        features = super().__call__(batch)
        features[(batch == pixels(20)[12]).all(axis=(1, 2, 3)), 4] = self.value
        return features


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_in_the_pictures_name_and_not_kept(value: float) -> None:
    names = [f"photo-{i}.png" for i in range(20)]
    with pytest.raises(UserError, match=r"^photo-12\.png: a feature .* is no finite number"):
        gather(Arrays(pixels(20), names), way(Odd(value)), Silent())
    again = Means()
    assert found(again, pixels(20)).cached == 8  # the eight before its batch
    assert again.computed == 12


def test_what_float16_cannot_hold_is_refused_and_what_it_can_is_rounded() -> None:
    assert found(Odd(65_519.0), pixels(20), half=True).features["corners"][12, 1] == 65_504
    with pytest.raises(UserError, match=r"^\[12\]: a feature .* above 65,504"):
        found(Odd(65_520.0), pixels(20), half=True, cached=False)
    got = found(Means(), pixels(20), half=True).features["means"]
    assert got.dtype == np.float16
    assert np.array_equal(got, Means()(pixels(20))[:, :3].astype(np.float16))


class Endless:
    """So many pictures that no array holds them; each is made when it is read."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"[{index}]"

    def read(self, index: int) -> Any:
        return np.full((6, 8, 3), index % 256, np.uint8) ^ np.uint8(index // 256)


def peak(count: int, folder: Path) -> int:
    """Bytes that numpy and Python hold at most while the features of so many pictures are gathered in files."""

    def wide(batch: Any) -> Any:
        return np.repeat(batch.mean(axis=(1, 2)), 400, axis=1).astype(np.float32)

    made = Way(("x",), PREPROCESS, wide, (f"x{count}",), tuple)
    tracemalloc.start()
    try:
        got = gather(Endless(count), made, Silent(), spool=folder)
        assert got.features["x"].shape == (count, 1200)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 and 3,000 pictures of 4.8 kB: 2.4 and 14.4 MB of features."""
    monkeypatch.setattr("neocog.inference.feature_cache.BYTES", 1 << 20)
    small, large = peak(500, tmp_path), peak(3_000, tmp_path)
    assert large < small + 1e6
