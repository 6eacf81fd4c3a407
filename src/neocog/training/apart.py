"""Trying something on a network without leaving a trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from neocog.analysis.twin import unchanged_random
from neocog.errors import UserError


@contextmanager
def apart(net: nn.Module, seed: int = 0) -> Iterator[nn.Module]:
    """A copy of `net` to train on trial, while all random generators stand at `seed`; then they stand as before.

    The copy has weights, buffers, modes and own generators of its own. UserError for a network that cannot be copied.
    """
    try:
        twin: nn.Module = copy.deepcopy(net)
    except (TypeError, RuntimeError) as error:
        raise UserError(f"{type(net).__name__} cannot be copied to be tried out: {error}") from error
    twin.zero_grad(set_to_none=True)
    cuda = sorted({p.device.index or 0 for p in net.parameters() if p.device.type == "cuda"})
    with unchanged_random(), torch.random.fork_rng(devices=cuda):
        seeded(seed)
        yield twin


def seeded(seed: int) -> None:
    """Start the generators that dropout and users' networks draw from: torch's, numpy's and Python's global ones."""
    import random

    import numpy as np

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the global one, which a user's network may draw from
    random.seed(seed)
