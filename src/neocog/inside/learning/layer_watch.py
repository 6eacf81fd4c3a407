"""What passes through a network, seen from outside: non-linearities by layer, the statistics of batch norms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neocog.analysis.capture import Call, Handler
from neocog.analysis.kinds import ACTIVATIONS, ADAPTIVE_POOLS, IDENTITIES, NORMS, POINTWISE, POOLS
from neocog.inside.bounds import HOLDING, Held, held

WEIGHTED = ("conv2d", "linear")
SQUASHING = ("relu", "relu6", "hardtanh")
"""always non-linearities, whatever they read"""
PASSED = POINTWISE | IDENTITIES | NORMS | {*POOLS, *ADAPTIVE_POOLS}
"""what may lie between a layer with weights and its non-linearity"""
FLAT = 0.05  # of the steepest slope: where less is left, a unit is saturated

# where the slope is below FLAT of the steepest: 1 - y^2 of tanh, 4 y (1 - y) of the sigmoid, 0 at the ends of the third
SATURATED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda y: 1 - y * y < FLAT,
    "sigmoid": lambda y: 4 * y * (1 - y) < FLAT,
    "hardsigmoid": lambda y: (y <= 0) | (y >= 1),
}


def finite(value: float | None) -> float | None:
    """JSON knows no other number."""
    return None if value is None or not isfinite(value) else value


@dataclass(frozen=True, eq=False)
class Passed:
    """What a non-linearity puts out, over all pictures and positions."""

    kind: str
    """torch's name of it, of a rectifier relu or, where it has a ceiling of 6, relu6"""
    mean: float
    deviation: float
    zeros: float
    """share that is exactly 0"""
    active: NDArray[np.bool_]
    """(channels,), whether it is above 0 for any picture at any position"""
    saturated: float | None
    """share with hardly any slope; None of those that do not saturate on both sides"""
    gate: bool
    """whether it multiplies what another layer gives, as the gates of squeeze-and-excite do: those may saturate"""
    rectifies: bool

    @property
    def dead(self) -> float | None:
        """Share of the channels that are never active; None where it is no rectifier."""
        return float((~self.active).mean()) if self.rectifies else None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "mean": finite(self.mean),
            "deviation": finite(self.deviation),
            "zeros": self.zeros,
            "dead": self.dead,
            "saturated": self.saturated,
            "gate": self.gate,
        }


@dataclass(frozen=True, eq=False)
class Drift:
    """What a batch norm reads now beside what it remembers, by channel."""

    module: str
    shift: NDArray[np.float64]
    """(channels,), how far the mean is from the running one, in running deviations"""
    ratio: NDArray[np.float64]
    """(channels,), the variance over the running one"""

    @property
    def moved(self) -> float:
        """Root mean square of the shifts."""
        return float(np.sqrt((self.shift**2).mean()))

    @property
    def factor(self) -> float:
        """By which the variances are off, up or down: e to the root mean square of the ratios' logarithms."""
        return float(np.exp(np.sqrt((np.log(self.ratio) ** 2).mean())))

    def to_json(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "channels": len(self.shift),
            "means_off": finite(self.moved),
            "variances_off_by": finite(self.factor),
            "shift": [finite(value) for value in self.shift.tolist()],
            "ratio": [finite(value) for value in self.ratio.tolist()],
        }


def _squashes(kind: str, found: Held | None, of_a_layer: bool) -> bool:
    """Whether a call that holds numbers between bounds is a non-linearity; a clamp may only guard a root."""
    return kind in SQUASHING or (found is not None and found.rectified and of_a_layer)


def _kind(call: Call, found: Held | None) -> str:
    if found is None or not found.rectified:
        return call.kind
    return {inf: "relu", 6.0: "relu6"}.get(found.high, call.kind)


def _flat(kind: str, out: Tensor, found: Held | None) -> Tensor | None:
    """Where a non-linearity that saturates on both sides has hardly any slope; None of others."""
    if kind in SATURATED:
        return SATURATED[kind](out)
    return (out <= found.low) | (out >= found.high) if found is not None and not found.rectified else None


def _alike(shape: Sequence[int], before: Sequence[int] | None, axis: int) -> bool:
    """Whether both have the same channels."""
    return before is not None and len(shape) == len(before) and shape[axis] == before[axis]


@dataclass
class Site:
    """Sums over what one layer gives."""

    weighted: bool
    axis: int
    channels: int = 0
    kind: str = ""
    gate: bool = False
    count: int = 0
    sums: tuple[float, float] = (0.0, 0.0)
    zeros: int = 0
    flat: int | None = None
    active: Tensor | None = None
    rectifies: bool = False

    def see(self, call: Call, found: Held | None, out: Tensor) -> None:
        """What a non-linearity gave, and the bounds that it holds numbers between, if it does."""
        y, wide = out.detach(), torch.float64
        self.kind, self.channels = _kind(call, found), y.shape[self.axis]
        self.rectifies = found is not None and found.rectified
        self.count += y.numel()
        self.sums = (
            self.sums[0] + float(y.sum(dtype=wide)),
            self.sums[1] + float(y.square().sum(dtype=wide)),
        )
        self.zeros += int((y == 0).sum())
        flat = _flat(self.kind, y, found)
        if flat is not None:
            self.flat = (self.flat or 0) + int(flat.sum())
        now = (y > 0).movedim(self.axis, 0).flatten(1).any(1)
        self.active = now if self.active is None else self.active | now

    def passed(self) -> Passed | None:
        if self.active is None:
            return None
        mean = self.sums[0] / self.count
        deviation = max(self.sums[1] / self.count - mean * mean, 0.0) ** 0.5
        saturated = None if self.flat is None else self.flat / self.count
        zeros, active = self.zeros / self.count, self.active.cpu().numpy()
        return Passed(self.kind, mean, deviation, zeros, active, saturated, self.gate, self.rectifies)


