"""torch's attention modules that go another way, and round otherwise, where hooks are on them or calls are watched."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from neocog.analysis.call import tensors_in


@contextmanager
def keep_fast_paths(net: nn.Module, hooked: Collection[nn.Module], watched: bool) -> Iterator[None]:
    """Within the block they give what they give when nobody looks; what is seen inside them is the other way.

    `hooked` are the modules of `net` that will get hooks, `watched` says whether its calls of torch will be. To be
    entered before that. Where gradients flow there is one way only, and nothing is done.
    """
    with ExitStack() as stack:
        for module in {id(one): one for one in _fast(net, hooked, watched)}.values():
            again = _again(_unwatched(module))
            hook = module.register_forward_hook(again, prepend=True, with_kwargs=True)
            stack.callback(hook.remove)
        yield


def _fast(module: nn.Module, hooked: Collection[nn.Module], watched: bool) -> Iterator[nn.Module]:
    """The outermost modules that will leave their fast way; an encoder that has hooks already has left it."""
    encodes = isinstance(module, nn.TransformerEncoder | nn.TransformerEncoderLayer)
    if (isinstance(module, nn.MultiheadAttention) and watched) or (
        encodes and not _has_hooks(module) and any(inner in hooked for inner in module.modules())
    ):
        yield module
        return
    for inner in module.children():
        yield from _fast(inner, hooked, watched)


def _has_hooks(module: nn.Module) -> bool:
    return any(inner._forward_hooks or inner._forward_pre_hooks for inner in module.modules())


def _again(twin: nn.Module) -> Callable[..., Any]:
    """A hook that gives what `twin` gives."""

    def hook(_: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
        if any(tensor.requires_grad for tensor in tensors_in(out)):
            return None
        with torch._C.DisableTorchFunction():
            return twin(*args, **kwargs)

    return hook


def _unwatched(module: nn.Module) -> nn.Module:
    """The same parameters in modules of their own, in evaluation, which have no hooks."""
    twin: nn.Module = object.__new__(type(module))
    twin.__dict__.update(module.__dict__, training=False)
    for hooks in ("_forward_hooks", "_forward_pre_hooks"):
        twin.__dict__[hooks] = OrderedDict()
    twin.__dict__["_modules"] = {
        name: inner if inner is None else _unwatched(inner) for name, inner in module._modules.items()
    }
    return twin
