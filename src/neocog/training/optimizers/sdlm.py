"""Stochastic diagonal Levenberg-Marquardt, LeNet-5's optimizer: each weight has a rate by its curvature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.optimizers.curvature import Criterion, curvature
from neocog.training.optimizers.lists import ListOptimizer, with_decay


class SDLM(ListOptimizer):
    """w_k <- w_k - lr / (mu + h_k) * g_k, where h_k is the second derivative of the loss by w_k, measured every epoch.

    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998), appendix C; also
    LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), sections 7.4 and 9.1. h is the mean over some hundred
    pictures (500 in the paper), never negative (`curvature`); mu, 0.02 in the paper, bounds the rate where the loss is
    flat. There is no momentum. Weight decay, which the paper does without, is added to the gradient.
    """

    kept = ("curvature",)
    pictures = 500
    """how many a measurement should see"""

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        mu: float = 0.02,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "mu": mu, "weight_decay": weight_decay})

    def measure(self, net: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], criterion: Criterion) -> None:
        """Replace every h by the mean over `batches` of (pixels as the network reads them, targets).

        `criterion` maps logits (n, classes) and targets to the loss of each picture (n,). To be called before each
        pass over the training pictures. UserError without pictures, and for a network with a layer without a rule.
        """
        parameters = [p for group in self.param_groups for p in group["params"]]
        sums = [torch.zeros_like(parameter) for parameter in parameters]
        seen = 0
        for pixels, targets in batches:
            torch._foreach_add_(sums, curvature(net, parameters, (pixels, targets), criterion))
            seen += len(pixels)
        if not seen:
            raise UserError("the optimizer sdlm measures curvature on training pictures, got none")
        for parameter, total in zip(parameters, sums, strict=True):
            self.state[parameter] = {"curvature": total / seen}

    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        raise UserError(
            "the optimizer sdlm needs the curvature before its first step; call measure(net, batches, criterion) first"
        )

    def update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        gradients = with_decay(gradients, parameters, group["weight_decay"])
        damped = torch._foreach_add(self.kept_for(parameters, "curvature"), group["mu"])
        torch._foreach_addcdiv_(parameters, gradients, damped, value=-group["lr"])
