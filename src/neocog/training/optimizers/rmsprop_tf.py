"""RMSProp as TensorFlow computes it and as EfficientNet was trained with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from neocog.training.optimizers.lists import ListOptimizer, with_decay


class RMSPropTF(ListOptimizer):
    """s <- decay * s + (1 - decay) * g^2; v <- momentum * v + lr * g / sqrt(s + eps); w <- w - v.

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning" (2012), in the form of TensorFlow's
    `ApplyRMSProp`. Unlike `torch.optim.RMSprop`, eps stands inside the root, s starts at 1 (so that the first steps
    are small; there is no debiasing), and the rate stands inside the velocity. Weight decay is added to the gradient.
    EfficientNet (Tan and Le 2019, section 5.2): decay 0.9, momentum 0.9; eps 0.001 in the authors' code.
    """

    kept = ("square_avg", "velocity")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        decay: float = 0.9,
        momentum: float = 0.9,
        eps: float = 0.001,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps, "weight_decay": weight_decay},
        )

    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"square_avg": torch.ones_like(parameter), "velocity": torch.zeros_like(parameter)}

    def update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        squares = self.kept_for(parameters, "square_avg")
        velocities = self.kept_for(parameters, "velocity")
        gradients = with_decay(gradients, parameters, group["weight_decay"])
        torch._foreach_mul_(squares, group["decay"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["decay"])
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_addcdiv_(velocities, gradients, roots, value=group["lr"])
        torch._foreach_sub_(parameters, velocities)
