"""LeNet-5's output: distances to one drawn bitmap per class, and the losses that go with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RBF(nn.Module):
    """Minus the squared Euclidean distance to each class' code: (batch, units) -> logits (batch, classes).

    LeCun et al. 1998, equation 7: y_i = sum_j (x_j - w_ij)^2, a penalty, whose class is the argmin. The paper reads
    y_i as an unnormalised negative log-likelihood, so -y is what everybody now calls logits. The codes are fixed.
    """

    codes: Tensor

    def __init__(self, codes: Tensor):
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        return -(x[:, None] - self.codes).square().sum(-1)


def rbf_mse_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean penalty of the right class (equation 8). Alone it has a solution that ignores the input."""
    return -logits.gather(1, target[:, None]).mean()


def rbf_map_loss(logits: Tensor, target: Tensor, j: float = 1.0) -> Tensor:
    """Mean of `rbf_map_losses`."""
    return rbf_map_losses(logits, target, j).mean()


def rbf_map_losses(logits: Tensor, target: Tensor, j: float = 1.0) -> Tensor:
    """y_D + log(exp(-j) + sum_i exp(-y_i)) of each picture: the wrong classes compete as well (equation 9).

    `j` is positive and keeps penalties that are large already from being pushed further; the paper does not print
    its value. For j to infinity this is the cross entropy of the logits.
    """
    rubbish = torch.full_like(logits[:, :1], -j)
    competing = torch.cat([logits, rubbish], dim=1).logsumexp(1)
    return competing - logits.gather(1, target[:, None])[:, 0]
