"""Two witnesses of the receptive field that run a network and ask no formula: what becomes NaN, what has a slope."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from neocog.analysis.field import NOTHING, Array
from neocog.analysis.op import Op, Trace
from neocog.analysis.smooth import smoothed
from neocog.analysis.trace import Recorder
from neocog.errors import UserError

Reach = tuple[Array, Array]
"""first and last line of the picture that reaches each number of a tensor; NOTHING and -1 where none does"""

NUMBERS = 1 << 23  # that all tensors of a batch may hold

ORDERED = {"sort", "argsort", "topk", "kthvalue", "median", "mode", "quantile", "searchsorted"}
"""which number comes out depends on all, its value on one"""
NAN_STOPS = ORDERED | {"nan_to_num", "fmax", "fmin", "nanmean", "nansum", "sign", "heaviside"}
FLAT = ORDERED | {"sign", "heaviside", "floor", "ceil", "round", "trunc", "floordiv", "floor_divide"}


class Witness(Recorder):
    """Sees a network at work on pictures that differ in one line each, and which lines reach each number."""

    name = ""
    dtype = torch.float32

    def __init__(self, net: nn.Module, image: Tensor, lines: range, sides: Sequence[int | None] | None):
        self.lines, self.sides = lines, sides
        self.reached: list[Reach | None] = [None]
        super().__init__(net, image, fast=False)

    @classmethod
    def image(cls, plain: Tensor, lit: Tensor) -> Tensor:
        """The picture, changed where `lit`."""
        raise NotImplementedError

    @classmethod
    def blind(cls, op: Op) -> bool:
        """Whether the witness cannot see through the operation."""
        raise NotImplementedError

    def mask(self, tensor: Tensor) -> Tensor:
        """Which numbers of the tensor show that the picture was changed."""
        raise NotImplementedError

    def keep(self, tensor: Tensor, op: Op) -> None:
        super().keep(tensor, op)
        real = tensor.is_floating_point() or tensor.is_complex()
        self.reached.append(self.reach(self.mask(tensor)) if real else None)

    def reach(self, mask: Tensor) -> Reach:
        i, many = len(self.reached), len(self.lines)
        side = self.sides[i] if self.sides is not None and i < len(self.sides) else None
        if self.sides is None:
            mask = mask[None]
        elif side is None:
            mask = mask.expand(many, *mask.shape)
        else:
            mask = mask.reshape(*mask.shape[:side], many, -1, *mask.shape[side + 1 :]).movedim(side, 0)
        found = mask.numpy()
        some = found.any(axis=0)
        first = self.lines.start + found.argmax(axis=0)
        last = self.lines.stop - 1 - found[::-1].argmax(axis=0)
        return np.where(some, first, NOTHING).astype(np.int32), np.where(some, last, -1).astype(np.int32)


class NaNs(Witness):
    """One line of the picture is NaN: so is every number that depends on it. The network runs as it is."""

    name = "NaN"

    @classmethod
    def image(cls, plain: Tensor, lit: Tensor) -> Tensor:
        return plain.masked_fill(lit, float("nan"))

    @classmethod
    def blind(cls, op: Op) -> bool:
        """Comparisons swallow NaN; a weight of zero, behind a mask or between two pixels, passes it on."""
        masked = op.kind == "scaled_dot_product_attention" and bool(op.arg(5, "is_causal", False))
        resized = op.kind in ("interpolate", "upsample") and "linear" in str(op.arg(3, "mode", "nearest"))
        cubic = op.kind in ("interpolate", "upsample") and op.arg(3, "mode", "nearest") == "bicubic"
        return op.kind in NAN_STOPS or masked or resized or cubic or op.kind == "grid_sample"

    def mask(self, tensor: Tensor) -> Tensor:
        return tensor.isnan()


class Gradients(Witness):
    """The derivative of every number along one line of the picture, in double precision.

    Maxima are replaced by means, and activations by the identity, whose slope is nowhere zero. A softmax over one
    number, as causal attention's first token has it, is 1 whatever the number is; it gets the slope of the number. A
    sample at points that the picture moves gets that of the mean, since it may be any.
    """

    name = "gradient"
    dtype = torch.float64

    @classmethod
    def image(cls, plain: Tensor, lit: Tensor) -> Tensor:
        dual: Tensor = forward_ad.make_dual(plain.contiguous(), lit.to(plain.dtype))  # type: ignore[no-untyped-call]
        return dual

    @classmethod
    def blind(cls, op: Op) -> bool:
        """Steps have no slope, and a mask may take it away."""
        masked = op.kind == "scaled_dot_product_attention" and op.arg(3, "attn_mask") is not None
        alone = op.kind == "multi_head_attention_forward" and op.arg(1, "key").shape[0] == 1
        return op.kind in FLAT or masked or alone

    def result(self, func: Callable[..., Any], kind: str, given: tuple[Any, Any], in_place: bool) -> Any:
        return smoothed(func, kind, given, in_place)

    def mask(self, tensor: Tensor) -> Tensor:
        tangent = forward_ad.unpack_dual(tensor).tangent  # type: ignore[no-untyped-call]
        return torch.zeros(tensor.shape, dtype=torch.bool) if tangent is None else tangent != 0


def testify(
    witness: type[Witness], net: nn.Module, trace: Trace, axis: int, sides: Sequence[int | None] | None
) -> list[Reach | None]:
    """What reaches each operation's numbers along `axis` of the picture; `net` computes, on the processor.

    `sides` tells where the batch lies in each tensor; None: one line of the picture after another. UserError where
    the network cannot run this way, or does not make the calls that it was traced with.
    """
    size = trace.ops[0].shape[1:]
    found: list[Reach | None] = [None] * len(trace.ops)
    for lines in chunks(trace, size[1 + axis], sides is not None):
        for i, new in enumerate(_run(witness, net, trace, axis, (lines, sides))):
            old = found[i]
            found[i] = (
                new
                if old is None or new is None
                else (np.minimum(old[0], new[0]), np.maximum(old[1], new[1]))
            )
    return found


def chunks(trace: Trace, lines: int, batched: bool) -> Iterator[range]:
    """The lines of the picture in runs, each a batch."""
    many = max(1, NUMBERS // sum(prod(op.shape) for op in trace.ops)) if batched else 1
    for start in range(0, lines, many):
        yield range(start, min(start + many, lines))


@contextmanager
def slopes() -> Iterator[None]:
    """torch's derivatives forward; loading them warns of how torch itself is built."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("torch._decomp.decompositions_for_jvp")
        level = forward_ad.dual_level()
        level.__enter__()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        level.__exit__(None, None, None)


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Convolutions that sum window by window: oneDNN and NNPACK transform whole tiles, in which a NaN spreads."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # torch.backends.mkldnn.flags also sets TF32, and warns of it
    try:
        with torch.backends.nnpack.flags(enabled=False):
            yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def _run(
    witness: type[Witness],
    net: nn.Module,
    trace: Trace,
    axis: int,
    batch: tuple[range, Sequence[int | None] | None],
) -> list[Reach | None]:
    lines, size = batch[0], trace.ops[0].shape[1:]
    plain = 0.5 + torch.rand(1, *size, dtype=witness.dtype, generator=torch.Generator().manual_seed(0))
    lit = torch.zeros(len(lines), *size, dtype=torch.bool)
    for i, line in enumerate(lines):
        lit[i].select(1 + axis, line).fill_(True)
    with ExitStack() as stack:
        for setting in (
            torch.no_grad(),
            plain_kernels(),
            slopes(),
        ):
            stack.enter_context(setting)
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        image = witness.image(plain.expand(len(lines), *size), lit)
        recorder = witness(net, image, *batch)
        with recorder.named_calls(net), recorder:
            try:
                net(image)
            except Exception as error:
                raise recorder.failure(error, image) from error
    if [op.kind for op in recorder.ops] != [op.kind for op in trace.ops]:
        raise UserError("the network makes other calls with values than without")
    return recorder.reached
