"""What the processes of a run tell each other beside sums: text of the first, rows of all."""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from neocog import runtime
from neocog.training.distributed import World

ALONE = World()


def own_device(world: World, name: str) -> torch.device:
    """The device called `name`; of several CUDA devices each process of a machine has its own."""
    device = runtime.device(name)
    if device.type == "cuda" and world.size > 1:
        return torch.device("cuda", world.local_rank)
    return device


def word_of_first(world: World, text: str) -> str:
    """The text that the first process has."""
    if world.size == 1:
        return text
    own = np.frombuffer(text.encode(), np.uint8) if world.first else np.zeros(0, np.uint8)
    [length] = world.sum([len(own)])
    sent = torch.zeros(length, dtype=torch.int64)
    if world.first:
        sent += torch.from_numpy(own.astype(np.int64))
    return bytes(world.sum(sent.tolist())).decode()


def rows_of_all(world: World, rows: NDArray[np.float32], total: int) -> NDArray[np.float32]:
    """(total, ...): row i comes from the process i mod size, where it is row i // size. In all processes."""
    if world.size == 1:
        return rows
    most = -(-total // world.size)
    padded = torch.zeros((most, *rows.shape[1:]))
    padded[: len(rows)] = torch.from_numpy(rows)
    place = torch.device("cuda", world.local_rank) if dist.get_backend() == "nccl" else torch.device("cpu")
    padded = padded.to(place)
    parts = [torch.empty_like(padded) for _ in range(world.size)]
    dist.all_gather(parts, padded)
    whole: NDArray[np.float32] = torch.stack(parts, 1).flatten(0, 1)[:total].cpu().numpy()
    return whole
