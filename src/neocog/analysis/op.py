"""The record of a network's work: operations in order, each with what it read and made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neocog.analysis.call import Arguments, Ref, tensors_in


@dataclass(frozen=True, eq=False)
class Op(Arguments):
    """One tensor that a call made. Op 0 is the picture; `inputs` are the positions of earlier ops."""

    kind: str
    """torch's name of the function: conv2d, max_pool2d, add"""
    layer: str
    """the module that made the call, such as features.3; empty for the network itself"""
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    """of the tensor, batch included"""
    dtype: torch.dtype
    call: Callable[..., Any] = torch.clone
    """the function itself"""
    args: tuple[Any, ...] = ()
    """of the call; each tensor is a `Ref`"""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Ref, ...] = ()
    """parameters that this op is the first to read"""
    part: int = 0
    """which of the call's tensors this is, where there are several"""
    storage: int = 0
    """the memory it lies in: views of one tensor, and what is written in its place, share it"""
    from_picture: bool = True
    """whether it depends on the picture; what comes from parameters and constants alone does not"""
    output: bool = False
    """whether the network returns it"""

    @property
    def tensors(self) -> list[Ref]:
        """The tensors among the arguments, in order."""
        return [leaf for leaf in tensors_in((self.args, dict(self.kwargs))) if isinstance(leaf, Ref)]


class Returned(NamedTuple):
    """A call of a module that has ended."""

    module: str
    op: int | None
    """the operation whose tensor it gave; None where it gave something else than one tensor"""


@dataclass(frozen=True, eq=False)
class Trace:
    """The operations of a network on a picture of one size, and its parameters."""

    ops: tuple[Op, ...]
    parameters: Mapping[str, Ref]
    """name -> shape and type; a tensor with two names is here once"""
    modules: Mapping[str, str]
    """name of each module -> its class"""
    name: str
    """the network's class"""
    returned: tuple[Returned, ...] = ()
    """the calls of modules in the order in which they end, so that an inner one is before the one that calls it"""
    buffers: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    """those of the network itself that have values, not copied"""

    @property
    def unused(self) -> tuple[str, ...]:
        """Parameters that no operation reads: auxiliary classifiers in evaluation, forgotten layers."""
        used = {weight.name for op in self.ops for weight in op.weights}
        return tuple(name for name in self.parameters if name not in used)
