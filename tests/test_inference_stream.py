import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zoo
from neocog import runtime
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Files, content_hash
from neocog.inference.stream import Part, stream

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
GREY = Preprocess(size=(4, 4), channels=1, mean=(0.5,), std=(0.5,))
BAD = np.zeros((4, 4, 2), np.uint8)  # two channels: no picture


def plain(value: int) -> Pixels:
    return np.full((4, 4), value, np.uint8)


def plains(n: int) -> Arrays:
    """Picture i is all i."""
    return Arrays([plain(i) for i in range(n)])


def first_pixel(batch: Pixels) -> Floats:
    """A network whose only feature of picture i of `plains` is i."""
    return batch[:, 0, 0, :1].astype(np.float32)


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("neocog")]


@given(n=st.integers(0, 60), batch=st.integers(1, 25), threads=st.integers(1, 5))
@settings(max_examples=60)
def test_every_picture_comes_once_in_order_with_its_own_output(n: int, batch: int, threads: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "threads", lambda: threads)
        parts = list(stream(plains(n), GREY, first_pixel, batch=batch))
    assert [i for part in parts for i in part.indices] == list(range(n))
    assert [row for part in parts for row in part.outputs.tolist()] == [[i] for i in range(n)]
    assert all(len(part.indices) <= batch for part in parts)


@given(sound=st.lists(st.booleans(), max_size=40), batch=st.integers(1, 9))
@settings(max_examples=40)
def test_unreadable_pictures_are_named_and_the_others_keep_their_place(sound: list[bool], batch: int) -> None:
    samples = Arrays([plain(i) if good else BAD for i, good in enumerate(sound)])
    parts = list(stream(samples, GREY, first_pixel, batch=batch))
    assert [i for part in parts for i in part.indices] == [i for i, good in enumerate(sound) if good]
    assert [int(row[0]) for part in parts for row in part.outputs] == [
        i for i, good in enumerate(sound) if good
    ]
    assert [i for part in parts for i, _ in part.skipped] == [i for i, good in enumerate(sound) if not good]


def test_the_reason_is_told_for_each_unreadable_file(tmp_path: Path) -> None:
    sound = tmp_path / "sound.png"
    sound.write_bytes(zoo.good()["picture.bmp"])
    paths = zoo.make(tmp_path / "bad", zoo.bad())
    parts = stream(Files([sound, *paths, tmp_path / "absent.png"]), GREY, first_pixel)
    told = {i: reason for part in parts for i, reason in part.skipped}
    reasons = {path.name: told[i] for i, path in enumerate(paths, 1)}
    assert told.keys() == set(range(1, len(paths) + 2))
    assert reasons["empty.jpg"] == "empty file (0 bytes)"
    assert reasons["text.jpg"].startswith("not a picture")
    assert "bomb" in reasons["bomb.png"]
    assert told[len(paths) + 1].startswith("cannot be opened")


def test_each_picture_comes_with_the_hash_of_its_content() -> None:
    samples = plains(5)
    (part,) = stream(samples, GREY, first_pixel)
    assert [row.tobytes() for row in part.hashes] == [content_hash(plain(i)) for i in range(5)]


def test_known_pictures_are_neither_decoded_nor_computed() -> None:
    known = {
        content_hash(BAD): np.array([-1], np.float32),
        content_hash(plain(2)): np.array([-2], np.float32),
    }
    seen: list[int] = []

    def infer(batch: Pixels) -> Floats:
        seen.extend(batch[:, 0, 0, 0].tolist())
        return first_pixel(batch)

    samples = Arrays([plain(0), BAD, plain(2), plain(3)])  # decoding BAD would fail
    (part,) = stream(samples, GREY, infer, known.get)
    assert seen == [0, 3]
    assert part.outputs[:, 0].tolist() == [0, -1, -2, 3]
    assert part.fresh.tolist() == [True, False, False, True]
    assert part.skipped == ()


def test_nothing_is_computed_for_a_batch_without_a_readable_picture() -> None:
    def infer(batch: Pixels) -> Floats:
        raise AssertionError("called")

    (part,) = stream(Arrays([BAD, BAD]), GREY, infer)
    assert len(part.indices) == len(part.outputs) == len(part.hashes) == len(part.fresh) == 0


def failing_at(value: int, error: BaseException) -> Iterator[Part]:
    def infer(batch: Pixels) -> Floats:
        if (batch == value).any():
            raise error
        return first_pixel(batch)

    return stream(plains(60), GREY, infer, batch=2)


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_an_error_of_the_network_comes_through_after_the_parts_before_it(error: BaseException) -> None:
    found: list[int] = []
    with pytest.raises(type(error)) as raised:
        for part in failing_at(20, error):
            found.extend(part.indices)
    assert raised.value is error
    assert found == list(range(20))
    assert not running()


def test_an_error_of_the_network_stops_the_work_that_waits() -> None:
    seen: list[int] = []

    def infer(batch: Pixels) -> Floats:
        seen.append(len(batch))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(stream(plains(200), GREY, infer, batch=1))
    assert len(seen) <= 2 * runtime.threads() + 1


def test_a_stream_closed_early_stops_its_threads() -> None:
    seen: list[int] = []

    def infer(batch: Pixels) -> Floats:
        seen.append(len(batch))
        return first_pixel(batch)

    parts = stream(plains(200), GREY, infer, batch=1)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert not running()
    assert len(seen) <= 2 * runtime.threads() + 1


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_slow_reader_is_never_more_than_a_few_batches_behind(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pictures there are: at most two batches a thread wait, and one is in the reader's hands."""
    monkeypatch.setattr(runtime, "threads", lambda: threads)
    lock, done, most = threading.Lock(), [0, 0], 0

    def infer(batch: Pixels) -> Floats:
        with lock:
            done[0] += 1
        return first_pixel(batch)

    for _ in stream(plains(100), GREY, infer, batch=1):
        for _ in range(500):  # until no thread has anything left to do
            if done[0] >= min(done[1] + 2 * threads + 1, 100):
                break
            sleep(0.001)
        most = max(most, done[0] - done[1])
        done[1] += 1
    assert most == 2 * threads + 1


def test_pictures_are_computed_by_as_many_threads_as_the_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "threads", lambda: 3)
    together = threading.Barrier(3, timeout=30)

    def infer(batch: Pixels) -> Floats:
        together.wait()  # passes only when three threads are here at once
        return first_pixel(batch)

    assert sum(len(part.indices) for part in stream(plains(12), GREY, infer, batch=1)) == 12


def test_a_network_that_returns_too_few_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(stream(plains(4), GREY, lambda batch: first_pixel(batch)[:-1]))
