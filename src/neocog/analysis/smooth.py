"""What the gradient probe computes in the place of functions whose slope is zero although they read their argument."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from neocog.analysis.kinds import ACTIVATIONS, ADAPTIVE_POOLS, MAX_POOLS, POOLS
from neocog.analysis.sizes import per_axis

RECTIFIERS = ACTIVATIONS | {"sqrt", "abs", "absolute"}
"""one number from one, with a slope of zero or none somewhere"""

Call = Callable[..., Any]
Arguments = tuple[Any, Any]
"""positional and named ones"""


def smoothed(func: Call, kind: str, given: Arguments, in_place: bool) -> Any:
    """The call's result, with a slope for each number that it reads; on torch's dual numbers."""
    args, kwargs = given
    if kind in RECTIFIERS and args:
        return args[0] if in_place else args[0].clone()
    replaced = _SMOOTH.get(kind)
    return replaced(func, kind, given) if replaced else func(*args, **kwargs)


def _max_pool(func: Call, kind: str, given: Arguments) -> Any:
    out = func(*given[0], **given[1])
    return _with_first(out, mean_pool(kind, given, out))


def _adaptive_max(func: Call, kind: str, given: Arguments) -> Any:
    mean = getattr(F, f"adaptive_avg_pool{ADAPTIVE_POOLS[kind]}d")
    return _with_first(func(*given[0], **given[1]), mean(*given[0][:2]))


def _extreme(func: Call, kind: str, given: Arguments) -> Any:
    """The largest along a side, or of two tensors."""
    args, kwargs = given
    if len(args) > 1 and isinstance(args[1], Tensor):
        return args[0] + args[1]
    return _with_first(func(*args, **kwargs), torch.mean(*args, **kwargs))


def _share(func: Call, kind: str, given: Arguments) -> Any:
    """Of a softmax over one number, which is 1 whatever the number: the slope of the number."""
    args, kwargs = given
    out = func(*args, **kwargs)
    place, default = (2, 1) if kind == "normalize" else (1, -1)
    side = args[place] if len(args) > place else kwargs.get("dim", default)
    alone = isinstance(side, int) and args[0].shape[side] == 1
    return sloped(out, args[0]) if alone else out


def _attention(func: Call, kind: str, given: Arguments) -> Any:
    """With a slope along each query and key, the only key of causal attention's first token too."""
    args, kwargs = given
    out = func(*args, **kwargs)
    masked = len(args) != 3 or kwargs.get("attn_mask") is not None
    return out if masked else sloped(out, linear_attention(*args, **kwargs))


def linear_attention(query: Tensor, key: Tensor, value: Tensor, is_causal: bool = False, **_: Any) -> Tensor:
    """Attention without its softmax: products of queries and keys are the weights of the values."""
    heads = query.shape[-3] // key.shape[-3] if query.ndim > 3 else 1
    key, value = (t.repeat_interleave(heads, -3) if heads > 1 else t for t in (key, value))
    weights = query @ key.transpose(-2, -1)
    return (weights.tril() if is_causal else weights) @ value


def _sample(func: Call, kind: str, given: Arguments) -> Any:
    """torch has no forward derivative of it. Points that the picture moves may lie anywhere: the slope of the mean."""
    (source, points, *more), kwargs = given
    (image, slope), (places, moved) = map(forward_ad.unpack_dual, (source, points))
    out = func(image, places, *more, **kwargs)
    if moved is not None:
        like = source.mean(tuple(range(2, out.ndim)), keepdim=True) + points.sum(-1)[:, None]
        return sloped(out, like.expand(out.shape))
    return out if slope is None else forward_ad.make_dual(out, func(slope, places, *more, **kwargs))  # type: ignore[no-untyped-call]


def sloped(out: Tensor, like: Tensor) -> Tensor:
    """`out` with the slope of `like` added to its own, and its own values."""
    plain: Tensor = forward_ad.unpack_dual(like).primal  # type: ignore[no-untyped-call]
    return out + (like - plain)


def _with_first(out: Any, first: Tensor) -> Any:
    return (first, *out[1:]) if isinstance(out, tuple) else first


def mean_pool(kind: str, given: Arguments, out: Any) -> Tensor:
    """The sum, by a convolution of ones, over the windows of a max pool that made `out`."""
    args, kwargs = given
    names = ("input", "kernel_size", "stride", "padding", "dilation")
    named = {**dict(zip(names, args, strict=False)), **kwargs}
    axes, x = POOLS[kind], named["input"]
    kernel = per_axis(named["kernel_size"], axes)
    stride = per_axis(named.get("stride") or kernel, axes)
    padding, dilation = (per_axis(named.get(n) or d, axes) for n, d in (("padding", 0), ("dilation", 1)))
    sides = (out[0] if isinstance(out, tuple) else out).shape[-axes:]
    widths: list[int] = []
    for n, o, k, s, p, d in zip(x.shape[-axes:], sides, kernel, stride, padding, dilation, strict=True):
        widths = [p, (o - 1) * s + d * (k - 1) + 1 - n - p, *widths]
    convolve = getattr(F, f"conv{axes}d")
    channels = x.shape[1]
    ones = torch.ones(channels, 1, *kernel, dtype=x.dtype) / prod(kernel)
    summed: Tensor = convolve(F.pad(x, widths), ones, stride=stride, dilation=dilation, groups=channels)
    return summed


_SMOOTH: dict[str, Callable[[Call, str, Arguments], Any]] = {
    **dict.fromkeys(MAX_POOLS, _max_pool),
    **dict.fromkeys((kind for kind in ADAPTIVE_POOLS if "_max_" in kind), _adaptive_max),
    **dict.fromkeys(("max", "min", "amax", "amin", "maximum", "minimum", "fmax", "fmin"), _extreme),
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "normalize"), _share),
    "scaled_dot_product_attention": _attention,
    "grid_sample": _sample,
}
