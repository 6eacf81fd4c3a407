"""Batches as they arrive: compared with the arrays that the files were written from, for any kind of worker."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from neocog.data.loading import arrival
from neocog.data.loading.arrival import Waiting, prefetch_to
from neocog.data.loading.loader import Batch, Loader
from neocog.data.loading.order import Order, Position
from neocog.data.loading.pictures import Decoded, Labelled, with_margin
from neocog.data.loading.workers import Workers, measured, parse_workers
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Files
from neocog.data.source import open_dataset
from neocog.errors import UserError
from odd_samples import FILES, PIXELS, Broken, Counted, Light, N, Slow, Stubborn, Uneven

PLAIN = Preprocess(size=(12, 10))
KINDS = [Workers(0), Workers(1), Workers(2), Workers(2, "processes")]
CHANGES = [*zip(KINDS, [*KINDS[2:], *KINDS[:1:-1]], strict=True)]
"""from each kind to threads or to processes, and from each of these to the other"""
LABELS = np.arange(N) * 7
BAD = {3: b"", 17: b"no picture", 18: b"\x89PNG\r\n\x1a\n cut off"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i, data in enumerate(FILES):
        (folder / f"good{i:02d}.png").write_bytes(data)
        (folder / f"mixed{i:02d}.png").write_bytes(BAD.get(i, data))
    return folder


def pictures(place: Path, name: str = "good") -> Labelled:
    return Labelled(Decoded(Files(sorted(place.glob(f"{name}*.png"))), PLAIN), LABELS)


def shown(batches: list[Batch]) -> str:
    digest = sha256()
    for batch in batches:
        digest.update(batch.pixels.numpy().tobytes() + batch.labels.numpy().tobytes())
    return digest.hexdigest()


def expected(picks: Iterable[list[int]]) -> str:
    digest = sha256()
    for indices in picks:
        digest.update(PIXELS[indices].tobytes() + LABELS[indices].tobytes())
    return digest.hexdigest()


def order_of(epoch: int, order: Order, done: int = 0) -> list[list[int]]:
    return [picks.indices.tolist() for picks in order.batches(Position(order.seed, epoch, done))]


@pytest.mark.parametrize("workers", KINDS, ids=str)
@pytest.mark.parametrize("batch_size", [4, 32])
def test_the_batches_are_the_written_arrays_in_the_order_whoever_decodes(
    place: Path, workers: Workers, batch_size: int
) -> None:
    order = Order(size=N, batch_size=batch_size, seed=5)
    with Loader(pictures(place), order, workers) as loader:
        assert loader.workers == workers
        assert len(loader) == order.batch_count
        for epoch in (0, 1):
            batches = list(loader)
            assert shown(batches) == expected(order_of(epoch, order))
            assert [batch.picks.indices.tolist() for batch in batches] == order_of(epoch, order)


@pytest.mark.parametrize("workers", KINDS[2:], ids=str)
def test_pictures_are_read_inside_an_archive_by_all_workers_at_once(tmp_path: Path, workers: Workers) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for i, data in enumerate(FILES):
            archive.writestr(f"class{i % 3}/{i:02d}.png", data)
    dataset = open_dataset(tmp_path / "pictures.zip")
    numbers = [int(Path(dataset.samples.name(i)).stem) for i in range(len(dataset))]
    part = Labelled(Decoded(dataset.samples, PLAIN), LABELS[numbers])
    with Loader(part, Order(size=N, batch_size=8, shuffle=False), workers) as loader:
        assert loader.workers == workers
        batches = list(loader)
    assert shown(batches) == expected(np.array_split(numbers, 6))


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_held_pixels_arrive_as_they_are(kind: str, tmp_path: Path) -> None:
    held = PIXELS
    if kind == "file":
        held = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=PIXELS.shape)
        held[:] = PIXELS
    order = Order(size=N, batch_size=8, repeats=2)
    with Loader(Labelled(held, LABELS), order, Workers(4, "processes")) as loader:
        assert loader.workers.count == (1 if kind == "file" else 0)
        assert shown(list(loader)) == expected(order_of(0, order))


def test_rows_pick_pictures_out_of_many() -> None:
    rows = np.array([5, 2, 40])
    part = Labelled(PIXELS, LABELS[rows], rows)
    with Loader(part, Order(size=3, batch_size=1, shuffle=False)) as loader:
        assert shown(list(loader)) == expected([[5], [2], [40]])


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=str)
def test_a_run_goes_on_in_the_middle_of_an_epoch_with_other_workers(
    place: Path, before: Workers, after: Workers
) -> None:
    order = Order(size=N, batch_size=4, seed=1)
    with Loader(pictures(place), order, before) as loader:
        delivered = [*loader]
        for batch in loader:
            delivered.append(batch)
            if len(delivered) == 15:
                break
        stored = batch.position.to_json()
        assert loader.position == batch.position
    with Loader(pictures(place), order, after) as loader:
        loader.seek(Position.from_json(stored))
        delivered += [*loader, *loader]
    assert shown(delivered) == expected([indices for epoch in range(3) for indices in order_of(epoch, order)])


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_an_epoch_that_was_given_up_leaves_nothing_in_the_next(place: Path, workers: Workers) -> None:
    order = Order(size=N, batch_size=4)
    with Loader(pictures(place), order, workers) as loader:
        for epoch in (0, 1, 2):
            for _ in loader:
                break
            loader.seek(Position(0, epoch + 1))
        assert shown(list(loader)) == expected(order_of(3, order))


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_unreadable_pictures_are_left_out_never_replaced_and_told_once(place: Path, workers: Workers) -> None:
    told: list[str] = []
    order = Order(size=N, batch_size=4)
    with Loader(pictures(place, "mixed"), order, workers, say=told.append) as loader:
        for epoch in (0, 1):
            good = [[i for i in indices if i not in BAD] for indices in order_of(epoch, order)]
            assert shown(list(loader)) == expected(good)
    assert set(loader.skipped) == set(BAD)
    skipped = [line for line in told if line.startswith("skipped")]
    assert len(skipped) == len(BAD)
    assert {Path(line.split(" ")[1].rstrip(":")).name for line in skipped} == {
        f"mixed{i:02d}.png" for i in BAD
    }
    assert "empty file" in loader.skipped[3]
    assert "not a picture" in loader.skipped[17]


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_strictness_names_the_file(place: Path, workers: Workers) -> None:
    order = Order(size=N, batch_size=4, shuffle=False)
    with (
        Loader(pictures(place, "mixed"), order, workers, strict=True) as loader,
        pytest.raises(UserError, match=r"mixed03.png is not: empty file"),
    ):
        list(loader)


def test_a_batch_of_unreadable_pictures_only_is_not_delivered(place: Path) -> None:
    order = Order(size=N, batch_size=1, shuffle=False)
    with Loader(pictures(place, "mixed"), order, Workers(2)) as loader:
        assert [batch.picks.indices.tolist() for batch in loader] == [[i] for i in range(N) if i not in BAD]
    assert loader.position == Position(0, 1)


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_each_process_comes_to_the_end_of_every_global_batch_even_with_nothing_to_learn_from(
    place: Path, workers: Workers
) -> None:
    """Picture 3 is unreadable and alone in its rank's share of the first batch, 18 in that of the fourth."""
    order = Order(size=N, batch_size=5, shuffle=False, world=5, rank=3)
    with Loader(pictures(place, "mixed"), order, workers) as loader:
        batches = list(loader)
    mine = [[i] if i not in BAD else [] for i in range(3, N, 5)]
    assert [batch.picks.indices.tolist() for batch in batches] == mine
    assert [batch.position.done for batch in batches] == list(range(5, N + 1, 5))
    assert batches[0].pixels.shape == (0, *PIXELS.shape[1:])
    assert batches[0].labels.shape == (0,)


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_inside_a_batch_a_process_may_have_nothing_of_the_rest(place: Path, workers: Workers) -> None:
    order = Order(size=N, batch_size=4, shuffle=False, world=2, rank=1)
    with Loader(pictures(place), order, workers) as loader:
        loader.seek(Position(0, 0, 3))
        batches = list(loader)
    assert [batch.picks.indices.tolist() for batch in batches[:2]] == [[], [5, 7]]
    assert [batch.position.done for batch in batches[:2]] == [4, 8]


