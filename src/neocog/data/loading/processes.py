"""Worker processes for what holds Python's lock; their pixels come through memory that all of them map."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from shutil import disk_usage

import numpy as np

from neocog.data.loading.order import Indices
from neocog.data.loading.pictures import Reason, Source
from neocog.data.loading.pools import Filled, Fills, batches_ahead, pieces
from neocog.data.loading.worker import READY, Done, Piece, serve
from neocog.errors import UserError

AHEAD = 2  # pieces that a worker has at a time, so that it need not wait for the next
STARTING = 120.0  # seconds after which a process that is not ready never will be
ENDING = 5.0  # seconds in which a process that was told to end has ended
Ring = np.memmap[tuple[int, ...], np.dtype[np.uint8]]
"""(slots, pictures, height, width, channels)"""


class NotStarted(Exception):
    """No worker process can be started here, as in a script that does not guard its own start."""


class WorkerLost(UserError):
    """A loading process was killed, or ended by itself."""


@dataclass(eq=False)
class _Batch:
    slot: int
    size: int
    missing: int
    """pieces that are not done"""
    left_out: list[Reason] = field(default_factory=list)


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    tasks: deque[tuple[_Batch, Piece]] = field(default_factory=deque)


class Processes:
    """Processes that fill the next batches while the caller uses one; `room` is the size of the largest batch."""

    def __init__(self, source: Source, count: int, room: int):
        self._source = source
        self._slots = deque(range(1 + batches_ahead(room, count)))
        self._place, self._ring = _shared((len(self._slots), room, *source.shape))
        self._workers: list[_Worker] = []
        self._todo: deque[tuple[_Batch, Piece]] = deque()
        try:
            for _ in range(count):
                self._workers.append(_started(source, self._place, self._ring.shape))
            for worker in self._workers:
                _await(worker)
        except BaseException:
            self.close()
            raise
        self._unlink()  # it stays mapped, and however this ends nothing is left behind

    def fill(self, batches: Iterator[Indices]) -> Fills:
        if not self._workers:
            raise UserError("a loader that was closed or interrupted has no processes any more; make another")
        try:
            yield from self._filled(batches)
        except KeyboardInterrupt:
            # it may come between the sending of a piece and the note of it: an answer could be waited for in vain
            self.close()
            raise

    def _filled(self, batches: Iterator[Indices]) -> Fills:
        pending: deque[_Batch] = deque()
        try:
            while True:
                while self._slots and (indices := next(batches, None)) is not None:
                    pending.append(self._accept(indices))
                if not pending:
                    return
                while pending[0].missing:
                    self._hand_out()
                    self._receive()
                batch = pending.popleft()
                pixels = np.array(self._ring[batch.slot, : batch.size])
                self._slots.append(batch.slot)
                yield Filled(pixels, sorted(batch.left_out))
        except (Exception, GeneratorExit):
            self._settle(pending)
            raise

    def close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # which ends it
        for worker in self._workers:
            worker.process.join(ENDING)
            if worker.process.is_alive():  # in a picture that takes very long
                worker.process.kill()
                worker.process.join()
        self._workers.clear()
        self._unlink()

    def _unlink(self) -> None:
        with suppress(OSError):  # gone already, or on Windows, where it must stay until it is unmapped
            self._place.unlink()

    def _accept(self, indices: Indices) -> _Batch:
        parts = pieces(len(indices), len(self._workers))
        batch = _Batch(self._slots.popleft(), len(indices), len(parts))
        self._todo.extend((batch, Piece(batch.slot, part.start, indices[part])) for part in parts)
        return batch

    def _hand_out(self) -> None:
        """Give the pieces that wait to those that have the fewest."""
        while self._todo:
            worker = min(self._workers, key=lambda worker: len(worker.tasks))
            if len(worker.tasks) >= AHEAD:
                return
            worker.tasks.append(self._todo.popleft())
            try:
                worker.pipe.send(worker.tasks[-1][1])
            except OSError:
                raise self._lost(worker) from None

    def _receive(self) -> None:
        """Wait for pieces to be done, or for a process to die."""
        pipes = {worker.pipe: worker for worker in self._workers if worker.tasks}
        for pipe in wait(list(pipes)):
            worker = pipes[pipe]  # type: ignore[index]  # `wait` takes sockets and handles too
            try:
                done: Done = worker.pipe.recv()
            except (EOFError, OSError):
                raise self._lost(worker) from None
            batch, piece = worker.tasks.popleft()
            batch.missing -= 1
            batch.left_out += [(piece.start + row, why) for row, why in done.left_out]
            if done.error:
                raise RuntimeError(f"a loading process failed:\n{done.error}")

    def _settle(self, pending: deque[_Batch]) -> None:
        """Wait for what was handed out to be written, so that its memory is free for other batches."""
        self._todo.clear()
        while any(worker.tasks for worker in self._workers):
            with suppress(UserError, RuntimeError):
                self._receive()
        self._slots.extend(batch.slot for batch in pending)

    def _lost(self, worker: _Worker) -> WorkerLost:
        worker.process.join(ENDING)
        code = worker.process.exitcode
        how = f"was ended by {_signal(-code)}" if code is not None and code < 0 else f"ended with code {code}"
        names = [self._source.name(int(i)) for _, piece in worker.tasks for i in piece.indices]
        what = f"{names[0]} to {names[-1]} ({len(names)} pictures)" if names else "nothing"
        worker.tasks.clear()
        return WorkerLost(
            f"loading processes must live as long as the run, but process {worker.process.pid} {how} "
            f"while it had {what} to decode; fewer workers take less memory, threads see every error"
        )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _started(source: Source, place: Path, shape: tuple[int, ...]) -> _Worker:
    """Spawned, as on any system: a fork would copy threads' locks in whatever state they are."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=serve, args=(theirs, source, place, shape), daemon=True, name="neocog-load"
    )
    try:
        process.start()
    except Exception as error:  # pickle raises many kinds where the pictures cannot be sent
        ours.close()
        raise NotStarted(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}") from error
    finally:
        theirs.close()
    return _Worker(process, ours)


def _await(worker: _Worker) -> None:
    try:
        if not worker.pipe.poll(STARTING):
            raise NotStarted(f"a process was not ready after {STARTING:.0f} s")
        assert worker.pipe.recv() == READY
    except (EOFError, OSError):
        worker.process.join(ENDING)
        raise NotStarted(f"a process ended with code {worker.process.exitcode} while it started") from None


def _shared(shape: tuple[int, ...]) -> tuple[Path, Ring]:
    """Memory as a file that processes map: in /dev/shm where that has room, else among the temporary files."""
    size = math.prod(shape)
    for folder in ("/dev/shm", tempfile.gettempdir()):
        if Path(folder).is_dir() and disk_usage(folder).free > size:
            handle, name = tempfile.mkstemp(prefix=f"neocog-load-{os.getpid()}-", dir=folder)
            with os.fdopen(handle, "r+b") as file, suppress(OSError):
                # memory that is only promised may end the process that writes to it
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(handle, 0, size)
                file.truncate(size)
                return Path(name), np.memmap(file, np.uint8, "r+", shape=shape)
            Path(name).unlink()
    raise NotStarted(f"there is no room for {size / 2**20:,.0f} MiB that processes share")
