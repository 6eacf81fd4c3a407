"""Programs that load with processes and end in ways they did not plan: nothing of them may stay behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

import neocog

FOR_EVER = """
import multiprocessing
from contextlib import closing
import numpy as np
from neocog.data.loading.pictures import Decoded
from neocog.data.loading.processes import Processes
from neocog.data.preprocess import Preprocess
from neocog.data.source import open_dataset

if __name__ == "__main__":
    samples = open_dataset("builtin/photos").samples
    batches = np.array_split(np.arange(len(samples)), 20)
    with closing(Processes(Decoded(samples, Preprocess(size=(16, 16))), 2, len(batches[0]))) as pool:
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        while True:
            list(pool.fill(iter(batches)))
"""
WITHOUT_A_GUARD = """
from neocog.data.loading.loader import Loader
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Decoded, Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.data.source import open_dataset

data = open_dataset("builtin/photos")
part = Labelled(Decoded(data.samples, Preprocess(size=(16, 16))), data.labels)
with Loader(part, Order(size=len(part), batch_size=7), Workers(2, "processes"), say=print) as loader:
    list(loader)
    print(loader.position)
"""


@contextmanager
def started(path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(neocog.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def all_gone(pids: list[int], seconds: float = 20) -> bool:
    """Processes are given time to notice that they are no longer needed."""
    end = monotonic() + seconds
    while any(map(alive, pids)) and monotonic() < end:
        sleep(0.02)
    return not any(map(alive, pids))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are watched through /proc")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_is_ended_leaves_no_process_and_no_memory(tmp_path: Path, blow: int) -> None:
    """Ctrl-C reaches the whole group, as from a terminal; the others only the program itself."""
    (tmp_path / "program.py").write_text(FOR_EVER)
    with started(tmp_path / "program.py") as program:
        assert program.stdout
        children = [int(pid) for pid in program.stdout.readline().split()]
        assert len(children) == 2
        assert all(map(alive, children))
        os.killpg(program.pid, blow) if blow == signal.SIGINT else os.kill(program.pid, blow)
        _, errors = program.communicate(timeout=60)
        assert program.returncode == -blow
        assert all_gone(children)
    assert not list(Path("/dev/shm").glob(f"neocog-load-{program.pid}-*"))
    if blow == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert "neocog-load" not in errors  # the workers say nothing


def test_a_script_without_a_guard_loads_with_threads(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(WITHOUT_A_GUARD)
    with started(tmp_path / "program.py") as program:
        out, errors = program.communicate(timeout=120)
    lines = out.splitlines()
    assert program.returncode == 0
    assert lines[0].startswith("loading: 2 threads, since loading processes cannot be started here")
    assert lines[1:] == ["Position(seed=0, epoch=1, done=0)"]  # once: the processes did not do the work again
    assert "must guard its start by `if __name__ == '__main__':`" in errors