@pytest.mark.parametrize("count", [1, 2])
def test_threads_do_not_run_far_ahead(count: int) -> None:
    samples = Counted()
    order = Order(size=N, batch_size=3)
    bound = 4 + -(
        -8 * count // 3
    )  # two batches, eight pictures a thread, the one that is used, the one awaited
    with Loader(Labelled(Decoded(samples, PLAIN), LABELS), order, Workers(count)) as loader:
        for k, _ in enumerate(loader):
            assert samples.count <= 3 * (k + bound)
    assert samples.count == N


@pytest.mark.parametrize("workers", KINDS, ids=str)
def test_a_mistake_in_a_reader_is_not_taken_for_a_bad_picture(workers: Workers) -> None:
    part = Labelled(Decoded(Broken(), PLAIN), LABELS)
    with (
        Loader(part, Order(size=N, batch_size=4), workers) as loader,
        pytest.raises((ZeroDivisionError, RuntimeError), match="a mistake in the reader"),
    ):
        list(loader)


@pytest.mark.parametrize("workers", KINDS[2:], ids=str)
def test_after_mistakes_the_pictures_on_their_way_do_not_overwrite_others(workers: Workers) -> None:
    """Two pieces fail while number 0 is read, which would then be written where number 16 lies."""
    part, order = Labelled(Decoded(Uneven(), PLAIN), LABELS), Order(size=N, batch_size=8, shuffle=False)
    with Loader(part, order, workers) as loader:
        with pytest.raises((ZeroDivisionError, RuntimeError), match="a mistake in the reader"):
            list(loader)
        loader.seek(Position(0, 0, 16))
        assert shown(list(loader)) == expected(order_of(0, order, 16))


