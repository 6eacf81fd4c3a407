"""What training makes small: a loss per picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.rbf import rbf_map_losses
from neocog.models.classifier import Classifier
from neocog.models.googlenet import forward_auxiliary
from neocog.training.objective.class_weights import weights_of
from neocog.training.recipes.recipe import Recipe

Criterion = Callable[[Tensor, Tensor], Tensor]
"""logits (n, classes), targets int64 (n,) or float (n, classes) -> float32 (n,)"""


def make_criterion(recipe: Recipe, classes: int, counts: NDArray[np.int64]) -> Criterion:
    """The recipe's loss. `counts` (classes,) is how many training pictures each class has.

    A class's weight multiplies its term of the target, as in torch: a soft target's shares are weighted one by one.
    """
    weights = weights_of(recipe, classes, counts)
    placed = None if weights is None else cache(torch.tensor(weights, dtype=torch.float32).to)

    def criterion(logits: Tensor, targets: Tensor) -> Tensor:
        weight = placed(logits.device) if placed else None
        return LOSSES[recipe.loss](logits.float(), targets, weight, recipe.smoothing)

    return criterion


def cross_entropy(logits: Tensor, targets: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    """-sum_c weight_c t_c log softmax(logits)_c, where t has `smoothing` of it spread over all classes."""
    return F.cross_entropy(logits, targets, weight, reduction="none", label_smoothing=smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    """A yes or no for each class, the mean over classes: -(w_c t_c log p_c + (1 - t_c) log(1 - p_c)), p the sigmoid.

    Wightman, Touvron, Jégou, "ResNet strikes back" (2021), section 4, as in timm: labels become t = 1 at the class and
    0 elsewhere, and smoothing gives t (1 - smoothing) + smoothing / classes. A class's weight counts for its yes alone,
    since every picture is a no to nearly all classes.
    """
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[1])
    targets = targets.float() * (1 - smoothing) + smoothing / logits.shape[1]
    losses = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none")
    return losses.mean(1)


def maximum_a_posteriori(logits: Tensor, targets: Tensor, weight: Tensor | None, _: float) -> Tensor:
    """LeNet-5's loss (LeCun et al. 1998, equation 9), with j = 1; the recipe keeps smoothing out."""
    if targets.ndim != 1:
        raise UserError(
            "the loss lenet-map needs one class per picture, got a share for each; use cross-entropy"
        )
    losses = rbf_map_losses(logits, targets)
    return losses if weight is None else losses * weight[targets]


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None, float], Tensor]] = {
    "cross-entropy": cross_entropy,
    "bce": binary_cross_entropy,
    "lenet-map": maximum_a_posteriori,
}


class WithAuxiliary(nn.Module):
    """A GoogLeNet whose forward pass, while it trains, gives the logits of its auxiliary heads after its own.

    A wrapper of the whole net rather than a function, so that DistributedDataParallel, which watches the forward pass,
    can stand around it. The net's own mode decides, its `train()` and `eval()`.
    """

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Any:
        return forward_auxiliary(self.net, x) if self.net.training else self.net(x)


def with_auxiliary(net: nn.Module) -> nn.Module:
    """`net` itself, or wrapped where it has auxiliary heads: what a loop runs forward."""
    return WithAuxiliary(net) if isinstance(net, Classifier) and net.aside else net


def forward_and_loss(
    net: nn.Module, x: Tensor, targets: Tensor, criterion: Criterion, aux_weight: float
) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and loss per picture (n,), in which auxiliary heads count `aux_weight` each.

    `net` gives logits, or a tuple of its own and those of its heads (Szegedy et al. 2015, section 5: 0.3 each), as
    `with_auxiliary` and torchvision's networks do; a head that is off is None.
    """
    given = net(x)
    logits, *heads = given if isinstance(given, tuple) else (given,)
    loss = criterion(logits, targets)
    for head in heads:
        if head is not None:
            loss = loss + aux_weight * criterion(head, targets)
    return logits, loss
