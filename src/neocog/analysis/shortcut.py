"""Output shapes of the common calls: torch's own meta kernels run through much Python, and load a compiler first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from neocog.analysis.call import tensors_in
from neocog.analysis.kinds import ACTIVATIONS, CONVOLUTIONS, TRANSPOSED
from neocog.analysis.sizes import broadcast, conv_size, per_axis, pool_size, transposed_size

Arguments = tuple[Any, ...]
Rule = Callable[[Arguments, Mapping[str, Any]], Tensor | None]


def shortcut(kind: str, args: Arguments, kwargs: Mapping[str, Any], in_place: bool) -> Tensor | None:
    """The result of a call as torch would give it on meta; None where torch must be asked, errors included."""
    rule = _RULES.get(kind)
    if rule is None or not args:
        return None
    first = args[0][0] if isinstance(args[0], tuple | list) and args[0] else args[0]
    if not isinstance(first, Tensor) or not first.is_meta:
        return None
    if torch.is_grad_enabled() or not (kind in LAYOUT_FREE or _plain(args)):
        return None
    out = rule(args, kwargs)
    if not in_place or out is None:
        return out
    return args[0] if out.shape == args[0].shape else None


def _plain(args: Arguments) -> bool:
    """Whether the result's layout in memory is plain too: it is where that of the arguments is."""
    return all(t.is_contiguous() for t in tensors_in(args))


def _like(x: Tensor, shape: Sequence[int]) -> Tensor:
    return torch.empty(tuple(shape), dtype=x.dtype, device="meta")


