"""The cells of the Neocognitron, a layer of them at a time.

Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by
shift in position", Biological Cybernetics 36 (1980); the numbers in brackets are its equations. A layer's maps are the
paper's cell-planes: u[batch, k, n] is the output of the cell of plane k at position n; v runs over a connecting area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError

ORIENTED = 0.15  # share by which first synapses are stronger along the preferred line, and weaker across it
APART = 0.9  # share that they lose where k' / K' and k / K are 1 apart


@dataclass(frozen=True)
class S:
    """What an S-layer is made with."""

    planes: int
    area: int
    """rows and columns of the cells that an S-cell and its V-cell read"""
    margin: int
    """silent cells around the planes before; negative: cells left out on each side"""
    r: float
    """how strong the inhibition is; the larger, the more selective"""
    q: float
    """how much one reinforcement adds"""
    column: int
    """rows and columns of an S-column"""
    decay: float
    """c falls by this factor with each cell of distance"""
    first: float
    """sum of a cell's excitatory synapses before it has learned, where they are strongest"""


@dataclass(frozen=True)
class C:
    """What a C-layer is made with."""

    area: int
    margin: int
    peak: float
    """d at distance 0"""
    decay: float
    """d falls by this factor with each cell of distance"""
    stride: int = 1
    """distance, in S-cells, between the middles of the areas of neighbouring cells"""


class Photoreceptors(nn.Module):
    """The input layer U0: (batch, channels, rows, columns) passes as it is, if the channels are as many as foreseen."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != self.channels:
            raise UserError(
                f"pictures must have the {self.channels} channels that U0 was made for, got {x.shape[1]}; "
                f"convert them, or build the network with in_chans={x.shape[1]}"
            )
        return x


class VLayer(nn.Module):
    """V_C-cells: v(n) = sqrt(sum over k and v of c(v) u(k, n + v)^2), one plane (3). c sums to 1 over k and v."""

    c: Tensor

    def __init__(self, planes: int, area: int, decay: float):
        super().__init__()
        c = falling(area, decay)
        self.register_buffer("c", (c / (planes * c.sum())).repeat(1, planes, 1, 1), persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        return F.conv2d(u.square(), self.c).sqrt()


class SLayer(nn.Module):
    """S-cells, which answer to what they have learned; all cells of a plane share its synapses.

    u(k', n) = r phi[(1 + sum of a(k, v, k') u(k, n + v)) / (1 + 2r / (1 + r) b(k') v(n)) - 1] (1) with
    phi[x] = max(x, 0) (2). `a` is (planes, planes before, rows, columns), `b` (planes). They ask for no gradient, since
    they are reinforced: `neocog.training.neocognitron`.
    """

    def __init__(self, planes_before: int, spec: S):
        super().__init__()
        self.spec = spec
        self.a = nn.Parameter(
            torch.empty(spec.planes, planes_before, spec.area, spec.area), requires_grad=False
        )
        self.b = nn.Parameter(torch.empty(spec.planes), requires_grad=False)
        self.v = VLayer(planes_before, spec.area, spec.decay)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The state before learning: `a` weak and without randomness, `b` zero."""
        with torch.no_grad():
            self.a.copy_(first_synapses(self.spec, self.a.shape[1]))
            self.b.zero_()

    def forward(self, u: Tensor) -> Tensor:
        u, r = framed(u, self.spec.margin), self.spec.r
        excitation = F.conv2d(u, self.a)
        inhibition = 2 * r / (1 + r) * self.b[:, None, None] * self.v(u)
        return r * F.relu(shunted(excitation, inhibition))


class CLayer(nn.Module):
    """C-cells, which answer wherever in their area an S-cell of their plane does, less what all planes have there.

    u(k, n) = psi[(1 + sum of d(v) u_S(k, n + v)) / (1 + v_S(n)) - 1] (4), where v_S is the mean over the planes of
    the same sum (6). psi[x] is printed as phi[x / (alpha + x)] (5), which has a pole at x = -alpha: a cell inhibited
    further than that would fire. It is read as phi[x] / (alpha + phi[x]), the same for every x above -alpha.
    """

    d: Tensor

    def __init__(self, spec: C, alpha: float):
        super().__init__()
        self.spec, self.alpha = spec, alpha
        self.register_buffer("d", spec.peak * falling(spec.area, spec.decay), persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        planes = u.shape[1]
        d = self.d.expand(planes, 1, -1, -1)
        excitation = F.conv2d(framed(u, self.spec.margin), d, stride=self.spec.stride, groups=planes)
        inhibition = excitation.mean(1, keepdim=True)
        return saturated(shunted(excitation, inhibition), self.alpha)


class JoinedCLayer(nn.Module):
    """C-cells of 1988, which read several S-planes and are not inhibited.

    u(k, n) = psi[sum over kappa of j(kappa, k) sum of d(v) u_S(kappa, n + v)] with psi[x] = phi[x] / (1 + phi[x]);
    `joined[kappa]` is the one C-plane k whose j(kappa, k) is 1. Fukushima, Neural Networks 1 (1988), from memory.
    """

    d: Tensor

    def __init__(self, spec: C, joined: Sequence[int]):
        super().__init__()
        self.spec, self.joined = spec, tuple(joined)
        j = torch.arange(max(joined) + 1)[:, None] == torch.tensor(self.joined)  # C-planes, S-planes
        d = spec.peak * falling(spec.area, spec.decay)
        self.register_buffer("d", j[:, :, None, None] * d, persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        return saturated(F.conv2d(framed(u, self.spec.margin), self.d, stride=self.spec.stride), 1.0)


def shunted(excitation: Tensor, inhibition: Tensor) -> Tensor:
    """(1 + excitation) / (1 + inhibition) - 1, without the digits that 1 + a little and then - 1 would cost."""
    return (excitation - inhibition) / (1 + inhibition)


def saturated(x: Tensor, alpha: float) -> Tensor:
    """psi: 0 below 0, one half at `alpha`, towards 1 (5)."""
    x = F.relu(x)
    return x / (alpha + x)


def framed(u: Tensor, margin: int) -> Tensor:
    """`margin` silent cells more on each side; as many fewer where it is negative."""
    return F.pad(u, (margin,) * 4)


def steps_from_middle(area: int) -> tuple[Tensor, Tensor]:
    """Rows downwards and columns to the right of the middle of an area, for each cell in it."""
    steps = torch.arange(area) - (area - 1) / 2
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    return down, right


def falling(area: int, decay: float) -> Tensor:
    """decay ** |v|. The paper has c and d fall with the distance |v| from the middle and does not print them."""
    return torch.pow(decay, torch.hypot(*steps_from_middle(area)))


def first_synapses(spec: S, planes_before: int) -> Tensor:
    """`a` before learning: (planes, planes before, rows, columns).

    The paper asks for small values without randomness, a function of v, k / K and |k' / K' - k / K|, so that the
    planes prefer, very weakly, different orientations. The function is ours: plane k of K prefers the angle pi k / K.
    """
    down, right = steps_from_middle(spec.area)
    own, before = (torch.arange(1, n + 1) / n for n in (spec.planes, planes_before))
    turn = 2 * (torch.atan2(down, right) - pi * own[:, None, None])
    aside = torch.hypot(down, right) > 0  # the middle lies on every line
    fall = falling(spec.area, spec.decay)
    line = (1 + ORIENTED * aside * torch.cos(turn)) * fall  # planes, rows, columns
    near = 1 - APART * (before - own[:, None]).abs()  # planes, planes before
    return spec.first / (planes_before * fall.sum()) * near[:, :, None, None] * line[:, None]
