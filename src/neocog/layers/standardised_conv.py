"""Convolution with standardised weights, which BiT has in place of batch normalisation."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class StdConv2d(nn.Conv2d):
    """Convolution whose every filter has mean 0 and variance 1, up to `eps`, whatever its parameters are.

    Qiao et al., "Micro-batch training with batch-channel normalization and weight standardization" (2019), section 2.
    A filter is all the weights that make one output channel: input channels of its group times rows times columns; the
    variance is the biased one. Arguments, parameters and shapes are those of `nn.Conv2d`, and the parameters stay as
    they are: the standardised weights are computed in each forward. `eps` is 1e-8 in timm's BiT and 1e-10 in
    Google's. A filter of one weight, or of equal ones, becomes zero.
    """

    def __init__(self, *args: Any, eps: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.eps = eps

    def standardised(self) -> Tensor:
        """The weights that convolve, in the shape of the parameter."""
        return F.layer_norm(
            self.weight, self.weight.shape[1:], eps=self.eps
        )  # over all but the output channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._conv_forward(x, self.standardised(), self.bias)
        return out
