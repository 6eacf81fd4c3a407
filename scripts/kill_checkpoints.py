"""Checkpoints whose writer is killed at every system call, gets an error from each, or is killed at any time.

python scripts/kill_checkpoints.py [--quick]

Each time the folder must hold what it held or what was being written, and the next write must clear up. Prints a line
of JSON per kind and keeps them in benchmarks/results/kill-checkpoints.csv. `--quick` leaves out the system calls that
change nothing on the disk, two of the four situations and most of the random kills, and keeps nothing.
Needs Linux, strace and the permission to trace.
"""

from __future__ import annotations

import csv
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from neocog.errors import UserError
from neocog.training.resume.checkpoint import Checkpoint, latest, write_checkpoint

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "kill-checkpoints.csv"
ALL = "%file,%desc"
CHANGING = (
    "openat,write,fsync,?rename,?renameat,?renameat2,?unlink,?unlinkat,?mkdir,?mkdirat,ftruncate,fchmod"
)
WRITING = "write,fsync,rename,close"
MEMORY = "/dev/shm"  # where fsync takes no time
OUTCOMES = ("old", "new", "refused", "whole")
REFUSED = 3  # exit code of a writer that was told a UserError
State = tuple[int, int] | None
"""step and version: what the same step's tensors were filled with"""


def checkpoint(step: int, version: int) -> Checkpoint:
    filled = torch.arange(5000.0) * step + version
    return Checkpoint(
        step, {"filled": filled, "count": torch.tensor(step)}, {"version": version, "at": [0.1 * step]}
    )


def found(folder: Path) -> State:
    """What `latest` gives, once it is compared with what was written."""
    there = latest(folder, lambda line: None)
    if there is None:
        return None
    state = there.step, there.facts["version"]
    expected = checkpoint(*state)
    assert there.facts == expected.facts and there.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(there.tensors[name], value) for name, value in expected.tensors.items())
    return state


def write(folder: Path, step: int, version: int) -> None:
    write_checkpoint(folder, checkpoint(step, version))


def empty(folder: Path) -> None:
    folder.mkdir()


def two(folder: Path) -> None:
    write(folder, 1, 0)
    write(folder, 2, 0)


def same_step(folder: Path) -> None:
    two(folder)
    write(folder, 3, 0)


def killed_before(folder: Path) -> None:
    """A temporary file, and tensors without a card."""
    two(folder)
    shutil.copy(folder / "step-00000002.safetensors", folder / "step-00000003.safetensors")
    (folder / ".step-00000003.json.999999999-1.tmp").write_bytes(b"half")


Situations = dict[Callable[[Path], None], State]
SITUATIONS: Situations = {
    empty: None,
    two: (2, 0),
    same_step: (3, 0),
    killed_before: (2, 0),
}


def traced(folder: Path, injection: str) -> int:
    """Exit status, negative for a signal, of a process that writes step 3 while strace injects something."""
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER: let strace attach
        os.read(ready, 1)
        try:
            write(folder, 3, 1)
        except UserError:
            os._exit(REFUSED)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    command = ["strace", "-p", str(pid), "-o", os.devnull, "-e", f"trace={injection.partition(':')[0]}"]
    with subprocess.Popen(
        [*command, "-e", f"inject={injection}"], stderr=subprocess.PIPE, text=True
    ) as tracer:
        assert tracer.stderr
        first = tracer.stderr.readline()
        if "attached" not in first:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            sys.exit(f"cannot trace: {first.strip()}")
        os.write(go, b"x")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(ready)
    os.close(go)
    return status


def at_every_call(situations: Situations, calls: str, effect: str) -> Counter[str]:
    """Every situation, with the effect at the first call, then the second, until there are no more of them."""
    outcomes: Counter[str] = Counter()
    for situation, before in situations.items():
        number, status = 0, 1
        while status != 0:
            number += 1
            with tempfile.TemporaryDirectory(dir=MEMORY) as name:
                folder = Path(name) / "checkpoints"
                situation(folder)
                status = traced(folder, f"{calls}:{effect}:when={number}")
                assert status in (0, REFUSED, -signal.SIGKILL), f"{situation.__name__} {number}: {status}"
                outcomes[judged(folder, before, status)] += 1
    return outcomes


def judged(folder: Path, before: State, status: int) -> str:
    """old, new or refused; an AssertionError where it is neither, or where the next write leaves too much."""
    state = found(folder)
    assert state == (3, 1) or (status != 0 and state == before), (state, status)
    if status == REFUSED:
        assert not list(folder.glob(".*")), "a temporary file is left"
    write(folder, 4, 0)
    names = sorted(path.name for path in folder.iterdir())
    kept = 2 if state else 1
    assert found(folder) == (4, 0) and len(names) == 2 * kept, names
    return "whole" if status == 0 else "refused" if status == REFUSED else "old" if state == before else "new"


def at_any_time(folder: Path, kills: int) -> Counter[str]:
    """A process that writes step after step is killed; what it had told to be written must be there."""
    chance, outcomes = random.Random(0), Counter[str]()
    step = 0
    for _ in range(kills):
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            while True:
                step += 1
                write(folder, step, 0)
                os.write(tell, step.to_bytes(8, "little"))
        os.close(tell)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(told, "rb") as pipe:
            last = int.from_bytes(pipe.read()[-8:], "little") or step
        state = found(folder)
        reached = state[0] if state else 0
        assert reached in (last, last + 1), (reached, last)
        outcomes["new" if reached > last else "old"] += 1
        step = reached
    return outcomes


def main(quick: bool) -> None:
    torch.set_num_threads(1)  # threads would not survive the fork
    situations = {one: SITUATIONS[one] for one in (empty, same_step)} if quick else SITUATIONS
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for kind, run in {
            "killed at a system call": lambda: at_every_call(
                situations, CHANGING if quick else ALL, "signal=KILL"
            ),
            "disk full at a write": lambda: at_every_call(situations, WRITING, "error=ENOSPC"),
            "killed at any time": lambda: at_any_time(Path(name), 10 if quick else 500),
        }.items():
            counts = run()
            rows.append({"kind": kind, "times": counts.total(), **{key: counts[key] for key in OUTCOMES}})
            print(json.dumps(rows[-1]), flush=True)
    if not quick:
        with RESULT.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:] == ["--quick"])
