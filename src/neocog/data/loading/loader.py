"""Batches of labelled pictures, decoded ahead of their use, from any position of a run on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from neocog.data.loading.order import Order, Picks, Position
from neocog.data.loading.pictures import Held, Labelled
from neocog.data.loading.pools import Filled, InPlace, Pool, Threads
from neocog.data.loading.processes import NotStarted, Processes
from neocog.data.loading.workers import Workers, measured
from neocog.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures that are learned from in one step."""

    pixels: Tensor
    """uint8 (n, height, width, channels)"""
    labels: Tensor
    """int64 (n,)"""
    picks: Picks
    """which pictures these are, and which copies of them"""
    position: Position
    """where a run goes on after this batch, in all processes"""

    def __len__(self) -> int:
        return len(self.picks)


class Loader:
    """The batches of an epoch each time it is iterated over; close it, or use it in a `with` statement.

    A picture that cannot be read is left out, never replaced: its batch is smaller by one, `skipped` holds its index
    with the reason, and `say` is told once. A batch without any readable picture is not delivered, except where there
    are other processes, whose shares of it may be readable: then it comes empty. With `strict` it is an error that
    names the file. The batches are the same for any `workers`; without these, they are measured.
    """

    def __init__(
        self,
        pictures: Labelled,
        order: Order,
        workers: Workers | None = None,
        *,
        say: Callable[[str], None] = lambda text: None,
        strict: bool = False,
    ):
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # a worker process imports the main module, which without a guard would now do all of its work again
            raise RuntimeError("the main module must guard its start by `if __name__ == '__main__':`")
        if order.size != len(pictures):
            raise UserError(f"the order is of {order.size} pictures, there are {len(pictures)}")
        self.pictures, self.order = pictures, order
        self.skipped: dict[int, str] = {}
        self._say, self._strict = say, strict
        self._position = Position(order.seed, 0)
        self.workers, self._pool = _pool(pictures, order, workers, say)
        say(f"loading: {self.workers}")

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self.order.batch_count

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    @property
    def position(self) -> Position:
        """What was delivered so far; a loader that seeks it delivers the rest. Each batch has its own, too."""
        return self._position

    def seek(self, position: Position) -> None:
        """Go on from `position`."""
        self._position = position

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the epoch at the position, which ends at the start of the next."""
        batches, ahead = tee(self.order.batches(self._position))
        ends = self.order.ends(self._position)
        wanted = (self.pictures.places(picks.indices) for picks in ahead)
        with closing(self._pool.fill(wanted)) as filled:
            for picks, full, self._position in zip(batches, filled, ends, strict=True):
                batch = self._batch(picks, full)
                if len(batch) or self.order.world > 1:
                    yield batch
        self._position = Position(self.order.seed, self._position.epoch + 1)

    def _batch(self, picks: Picks, filled: Filled) -> Batch:
        import torch

        pixels = filled.pixels
        if filled.left_out:
            self._report(picks, filled)
            kept = np.delete(np.arange(len(picks)), [row for row, _ in filled.left_out])
            pixels, picks = pixels[kept], Picks(picks.indices[kept], picks.copies[kept])
        labels = self.pictures.labels[picks.indices]
        return Batch(torch.from_numpy(pixels), torch.from_numpy(labels), picks, self._position)

    def _report(self, picks: Picks, filled: Filled) -> None:
        for row, why in filled.left_out:
            index = int(picks.indices[row])
            name = self.pictures.source.name(int(self.pictures.places(picks.indices)[row]))
            if self._strict:
                raise UserError(
                    f"every picture must be readable here, but {name} is not: {why}; mend or remove it"
                )
            if index not in self.skipped:
                self.skipped[index] = why
                self._say(f"skipped {name}: {why}")


def _pool(
    pictures: Labelled, order: Order, workers: Workers | None, say: Callable[[str], None]
) -> tuple[Workers, Pool]:
    source, room = pictures.source, order.largest_batch
    # pixels that are there need nobody to decode them, whoever was asked for
    if workers is None or isinstance(source, Held):
        workers = measured(source, pictures.places(np.arange(len(pictures))))
    if workers.count == 0:
        return workers, InPlace(source)
    if workers.kind == "processes":
        try:
            return workers, Processes(source, workers.count, room)
        except NotStarted as error:
            reason = f"since loading processes cannot be started here: {error}"
            workers = Workers(workers.count, "threads", reason)
    return workers, Threads(source, workers.count, room)
