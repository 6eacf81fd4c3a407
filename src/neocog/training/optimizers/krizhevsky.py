"""AlexNet's stochastic gradient descent: the learning rate stands inside the velocity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from neocog.training.optimizers.lists import ListOptimizer


class Krizhevsky(ListOptimizer):
    """v <- momentum * v - weight_decay * lr * w - lr * g, then w <- w + v.

    Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012), section 5,
    with momentum 0.9 and weight decay 0.0005. `torch.optim.SGD` multiplies the whole velocity by the rate of the
    moment: the same steps while the rate is constant. Here a cut of the rate takes hold over some ten steps.
    """

    kept = ("velocity",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0005,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"velocity": torch.zeros_like(parameter)}

    def update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        velocities = self.kept_for(parameters, "velocity")
        torch._foreach_mul_(velocities, group["momentum"])
        if group["weight_decay"]:
            torch._foreach_add_(velocities, parameters, alpha=-group["weight_decay"] * group["lr"])
        torch._foreach_add_(velocities, gradients, alpha=-group["lr"])
        torch._foreach_add_(parameters, velocities)
