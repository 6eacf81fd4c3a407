"""What the processes of a run tell each other beside sums: text of the first, rows of all."""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from neocog import runtime
from neocog.training.processes.distributed import World

ALONE = World()


def own_device(world: World, name: str) -> torch.device:
    """The device called `name`; of several CUDA devices each process of a machine has its own."""
    device = runtime.device(name)
    if device.type == "cuda" and world.size > 1:
        return torch.device("cuda", world.local_rank)
    return device


def word_of_first(world: World, text: str) -> str:
    """The text that the first process has."""
    return words_of_all(world, text if world.first else "")[0]


def words_of_all(world: World, text: str) -> list[str]:
    """The text of each process, by rank; in all of them."""
    own = text.encode("utf-8", "surrogateescape")
    ends = np.cumsum(world.sum([len(own) * (rank == world.rank) for rank in range(world.size)])).tolist()
    placed = [0] * ends[-1]
    placed[ends[world.rank] - len(own) : ends[world.rank]] = own
    whole = bytes(world.sum(placed))
    return [
        whole[start:end].decode("utf-8", "surrogateescape")
        for start, end in zip([0, *ends], ends, strict=False)
    ]


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