def test_a_loader_whose_processes_were_ended_says_so(place: Path) -> None:
    loader = Loader(pictures(place), Order(size=N, batch_size=4), Workers(1, "processes"))
    loader.close()
    with pytest.raises(UserError, match="a loader that was closed or interrupted has no processes any more"):
        list(loader)


def left_behind() -> list[str]:
    folders = [folder for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())) if folder.is_dir()]
    return [path.name for folder in folders for path in folder.glob(f"neocog-load-{os.getpid()}-*")]


def test_a_worker_that_is_killed_is_an_error_that_names_its_pictures() -> None:
    part = Labelled(Decoded(Slow(), PLAIN), LABELS)
    order = Order(size=N, batch_size=4, shuffle=False)
    with Loader(part, order, Workers(1, "processes")) as loader:
        batches = iter(loader)
        assert [next(batches).labels.tolist() for _ in range(2)] == LABELS[:8].reshape(2, 4).tolist()
        (child,) = multiprocessing.active_children()
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(UserError) as lost:
            list(batches)
    assert re.search(
        rf"process {child.pid} was ended by SIGKILL while it had 8 to (11|15) .* to decode", str(lost.value)
    )
    assert not multiprocessing.active_children()
    assert not left_behind()


def test_closing_does_not_wait_for_a_picture_that_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neocog.data.loading.processes.ENDING", 0.1)
    part = Labelled(Decoded(Slow(), PLAIN), LABELS)
    loader = Loader(part, Order(size=N, batch_size=4, shuffle=False), Workers(2, "processes"))
    batches = iter(loader)
    next(batches)
    loader.close()
    assert not multiprocessing.active_children()


def test_processes_leave_no_memory_behind(place: Path) -> None:
    loader = Loader(pictures(place), Order(size=N, batch_size=4), Workers(2, "processes"))
    assert not left_behind()
    batches = iter(loader)
    next(batches)
    assert not left_behind()
    assert len(multiprocessing.active_children()) == 2
    loader.close()
    assert not multiprocessing.active_children()


def test_processes_do_without_torch() -> None:
    """Which would take each of them a second and 200 MiB."""
    part = Labelled(Decoded(Light(), PLAIN), LABELS)
    order = Order(size=N, batch_size=4)
    with Loader(part, order, Workers(1, "processes"), strict=True) as loader:
        assert shown(list(loader)) == expected(order_of(0, order))
    with (
        Loader(part, order, Workers(1), strict=True) as loader,
        pytest.raises(UserError, match="torch is loaded"),
    ):
        list(loader)


