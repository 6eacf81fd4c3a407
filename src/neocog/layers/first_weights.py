"""Random first weights. Tensors on the meta device stay as they are: torch would load its compiler to draw nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normal(
    tensor: Tensor, std: float, cut: float | None = None, generator: torch.Generator | None = None
) -> None:
    """N(0, std); with `cut` none further than so many deviations."""
    if tensor.is_meta:
        return
    if cut is None:
        nn.init.normal_(tensor, std=std, generator=generator)
    else:
        nn.init.trunc_normal_(tensor, std=std, a=-cut * std, b=cut * std, generator=generator)


def he_normal(tensor: Tensor) -> None:
    """N(0, sqrt(2 / fan-out)) of a convolution (He et al., "Delving Deep into Rectifiers", 2015)."""
    if not tensor.is_meta:
        nn.init.kaiming_normal_(tensor, mode="fan_out", nonlinearity="relu")
