"""Dropout with either scaling: while training, as everyone's code does, or at test time, as the paper does."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from neocog.errors import UserError, unknown

SCALINGS = ("train", "test")


class Dropout(nn.Module):
    """Sets each number to zero with probability `p` while training, independently of the others.

    Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors" (2012). The expected
    output is the same while training and at test time, which takes one scaling:

    - "train" divides what is kept by 1 - p while training, and is the identity in evaluation (torch, Caffe);
    - "test" keeps it as it is while training, and multiplies everything by 1 - p in evaluation (the paper, AlexNet:
      outputs are halved). The expected output is 1 - p times that of "train" in both modes.

    Any shape. Without a `generator` the mask comes from torch's global one. UserError unless 0 <= p <= 1.
    """

    def __init__(
        self,
        p: float = 0.5,
        scaling: Literal["train", "test"] = "train",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise UserError(f"p must be a probability between 0 and 1, got {p}; 0 drops nothing")
        if scaling not in SCALINGS:
            raise unknown("scaling", scaling, SCALINGS)
        self.p = p
        self.scaling = scaling
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        keep = 1 - self.p
        if not self.training:
            return x if self.scaling == "train" else x * keep
        kept = torch.empty_like(x).bernoulli_(keep, generator=self.generator)
        return x * (kept / keep if self.scaling == "train" and keep else kept)

    def extra_repr(self) -> str:
        return f"p={self.p}, scaling={self.scaling!r}"
