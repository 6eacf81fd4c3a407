"""What is done to a unit's sum on its way to the unit's value, as formulas with their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

from neocog.inside.bounds import held
from neocog.inside.sums.calls import Made


@dataclass(frozen=True)
class Step:
    """What is done to the sum on its way to the unit's value."""

    kind: str
    """torch's name of it"""
    words: str
    """the formula with its numbers, for x"""
    value: float
    """by that formula, from the step before"""
    tensor: float
    """what the network has there"""

    @property
    def name(self) -> str:
        """As people call it: ReLU6 is a clamp to torch."""
        return {"min(max(0, x), 6)": "relu6", "max(0, x)": "relu"}.get(self.words, self.kind)


FORMULAS = {
    "sigmoid": "1 / (1 + exp(−x))", "tanh": "tanh x", "silu": "x / (1 + exp(−x))", "gelu": "x Φ(x)",
    "hardswish": "x min(max(x + 3, 0), 6) / 6", "mish": "x tanh(ln(1 + exp x))", "softplus": "ln(1 + exp x)",
}  # fmt: skip


def formula(kind: str, made: Made, channel: int, x: float) -> tuple[str, float | None]:
    """The formula of a step and what it makes of `x`; None where only the network is asked."""
    found = held(kind, made)
    if found is not None:
        _, low, high = found
        clamped = "x" if low == -inf else f"max({low:g}, x)"
        return (clamped if high == inf else f"min({clamped}, {high:g})"), min(max(x, low), high)
    if kind == "batch_norm":
        return _batch_norm(made, channel, x)
    if kind in ("add", "mul"):
        other = _factor(made, channel)
        if other is not None:
            return (_plus(other), x + other) if kind == "add" else (f"x × {other:.4g}", x * other)
    return FORMULAS.get(kind, f"{kind} of x"), None


def _factor(made: Made, channel: int) -> float | None:
    """What is added to the maps or multiplied with them: a number, or one for each channel."""
    if len(made.args) != 2 or made.kwargs:
        return None
    one, other = made.args
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        less = one if one.numel() < other.numel() else other
        if one.numel() == other.numel():  # nothing tells which of them is not of the picture
            return None
        count = less.numel()
        alone = count == 1 or (less.dim() >= 3 and less.shape[-3] == count)
        return float(less.reshape(-1)[channel if count > 1 else 0]) if alone else None
    number = other if isinstance(one, Tensor) else one
    return float(number) if isinstance(number, int | float) else None


def _batch_norm(made: Made, channel: int, x: float) -> tuple[str, float | None]:
    mean, variance = made.arg(1, "running_mean"), made.arg(2, "running_var")
    if made.arg(5, "training", False) or mean is None or variance is None:
        return "batch_norm of x", None
    weight, bias = made.arg(3, "weight"), made.arg(4, "bias")
    scale = (1.0 if weight is None else float(weight[channel])) / (
        float(variance[channel]) + float(made.arg(7, "eps", 1e-5))
    ) ** 0.5
    middle, shift = float(mean[channel]), 0.0 if bias is None else float(bias[channel])
    words = f"({_plus(-middle)}) × {scale:.4g}"
    return _plus(shift, words), (x - middle) * scale + shift


def _plus(number: float, x: str = "x") -> str:
    return f"{x} {'−' if number < 0 else '+'} {abs(number):.4g}"
