"""Trying something on a network without leaving a trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from neocog.errors import UserError
from neocog.training.randomness import as_before, seed_step
from neocog.training.threads import threads_for


class NotCopied(UserError):
    """A network that `copy.deepcopy` refuses, such as one that keeps the result of a computation."""


@contextmanager
def apart(net: nn.Module) -> Iterator[nn.Module]:
    """A copy of `net` to train on trial, while all random generators stand at one place; then they stand as before.

    The copy has weights, buffers, modes and own generators of its own. NotCopied for a network that cannot be.
    """
    try:
        twin: nn.Module = copy.deepcopy(net)
    except (TypeError, RuntimeError) as error:
        raise NotCopied(f"{type(net).__name__} cannot be copied: {str(error).splitlines()[0]}") from error
    twin.zero_grad(set_to_none=True)
    device = next(net.parameters()).device
    with as_before(device), threads_for(net):
        seed_step(0, 0, 0, device)
        yield twin
