"""A network's twin on torch's meta device: the same modules without values, apart from everything of the user's."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from neocog.errors import UserError

LARGE = 100_000  # numbers in a tensor that is an attribute: beyond it the trace keeps no copy


def picture(net: nn.Module, size: Sequence[int], batch: int = 1) -> Tensor:
    """An input of `size` without values, in the type of the parameters of `net`."""
    if len(size) < 2 or any(side < 1 for side in size) or batch < 1:
        given = "x".join(map(str, (batch, *size)))
        raise UserError(
            f"a size is channels and at least one axis, each 1 or more, behind a batch; got {given}"
        )
    dtypes = [p.dtype for p in net.parameters() if p.dtype.is_floating_point]
    return torch.empty(batch, *size, device="meta", dtype=dtypes[0] if dtypes else torch.float32)


def on_meta(net: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of `net` with parameters and buffers that have a shape and no values; takes no memory for them."""
    memo: dict[int, Any] = {}
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if isinstance(tensor, UninitializedBuffer | UninitializedParameter):
            raise UserError(f"{name} has no shape yet; run the network once on a picture first")
        bare = tensor.detach().to("meta", dtype if tensor.dtype.is_floating_point else None)
        trained = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(bare, tensor.requires_grad) if trained else bare
    for module in net.modules():
        memo |= _attributes(module)
    net = getattr(net, "_orig_mod", net)  # what torch.compile wraps
    try:
        twin: nn.Module = copy.deepcopy(net, memo)
    except (TypeError, RuntimeError) as error:
        raise UserError(f"{type(net).__name__} cannot be copied, so not traced: {error}") from error
    for module in twin.modules():
        _without_outside_hooks(module)
    return twin


def _attributes(module: nn.Module) -> dict[int, Tensor]:
    """Twins of the tensors that are plain attributes, where they are large or the result of a computation."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(f"{type(module).__name__} is compiled by torch.jit; give the module it was made from")
    tensors = [value for value in vars(module).values() if isinstance(value, Tensor)]
    return {id(t): t.detach().to("meta") for t in tensors if not t.is_leaf or t.numel() > LARGE}


def _without_outside_hooks(module: nn.Module) -> None:
    """Take off the hooks that would write to what was not copied: functions, where torch's own are objects."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if isinstance(hook, FunctionType):
                del hooks[key]


@contextmanager
def unchanged_random() -> Iterator[None]:
    """Give back the states of all random generators that a network may draw from: torch's, numpy's and Python's."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002  # the global ones
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
