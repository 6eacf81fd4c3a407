"""How the layers of a network do on some pictures: what its non-linearities pass on, and what reaches its weights.

Everything is seen from outside in one pass, in evaluation; the network, its gradients and all random numbers stay as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import capture
from neocog.inside.learning.layer_watch import Drift, Passed, Site, Watch, finite
from neocog.inside.learning.task import Task

BINS = 41


@dataclass(frozen=True, eq=False)
class Learned:
    """A layer's weights, and the gradient of the mean loss with respect to them."""

    numbers: int
    size: float
    """root mean square of the weights"""
    gradient: float | None
    """root mean square; None where none reaches them"""
    counts: NDArray[np.int64]
    """(BINS,), a histogram from -reach to reach"""
    reach: float
    """the largest absolute value"""

    @property
    def relative(self) -> float | None:
        """The gradient in units of the weights."""
        return None if self.gradient is None or not self.size else self.gradient / self.size

    def to_json(self) -> dict[str, Any]:
        return {
            "numbers": self.numbers,
            "rms": finite(self.size),
            "gradient_rms": finite(self.gradient),
            "gradient_to_weights": finite(self.relative),
            "reach": finite(self.reach),
            "histogram": self.counts.tolist(),
        }


@dataclass(frozen=True, eq=False)
class LayerState:
    """A layer in the order of the forward."""

    module: str
    """that holds the weights; of a non-linearity behind a join, the module that calls it"""
    channels: int
    passed: Passed | None
    """of the non-linearity behind it; None where there is none"""
    learned: Learned | None
    """None where it has no weights"""

    def to_json(self) -> dict[str, Any]:
        passed, learned = self.passed, self.learned
        return {
            "module": self.module,
            "channels": self.channels,
            "nonlinearity": None if passed is None else passed.to_json(),
            "weights": None if learned is None else learned.to_json(),
        }


@dataclass(frozen=True, eq=False)
class Health:
    """The layers of a network, how its batch norms' statistics fit the pictures, and the mean loss."""

    layers: tuple[LayerState, ...]
    drifts: tuple[Drift, ...]
    loss: float
    pictures: int


def examine(net: nn.Module, task: Task, told: Callable[[int], None] = lambda done: None) -> Health:
    """One pass over the pictures of `task`, forward and backward."""
    state = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    watch, total = Watch(), 0.0
    gradients: dict[str, Tensor] = {}
    beginning = net.register_forward_pre_hook(lambda *_: watch.begin())
    try:
        with capture(net, handlers=watch.handlers()), torch.enable_grad():
            for x, truth in task.batches():
                loss = task.losses(task.logits(net, x, state), truth).sum() / len(task.x)
                total += float(loss.detach())
                _add(gradients, loss, state)
                told(len(x))
    finally:
        beginning.remove()
    learned = {name: _learned(p.detach(), gradients.get(name)) for name, p in state.items()}
    layers = tuple(_layer(name, site, learned.get(f"{name}.weight")) for name, site in watch.sites.items())
    drifts = tuple(moments.drift(name) for name, moments in watch.norms.items())
    return Health(layers, drifts, total, len(task.x))


def _layer(name: str, site: Site, learned: Learned | None) -> LayerState:
    return LayerState(name, site.channels, site.passed(), learned if site.weighted else None)


def _add(gradients: dict[str, Tensor], loss: Tensor, state: Mapping[str, Tensor]) -> None:
    """The gradient of a part of the mean loss to those of the other parts."""
    if not loss.requires_grad:
        return
    found = torch.autograd.grad(loss, [*state.values()], allow_unused=True)
    for (name, p), gradient in zip(state.items(), found, strict=True):
        if gradient is not None:
            gradients[name] = gradients.get(name, torch.zeros_like(p)) + gradient


def _learned(weight: Tensor, gradient: Tensor | None) -> Learned:
    flat = weight.double().flatten().cpu().numpy()
    reach = float(np.abs(flat).max())
    ends = (-reach, reach) if reach and np.isfinite(reach) else (-1.0, 1.0)
    counts, _ = np.histogram(flat[np.isfinite(flat)], BINS, ends)
    return Learned(len(flat), _rms(weight), None if gradient is None else _rms(gradient), counts, reach)


def _rms(tensor: Tensor) -> float:
    return float(tensor.double().square().mean().sqrt())
