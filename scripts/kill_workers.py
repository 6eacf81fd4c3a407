"""One of two training processes killed with SIGKILL while torchrun watches: does the run go on, and is it the same run?

python scripts/kill_workers.py [trials of each kind] [seed]

Each trial starts torchrun with `--max-restarts 3`, kills one process at a random step and waits for the end. It
recovered if torchrun ends with 0 and the weights have the bits of a run that nobody disturbed. The seconds are those
from the kill to the next step. Kinds: one machine by c10d (`--standalone`) and by the static rendezvous, and two
machines by both, of which each has one process and a torchrun of its own (here on one host). A row per kind in a CSV.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import median

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "kill-workers.csv"
STEPS = 40
PAUSE = 0.05  # seconds of a step, so that the kill comes inside the run
LIMIT = 120.0  # seconds from the kill to the end of the run, after which it counts as hung
KINDS = {"c10d, 1 machine": 1, "static, 1 machine": 1, "c10d, 2 machines": 2, "static, 2 machines": 2}


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    outcomes: dict[str, list[tuple[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(trials):
        for kind, so_far in outcomes.items():
            so_far.append(trial(kind, draw.randrange(2, STEPS - 5), draw.randrange(2)))
        with RESULT.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(
                ("rendezvous", "trials", "recovered", "median_seconds", "longest_seconds", "others")
            )
            table.writerows(row(kind, so_far) for kind, so_far in outcomes.items())


def row(kind: str, outcomes: list[tuple[str, float]]) -> tuple[object, ...]:
    seconds = [took for how, took in outcomes if how == "recovered"] or [float("nan")]
    others = sorted({how for how, _ in outcomes} - {"recovered"})
    recovered = sum(how == "recovered" for how, _ in outcomes)
    return (
        kind,
        len(outcomes),
        recovered,
        round(median(seconds), 1),
        round(max(seconds), 1),
        "; ".join(others),
    )


def trial(kind: str, step: int, victim: int) -> tuple[str, float]:
    """What became of a run whose process `victim` was killed after `step`, and the seconds until its next step."""
    with tempfile.TemporaryDirectory() as name, started(kind, folder := Path(name)) as agents:
        if not until(lambda: done(folder) >= step, LIMIT):
            return "never got so far", 0.0
        process = int((folder / f"process{victim}").read_text())
        (folder / f"process{victim}").unlink()
        before = done(folder)
        os.kill(process, signal.SIGKILL)
        killed = time.monotonic()
        # the step under way may still be noted: the next attempt writes its process number before its first step
        until(lambda: (folder / f"process{victim}").exists(), LIMIT)
        until(lambda: done(folder) > before, LIMIT)
        took = time.monotonic() - killed
        if not until(lambda: all(agent.poll() is not None for agent in agents), LIMIT - took):
            how = "hung"
        elif any(agent.returncode for agent in agents):
            how = "failed"
        else:
            how = "recovered" if (folder / "weights").read_text() == undisturbed() else "other weights"
    sys.stderr.write(f"{kind}: process {victim} killed after step {step}: {how}, {took:.1f} s\n")
    return how, took


@contextmanager
def started(kind: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    port = free_port()
    agents = []
    for node in range(KINDS[kind]):
        told = {
            "c10d, 1 machine": ["--standalone", "--nproc_per_node=2"],
            "static, 1 machine": ["--nproc_per_node=2", "--master_addr=127.0.0.1", f"--master_port={port}"],
            "c10d, 2 machines": [
                *("--nnodes=2", "--nproc_per_node=1", "--rdzv_backend=c10d", "--local_addr=127.0.0.1"),
                *(f"--rdzv_endpoint=127.0.0.1:{port}", f"--rdzv_conf=is_host={1 - node}"),
            ],
            "static, 2 machines": [
                *("--nnodes=2", "--nproc_per_node=1", f"--node_rank={node}"),
                *("--master_addr=127.0.0.1", f"--master_port={port}"),
            ],
        }[kind]
        words = [sys.executable, "-m", "torch.distributed.run", "--max_restarts=3", *told, __file__]
        with (folder / f"log{node}").open("wb") as log:
            environment = {**os.environ, "KILL_WORKERS_FOLDER": str(folder)}
            agents.append(
                subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
            )
    try:
        yield agents
    finally:
        hung = any(agent.poll() is None for agent in agents)
        for agent in agents:
            agent.kill()
            agent.wait()
        for left in folder.glob("process*") if hung else ():
            with suppress(ProcessLookupError):
                os.kill(int(left.read_text()), signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def until(holds: Callable[[], bool], limit: float) -> bool:
    """Wait for it, and say whether it came."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def done(folder: Path) -> int:
    place = folder / "steps"
    return len(place.read_bytes()) if place.exists() else 0


@cache
def undisturbed() -> str:
    """The weights' hash of a run of which nothing was killed."""
    with tempfile.TemporaryDirectory() as name, started("c10d, 1 machine", folder := Path(name)) as agents:
        agents[0].wait(LIMIT)
        return (folder / "weights").read_text()


def work(folder: Path) -> None:
    """What each process does: steps with a checkpoint after every fifth, from the last one on."""
    import torch
    from safetensors.torch import load_file, save_file
    from torch import nn

    from neocog.training.processes.distributed import distributed, joined

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))
    with joined(torch.device("cpu")) as world:
        torch.set_num_threads(1)  # as many here as there, or sums would have other bits
        (folder / f"process{world.rank}").write_text(str(os.getpid()))
        first = 0
        for place in sorted(folder.glob("checkpoint-*.safetensors"))[-1:]:
            net.load_state_dict(load_file(place))
            first = int(place.stem.partition("-")[2])
        whole = distributed(net, world, torch.device("cpu"))
        for step in range(first, STEPS):
            drawn = torch.Generator().manual_seed(step)
            x = torch.randn(7, 1, 8, 8, generator=drawn)[world.rank :: world.size]
            loss = whole(x).square().sum() / 7 * world.size
            loss.backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter -= 0.01 * parameter.grad
                    parameter.grad = None
            if world.first:
                if (step + 1) % 5 == 0:
                    save_file(net.state_dict(), folder / "new")
                    (folder / "new").rename(folder / f"checkpoint-{step + 1:03d}.safetensors")
                with (folder / "steps").open("a") as file:
                    file.write(".")
            time.sleep(PAUSE)
        if world.first:
            digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in net.state_dict().values()))
            (folder / "weights").write_text(digest.hexdigest())


if __name__ == "__main__":
    given = os.environ.get("KILL_WORKERS_FOLDER")
    work(Path(given)) if given else main()
