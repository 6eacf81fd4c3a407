"""Memory that a network takes: while it predicts, while it learns, and the largest batch that fits."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from neocog.analysis.op import Trace
from neocog.analysis.trace import on_meta, picture
from neocog.errors import UserError, unknown

STATES = {"none": 0, "sgd": 0, "momentum": 1, "adam": 2}
"""numbers that an optimizer keeps for each parameter: `sgd` without momentum keeps none"""


def parameter_bytes(trace: Trace) -> int:
    return sum(prod(ref.shape) * ref.itemsize for ref in trace.parameters.values())


def inference_peak(trace: Trace) -> int:
    """Bytes of parameters and of the tensors that live at once, at most, when each is freed after its last reader.

    The operations run in their order; views and what is written in its place take no memory of their own; what a
    kernel needs for itself is not counted.
    """
    size: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, op in enumerate(trace.ops):
        size[op.storage] = max(size.get(op.storage, 0), prod(op.shape) * op.dtype.itemsize)
        for storage in {op.storage, *(trace.ops[j].storage for j in op.inputs)}:
            last[storage] = len(trace.ops) if op.output and storage == op.storage else i
    alive, peak, seen = 0, 0, set[int]()
    ends: dict[int, list[int]] = {}
    for storage, i in last.items():
        ends.setdefault(i, []).append(storage)
    for i, op in enumerate(trace.ops):
        if op.storage not in seen:
            seen.add(op.storage)
            alive += size[op.storage]
        peak = max(peak, alive)
        alive -= sum(size[storage] for storage in ends.get(i, []))
    return peak + parameter_bytes(trace)


def saved_for_backward(
    net: nn.Module, size: Sequence[int], batch: int = 1, dtype: torch.dtype | None = None, train: bool = True
) -> int:
    """Bytes that torch's autograd keeps between forward and backward, without parameters and buffers.

    Counted by hooks while the network runs on the meta device; a tensor that is kept twice counts once. Attention by
    `scaled_dot_product_attention` counts as its plain form, which keeps the attention weights. `train=False` takes
    the network in evaluation, without dropout's masks.
    """
    twin = on_meta(net, dtype).train(train)
    own = {t.untyped_storage()._cdata for t in [*twin.parameters(), *twin.buffers()]}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in own:
            kept[storage] = tensor
        return tensor

    x = picture(twin, size, batch)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        try:
            out = twin(x)
        except Exception as error:
            raise UserError(f"{type(net).__name__} does not run for training: {error}") from error
        del out
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def training_bytes(
    net: nn.Module,
    size: Sequence[int],
    batch: int = 1,
    optimizer: str = "momentum",
    dtype: torch.dtype | None = None,
) -> int:
    """Bytes for one step: parameters, their gradients, the optimizer's numbers, and what is saved for backward."""
    if optimizer not in STATES:
        raise unknown("optimizer", optimizer, STATES)
    width = dtype.itemsize if dtype else 0
    trained = sum(p.numel() * (width or p.element_size()) for p in net.parameters() if p.requires_grad)
    frozen = sum(p.numel() * (width or p.element_size()) for p in net.parameters() if not p.requires_grad)
    saved = saved_for_backward(net, size, batch, dtype)
    return trained * (2 + STATES[optimizer]) + frozen + saved


def largest_batch(
    net: nn.Module,
    size: Sequence[int],
    memory: int,
    optimizer: str = "momentum",
    dtype: torch.dtype | None = None,
) -> int:
    """The most pictures a training step can take within `memory` bytes; 0 where not even one fits."""
    one, two = (training_bytes(net, size, batch, optimizer, dtype) for batch in (1, 2))
    guess = max(int((memory - one) / max(two - one, 1)) + 1, 0)
    while guess > 0 and training_bytes(net, size, guess, optimizer, dtype) > memory:
        guess -= 1
    return guess
