"""Memory that a network takes: while it predicts, while it learns, and the largest batch that fits."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from neocog.analysis.op import Trace
from neocog.analysis.trace import Recorder
from neocog.analysis.twin import on_meta, picture, unchanged_random
from neocog.errors import UserError, unknown

STATES = {"sgd": 0, "momentum": 1, "adam": 2}
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
            end = len(trace.ops) if op.output and storage == op.storage else i
            last[storage] = max(end, last.get(storage, 0))
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

    Counted by hooks while the network runs on the meta device; a tensor that is kept twice counts once. In training
    mode that is what a CPU keeps, to the byte, but for `scaled_dot_product_attention`: it counts as its plain form,
    which keeps the attention weights, where a fused kernel keeps one number a row. `train=False` takes the network in
    evaluation, without dropout's masks; batch norms then count the statistics that a GPU keeps and a CPU does not.
    """
    return _saved(on_meta(net, dtype).train(train), size, batch)


def _saved(twin: nn.Module, size: Sequence[int], batch: int) -> int:
    """What a network on the meta device keeps for its backward."""
    own = {t.untyped_storage()._cdata for t in [*twin.parameters(), *twin.buffers()]}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in own:
            kept[storage] = tensor
        return tensor

    x = picture(twin, size, batch)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t)
    with unchanged_random(), torch.enable_grad(), hooks, Recorder(twin, x, fast=False):
        try:
            out = twin(x)
        except Exception as error:
            raise UserError(f"{type(twin).__name__} does not run for training: {error}") from error
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
    return constant_bytes(net, optimizer, dtype) + saved_for_backward(net, size, batch, dtype)


def constant_bytes(net: nn.Module, optimizer: str = "momentum", dtype: torch.dtype | None = None) -> int:
    """Of these, the bytes that do not depend on the batch; parameters that are not trained have no gradient."""
    if optimizer not in STATES:
        raise unknown("optimizer", optimizer, STATES)
    copies = 2 + STATES[optimizer]
    return sum(
        p.numel()
        * (dtype.itemsize if dtype and p.is_floating_point() else p.element_size())
        * (copies if p.requires_grad else 1)
        for p in net.parameters()
    )


def largest_batch(
    net: nn.Module,
    size: Sequence[int],
    memory: int,
    optimizer: str = "momentum",
    dtype: torch.dtype | None = None,
) -> int:
    """The most pictures that a training step can take within `memory` bytes; 0 where not even one fits.

    What is saved grows by the same bytes with each picture, so two batches tell the answer, and it is checked: it
    fits, and one more does not. A network that needs several pictures to train, as batch norm behind a global pool
    does, is never asked for fewer than two.
    """
    left = memory - constant_bytes(net, optimizer, dtype)
    twin = on_meta(net, dtype).train()
    if left < 0:
        return 0
    two, four = (_saved(twin, size, batch) for batch in (2, 4))
    each = (four - two) // 2
    if each < 1:
        raise UserError(
            f"{type(net).__name__} keeps nothing for a picture, so every batch fits; it has no weights"
        )
    guess = max(2 + (left - two) // each, 0)
    while guess > 0 and _fits(twin, size, guess, left) is False:
        guess -= 1
    while _fits(twin, size, guess + 1, left):
        guess += 1
    return guess


def _fits(twin: nn.Module, size: Sequence[int], batch: int, left: int) -> bool:
    return _saved(twin, size, batch) <= left