def _ordered(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor of `shape` without gaps, its sides in memory in the order of those of `x`; as torch's empty_like."""
    if x.is_contiguous():
        return _like(x, shape)
    strides, step = [0] * len(shape), 1
    for side in sorted(range(len(shape)), key=lambda side: (x.stride()[side], -side)):
        strides[side] = step
        step *= max(shape[side], 1)
    return torch.empty_strided(tuple(shape), strides, dtype=x.dtype, device="meta")


def _convolution(axes: int) -> Rule:
    def rule(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
        names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        given: dict[str, Any] = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        given |= {**dict(zip(names, args, strict=False)), **kwargs}
        x, weight, bias = given["input"], given["weight"], given["bias"]
        if isinstance(given["padding"], str) or x.ndim != axes + 2 or weight.ndim != axes + 2:
            return None
        if x.shape[1] != weight.shape[1] * given["groups"] or weight.shape[0] % given["groups"]:
            return None
        if x.dtype != weight.dtype or (bias is not None and bias.shape != weight.shape[:1]):
            return None
        steps = (per_axis(given[name], axes) for name in ("stride", "padding", "dilation"))
        sides = tuple(map(conv_size, x.shape[2:], weight.shape[2:], *steps))
        return _like(x, (x.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else None

    return rule


def _transposed(axes: int) -> Rule:
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")

    def rule(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
        given: dict[str, Any] = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
        given |= {**dict(zip(names, args, strict=False)), **kwargs}
        x, weight, groups = given["input"], given["weight"], given["groups"]
        if (
            x.ndim != axes + 2
            or weight.ndim != axes + 2
            or x.shape[1] != weight.shape[0]
            or x.dtype != weight.dtype
        ):
            return None
        steps = [per_axis(given[name], axes) for name in ("stride", "padding", "dilation", "output_padding")]
        if any(extra >= max(s, d) for s, _, d, extra in zip(*steps, strict=True)):
            return None
        sides = tuple(map(transposed_size, x.shape[2:], weight.shape[2:], *steps))
        return _like(x, (x.shape[0], weight.shape[1] * groups, *sides)) if min(sides) > 0 else None

    return rule


def _pool(axes: int, maximum: bool) -> Rule:
    names = ("input", "kernel_size", "stride", "padding", *(("dilation",) if maximum else ()), "ceil_mode")

    def rule(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
        given: dict[str, Any] = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
        given |= {**dict(zip(names, args, strict=False)), **kwargs}
        x, kernel = given["input"], per_axis(given["kernel_size"], axes)
        stride, padding = given["stride"], per_axis(given["padding"], axes)
        strides = kernel if not stride else per_axis(stride, axes)
        if x.ndim != axes + 2 or any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            return None
        ceil, dilation = [given["ceil_mode"]] * axes, per_axis(given["dilation"], axes)
        sides = tuple(map(pool_size, x.shape[2:], kernel, strides, padding, dilation, ceil))
        return _like(x, (*x.shape[:2], *sides)) if min(sides) > 0 else None

    return rule


def _adaptive(axes: int) -> Rule:
    def rule(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
        size = args[1] if len(args) > 1 else kwargs["output_size"]
        x, wanted = args[0], size if isinstance(size, tuple | list) else (size,) * axes
        sides = [n if w is None else w for n, w in zip(x.shape[2:], wanted, strict=False)]
        return _like(x, (*x.shape[:2], *sides)) if x.ndim == axes + 2 else None

    return rule


def _linear(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    if len(args) != 3:
        return None
    x, weight, bias = args
    if weight.ndim != 2 or x.dtype != weight.dtype or x.shape[-1] != weight.shape[1]:
        return None
    right = bias is None or bias.shape == weight.shape[:1]
    return _like(x, (*x.shape[:-1], weight.shape[0])) if right else None


def _activation(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    if not args[0].is_floating_point() or any(isinstance(arg, Tensor) for arg in args[1:]):
        return None
    return _ordered(args[0], args[0].shape)


def _sum(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    tensors = [arg for arg in args[:2] if isinstance(arg, Tensor)]
    plain = len(args) == 2 and not kwargs and len({t.dtype for t in tensors}) == 1
    if (
        not plain
        or not args[0].is_floating_point()
        or not all(isinstance(a, Tensor | int | float) for a in args)
    ):
        return None
    shape = broadcast(*(t.shape for t in tensors))
    return _like(args[0], shape) if shape is not None else None


def _batch_norm(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    x, *others = args[:5]
    training = args[5] if len(args) > 5 else kwargs.get("training", False)
    tensors = [t for t in others if t is not None]
    right = x.ndim > 1 and all(isinstance(t, Tensor) and t.shape == (x.shape[1],) for t in tensors)
    return _like(x, x.shape) if right and tensors and not training else None


def _layer_norm(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    x = args[0]
    shape = tuple(args[1]) if len(args) > 1 else tuple(kwargs["normalized_shape"])
    affine = [t for t in (*args[2:4], kwargs.get("weight"), kwargs.get("bias")) if t is not None]
    right = tuple(x.shape[x.ndim - len(shape) :]) == shape
    return _like(x, x.shape) if right and all(tuple(t.shape) == shape for t in affine) else None


def _group_norm(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    x, groups = args[0], args[1] if len(args) > 1 else kwargs["num_groups"]
    affine = [t for t in (*args[2:4], kwargs.get("weight"), kwargs.get("bias")) if t is not None]
    right = x.ndim > 1 and x.shape[1] % groups == 0 and all(t.shape == (x.shape[1],) for t in affine)
    return _like(x, x.shape) if right else None


def _same(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    return _like(args[0], args[0].shape) if args[0].is_floating_point() and not kwargs.get("dtype") else None


def _attention(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    if len(args) < 3 or args[0].ndim != 4 or args[3:] or kwargs.get("attn_mask") is not None:
        return None
    query, key, value = args[:3]
    right = query.shape[:2] == key.shape[:2] == value.shape[:2] and query.shape[3] == key.shape[3]
    if not right or key.shape[2] != value.shape[2]:
        return None
    return _ordered(query, (*query.shape[:3], value.shape[3]))


def _cat(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    tensors, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", 0)
    first = tensors[0]
    if len({t.dtype for t in tensors}) > 1 or len({t.ndim for t in tensors}) > 1 or not first.ndim:
        return None
    if first.ndim in (4, 5) and not _plain(args):  # may be laid out with channels last
        return None
    side = dim % first.ndim
    rests = {(*t.shape[:side], *t.shape[side + 1 :]) for t in tensors}
    length = sum(t.shape[side] for t in tensors)
    return _like(first, (*first.shape[:side], length, *first.shape[side + 1 :])) if len(rests) == 1 else None


def _stack(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    tensors, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", 0)
    shape = tensors[0].shape
    if len({(t.dtype, t.shape) for t in tensors}) > 1 or not -len(shape) - 1 <= dim <= len(shape):
        return None
    side = dim % (len(shape) + 1)
    return _like(tensors[0], (*shape[:side], len(tensors), *shape[side:]))


def _mean(args: Arguments, kwargs: Mapping[str, Any]) -> Tensor | None:
    x, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim")
    if dim is None or not x.is_floating_point() or set(kwargs) - {"dim", "keepdim"}:
        return None
    gone = {d % x.ndim for d in per_axis(dim, 1)}
    kept = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    return _like(x, [1 if d in gone else n for d, n in enumerate(x.shape) if kept or d not in gone])


# whatever the arguments' layout, torch gives these a plain one; activations and attention keep theirs
LAYOUT_FREE = {"linear", "cat", "layer_norm", "scaled_dot_product_attention", "mean", *ACTIVATIONS}

_RULES: dict[str, Rule] = {
    **{kind: _convolution(axes) for kind, axes in CONVOLUTIONS.items()},
    **{kind: _transposed(axes) for kind, axes in TRANSPOSED.items()},
    **dict.fromkeys(ACTIVATIONS - {"clamp", "clip", "clamp_min", "clamp_max", "prelu"}, _activation),
    **dict.fromkeys(("add", "sub", "mul", "div"), _sum),
    **{f"max_pool{axes}d": _pool(axes, True) for axes in (1, 2, 3)},
    **{f"avg_pool{axes}d": _pool(axes, False) for axes in (2, 3)},
    **{f"adaptive_avg_pool{axes}d": _adaptive(axes) for axes in (1, 2, 3)},
    "linear": _linear,
    "cat": _cat,
    "stack": _stack,
    "mean": _mean,
    "sum": _mean,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "local_response_norm": _same,
    "softmax": _same,
    "square": _same,
    "neg": _same,
    "scaled_dot_product_attention": _attention,
}
