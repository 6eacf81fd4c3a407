"""How many threads share an operation of a network that is not trained by the loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

SMALL = 1_000_000  # parameters of a network below which one thread is faster


@contextmanager
def threads_for(net: nn.Module) -> Iterator[None]:
    """One thread while a small network learns: its steps are too short to share, and waiting for each other costs more.

    LeNet-5 on two cores with other work: 13 steps a second with two threads.
    """
    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in net.parameters()) < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
