"""The cable between two machines cut while they train, and mended: does the run go on, and is it the same run?

python scripts/cut_link.py [seconds of the cut]...

The machines are network namespaces joined by a virtual cable (needs root and iproute2), each with a torchrun of the
static rendezvous and one process. Prints what became of each run, as `kill_workers.py` does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kill_workers import done, undisturbed, until

HOSTS = ("neocog-a", "neocog-b")
LIMIT = 400.0  # seconds
WORK = Path(__file__).with_name("kill_workers.py")


def main() -> None:
    for seconds in map(float, sys.argv[1:] or ("20", "90")):
        how, took = trial(seconds)
        print(f"cut for {seconds:.0f} s: {how}, next step {took:.1f} s after the cut")


def trial(seconds: float) -> tuple[str, float]:
    with tempfile.TemporaryDirectory() as name, hosts(), started(folder := Path(name)) as agents:
        until(lambda: done(folder) >= 12, LIMIT)
        cut = time.monotonic()
        ip("-n", HOSTS[0], "link", "set", "cable", "down")
        time.sleep(1)  # a step that needs no more answers may still end
        before = done(folder)
        time.sleep(seconds - 1)
        ip("-n", HOSTS[0], "link", "set", "cable", "up")
        went_on = until(lambda: done(folder) > before, LIMIT)
        took = time.monotonic() - cut
        ended = went_on and until(lambda: all(agent.poll() is not None for agent in agents), LIMIT)
        if not ended:
            return "hung", took
        if any(agent.returncode for agent in agents):
            return "failed", took
        same = (folder / "weights").read_text() == undisturbed()
        restarted = any("this one lost another" in (folder / f"log{node}").read_text() for node in (0, 1))
        return f"{'the same' if same else 'other'} weights, {'' if restarted else 'not '}started again", took


@contextmanager
def hosts() -> Iterator[None]:
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip(
            *[
                "link",
                "add",
                "cable",
                "netns",
                "neocog-a",
                "type",
                "veth",
                "peer",
                "name",
                "cable",
                "netns",
                "neocog-b",
            ]
        )
        for number, host in enumerate(HOSTS, start=1):
            ip("-n", host, "addr", "add", f"10.214.0.{number}/24", "dev", "cable")
            for link in ("cable", "lo"):
                ip("-n", host, "link", "set", link, "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def started(folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    agents = []
    environment = os.environ | {"KILL_WORKERS_FOLDER": str(folder), "GLOO_SOCKET_IFNAME": "cable"}
    for node, host in enumerate(HOSTS):
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--max_restarts=3", "--nnodes=2"]
        told = [
            "--nproc_per_node=1",
            f"--node_rank={node}",
            "--master_addr=10.214.0.1",
            "--master_port=29400",
        ]
        with (folder / f"log{node}").open("wb") as log:
            words = ["ip", "netns", "exec", host, *torchrun, *told, str(WORK)]
            agents.append(subprocess.Popen(words, stdout=log, stderr=log, env=environment))
    try:
        yield agents
    finally:
        for agent in agents:
            agent.terminate()  # torchrun ends its processes
            agent.wait()


if __name__ == "__main__":
    main()
