"""Stochastic depth: whole residual branches left out at random while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neocog.errors import UserError


class StochasticDepth(nn.Module):
    """Drops a residual branch for some samples of the batch while training, each with probability `p`.

    Huang et al., "Deep networks with stochastic depth" (2016), section 3. It stands at the end of the branch, before
    the sum: x + drop(branch(x)). The paper multiplies by the survival rate 1 - p at test time; here, as in most code
    since, what survives is divided by it while training, so that evaluation is the identity. Any shape whose first axis
    is the batch. Without a `generator` the mask comes from torch's global one. UserError unless 0 <= p <= 1.
    """

    def __init__(self, p: float, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise UserError(f"p must be a probability between 0 and 1, got {p}; 0 drops nothing")
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        survival = 1 - self.p
        one_each = (len(x),) + (1,) * (x.dim() - 1)
        kept = x.new_empty(one_each).bernoulli_(survival, generator=self.generator)
        return x * (kept / survival if survival else kept)

    def extra_repr(self) -> str:
        return f"p={self.p}"
