"""Back from a unit to the pixels: the gradient, and the two rules that change what a rectifier lets through.

The three differ at a ReLU alone, where g comes from above and x was its input (Springenberg et al., "Striving for
simplicity" (2015), figure 1):

| rule | passes on |
|---|---|
| gradient | g where x > 0 (Simonyan et al. 2014) |
| deconvnet | g where g > 0 (Zeiler, Fergus 2014, section 2.1) |
| guided | g where x > 0 and g > 0 |

Everything else is transposed: a convolution filters with its flipped kernels, without bias; a max pool puts each
number where its maximum was (the switches), and adds up where windows overlap; a sum hands on to all its branches. A
norm is the slope that it has with its statistics held fixed; local response normalisation is skipped, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from neocog.analysis.call import writes_in_place
from neocog.analysis.capture import Call, Handler, Place, capture
from neocog.errors import UserError, unknown
from neocog.layers.lrn import LocalResponseNorm

Rule = Literal["gradient", "deconvnet", "guided"]
RULES: tuple[Rule, ...] = get_args(Rule)
CEILING = {"relu": float("inf"), "relu6": 6.0}
NO_MEANING = (
    "gelu", "silu", "mish", "hardswish", "sigmoid", "hardsigmoid", "tanh", "softmax", "elu", "selu", "celu",
    "leaky_relu", "prelu", "softplus", "scaled_dot_product_attention", "multi_head_attention_forward",
)  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """What came back to the pixels, and where it came from."""

    pixels: Tensor
    """(batch, channels, height, width), in the units of the network's input"""
    activation: Tensor
    """what the layer gave: (batch, ...)"""


def traced_back(
    net: nn.Module, x: Tensor, place: Place, start: Callable[[Tensor], Tensor], rule: Rule = "gradient"
) -> Traced:
    """What `start(activation)` at `place` becomes on its way back to the pixels `x` (batch, channels, height, width).

    `start` gives, for the layer's activation (batch, ...), what is sent back: a tensor of the same shape. UserError
    where the rule has no meaning in this network: deconvnet and guided need rectifiers.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    with ExitStack() as stack, torch.enable_grad():
        if rule != "gradient":
            for module in net.modules():
                if isinstance(module, LocalResponseNorm):
                    hook = module.register_forward_hook(lambda _, given, out: _Skipped.apply(given[0], out))  # type: ignore[no-untyped-call]
                    stack.callback(hook.remove)
        seen = stack.enter_context(capture(net, [place], _handlers(rule)))
        pixels = x.detach().clone().requires_grad_()
        seen.run(pixels)
        activation = seen[place]
        (back,) = torch.autograd.grad(activation, pixels, start(activation.detach()))
    return Traced(back.detach(), activation.detach())


def reconstruct(
    net: nn.Module,
    x: Tensor,
    place: Place,
    channel: int,
    at: Sequence[tuple[int, ...]],
    rule: Rule = "deconvnet",
) -> Traced:
    """Back from one unit of each picture, with its activation; all others are set to zero.

    `at` is the unit's position in each picture of the batch: (row, column) of a map, (token,) of tokens, () of a
    vector.
    """

    def start(activation: Tensor) -> Tensor:
        seed = torch.zeros_like(activation)
        for i, position in enumerate(at):
            unit = (i, *position, channel) if activation.dim() == 3 else (i, channel, *position)
            seed[unit] = activation[unit]
        return seed

    return traced_back(net, x, place, start, rule)


def unfit(kinds: Sequence[str] | frozenset[str], rule: Rule) -> str | None:
    """What among the `kinds` of a network's operations gives `rule` no meaning; None where it has one."""
    return None if rule == "gradient" else next((kind for kind in NO_MEANING if kind in kinds), None)


def _handlers(rule: Rule) -> Mapping[str, Handler]:
    if rule == "gradient":
        return {}
    held = {"group_norm": _held, "layer_norm": _held, "instance_norm": _held}
    refused = dict.fromkeys(NO_MEANING, _refused(rule))
    rectified = {
        kind: _rectified(rule, kind) for kind in (*CEILING, "hardtanh", "clamp", "clamp_min", "threshold")
    }
    return {**refused, **held, **rectified, "local_response_norm": _skipped}


