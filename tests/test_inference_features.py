from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Files
from neocog.inference import feature_cache
from neocog.inference.features import Features, extract
from neocog.inference.network import Network
from neocog.progress import Advance, Silent

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
PREPROCESS = Preprocess(size=(6, 8))


class Counting:
    """An engine of three features, by definition: each channel's mean over the picture. It counts its pictures."""

    def __init__(self, name: str = "torch"):
        self.name, self.computed = name, 0

    def __call__(self, batch: Pixels) -> Floats:
        self.computed += len(batch)
        return by_definition(batch)


def by_definition(batch: Pixels) -> Floats:
    means: Floats = batch.mean(axis=(1, 2)).astype(np.float32)
    return means


def no_backbone() -> None:
    raise AssertionError("the backbone is the engine's affair")


NETWORK = Network("a test", PREPROCESS, "digest of the weights", no_backbone)  # type: ignore[arg-type]


def pixels(n: int = 20) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (n, 6, 8, 3), dtype=np.uint8)


def found(engine: Counting, network: Network = NETWORK, pictures: Pixels | None = None) -> Features:
    return extract(Arrays(pixels() if pictures is None else pictures), network, engine, Silent())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where features are kept, empty at first."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def shards(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_features_come_in_the_order_of_the_pictures() -> None:
    features = found(Counting())
    assert features.indices.tolist() == list(range(20))
    assert (features.matrix == by_definition(pixels())).all()
    assert features.cached == 0


def test_the_second_time_nothing_is_computed_and_every_bit_is_the_same() -> None:
    found(Counting())
    engine = Counting()
    features = found(engine)
    assert (engine.computed, features.cached) == (0, 20)
    assert features.matrix.tobytes() == by_definition(pixels()).tobytes()


def test_pictures_are_found_in_any_order_among_new_ones() -> None:
    found(Counting())
    engine, mixed = Counting(), pixels(33)[np.random.default_rng(1).permutation(33)]
    features = found(engine, pictures=mixed)
    assert (engine.computed, features.cached) == (13, 20)
    assert (features.matrix == by_definition(mixed)).all()


def test_a_picture_is_known_by_its_content_under_any_name(tmp_path: Path) -> None:
    for i, picture in enumerate(pixels(9)):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    paths = sorted(tmp_path.glob("*.png"))
    extract(Files(paths), NETWORK, Counting(), Silent())
    copies = [tmp_path / f"copy-{9 - i}.picture" for i in range(9)]
    for old, new in zip(paths, copies, strict=True):
        new.write_bytes(old.read_bytes())
        old.unlink()
    engine = Counting()
    features = extract(Files(copies), NETWORK, engine, Silent())
    assert engine.computed == 0
    assert (features.matrix == by_definition(pixels(9))).all()


@pytest.mark.parametrize(
    ("network", "engine"),
    [
        (replace(NETWORK, name="another"), "torch"),
        (replace(NETWORK, digest="of other weights"), "torch"),
        (replace(NETWORK, preprocess=replace(PREPROCESS, resize_mode="pad")), "torch"),
        (replace(NETWORK, preprocess=replace(PREPROCESS, mean=(0.5, 0.5, 0.4))), "torch"),
        (NETWORK, "openvino"),
    ],
)
def test_features_of_another_network_preprocessing_or_engine_are_not_taken(
    network: Network, engine: str
) -> None:
    found(Counting())
    other = Counting(engine)
    assert found(other, network).cached == 0
    assert other.computed == 20


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_damaged_shard_is_removed_and_its_pictures_computed_anew(place: Path, position: int) -> None:
    found(Counting())
    (shard,) = shards(place)
    data = bytearray(shard.read_bytes())
    data[position] ^= 1
    shard.write_bytes(data)
    engine = Counting()
    features = found(engine)
    assert (engine.computed, features.cached) == (20, 0)
    assert (features.matrix == by_definition(pixels())).all()
    assert shards(place) == [shard]
    assert shard.read_bytes() != bytes(data)


def test_a_damaged_shard_does_not_stay(place: Path) -> None:
    found(Counting())
    (shard,) = shards(place)
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    found(Counting(), pictures=pixels()[:0])
    assert shards(place) == []


