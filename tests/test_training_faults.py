"""Real faults in processes of their own, and what the user would read."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neocog
from neocog.errors import UserError
from neocog.training.faults import explained
from neocog.training.recipes.recipe import Recipe

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory hold on Linux")
UNDER_A_LIMIT = """
import resource
import numpy as np, torch
from neocog.training.faults import explained
from neocog.training.recipes.recipe import Recipe
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (room, room))
for fault in (
    lambda: torch.ones(2**30),
    lambda: torch.nn.functional.conv2d(torch.ones(1, 1, 99, 99), torch.ones(2**16, 1, 3, 3)),
    lambda: np.ones(2**32),
    lambda: bytes(2**33),
):
    try:
        fault()
    except BaseException as error:
        print(type(error).__name__)
        print(explained(error, "training", Recipe(batch_size=256), 1200))
"""


def printed(code: str, path: Path | None = None) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(neocog.__file__).parents[1])}
    source = [str(path)] if path else ["-c", code]
    if path:
        path.write_text(code)
    done = subprocess.run(
        [sys.executable, *source], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@linux
def test_memory_that_is_not_there_is_told_with_a_way_out() -> None:
    lines = printed(UNDER_A_LIMIT)
    assert lines[::2] == ["RuntimeError", "RuntimeError", "MemoryError", "MemoryError"]
    assert set(lines[1::2]) == {
        "training needs more memory than there is; give a smaller --batch-size than 256: 128 with "
        "--grad-accum-steps 2 learns from as many pictures a step; --resume auto goes on from step 1,200"
    }


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "way"),
    [
        (64, 4, "32 with --grad-accum-steps 8 "),
        (5, 1, "2 with --grad-accum-steps 3 "),
        (1, 1, "give a smaller --img-size"),
    ],
)
def test_half_the_batch_takes_twice_the_passes(batch_size: int, accumulate: int, way: str) -> None:
    told = explained(MemoryError(), "training", Recipe(batch_size=batch_size, accumulate=accumulate))
    assert told and way in str(told) and "--resume" not in str(told)


def test_a_loading_process_that_was_killed_is_told(tmp_path: Path) -> None:
    code = """
import multiprocessing, os, signal
import numpy as np
from neocog.data.loading.pictures import Decoded
from neocog.data.loading.processes import Processes
from neocog.data.preprocess import Preprocess
from neocog.data.source import open_dataset
from neocog.training.faults import explained
from neocog.training.recipes.recipe import Recipe

if __name__ == "__main__":
    samples = open_dataset("builtin/photos").samples
    pool = Processes(Decoded(samples, Preprocess(size=(16, 16))), 1, len(samples))
    child = multiprocessing.active_children()[0]
    print(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    try:
        while True:
            list(pool.fill(iter([np.arange(len(samples))])))
    except Exception as error:
        print(explained(error, "training", Recipe(), 30))
    pool.close()
"""
    pid, said = printed(code, tmp_path / "killed.py")
    assert re.fullmatch(
        rf"loading processes must live as long as the run, but process {pid} was ended by SIGKILL while .*; "
        "fewer workers take less memory, threads see every error; --resume auto goes on from step 30",
        said,
    )


@linux
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """/dev/full is the system's own full disk."""
    with pytest.raises(OSError) as raised, Path("/dev/full").open("w") as file:
        file.write("x")
        file.flush()
    told = explained(raised.value, "writing metrics.csv", Recipe(), 7)
    assert str(told) == (
        "writing metrics.csv needs space on the disk, which is full; free some; --resume auto goes on from step 7"
    )


def test_a_full_disk_that_was_told_already_gets_the_way_on() -> None:
    cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        raise UserError("cannot write a: No space left on device; free some space") from cause
    except UserError as error:
        told = explained(error, "training", Recipe(), 7)
    assert str(told).endswith("free some space; --resume auto goes on from step 7")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        RuntimeError("shapes cannot be multiplied"),
        UserError("a"),
        OSError(errno.ENOENT, "no"),
    ],
)
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert explained(error, "training", Recipe(), 7) is None


@pytest.mark.gpu
def test_memory_of_a_gpu_that_is_not_there_is_told() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(2**45, device="cuda", dtype=torch.uint8)
    assert "more memory than there is" in str(explained(raised.value, "training", Recipe()))
