"""The loss around a network's weights, and on the straight line between two states of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inside.learning.task import Task

Direction = dict[str, Tensor]
"""for each parameter of a network, by name, where to"""
Told = Callable[[int], None]


def random_direction(net: nn.Module, generator: torch.Generator) -> Direction:
    """A random direction, normalised by filter: each filter of it is as long as the network's own.

    Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural nets" (2018), section 4: else a
    network with large weights would look flat, as one whose weights are scaled up behind batch norm. A filter is the
    weights of one output: a convolution's kernels for it, a row of a linear layer. Biases and the parameters of norms
    stay where they are, as in the authors' code.
    """
    return {name: _normalised(p.detach(), generator) for name, p in net.named_parameters()}


def _normalised(weight: Tensor, generator: torch.Generator) -> Tensor:
    if weight.dim() < 2:
        return torch.zeros_like(weight)
    drawn = torch.randn(weight.shape, generator=generator).to(weight)
    own, length = (torch.linalg.vector_norm(w.flatten(1), dim=1) for w in (weight, drawn))
    scale = own / (length + 1e-10)  # as in the authors' code
    found: Tensor = drawn * scale.view(-1, *[1] * (weight.dim() - 1))
    return found


def slice_losses(
    net: nn.Module, task: Task, direction: Direction, steps: Sequence[float], told: Told = lambda done: None
) -> NDArray[np.float64]:
    """The loss at the weights + step * direction, for each of `steps`; infinite where it is no number."""
    return _losses(net, task, [moved(net, [(step, direction)]) for step in steps], told)


def plane_losses(
    net: nn.Module,
    task: Task,
    directions: tuple[Direction, Direction],
    steps: Sequence[float],
    told: Told = lambda done: None,
) -> NDArray[np.float64]:
    """The loss (steps, steps) at the weights + a * first + b * second: b from top to bottom, a from left to right."""
    first, second = directions
    states = [moved(net, [(a, first), (b, second)]) for b in steps for a in steps]
    return _losses(net, task, states, told).reshape(len(steps), len(steps))


def losses_between(
    net: nn.Module,
    task: Task,
    ends: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    shares: Sequence[float],
    told: Told = lambda done: None,
) -> NDArray[np.float64]:
    """The loss at (1 - share) * first + share * second, for each of `shares`, running statistics included.

    Goodfellow, Vinyals and Saxe, "Qualitatively characterizing neural network optimization problems" (2015), section 3.
    UserError where the ends are not of the same network.
    """
    first, second = ends
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        raise UserError("both ends of a line must be states of the same network, their tensors differ")
    states = (lambda share=share: _mixed(first, second, share) for share in shares)
    return _losses(net, task, list(states), told)


def _mixed(first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    mixed = {
        name: torch.lerp(tensor, second[name], share) if tensor.is_floating_point() else second[name]
        for name, tensor in first.items()
    }
    # beyond the ends a batch norm's variance may come out below zero, which no data have
    return {name: t.clamp(min=0) if name.endswith("running_var") else t for name, t in mixed.items()}


def moved(net: nn.Module, ways: Sequence[tuple[float, Direction]]) -> Callable[[], dict[str, Tensor]]:
    """Gives the parameters moved by each step along its direction, made only when they are asked for."""

    def state() -> dict[str, Tensor]:
        found = {name: p.detach() for name, p in net.named_parameters()}
        for step, direction in ways:
            found = {name: p + step * direction[name] for name, p in found.items()}
        return found

    return state


def _losses(
    net: nn.Module, task: Task, states: Sequence[Callable[[], dict[str, Tensor]]], told: Told
) -> NDArray[np.float64]:
    found = np.empty(len(states))
    for i, state in enumerate(states):
        loss = task.loss(net, state())
        found[i] = loss if np.isfinite(loss) else np.inf
        told(1)
    return found
