"""Accuracy over time: a command that says an accuracy now and then, and when it said so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Point:
    """What was known at a time."""

    seconds: float
    """since the command was started, imports included"""
    accuracy: float
    what: str
    """how it was reached"""


@dataclass(frozen=True)
class Watched:
    """One run of a command."""

    points: tuple[Point, ...]
    seconds: float
    """until it ended, or was ended"""
    ended: bool
    """by itself, and well"""
    versions: dict[str, str]


def watched(
    command: Sequence[object], folder: Path, settings: Mapping[str, str], limit: float, what: str
) -> Watched:
    """The command run in `folder` for `limit` seconds at most; each line {"accuracy": x} of its output is a point."""
    words, start = [str(part) for part in command], perf_counter()
    points, versions = [], {}
    with tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | dict(settings),
            stdout=subprocess.PIPE,
            stderr=err,
            start_new_session=True,  # so that its workers end with it
        )
        watch = threading.Timer(limit, _end, [process])
        watch.start()
        try:
            for line in process.stdout or ():
                said = _said(line)
                versions |= said.get("versions", {})
                if "accuracy" in said:
                    points.append(Point(perf_counter() - start, float(said["accuracy"]), what))
            code = process.wait()
        finally:
            watch.cancel()
            _end(process)
        seconds = perf_counter() - start
        if code and seconds < limit:
            err.seek(0)
            told = err.read().decode(errors="replace")[-2000:]
            sys.exit(f"{' '.join(words)} ended with {code}:\n{told}")
    return Watched(tuple(points), seconds, code == 0, versions)


def best(points: Sequence[Point], budget: float) -> Point | None:
    """The most accurate of those known within `budget` seconds, of equals the first."""
    known = sorted((point for point in points if point.seconds <= budget), key=lambda point: point.seconds)
    return max(known, key=lambda point: point.accuracy, default=None)


def fitting(budgets: Sequence[float], start: float, epoch: float) -> list[int]:
    """Of each budget, the epochs that fit into it: none below 2, since the run that measured had one."""
    return sorted({count for budget in budgets if (count := int((0.95 * budget - start) / epoch)) >= 2})


def _said(line: bytes) -> dict[str, object] | dict[str, dict[str, str]]:
    """The object on a line of JSON; nothing where the line is something else."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
