"""What the command line prints: results on stdout, progress and decisions on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from neocog.draw.table import printable
from neocog.progress import Advance


class Told(SystemExit):
    """An exit after which nothing more is to be said."""


def out(text: object) -> None:
    sys.stdout.write(f"{text}\n")


def out_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


class Console:
    """Progress with rate and time left on a terminal, one plain line per step elsewhere; all on stderr."""

    def say(self, text: str) -> None:
        sys.stderr.write(printable(text) + "\n")

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        start, done = perf_counter(), 0
        with _bar(name, total) as advance_bar:

            def advance(count: int, note: str = "") -> None:
                nonlocal done
                done += count
                advance_bar(count, note)

            yield advance
        took = perf_counter() - start
        if done > 1:
            self.say(f"{name}: {done:,} in {took:.1f} s, {_rate(done / max(took, 1e-9))}")


def _rate(speed: float) -> str:
    """`2,000/s`; of what takes longer than a second, `12.5 s each`."""
    return f"{speed:,.0f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each"


@contextmanager
def _bar(name: str, total: int) -> Iterator[Advance]:
    if total <= 1 or not sys.stderr.isatty():
        yield lambda count, note="": None
        return
    from rich import progress
    from rich.console import Console as Terminal

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    # rich would send what is printed meanwhile to its own console, which is stderr: results would miss their file
    bars = progress.Progress(
        *columns, console=Terminal(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with bars:
        task = bars.add_task(name, total=total, rate="", note="")

        def advance(count: int, note: str = "") -> None:
            bars.advance(task, count)
            speed = bars.tasks[task].speed
            bars.update(task, rate=_rate(speed) if speed else "", note=note)

        yield advance