@dataclass
class Moments:
    """Sums over what a batch norm reads, and what it remembers."""

    running: tuple[Tensor, Tensor]
    eps: float
    count: int = 0
    total: Tensor | float = 0.0
    square: Tensor | float = 0.0

    def see(self, x: Tensor) -> None:
        rows = x.detach().movedim(1, 0).flatten(1) - self.running[0][:, None]  # near 0: no large squares
        self.count += rows.shape[1]
        self.total = self.total + rows.sum(1, dtype=torch.float64)
        self.square = self.square + rows.square().sum(1, dtype=torch.float64)

    def drift(self, name: str) -> Drift:
        mean = torch.as_tensor(self.total) / self.count
        variance = (torch.as_tensor(self.square) / self.count - mean.square()).clamp(min=0)
        running = self.running[1].double()
        shift = mean.abs() / (running + self.eps).sqrt()
        return Drift(name, shift.cpu().numpy(), ((variance + self.eps) / (running + self.eps)).cpu().numpy())


@dataclass
class Watch:
    """Follows what each layer with weights gives, through norms and factors, to the non-linearity behind it."""

    sites: dict[str, Site] = field(default_factory=dict)
    norms: dict[str, Moments] = field(default_factory=dict)
    _of: dict[int, tuple[str, int]] = field(default_factory=dict)
    """id of a tensor -> the layer whose numbers it holds, and the axis of its channels"""
    _gates: dict[int, str] = field(default_factory=dict)
    _kept: list[Tensor] = field(default_factory=list)
    """of this forward, so that no two have the same id"""
    _calls: Counter[str] = field(default_factory=Counter)

    def handlers(self) -> dict[str, Handler]:
        return {
            **dict.fromkeys(PASSED, self._followed),
            "batch_norm": self._normalised,
            **dict.fromkeys(WEIGHTED, self._weighed),
            **dict.fromkeys(ACTIVATIONS | HOLDING.keys(), self._activated),
        }

    def begin(self) -> None:
        """Another forward."""
        for several in (self._of, self._gates, self._kept, self._calls):
            several.clear()

    def _weighed(self, call: Call) -> Any:
        out = call.run()
        axis = 1 if call.kind == "conv2d" else -1
        site = self.sites.setdefault(call.layer, Site(True, axis))
        site.channels = out.shape[axis]
        self._note(out, call.layer, axis)
        return out

    def _followed(self, call: Call) -> Any:
        computed = [one for one in call.args if isinstance(one, Tensor) and not one.is_leaf]
        if call.kind == "mul" and len(computed) == 2:
            for gate in filter(None, (self._gates.get(id(one)) for one in computed)):
                self.sites[gate].gate = True
        known = self._of.get(id(computed[0])) if len(computed) == 1 else None  # a join is of no single layer
        before = computed[0].shape if known else None
        out = call.run()
        if known and isinstance(out, Tensor) and _alike(out.shape, before, known[1]):
            self._note(out, *known)
        else:  # what a layer gave may be written over
            self._of.pop(id(out), None)
        return out

    def _normalised(self, call: Call) -> Any:
        mean, variance = call.arg(1, "running_mean"), call.arg(2, "running_var")
        if mean is not None and variance is not None:
            moments = Moments((mean.detach(), variance.detach()), float(call.arg(7, "eps", 1e-5)))
            self.norms.setdefault(call.layer, moments).see(call.arg(0, "input"))
        return self._followed(call)

    def _activated(self, call: Call) -> Any:
        found = held(call.kind, call)
        known = self._of.get(id(call.arg(0, "input") if found is None else found.x))
        if call.kind in HOLDING and not _squashes(call.kind, found, known is not None):
            return self._followed(call)
        out = call.run()
        if not isinstance(out, Tensor) or out.dim() < 2:
            return out
        self._of.pop(id(out), None)  # what is done in place is done: what follows is of no single layer
        layer, axis = known or self._alone(call, out)
        self.sites.setdefault(layer, Site(False, axis)).see(call, found, out)
        self._kept.append(out)
        self._gates[id(out)] = layer
        return out

    def _alone(self, call: Call, out: Tensor) -> tuple[str, int]:
        """A name for a non-linearity that is of no single layer, and the axis of its channels."""
        self._calls[call.layer] += 1
        name, again = call.layer or "the network", self._calls[call.layer]
        return (f"{name} ({again})" if again > 1 else name), (-1 if out.dim() == 3 else 1)

    def _note(self, out: Tensor, layer: str, axis: int) -> None:
        self._kept.append(out)
        self._of[id(out)] = (layer, axis)