def test_a_shard_cut_short_is_computed_anew(place: Path) -> None:
    found(Counting())
    (shard,) = shards(place)
    shard.write_bytes(shard.read_bytes()[:64])
    engine = Counting()
    assert (found(engine).matrix == by_definition(pixels())).all()
    assert engine.computed == 20


class Stopping(Silent):
    """A user who interrupts after some parts."""

    def __init__(self, error: type[BaseException], parts: int):
        self.error, self.left = error, parts

    def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
        return nullcontext(self.advance)

    def advance(self, done: int) -> None:
        self.left -= 1
        if not self.left:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_computed_before_an_interruption_is_kept(error: type[BaseException]) -> None:
    with pytest.raises(error) as raised:
        extract(Arrays(pixels(400)), NETWORK, Counting(), Stopping(error, 3))
    engine = Counting()
    features = found(engine, pictures=pixels(400))
    assert features.cached == 24  # three parts of eight pictures
    assert engine.computed == 400 - 24
    assert raised  # its traceback, which a notebook keeps, held the parts until here


def test_what_was_computed_before_the_network_failed_is_kept() -> None:
    class Failing(Counting):
        def __call__(self, batch: Pixels) -> Floats:
            if (batch[-1] == pixels(40)[-1]).all():
                raise RuntimeError("no memory")
            return super().__call__(batch)

    with pytest.raises(RuntimeError, match="no memory"):
        found(Failing(), pictures=pixels(40))
    assert found(Counting(), pictures=pixels(40)).cached == 32


def test_a_long_job_is_saved_on_its_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "SHARD", 16)
    seen: list[int] = []

    class Watching(Silent):
        def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
            return nullcontext(lambda done: seen.append(len(shards(place))))

    extract(Arrays(pixels(48)), NETWORK, Counting(), Watching())
    assert seen == [0, 0, 1, 1, 2, 2]  # shards on disk while each of six parts is handed out
    assert len(shards(place)) == 3
    assert found(Counting(), pictures=pixels(48)).cached == 48


def test_nothing_is_written_where_nothing_is_new(place: Path) -> None:
    found(Counting())
    before = shards(place)
    found(Counting())
    assert shards(place) == before


def test_without_a_place_to_keep_them_features_are_computed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache's folder would lie below a file, which not even root can write to."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        engine = Counting()
        assert (found(engine).matrix == by_definition(pixels())).all()
        assert engine.computed == 20


def test_unreadable_pictures_are_left_out_and_named() -> None:
    pictures = [pixels(3)[0], np.zeros((2, 2, 2), np.uint8), pixels(3)[2]]
    for cached in (0, 2):
        features = extract(Arrays(pictures), NETWORK, Counting(), Silent())
        assert features.indices.tolist() == [0, 2]
        assert [i for i, _ in features.skipped] == [1]
        assert (features.matrix == by_definition(pixels(3)[[0, 2]])).all()
        assert features.cached == cached


@pytest.mark.parametrize("n", [0, 3])
def test_without_a_readable_picture_there_are_no_rows(n: int) -> None:
    features = extract(Arrays([np.zeros((2, 2, 2), np.uint8)] * n), NETWORK, Counting(), Silent())
    assert (len(features.indices), len(features.matrix), len(features.hashes)) == (0, 0, 0)
    assert [i for i, _ in features.skipped] == list(range(n))


def test_the_progress_counts_every_picture_readable_or_not() -> None:
    told: list[int] = []

    class Watching(Silent):
        def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
            told.append(-total)
            return nullcontext(told.append)

    extract(Arrays([*pixels(10), np.zeros((2, 2, 2), np.uint8)]), NETWORK, Counting(), Watching())
    assert sum(told) == 0


def test_the_shards_of_many_small_jobs_are_merged_and_still_found(place: Path) -> None:
    for i in range(34):
        found(Counting(), pictures=pixels(34)[i : i + 1])
    assert len(shards(place)) <= 33
    engine = Counting()
    features = found(engine, pictures=pixels(34))
    assert engine.computed == 0
    assert features.matrix.tobytes() == by_definition(pixels(34)).tobytes()
