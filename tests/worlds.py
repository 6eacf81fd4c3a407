"""Several real processes that meet through gloo: forks of one that has imported torch, with torchrun's variables."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from door import PROCESSES, _command
from neocog.training.processes.distributed import joined

LIMIT = 200  # seconds


def in_world(
    size: int, work: Callable[..., Any], *arguments: Any, told: Mapping[str, str] | None = None
) -> list[Any]:
    """What `work(world, *arguments)` returns in each of `size` processes; its error, or None where one just ended."""
    port = free_port()
    started = []
    for rank in range(size):
        environment = variables(rank, size, port) | dict(told or {})
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_work, args=(theirs, environment, work, arguments))
        process.start()
        theirs.close()
        started.append((process, ours))
    answers = [_answer(pipe) for _, pipe in started]
    for process, _ in started:
        process.join(LIMIT)
        assert process.exitcode is not None, "hangs at its end"
    return answers


def variables(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun tells a process of one machine."""
    numbers = {
        "RANK": rank,
        "WORLD_SIZE": size,
        "LOCAL_RANK": rank,
        "LOCAL_WORLD_SIZE": size,
        "MASTER_PORT": port,
    }
    return {name: str(number) for name, number in numbers.items()} | {"MASTER_ADDR": "127.0.0.1"}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _answer(pipe: Connection) -> Any:
    assert wait([pipe], LIMIT), f"no answer in {LIMIT} s"
    try:
        return pickle.loads(pipe.recv_bytes())
    except EOFError:
        return None


def _work(
    pipe: Connection, environment: Mapping[str, str], work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(environment)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # what torch logs where an error is wanted
    try:
        with joined(torch.device("cpu")) as world:
            result = work(world, *arguments)
        pipe.send_bytes(pickle.dumps(result))  # by value: `send` shares the memory of tensors
    except Exception as error:
        pipe.send_bytes(pickle.dumps(error))


def neocog_in_world(size: int, *arguments: object, cwd: Path) -> list[tuple[int | None, str, str]]:
    """The command in `size` processes as torchrun starts them: exit code, stdout and stderr of each."""
    port, started = free_port(), []
    for rank in range(size):
        streams = [cwd / f"{name}{rank}" for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(b"")
        words = ["neocog", *map(str, arguments)]
        environment = {**os.environ, **variables(rank, size, port)}
        process = PROCESSES.Process(target=_command, args=(words, cwd, environment, streams))
        process.start()
        started.append((process, streams))
    for process, _ in started:
        process.join(LIMIT)
        assert process.exitcode is not None, "hangs"
    return [
        (process.exitcode, streams[1].read_text(), streams[2].read_text()) for process, streams in started
    ]
