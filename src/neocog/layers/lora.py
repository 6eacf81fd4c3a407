"""A linear layer that stays as it is, beside a product of two small matrices that learns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neocog.errors import UserError


class LowRank(nn.Linear):
    """h = W x + alpha / r B A x, with W (and its bias) fixed.

    Hu et al., "LoRA: low-rank adaptation of large language models" (2021), equation 3 and section 4.1: A begins
    Gaussian, with variance 1 / d here, and B at 0, so that the layer begins as the one it was. Input (..., d), output
    (..., out). Weight and bias are those of `layer` itself, under their names.

    A layer whose rows are those of several, such as query, key and value side by side, has `parts`: as many equal
    blocks of rows. A pair A, B stands beside each of the blocks in `adapted`. `lora_a` is (adapted, r, d), `lora_b`
    (adapted, out / parts, r): for a square part 2 r d numbers. UserError for a rank that saves nothing.
    """

    def __init__(
        self, layer: nn.Linear, rank: int, alpha: float, parts: int = 1, adapted: Sequence[int] = (0,)
    ) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        rows, most = layer.out_features // parts, min(layer.in_features, layer.out_features // parts)
        if not 1 <= rank <= most:
            raise UserError(
                f"the rank of LoRA must lie in 1..{most} for a linear layer of {layer.in_features} inputs and "
                f"{rows} outputs, got {rank}"
            )
        self.weight, self.bias = layer.weight, layer.bias
        self.parts, self.adapted, self.scale = parts, tuple(adapted), alpha / rank
        several, spread = len(self.adapted), layer.in_features**-0.5
        like = layer.weight.detach()
        self.lora_a = nn.Parameter(like.new_empty(several, rank, layer.in_features).normal_(0, spread))
        self.lora_b = nn.Parameter(like.new_zeros(several, rows, rank))

    def forward(self, x: Tensor) -> Tensor:
        low = torch.einsum("...d,ard->...ar", x, self.lora_a)
        added = torch.einsum("...ar,aor->...ao", low, self.lora_b) * self.scale
        whole = super().forward(x)
        if self.adapted == tuple(range(self.parts)):
            return whole + added.flatten(-2)
        split = whole.reshape(*whole.shape[:-1], self.parts, -1)  # ..., parts, out / parts
        joined: Tensor = split.index_add(-2, self._places(), added.to(split)).flatten(-2)
        return joined

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that computes the same: W + alpha / r B A."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        weight = self.weight.detach().reshape(self.parts, -1, self.in_features).clone()
        weight.index_add_(0, self._places(), self.lora_b @ self.lora_a, alpha=self.scale)
        layer.weight = nn.Parameter(weight.flatten(0, 1))
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.detach().clone())
        return layer

    def _places(self) -> Tensor:
        return torch.tensor(self.adapted, device=self.weight.device)

    def extra_repr(self) -> str:
        rank = self.lora_a.shape[1]
        return (
            f"{super().extra_repr()}, rank={rank}, scale={self.scale:g}, parts={self.adapted} of {self.parts}"
        )
