"""The receptive field through convolutions, pools and resizing: what slides a window along the picture's axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from neocog.analysis.field import NOTHING, Affine, Array, Field, compact, mixed, slid
from neocog.analysis.flow.given import Given, Rule, bounds_by, made_global
from neocog.analysis.kinds import ADAPTIVE_POOLS, CONVOLUTIONS, POOLS, TRANSPOSED
from neocog.analysis.op import Op
from neocog.analysis.sizes import conv_size
from neocog.analysis.window import groups_of, windows_of

Taps = tuple[NDArray[np.int64], NDArray[np.bool_]]


def convolution(op: Op, given: Given) -> Field:
    """Every output channel sees what the input channels of its group see, through the window."""
    _, field = given.first
    rank, axes = len(op.shape), CONVOLUTIONS[op.kind]
    groups, channels = groups_of(op), op.shape[rank - axes - 1]
    taps = _taps(op, given)

    def rule(bound: Array) -> Array:
        return _slide(grouped(bound, rank - axes - 1, groups, channels), taps)

    return _through(op, given, bounds_by(rule, field))


def transposed(op: Op, given: Given) -> Field:
    """Output o reads the inputs i with o = i * stride - padding + dilation * tap for some tap of the kernel."""
    ref, field = given.first
    rank, axes = len(op.shape), TRANSPOSED[op.kind]
    groups, channels = groups_of(op), op.shape[rank - axes - 1]
    taps = []
    for axis, window in enumerate(windows_of(op)):
        side = rank - axes + axis
        reached = np.arange(op.shape[side])[:, None] + window.padding
        reached = reached - window.dilation * np.arange(window.kernel)[None]
        source = reached // window.stride
        taps.append((source, (reached % window.stride == 0) & (source >= 0) & (source < ref.shape[side])))

    def rule(bound: Array) -> Array:
        return _slide(grouped(bound, rank - axes - 1, groups, channels), taps)

    return _through(op, given, bounds_by(rule, field))


def pool(op: Op, given: Given) -> Field:
    """Each channel by itself, through the window."""
    taps = _taps(op, given)
    return _through(op, given, bounds_by(lambda bound: _slide(bound, taps), given.first[1]))


def adaptive_pool(op: Op, given: Given) -> Field:
    """Output i of o reads the inputs from floor(i n / o) to ceil((i + 1) n / o) - 1, which may overlap."""
    ref, field = given.first
    rank, axes = len(op.shape), ADAPTIVE_POOLS[op.kind]
    taps, affine = [], []
    for axis in range(axes):
        side = rank - axes + axis
        inputs, outputs = ref.shape[side], op.shape[side]
        i = np.arange(outputs)
        start, end = i * inputs // outputs, -(-(i + 1) * inputs // outputs)
        source = start[:, None] + np.arange((end - start).max())[None]
        taps.append((source, source < end[:, None]))
        affine.append(_adapted(field, axis, inputs, outputs) if field.axes == axes else None)
    bounds = bounds_by(lambda bound: _slide(bound, taps), field)
    if not field.is_map(rank):
        return replace(field, bounds=bounds, affine=(None,) * field.axes)
    return replace(field, bounds=bounds, affine=tuple(affine), counts=op.shape[rank - axes :])


def resize(op: Op, given: Given) -> Field:
    """Interpolation, up or down: which inputs an output reads is asked of torch, an axis at a time."""
    ref, field = given.first
    rank = len(op.shape)
    axes = rank - 2
    taps = [_support(op, axis, ref.shape[2 + axis], op.shape[2 + axis]) for axis in range(axes)]
    bounds = bounds_by(lambda bound: _slide(bound, taps), field)
    same = all(ref.shape[2 + axis] == op.shape[2 + axis] for axis in range(axes))
    counts = op.shape[2:] if field.is_map(rank) else field.counts
    out = replace(field, bounds=bounds, counts=counts)
    if same:
        return out
    spread = any(before == 1 < after for before, after in zip(field.counts, counts, strict=True))
    return made_global(op, out) if spread else replace(out, affine=(None,) * field.axes)


def unfold(op: Op, given: Given) -> Field:
    """The patches of a map as columns: (batch, channels * kernel, positions)."""
    ref, field = given.first
    kernel, dilation, padding, stride = (
        _pair(op.arg(i, name, default))
        for i, name, default in (
            (1, "kernel_size", 1),
            (2, "dilation", 1),
            (3, "padding", 0),
            (4, "stride", 1),
        )
    )

    def rule(bound: Array) -> Array:
        full = torch.from_numpy(bound.astype(np.float64)).expand(1, *ref.shape[1:])
        padded = F.pad(full, (padding[1], padding[1], padding[0], padding[0]), value=float(NOTHING))
        return compact(F.unfold(padded, kernel, dilation, 0, stride).numpy().astype(np.int32))

    sides = tuple(frozenset({2}) for _ in range(field.axes))
    bounds = tuple(rule(bound) for bound in field.bounds)
    return replace(field, bounds=bounds, places=sides, affine=(None,) * field.axes)


def fold(op: Op, given: Given) -> Field:
    """Columns laid as patches onto a map, summed where they overlap: what unfold does, backwards."""
    ref, field = given.first
    (rows, cols), kernel, dilation, padding, stride = (
        _pair(op.arg(i, name, default))
        for i, name, default in (
            (1, "output_size", 1),
            (2, "kernel_size", 1),
            (3, "dilation", 1),
            (4, "padding", 0),
            (5, "stride", 1),
        )
    )
    sizes = zip((rows, cols), kernel, stride, padding, dilation, strict=True)
    patches = tuple(conv_size(*window) for window in sizes)

    def rule(bound: Array) -> Array:
        full = np.broadcast_to(bound, (*bound.shape[:-2], *ref.shape[-2:]))
        taps = full.reshape(*bound.shape[:-2], -1, *kernel, *patches)
        out = np.full((*taps.shape[:-4], rows + 2 * padding[0], cols + 2 * padding[1]), NOTHING, np.int32)
        for i, j in np.ndindex(*kernel):
            down, right = (
                slice(d * at, d * at + s * (n - 1) + 1, s)
                for d, at, s, n in zip(dilation, (i, j), stride, patches, strict=True)
            )
            out[..., down, right] = np.minimum(out[..., down, right], taps[..., i, j, :, :])
        return compact(out[..., padding[0] : padding[0] + rows, padding[1] : padding[1] + cols])

    rank = len(op.shape)
    sides = tuple(frozenset({rank - 2, rank - 1}) for _ in range(field.axes))
    bounds = tuple(rule(bound) for bound in field.bounds)
    return replace(field, bounds=bounds, places=sides, affine=(None,) * field.axes)


def grouped(bound: Array, side: int, groups: int, channels: int) -> Array:
    """What the `channels` outputs see whose inputs are mixed within each of `groups` along `side`."""
    if bound.shape[side] == 1:
        return bound
    if groups == 1:
        return mixed(bound, (side,))
    before, after = bound.shape[:side], bound.shape[side + 1 :]
    each = bound.reshape(*before, groups, -1, *after).min(axis=side + 1)
    return compact(np.repeat(each, channels // groups, axis=side))


def _taps(op: Op, given: Given) -> list[Taps]:
    """For each axis of the window: which inputs each output reads, and which of these exist."""
    ref = given.first[0]
    windows = windows_of(op)
    found = []
    for axis, window in enumerate(windows):
        side = len(op.shape) - len(windows) + axis
        i = np.arange(op.shape[side])[:, None] * window.stride - window.padding
        source = i + window.dilation * np.arange(window.kernel)[None]
        found.append((source, (source >= 0) & (source < ref.shape[side])))
    return found


def _slide(bound: Array, taps: list[Taps]) -> Array:
    for axis, (source, valid) in enumerate(taps):
        bound = slid(bound, bound.ndim - len(taps) + axis, source, valid)
    return bound


def _through(op: Op, given: Given, bounds: tuple[Array, ...]) -> Field:
    """The triple behind a window, where the tensor is a map of the picture."""
    _, field = given.first
    windows = windows_of(op)
    rank = len(op.shape)
    if not field.is_map(rank) or len(windows) != field.axes:
        return replace(field, bounds=bounds, affine=(None,) * field.axes)
    affine: list[Affine | None] = []
    for triple, window in zip(field.affine, windows, strict=True):
        if triple is None or (op.kind in TRANSPOSED and window.stride > 1):
            affine.append(None)  # what a position sees depends on where in the stride it lies
        elif op.kind in TRANSPOSED:
            affine.append(triple.through(window.kernel, 1, window.span - 1 - window.padding, window.dilation))
        else:
            affine.append(triple.through(window.kernel, window.stride, window.padding, window.dilation))
    return replace(field, bounds=bounds, affine=tuple(affine), counts=op.shape[rank - field.axes :])


def _adapted(field: Field, axis: int, inputs: int, outputs: int) -> Affine | None:
    triple = field.affine[axis]
    if triple is None or inputs % outputs:
        return None
    stride = inputs // outputs
    return triple.through(stride, stride if outputs > 1 else 1, 0, 1)


def _support(op: Op, axis: int, inputs: int, outputs: int) -> Taps:
    """The inputs with a weight in each output: torch's own resizing of one input after the other."""
    mode = op.arg(3, "mode", "nearest")
    mode = "bilinear" if mode in ("linear", "trilinear") else mode
    scale = op.arg(2, "scale_factor", None)
    options = {"align_corners": op.arg(4, "align_corners", None)} if mode in ("bilinear", "bicubic") else {}
    if options:
        options["antialias"] = bool(op.kwargs.get("antialias", False))
    if scale is None or op.kwargs.get("recompute_scale_factor"):
        options["size"] = (outputs, 2)
    else:
        options["scale_factor"] = (float(scale[axis] if isinstance(scale, tuple | list) else scale), 1.0)
    # two columns: torch's smoothed bicubic resize is wrong for one
    units = torch.eye(inputs, dtype=torch.float64).reshape(1, inputs, inputs, 1).repeat(1, 1, 1, 2)
    weights = F.interpolate(units, mode=mode, **options)[0, :, :, 0]  # input, output
    valid = (weights != 0).numpy().T
    return np.broadcast_to(np.arange(inputs), valid.shape).astype(np.int64), valid


def _pair(value: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


WINDOWS: dict[str, Rule] = {
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(TRANSPOSED, transposed),
    **dict.fromkeys(POOLS, pool),
    **dict.fromkeys(ADAPTIVE_POOLS, adaptive_pool),
    "fold": fold,
    **dict.fromkeys(("interpolate", "upsample", "upsample_nearest", "upsample_bilinear"), resize),
}
