"""Several real processes that meet through gloo: forks of one that has imported torch, with torchrun's variables."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from door import PROCESSES
from neocog.training.distributed import World, joined

LIMIT = 90  # seconds


def in_world(
    size: int, work: Callable[..., Any], *arguments: Any, told: Mapping[str, str] | None = None
) -> list[Any]:
    """What `work(world, *arguments)` returns in each of `size` processes; its error, or None where one just ended."""
    port = free_port()
    started = []
    for rank in range(size):
        variables = {
            "RANK": str(rank),
            "WORLD_SIZE": str(size),
            "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            **(told or {}),
        }
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_work, args=(theirs, variables, work, arguments))
        process.start()
        theirs.close()
        started.append((process, ours))
    answers = [_answer(pipe) for _, pipe in started]
    for process, _ in started:
        process.join(LIMIT)
        assert process.exitcode is not None, "hangs at its end"
    return answers


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
    pipe: Connection, variables: Mapping[str, str], work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(variables)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # what torch logs where an error is wanted
    try:
        with joined(torch.device("cpu")) as world:
            result = work(world, *arguments)
        pipe.send_bytes(pickle.dumps(result))  # by value: `send` shares the memory of tensors
    except Exception as error:
        pipe.send_bytes(pickle.dumps(error))


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """The same in one process, this one."""
    return work(World(), *arguments)
