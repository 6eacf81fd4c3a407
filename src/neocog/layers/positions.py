"""Where a token is, as a vector to add to it: learned, or sines and cosines along one axis or two; resized grids."""

from __future__ import annotations

from math import isqrt
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError, unknown
from neocog.layers.first_weights import normal

Rule = Literal["google", "torchvision", "timm"]

INTERPOLATION: dict[Rule, dict[str, Any]] = {
    "google": {"mode": "bilinear", "align_corners": True},
    "torchvision": {"mode": "bicubic", "align_corners": True},
    "timm": {"mode": "bicubic", "align_corners": False, "antialias": True},
}


def learned_positions(tokens: int, dim: int, generator: torch.Generator | None = None) -> nn.Parameter:
    """A vector for each position, to be learned: (1, tokens, dim), at first normal with deviation 0.02.

    Dosovitskiy et al., "An image is worth 16x16 words" (2021), section 3.1; the deviation is that of the authors' code.
    """
    positions = nn.Parameter(torch.empty(1, tokens, dim))
    normal(positions, 0.02, generator=generator)
    return positions


def sincos_1d(tokens: int, dim: int) -> Tensor:
    """Positions in a row as waves: PE(p, 2i) = sin(p / 10000^(2i / dim)) and PE(p, 2i + 1) = cos of the same.

    Vaswani et al., "Attention is all you need" (2017), section 3.5: sine and cosine of one wave are neighbours. The
    result is (tokens, dim), computed in double precision. UserError if `dim` is odd.
    """
    if tokens < 1 or dim < 2 or dim % 2:
        raise UserError(
            f"positions in a row need a token or more and an even dim, got {tokens} and {dim}; "
            f"the next dim is {max(dim + dim % 2, 2)}"
        )
    angles = _angles(tokens, dim // 2)
    return _rounded(torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1))


def sincos_2d(rows: int, cols: int, dim: int) -> Tensor:
    """Positions in a grid as waves, half of the dimensions for the row and half for the column.

    The order is that of timm's `build_sincos2d_pos_embed`, four blocks of dim / 4 waves each: sin(row), sin(column),
    cos(row), cos(column). Wave i of a block has the frequency 10000^(-4i / dim). (MoCo v3 puts the same numbers in the
    order sin(column), cos(column), sin(row), cos(row).) The result is (rows * cols, dim), row by row, computed in
    double precision. UserError if `dim` is no multiple of 4.
    """
    if rows < 1 or cols < 1 or dim < 4 or dim % 4:
        raise UserError(
            f"positions in a grid need a row, a column and a dim that is a multiple of 4, "
            f"got {rows}, {cols} and {dim}; the next dim is {max(dim + -dim % 4, 4)}"
        )
    row = _angles(rows, dim // 4).repeat_interleave(cols, dim=0)  # each row's angles once for every column
    col = _angles(cols, dim // 4).repeat(rows, 1)
    return _rounded(torch.cat((row.sin(), col.sin(), row.cos(), col.cos()), dim=1))


def resize_positions(
    positions: Tensor, grid: tuple[int, int], rule: Rule = "google", prefix: int = 1
) -> Tensor:
    """Learned positions of a square grid, interpolated for another grid of (rows, cols); class tokens stay as they are.

    Dosovitskiy et al., "An image is worth 16x16 words" (2021), section 3.2, for fine-tuning at another resolution. The
    three code bases differ, and so do their results: "google" is bilinear with the corners kept in place (what
    `scipy.ndimage.zoom` of order 1 computes), "torchvision" bicubic with the corners kept in place, "timm" bicubic by
    pixel areas, smoothed where the grid shrinks. Input (1, prefix + side * side, dim), where the first `prefix` tokens
    are class tokens; output (1, prefix + rows * cols, dim), of the same type, computed in single precision or better.
    UserError for any other shape, an empty grid, or an unknown rule.
    """
    if rule not in get_args(Rule):
        raise unknown("rule", rule, get_args(Rule))
    if min(grid) < 1:
        raise UserError(
            f"grid must have a row and a column or more, got {grid}; give the image's size in patches"
        )
    side = _side(positions, prefix)
    kept, patches = positions[:, :prefix], positions[:, prefix:]
    maps = patches.transpose(1, 2).reshape(1, -1, side, side)  # 1, dim, rows, cols
    exact = maps if maps.dtype == torch.float64 else maps.float()
    if grid[1] == 1:  # rows first: torch 2.13 on a CPU gets a smoothed output of one column wrong
        exact = F.interpolate(exact, size=(grid[0], side), **INTERPOLATION[rule])
    resized = F.interpolate(exact, size=grid, **INTERPOLATION[rule]).flatten(2).transpose(1, 2)
    return torch.cat((kept, resized.to(positions.dtype)), dim=1)


def _side(positions: Tensor, prefix: int) -> int:
    """The side of the square grid behind the class tokens."""
    if positions.dim() != 3 or positions.shape[0] != 1 or not 0 <= prefix < positions.shape[1]:
        raise UserError(
            f"positions must be (1, tokens, dim) with more tokens than the prefix of {prefix}, "
            f"got {tuple(positions.shape)}; a table (tokens, dim) needs positions[None]"
        )
    patches = positions.shape[1] - prefix
    side = isqrt(patches)
    if side * side != patches:
        raise UserError(
            f"the positions behind the prefix must fill a square, got {patches} of them; "
            f"prefix is the number of class tokens, here {prefix}"
        )
    return side


def _angles(positions: int, waves: int) -> Tensor:
    """Position / 10000^(wave / waves), as (positions, waves)."""
    frequencies = 10_000.0 ** (-torch.arange(waves, dtype=torch.float64) / waves)
    return torch.arange(positions, dtype=torch.float64)[:, None] * frequencies


def _rounded(table: Tensor) -> Tensor:
    return table.to(torch.get_default_dtype())
