"""Pooling and response normalisation with the constants that the nets of 2012 to 2014 share, as Caffe has them."""

from __future__ import annotations

from torch import nn


def ceil_pool(kernel: int = 3) -> nn.MaxPool2d:
    """Max pool with stride 2 that rounds its size up: the last window may reach over the edge."""
    return nn.MaxPool2d(kernel, 2, ceil_mode=True)


def response_norm(k: float = 2.0) -> nn.LocalResponseNorm:
    """AlexNet's normalisation over 5 maps; alpha is divided by 5, which the paper's formula does not say."""
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=k)
