"""LAMB: Adam's direction, with a length in proportion to that of each layer's weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from neocog.training.optimizers.lists import ListOptimizer


class Lamb(ListOptimizer):
    """w <- w - lr * (|w| / |u|) * u with u = m / (sqrt(v) + eps) + weight_decay * w.

    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (2020), algorithm 2 with
    phi(z) = z; m and v are Adam's debiased means of g and g^2, and norms are taken over one parameter tensor. The ratio
    is 1 where either norm is 0. Parameters without weight decay (biases, norms) take steps of Adam's length, as in the
    authors' code, unless `always_adapt`. timm's `Lamb` with `max_grad_norm=None`, and else its defaults, is the same.
    """

    kept = ("exp_avg", "exp_avg_sq", "step")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        always_adapt: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults | {"always_adapt": always_adapt})

    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
            "step": torch.zeros(()),  # on the CPU, where the corrections for it are computed
        }

    def update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        directions = self.directions(group, parameters, gradients)
        if group["weight_decay"]:
            torch._foreach_add_(directions, parameters, alpha=group["weight_decay"])
        if group["weight_decay"] or group["always_adapt"]:
            torch._foreach_mul_(directions, trust_ratios(parameters, directions))
        torch._foreach_add_(parameters, directions, alpha=-group["lr"])

    def directions(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]
    ) -> list[Tensor]:
        """Adam's m / (sqrt(v) + eps), debiased, after `gradients` were taken into both means."""
        means, squares, steps = (self.kept_for(parameters, name) for name in self.kept)
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - beta2)
        roots = torch._foreach_div(squares, [1 - beta2 ** step.item() for step in steps])
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        directions = torch._foreach_div(means, [1 - beta1 ** step.item() for step in steps])
        torch._foreach_div_(directions, roots)
        return list(directions)


def trust_ratios(parameters: list[Tensor], directions: list[Tensor]) -> list[Tensor]:
    """|w| / |u| of each pair; 1 where either is 0."""
    weights = torch.stack(torch._foreach_norm(parameters))
    updates = torch.stack(torch._foreach_norm(directions))
    return list(torch.where((weights > 0) & (updates > 0), weights / updates, 1.0).unbind())