def test_without_room_for_what_processes_share_there_are_threads() -> None:
    part = Labelled(Decoded(Arrays(FILES), Preprocess(size=(2_000_000, 2_000_000))), LABELS)
    with Loader(part, Order(size=N, batch_size=4), Workers(2, "processes")) as loader:
        assert (loader.workers.count, loader.workers.kind) == (2, "threads")
        assert "there is no room for" in loader.workers.why
    assert not left_behind()


def test_samples_that_cannot_be_sent_are_loaded_by_threads() -> None:
    samples = Counted()
    samples.read = lambda index: FILES[index]  # type: ignore[method-assign]
    order = Order(size=N, batch_size=4)
    with Loader(Labelled(Decoded(samples, PLAIN), LABELS), order, Workers(2, "processes")) as loader:
        assert loader.workers.kind == "threads"
        assert "loading processes cannot be started here" in loader.workers.why
        assert shown(list(loader)) == expected(order_of(0, order))


def test_what_holds_pythons_lock_is_for_processes_where_cores_are_free() -> None:
    """And for threads where none is: then a measurement cannot tell."""
    chosen = measured(Decoded(Stubborn(), PLAIN), np.arange(N))
    busy, free = map(float, re.findall(r"\d+\.\d", chosen.why))
    assert busy < 1.3
    assert chosen.kind == ("processes" if free >= 1.5 else "threads")


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("auto", None),
        ("0", Workers(0)),
        (3, Workers(3)),
        ("threads:2", Workers(2)),
        ("processes:4", Workers(4, "processes")),
    ],
)
def test_workers_are_read_from_words(text: str | int, workers: Workers | None) -> None:
    assert parse_workers(text) == workers


@pytest.mark.parametrize("text", ["many", "-1", "forks:2", "processes:", ":", ""])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="workers must be auto, a number, threads:N or processes:N, got"):
        parse_workers(text)


def test_an_order_of_other_pictures_is_refused() -> None:
    with pytest.raises(UserError, match="the order is of 9 pictures, there are 45"):
        Loader(Labelled(PIXELS, LABELS), Order(size=9, batch_size=3))


def test_a_margin_keeps_what_random_crops_need() -> None:
    told = Preprocess(size=(224, 192), crop_pct=0.875, resize_mode="squash")
    assert with_margin(told) == replace(told, size=(258, 221), crop_pct=1.0)
    assert with_margin(told, 1.0).size == (224, 192)
    with pytest.raises(UserError, match=r"at least 1, got 0.9"):
        with_margin(told, 0.9)


def test_waiting_is_the_time_until_an_item_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only moves when the test says so: 3 s for each of two items and 1 s to see there is no third."""
    now = 0.0
    monkeypatch.setattr(arrival, "perf_counter", lambda: now)

    def items() -> object:
        nonlocal now
        for item in "ab":
            now += 3
            yield item
        now += 1

    waiting = Waiting()
    assert waiting.share == 0
    for _ in waiting.over(items()):  # type: ignore[arg-type]
        now += 4.5
    assert (waiting.waited, waiting.total) == (7, 16)
    assert waiting.share == 7 / 16


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, CUDA])])
def test_batches_on_their_way_to_a_device_stay_what_they_are(device: str) -> None:
    order = Order(size=N, batch_size=4)
    with Loader(Labelled(PIXELS, LABELS), order) as loader:
        arrived = list(prefetch_to(loader, torch.device(device)))
    assert {batch.pixels.device.type for batch in arrived} == {device}
    back = [replace(batch, pixels=batch.pixels.cpu(), labels=batch.labels.cpu()) for batch in arrived]
    assert shown(back) == expected(order_of(0, order))


def test_the_position_of_a_batch_is_its_own_however_far_the_loader_is() -> None:
    order = Order(size=N, batch_size=4)
    with Loader(Labelled(PIXELS, LABELS), order) as loader:
        ends = [batch.position.done for batch in list(loader)]
    assert ends == np.cumsum([len(indices) for indices in order_of(0, order)]).tolist()
