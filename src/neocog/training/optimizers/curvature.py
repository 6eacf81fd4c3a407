"""Diagonal second derivatives of a loss by every weight, propagated backwards through a network.

LeCun et al. 1998, appendix C. With a_i the weighted sum into unit i, x_j = f(a_j) a unit's output, u_ij the weight
between them and E the loss of one picture:

    d2E/du_ij2 = d2E/da_i2 * x_j^2
    d2E/dx_j2  = sum over i of d2E/da_i2 * u_ij^2
    d2E/da_j2  = d2E/dx_j2 * f'(a_j)^2

and for a parameter w_k that connections share (a convolution), h_k is the sum over them. The terms between different
units and the one with f'' are left out (Gauss-Newton), which makes every h at least 0.

This is back-propagation with every coefficient squared. So the network runs once with each operation replaced by one
that gives the same output but lets autograd see squared coefficients: then autograd's backward pass carries d2E.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neocog.errors import UserError
from neocog.layers.rbf import RBF

Criterion = Callable[[Tensor, Tensor], Tensor]
Function = Callable[..., Any]
Rule = Callable[[Function, tuple[Any, ...], dict[str, Any]], Tensor]


def curvature(
    net: nn.Module, parameters: Sequence[Tensor], batch: tuple[Tensor, Tensor], criterion: Criterion
) -> list[Tensor]:
    """h of each of `parameters`, added up over the pictures of `batch` (pixels (n, ...), targets (n, ...)).

    `criterion` maps logits and targets to the loss of each picture (n,). An `RBF` as last layer counts as part of the
    loss, as in the paper. The network runs in evaluation mode (without dropout). UserError for a layer without a rule.
    """
    pixels, targets = batch
    with _evaluating(net), torch.enable_grad():
        outputs, tail = _last_units(net, pixels)
        start = loss_curvature(lambda x: criterion(tail(x), targets), outputs)
        found = torch.autograd.grad(outputs, parameters, start, allow_unused=True, materialize_grads=True)
    return list(found)


def loss_curvature(loss: Callable[[Tensor], Tensor], outputs: Tensor) -> Tensor:
    """d2E/dx2 by each output x of the last units (n, ...), exact; 0 where it is negative.

    `loss` gives (n,). One backward pass for each unit of a picture.
    """
    x = outputs.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(x).sum(), x, create_graph=True)
    if not slope.requires_grad:  # the loss is linear
        return torch.zeros_like(outputs)
    columns = [
        torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1)[:, k]
        for k, column in enumerate(slope.flatten(1).unbind(1))
    ]
    return torch.stack(columns, 1).view_as(outputs).clamp_(min=0)


def _last_units(net: nn.Module, pixels: Tensor) -> tuple[Tensor, nn.Module]:
    """What the loss reads, with a graph of squared coefficients behind it; and the layer that counts as loss."""
    mode = _Squares()
    last = list(net.modules())[-1]
    if not isinstance(last, RBF):
        with mode:
            outputs: Tensor = net(pixels)
        return outputs, nn.Identity()
    units: list[Tensor] = []

    def reached(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        units.append(inputs[0])
        mode.over = True

    hook = last.register_forward_pre_hook(reached)
    try:
        with mode:
            net(pixels)
    finally:
        hook.remove()
    return units[0], last


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    before = [(layer, layer.training) for layer in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for layer, training in before:
            layer.training = training


class _Squares(TorchFunctionMode):
    """Runs each operation by its rule; `over` once the loss has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.over = False

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        inputs = [t for t in _tensors((*args, *named.values())) if t.requires_grad]
        if self.over or not inputs:
            return func(*args, **named)
        twice = len({id(t) for t in inputs}) < len(inputs)
        if func.__name__ in RULES and not twice:
            return RULES[func.__name__](func, args, named)
        versions = [t._version for t in inputs]
        result = func(*args, **named)
        same = any(result is t for t in inputs) and versions == [
            t._version for t in inputs
        ]  # dropout at rest
        selects = func.__name__ in SELECTIONS and not twice and "alpha" not in named
        if selects or same or not any(t.requires_grad for t in _tensors([result])):
            return result
        known = ", ".join(sorted(RULES))
        raise UserError(
            f"the optimizer sdlm has no rule for second derivatives through {func.__name__}"
            f"{' of a tensor with itself' * twice}, only through {known} and what rearranges; take sgd for this network"
        )


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


class _StandIn(torch.autograd.Function):
    """`value` going forward; its gradient goes to `graph`."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _stand_in(graph: Tensor, value: Tensor) -> Tensor:
    standing: Tensor = _StandIn.apply(graph, value)  # type: ignore[no-untyped-call]
    return standing


def _product(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """Linear in each of its tensors: the coefficients of one are the others, so those are squared."""

    def squared(value: Any) -> Any:
        return _stand_in(value, value.detach().square()) if isinstance(value, Tensor) else value

    graph = func(*map(squared, args), **{name: squared(value) for name, value in named.items()})
    return _stand_in(graph, func(*args, **named).detach())


def _multiply(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """A product with a tensor or a number."""
    squares = [_stand_in(a, a.detach().square()) if isinstance(a, Tensor) else a * a for a in args]
    return _stand_in(torch.mul(*squares), func(*args, **named).detach())


def _subtract(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """a - alpha b: the coefficients are 1 and -alpha."""
    squared = {"alpha": named["alpha"] ** 2} if "alpha" in named else {}
    return _stand_in(torch.add(*args, **squared), func(*args, **named).detach())


def _negate(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """-a: the coefficient is -1."""
    return _stand_in(args[0], func(*args, **named).detach())


def _elementwise(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """f(a): the coefficient is f'(a)."""
    a = args[0].detach().requires_grad_()
    value = func(a.clone(), *args[1:], **named)  # the clone for activations that write over their input
    (slope,) = torch.autograd.grad(value.sum(), a)
    return _stand_in(args[0] * slope.square(), value.detach())


def _mean(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """Means over equally many numbers: the coefficient is 1 / their number."""
    value = func(*args, **named)
    return _stand_in(value * (value.numel() / args[0].numel()), value.detach())


def _adaptive_pool(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    given, made = args[0].shape[2:], func(*args, **named).shape[2:]
    if any(a % b for a, b in zip(given, made, strict=True)):
        raise UserError(
            "the optimizer sdlm has a rule for adaptive pooling only where windows are equally large, got "
            f"{tuple(given)} to {tuple(made)}; take sgd for this network"
        )
    return _mean(func, args, named)


def _average_pool(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """Average pooling of any kind: in a window of n numbers each has the coefficient (output of ones) / n."""
    ones = torch.ones_like(args[0])
    numbers = F.avg_pool2d(ones, *args[1:6], **(named | {"divisor_override": 1}))
    value = func(*args, **named)
    return _stand_in(value * (func(ones, *args[1:], **named) / numbers), value.detach())


ELEMENTWISE = ("tanh", "sigmoid", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu", "square")
RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv2d", "linear"), _product),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "mul": _multiply,
    "sub": _subtract,
    "neg": _negate,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive_pool,
    "mean": _mean,
}
SELECTIONS = {
    *(
        "flatten",
        "unflatten",
        "reshape",
        "view",
        "permute",
        "transpose",
        "squeeze",
        "unsqueeze",
        "contiguous",
    ),
    *("__getitem__", "chunk", "split", "cat", "stack", "add", "sum", "max_pool2d", "adaptive_max_pool2d"),
}
"""operations whose coefficients are 0 or 1: autograd's own backward pass does"""
