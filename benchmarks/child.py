"""Runs a command as a user would, in a fresh process, and says how long it took and how much memory it held."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
LIMIT = 3600  # seconds after which a command is taken to hang, and ended


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    seconds: float
    """from its start to its end"""
    peak_mib: float
    """largest resident set; with worker processes, of the largest among them"""
    out: str
    err: str


def run(command: Sequence[object], folder: Path, settings: Mapping[str, str]) -> Finished:
    """The command (its parts as text) run in `folder`; ends this program where it fails.

    Linux starts a child's peak memory at its parent's resident set, so whoever calls this must stay small.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = perf_counter()
        words, environment = [str(part) for part in command], os.environ | dict(settings)
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=out, stderr=err)
        watch = threading.Timer(LIMIT, process.kill)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()
        seconds = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        said, told = out.read().decode(), err.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{told[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(seconds, usage.ru_maxrss * unit / 2**20, said, told)


def apart(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """`work` done in a process of its own, so that what it imports and holds does not stay in this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()
