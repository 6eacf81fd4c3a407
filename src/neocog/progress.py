"""How long work tells how far it is, without knowing who listens: a terminal, a notebook or nobody."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Told that parts of a step are done, and in a few words how they went."""

    def __call__(self, done: int, note: str = "", /) -> None: ...


class Progress(Protocol):
    """Told about each step of a job and about each decision taken for the user."""

    def say(self, text: str) -> None:
        """One line for the reader."""

    def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """A step of `total` parts; the function it yields is called with the number of parts done."""


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        yield lambda done, note="": None
