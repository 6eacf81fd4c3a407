"""Vision Transformer: a picture as a sentence of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from neocog.errors import UserError, unknown
from neocog.layers.attention import Attention
from neocog.layers.chain import chain
from neocog.layers.first_weights import normal
from neocog.layers.positions import Rule, learned_positions, resize_positions, sincos_1d, sincos_2d
from neocog.layers.stochastic_depth import StochasticDepth
from neocog.models.head import Headed

Positions = Literal["learned", "sincos_1d", "sincos_2d", "none"]

# Table 1 of the paper and, for tiny and small, DeiT's: dimensions, layers, heads
SIZES = {
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
    "huge": (1280, 32, 16),
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a Vision Transformer leaves open."""

    positions: Positions = "learned"
    """how tokens know where they are; sines and cosines along the sequence or the two axes; or not at all"""
    pool: Literal["token", "mean"] = "token"
    """what the classifier reads: the class token, or the mean of the patches (then there is no class token)"""
    resize: Rule = "google"
    """how learned positions are interpolated for another grid: Google's bilinear, torchvision's or timm's bicubic"""
    gelu: Literal["erf", "tanh"] = "erf"
    """the exact form, torch's and timm's; or the approximation by tanh with which Google trained its weights"""
    dropout: float = 0.0
    """behind the positions, the attention's output and both layers of the MLP"""
    drop_path: float = 0.0
    """probability that the last block is skipped during training, falling to 0 at the first"""

    def __post_init__(self) -> None:
        for name, allowed in (
            ("positions", get_args(Positions)),
            ("pool", ("token", "mean")),
            ("resize", get_args(Rule)),
            ("gelu", ("erf", "tanh")),
        ):
            if getattr(self, name) not in allowed:
                raise unknown(name, str(getattr(self, name)), allowed)


class PatchEmbed(nn.Module):
    """Patches through one linear map: (batch, channels, height, width) -> (batch, dim, rows, columns)."""

    def __init__(self, patch: int, dim: int, in_chans: int):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        patches: Tensor = self.proj(x)
        return patches


class Block(nn.Module):
    """Attention, then an MLP, each behind a layer norm and added to its input (equations 2 and 3)."""

    def __init__(self, dim: int, heads: int, choices: Choices, drop_path: float):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = chain(
            fc1=nn.Linear(dim, 4 * dim),
            act=nn.GELU("tanh" if choices.gelu == "tanh" else "none"),
            drop1=nn.Dropout(choices.dropout),
            fc2=nn.Linear(4 * dim, dim),
        )
        self.drop = nn.Dropout(choices.dropout)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.drop(self.attn(self.norm1(x))))
        y: Tensor = x + self.drop_path(self.drop(self.mlp(self.norm2(x))))
        return y


class ViT(Headed):
    """Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021), section 3.1; timm's weight names."""

    def __init__(
        self, size: str, patch: int, img_size: int, num_classes: int, in_chans: int, choices: Choices
    ):
        super().__init__()
        dim, depth, heads = SIZES[size]
        self.min_size, self.choices = patch, choices
        self.grid = (img_size // patch, img_size // patch)
        self.prefix = 1 if choices.pool == "token" else 0
        self.patch_embed = PatchEmbed(patch, dim, in_chans)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim)) if self.prefix else None
        self.pos_embed = (
            learned_positions(self.prefix + self.grid[0] * self.grid[1], dim)
            if choices.positions == "learned"
            else None
        )
        self.pos_drop = nn.Dropout(choices.dropout)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, choices, choices.drop_path * i / max(depth - 1, 1)) for i in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, num_classes)
        self.remember_head()

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> normalised tokens (batch, tokens, dim), the class token first.

        Another size than the net was built for gets interpolated positions; a rest narrower than a patch is cut off.
        """
        self.check_size(x)
        x = self.patch_embed(x)  # batch, dim, rows, columns
        grid = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)  # batch, patches, dim
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)  # batch, tokens, dim
        if self.choices.positions != "none":
            x = x + self.positions(grid).to(x)
        tokens: Tensor = self.norm(self.blocks(self.pos_drop(x)))
        return tokens

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Tokens -> logits, or the vector (batch, dim) that the last layer reads."""
        x = x[:, 0] if self.prefix else x.mean(1)
        logits: Tensor = x if pre_logits else self.head(x)
        return logits

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """What is added to the tokens of a `grid` of (rows, columns): (1, tokens, dim)."""
        rows, cols = grid
        if self.pos_embed is not None:
            same = grid == self.grid
            return (
                self.pos_embed
                if same
                else resize_positions(self.pos_embed, grid, self.choices.resize, self.prefix)
            )
        dim = self.norm.normalized_shape[0]
        if self.choices.positions == "sincos_1d":
            return sincos_1d(self.prefix + rows * cols, dim)[None]
        return torch.cat([torch.zeros(self.prefix, dim), sincos_2d(rows, cols, dim)])[None]


def vit(
    size: str, patch: int, img_size: int = 224, num_classes: int = 1000, in_chans: int = 3, **choices: Any
) -> ViT:
    """Vision Transformer of `SIZES` (Dosovitskiy et al. 2021, table 1; tiny and small from Touvron et al., DeiT, 2021).

    Built for square pictures of `img_size`, it takes others by interpolating its positions. The `choices` are those of
    `Choices`: `positions`, `pool`, `resize`, `gelu`, `dropout`, `drop_path`. First weights: linear maps Xavier uniform
    as in Google's code, the class token 0, positions N(0, 0.02); the classifier N(0, 0.02) within two deviations
    where Google starts it at 0. Weights of Google's were trained with `gelu="tanh"`; timm and torchvision run
    them with the exact form, which differs by less than 5e-4 per activation.
    """
    if size not in SIZES:
        raise unknown("size of ViT", size, SIZES)
    if img_size < patch or patch < 1:
        raise UserError(f"img_size must hold a patch of {patch} pixels, got {img_size}")
    net = ViT(size, patch, img_size, num_classes, in_chans, _choices(choices))
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Linear):
            if name == "head":
                normal(layer.weight, 0.02, cut=2)
            else:
                nn.init.xavier_uniform_(layer.weight)
            normal(layer.bias, 1e-6) if "mlp" in name else nn.init.zeros_(layer.bias)
    return net


def _choices(given: dict[str, Any]) -> Choices:
    names = Choices.__dataclass_fields__
    wrong = next((name for name in given if name not in names), None)
    if wrong is not None:
        raise unknown("option of ViT", wrong, names)
    return Choices(**given)
