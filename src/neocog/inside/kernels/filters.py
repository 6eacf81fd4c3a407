"""The kernels of a convolution: as the network uses them, how alike they are, what they span, how they were learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from neocog.analysis.op import Trace
from neocog.analysis.trace import trace
from neocog.analysis.window import groups_of, windows_of
from neocog.errors import UserError
from neocog.inside.sums.calls import made_by, nothing

Kernels = NDArray[np.float32]
"""(filters, channels that each reads, height, width)"""
COMPONENTS = 28
"""shown of a patch embedding (Dosovitskiy et al. 2021, figure 7 left)"""
FAINT = 0.02
"""of the largest filter's norm: what is smaller has as good as no effect"""
ALIKE = 0.95
"""cosine from which on two filters count as one"""


@dataclass(frozen=True, eq=False)
class Bank:
    """The filters of one convolution."""

    layer: str
    """the module that convolves"""
    kernels: Kernels
    """as they meet the picture: behind standardisation or whatever the module does to its weights"""
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    first: bool
    """whether it reads the picture, not what another convolution made of it"""

    @property
    def pictorial(self) -> bool:
        """Whether a filter is a small picture itself: of red, green and blue, or grey."""
        return self.first and self.kernels.shape[1] in (1, 3)

    @property
    def coloured(self) -> bool:
        return self.pictorial and self.kernels.shape[1] == 3

    @property
    def embeds_patches(self) -> bool:
        """Whether windows lie side by side without overlap and are more than a few pixels wide, as a ViT's."""
        size = self.kernels.shape[2:]
        return self.stride == size and min(size) >= 8 and len(self.kernels) > COMPONENTS


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of filters."""

    kernels: Kernels
    """(components, channels, height, width), each of norm 1, its largest number positive"""
    shares: NDArray[np.float64]
    """of the filters' variance"""


def bank_of(net: nn.Module, size: Sequence[int], layer: str | None = None) -> Bank:
    """The filters of the convolution that the module `layer` calls, by default of the first that sees the picture.

    `size` is the picture's (channels, height, width). Of several convolutions that are the first ones, side by side,
    that with the most filters. UserError where there is no convolution.
    """
    plain = trace(net, size)
    i = _first(plain) if layer is None else _of(plain, layer)
    op = plain.ops[i]
    kernels = made_by(net, nothing(net, size), plain, [i])[i].arg(1, "weight")
    down, across = windows_of(op)
    return Bank(
        op.layer,
        kernels.float().cpu().numpy(),
        (down.stride, across.stride),
        (down.padding, across.padding),
        (down.dilation, across.dilation),
        groups_of(op),
        i in _firsts(plain),
    )


def _convolutions(plain: Trace) -> list[int]:
    return [i for i, op in enumerate(plain.ops) if op.kind == "conv2d" and op.from_picture]


def _first(plain: Trace) -> int:
    found = _firsts(plain)
    if not found:
        raise UserError(f"filters are those of a convolution, {plain.name} has none; take another network")
    return max(found, key=lambda i: plain.ops[i].shape[1])


def _firsts(plain: Trace) -> list[int]:
    """The convolutions that read no other."""
    found = _convolutions(plain)
    behind: set[int] = set()  # operations that read a convolution, near or far
    for i, op in enumerate(plain.ops):
        if any(j in behind or j in found for j in op.inputs):
            behind.add(i)
    return [i for i in found if i not in behind]


def _of(plain: Trace, layer: str) -> int:
    found = _convolutions(plain)
    own = [i for i in found if plain.ops[i].layer == layer or plain.ops[i].layer.startswith(f"{layer}.")]
    if not own:
        names = list(dict.fromkeys(plain.ops[i].layer for i in found))
        raise UserError(
            f"filters are those of a convolution, {layer} is none; {plain.name} has "
            f"{', '.join(names[:12]) or 'none'}{' and more' if len(names) > 12 else ''}"
        )
    return own[0]


def norms(kernels: Kernels) -> NDArray[np.float64]:
    """The Euclidean length of each filter."""
    return np.asarray(np.sqrt(np.square(kernels.astype(np.float64)).sum(axis=(1, 2, 3))))


def faint(kernels: Kernels) -> NDArray[np.bool_]:
    """Which filters are next to nothing beside the largest."""
    lengths = norms(kernels)
    return np.asarray(lengths <= FAINT * lengths.max(initial=0.0))


def similarity(kernels: Kernels) -> NDArray[np.float64]:
    """The cosine between each two filters: (filters, filters); 0 where one is all zeros."""
    flat = kernels.reshape(len(kernels), -1).astype(np.float64)
    lengths = norms(kernels)[:, None]
    unit = np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0)
    return np.asarray(unit @ unit.T)


def pairs(kernels: Kernels, least: float = ALIKE) -> list[tuple[int, int, float]]:
    """Filters, none of them faint, whose cosine is at least `least` from 0 on either side, the most alike first."""
    cosines, strong = similarity(kernels), ~faint(kernels)
    first, second = np.nonzero(np.triu(np.abs(cosines) >= least, 1) & strong[:, None] & strong)
    found = [(int(i), int(j), float(cosines[i, j])) for i, j in zip(first, second, strict=True)]
    return sorted(found, key=lambda pair: -abs(pair[2]))


def principal(kernels: Kernels, count: int = COMPONENTS) -> Components:
    """The first `count` principal components of the filters: the directions in which these differ the most."""
    flat = kernels.reshape(len(kernels), -1).astype(np.float64)
    _, spread, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    kept = directions[:count]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    shares = np.square(spread) / max(float(np.square(spread).sum()), 1e-300)
    shaped = (kept * signs[:, None]).reshape(-1, *kernels.shape[1:])
    return Components(shaped.astype(np.float32), shares[:count])


def resemblance(kernels: Kernels, later: Kernels) -> NDArray[np.float64]:
    """The cosine of each filter with what it became."""
    products = (kernels.astype(np.float64) * later).sum(axis=(1, 2, 3))
    lengths = norms(kernels) * norms(later)
    return np.asarray(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0))
