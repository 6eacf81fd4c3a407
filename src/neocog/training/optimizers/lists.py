"""What our optimizers share: a step over lists of tensors, without a Python loop over numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer


class ListOptimizer(Optimizer):
    """An optimizer whose `update` gets a group's parameters and gradients as lists, for torch's `_foreach_` operations.

    A parameter without a gradient stays as it is, and so does what is kept for it.
    """

    kept: ClassVar[tuple[str, ...]]
    """names of the tensors kept for each parameter"""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient. Returns what `closure`, if any, returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            pairs = [(p, p.grad) for p in group["params"] if p.grad is not None]
            for parameter, _ in pairs:
                if not self.state[parameter]:
                    self.state[parameter] = self.first_state(parameter)
            if pairs:
                self.update(group, [p for p, _ in pairs], [g for _, g in pairs])
        return loss

    def kept_for(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """The tensor called `name` of each parameter."""
        return [self.state[parameter][name] for parameter in parameters]

    @abstractmethod
    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        """What is kept for a parameter before its first update, under the names in `kept`."""

    @abstractmethod
    def update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        """Change `parameters` in place; `gradients` stay as they are."""


def with_decay(gradients: list[Tensor], parameters: list[Tensor], weight_decay: float) -> list[Tensor]:
    """Gradients of the loss plus weight_decay / 2 times the sum of squares: g + weight_decay * w."""
    if not weight_decay:
        return gradients
    return list(torch._foreach_add(gradients, parameters, alpha=weight_decay))
