"""Random numbers of a step, which follow from seed, step and process, so that there is no generator to store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch


def seed_step(seed: int, step: int, rank: int, device: torch.device) -> None:
    """Start the generators of torch, NumPy's global one and Python's anew for a step of one process.

    Dropout, stochastic depth and whatever a user's network draws are then the same after an interruption.
    """
    drawn = int.from_bytes(blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest(), "little") >> 1
    torch.default_generator.manual_seed(drawn)  # torch.manual_seed would format the stack each time
    if device.type == "cuda":
        torch.cuda.manual_seed(drawn)
    elif device.type == "mps":
        torch.mps.manual_seed(drawn)
    np.random.seed(drawn % 2**32)  # noqa: NPY002  # the generator that a user's module may draw from
    random.seed(drawn)


@contextmanager
def as_before(device: torch.device) -> Iterator[None]:
    """The generators are afterwards what they were."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
