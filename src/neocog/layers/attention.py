"""Attention in the lecture's order: without parameters, with query, key and value, with several heads."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError


def simple_attention(x: Tensor) -> Tensor:
    """Each token becomes an average of all tokens, weighted by likeness: softmax(X X^T) X. Nothing is learned.

    The lecture's first form, after Bloem, "Transformers from scratch" (2019). The dot products are not scaled. Input
    and output are (..., tokens, dim); the weights of one output token, a row of the softmax, add up to one.
    """
    likeness = x @ x.transpose(-2, -1)  # ..., query, key
    return likeness.softmax(-1) @ x


class SelfAttention(nn.Module):
    """One head: softmax(Q K^T / sqrt(d)) V, where query, key and value are three linear maps of the tokens.

    Vaswani et al., "Attention is all you need" (2017), equation 1. Input (..., tokens, dim), output
    (..., tokens, width); d is `width`, which is `dim` unless given.
    """

    def __init__(self, dim: int, width: int | None = None, bias: bool = False) -> None:
        super().__init__()
        width = dim if width is None else width
        self.query = nn.Linear(dim, width, bias)
        self.key = nn.Linear(dim, width, bias)
        self.value = nn.Linear(dim, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        likeness = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5  # ..., query, key
        attended: Tensor = likeness.softmax(-1) @ value
        return attended


class Attention(nn.Module):
    """Several heads side by side, each on its own share of the dimensions, joined by a linear map.

    Vaswani et al., "Attention is all you need" (2017), section 3.2.2; Dosovitskiy et al., "An image is worth 16x16
    words" (2021), appendix A. Input and output are (batch, tokens, dim). Parameters have timm's names: `qkv` holds
    the rows of query, key and value in this order, each with its heads one after another; `proj` joins the heads. It
    computes what `torch.nn.MultiheadAttention` does. `bias` is for both linear maps; `dropout` drops attention
    weights while training. UserError if `dim` is not a multiple of `heads`.
    """

    def __init__(self, dim: int, heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise UserError(
                f"dim must be a multiple of heads, got dim {dim} and heads {heads}; {_way_out(dim)}"
            )
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim, bias)
        self.proj = nn.Linear(dim, dim, bias)

    def forward(self, x: Tensor) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(*self._heads(x), dropout_p=dropout)
        joined: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return joined

    def maps(self, x: Tensor) -> Tensor:
        """What each query token looks at: (batch, heads, query, key), each row adding up to one; never dropped."""
        query, key, _ = self._heads(x)
        likeness: Tensor = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        return likeness.softmax(-1)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each (batch, heads, tokens, dim / heads)."""
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # batch, tokens, 3, heads, dim / heads
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value


def _way_out(dim: int) -> str:
    return "take heads of " + ", ".join(str(n) for n in range(1, min(dim, 32) + 1) if dim % n == 0)
