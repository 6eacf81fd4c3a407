"""Gradient checkpointing: what a block computed is forgotten, and computed again when its gradient is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from neocog.errors import UserError


def recomputed(net: nn.Module) -> list[str]:
    """Make each block of `net` forget its maps while training; the names of the blocks.

    Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost" (2016). Gradients, running statistics
    and random numbers are those without it. A block is a module of several layers in a chain or list of them: residual
    blocks, encoder layers. UserError where there is none. Doing it twice changes nothing.
    """
    names = blocks(net)
    if not names:
        raise UserError(
            f"recomputing needs a network of blocks, such as a ResNet or a ViT, got {type(net).__name__} without any; "
            "leave it out or take smaller batches and accumulate"
        )
    for name in names:
        block = net.get_submodule(name)
        if "forward" not in vars(block):
            block.forward = partial(_forgetful, block, block.forward)
    return names


def blocks(net: nn.Module) -> list[str]:
    """Names of the outermost modules of several layers that stand in a chain or list of modules."""
    return [name for name, child in net.named_children() for name in _blocks(name, child, _is_row(net))]


def _blocks(name: str, module: nn.Module, in_row: bool) -> Iterator[str]:
    inner = list(module.named_children())
    if in_row and len(inner) > 1 and not _is_row(module):
        yield name
        return
    for own, child in inner:
        yield from _blocks(f"{name}.{own}", child, _is_row(module))


def _is_row(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList)


def _forgetful(block: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, context_fn=partial(_contexts, block), **kwargs)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the first computation, and around the second."""
    return nullcontext(), _statistics_left(block)


@contextmanager
def _statistics_left(block: nn.Module) -> Iterator[None]:
    """Batch norms compute as before and do not count the batch a second time.

    The momentum is 0 for that long: without running statistics torch would save other tensors than the first time.
    """
    norms = [layer for layer in block.modules() if isinstance(layer, _BatchNorm)]
    kept = [(norm, norm.momentum, _count(norm)) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)


def _count(norm: _BatchNorm) -> Tensor | None:
    return None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