def _refused(rule: Rule) -> Handler:
    def handler(call: Call) -> Any:
        raise UserError(
            f"{rule} needs rectifiers (ReLU, ReLU6), {call.layer or 'the network'} has {call.kind}; "
            "use gradient, integrated gradients or SmoothGrad"
        )

    return handler


def _rectified(rule: Rule, kind: str) -> Handler:
    def handler(call: Call) -> Any:
        x = _argument(call, 0, "input")
        floor, ceiling = _limits(kind, call)
        if not isinstance(x, Tensor) or not x.requires_grad or floor != 0:
            return call.run()
        before = x.detach()
        passes = (before > 0) & (before < ceiling) if rule == "guided" else None
        out = _Rectified.apply(x, before.clamp(0, ceiling), passes)  # type: ignore[no-untyped-call]
        return x.copy_(out) if writes_in_place(call.func, dict(call.kwargs)) else out

    return handler


def _limits(kind: str, call: Call) -> tuple[float | None, float]:
    """From where to where a call lets numbers through; from None where it is no rectifier."""
    if kind in CEILING:
        return 0.0, CEILING[kind]
    if kind == "threshold":
        plain = _argument(call, 1, "threshold") == 0 == _argument(call, 2, "value")
        return (0.0 if plain else None), float("inf")
    low = _argument(call, 1, "min", "min_val")
    high = None if kind == "clamp_min" else _argument(call, 2, "max", "max_val")
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return None, float("inf")
    return low, float("inf") if high is None else float(high)


def _argument(call: Call, position: int, *names: str) -> Any:
    if len(call.args) > position:
        return call.args[position]
    return next((call.kwargs[name] for name in names if name in call.kwargs), None)


def _held(call: Call) -> Any:
    """A norm whose statistics count as constants."""
    x = _argument(call, 0, "input")
    if not isinstance(x, Tensor) or not x.requires_grad:
        return call.run()
    return _Scaled.apply(x, call.run().detach(), _slope(call, x.detach()))  # type: ignore[no-untyped-call]


def _slope(call: Call, x: Tensor) -> Tensor:
    """What each number of `x` is multiplied by."""
    if call.kind == "layer_norm":
        sides = tuple(range(-len(_argument(call, 1, "normalized_shape")), 0))
        weight, eps = _argument(call, 2, "weight"), _argument(call, 4, "eps")
        scale = (x.var(sides, correction=0, keepdim=True) + (1e-5 if eps is None else eps)).rsqrt()
        return scale if weight is None else scale * weight
    by_group = call.kind == "group_norm"
    groups = _argument(call, 1, "num_groups") if by_group else x.shape[1]
    weight = _argument(call, 2, "weight") if by_group else _argument(call, 3, "weight")
    eps = _argument(call, 4 if by_group else 7, "eps")
    variance = x.reshape(len(x), groups, -1).var(-1, correction=0)
    scale = (variance + (1e-5 if eps is None else eps)).rsqrt().repeat_interleave(x.shape[1] // groups, 1)
    scale = scale if weight is None else scale * weight
    return scale.reshape(*scale.shape, *[1] * (x.dim() - 2))


def _skipped(call: Call) -> Any:
    return _Skipped.apply(_argument(call, 0, "input"), call.run())  # type: ignore[no-untyped-call]


class _Rectified(torch.autograd.Function):
    """Forward what is given; backward the rectified g, masked where guided."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor, passes: Tensor | None) -> Tensor:
        ctx.passes = passes
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        back = g.clamp(min=0)
        return (back if ctx.passes is None else back * ctx.passes), None, None


class _Skipped(torch.autograd.Function):
    """Forward what is given, backward as if nothing had been done."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor) -> Tensor:
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g, None


class _Scaled(torch.autograd.Function):
    """Forward what is given, backward times a slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return g * ctx.slope, None, None
