"""How batches reach the loop: copied to an accelerator one ahead, and with a measure of how long it waits for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

    from neocog.data.loading.loader import Batch

T = TypeVar("T")


class Waiting:
    """Seconds that a loop waited for its next item, and seconds that it took in all, both from given ones on."""

    def __init__(self, waited: float = 0.0, total: float = 0.0) -> None:
        self.waited, self.total = waited, total

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items; the time until each arrives is waiting, the time until the next is asked for is work."""
        iterator = iter(items)
        while True:
            asked = perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                arrived = perf_counter()
                self.waited += arrived - asked
                self.total += arrived - asked
            yield item
            self.total += perf_counter() - arrived

    @property
    def share(self) -> float:
        """Of the time, from 0 to 1."""
        return self.waited / self.total if self.total else 0.0


def prefetch_to(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on `device`. To a CUDA device each is copied while the one before it is used.

    The copy runs on a stream of its own from page-locked memory. Elsewhere nothing is copied ahead.
    """
    if device.type != "cuda":
        yield from (_on(batch, device) for batch in batches)
        return
    import torch

    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    before: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            ahead = _on(_page_locked(batch), device), stream.record_event()
        if before:
            yield _usable(*before, device)
        before = ahead
    if before:
        yield _usable(*before, device)


def _on(batch: Batch, device: torch.device) -> Batch:
    ahead = device.type == "cuda"  # the only one whose allocator keeps the source until the copy is done
    pixels, labels = (part.to(device, non_blocking=ahead) for part in (batch.pixels, batch.labels))
    return replace(batch, pixels=pixels, labels=labels)


def _page_locked(batch: Batch) -> Batch:
    return replace(batch, pixels=batch.pixels.pin_memory(), labels=batch.labels.pin_memory())


def _usable(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """The batch for the loop's stream, which waits for the copy, and whose use keeps the memory from being reused."""
    import torch

    loop = torch.cuda.current_stream(device)
    loop.wait_event(copied)
    for part in (batch.pixels, batch.labels):
        part.record_stream(loop)
    return batch
