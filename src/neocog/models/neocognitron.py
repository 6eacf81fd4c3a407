"""The Neocognitron: layers of S-cells that learn features and of C-cells that forgive their position, in turn."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.neocognitron import C, CLayer, JoinedCLayer, Photoreceptors, S, SLayer
from neocog.models.classifier import Classifier

ALPHA = 0.5  # saturation of the C-cells of 1980

# Areas, planes, columns, r and q are the paper's. It prints neither c nor d nor the first synapses: ours were found by
# search on five drawn digits and checked on four drawn letters. Margins are ours as well: with cells one step apart
# everywhere they give the paper's sizes, where the paper only says that cells become sparser.
STAGES_1980 = (  # cells in a plane: 16 -> 16 -> 10
    (S(24, 5, margin=2, r=4.0, q=1.0, column=5, decay=0.9, first=0.03), C(5, margin=-1, peak=1.5, decay=0.7)),
    # 10 -> 8 -> 6
    (S(24, 5, margin=1, r=1.5, q=16.0, column=5, decay=0.9, first=0.03), C(5, margin=1, peak=60, decay=0.95)),
    # 6 -> 2 -> 1
    (S(24, 5, margin=0, r=1.5, q=16.0, column=2, decay=0.25, first=0.03), C(2, margin=0, peak=1, decay=0.95)),
)

# Cells in a plane and S-planes are corroborated by others' programs, C-planes are from memory, as are r and the areas;
# q, c, d and which S-planes are joined are ours, the masks found by search on drawn and handwritten digits.
STAGES_1988 = (  # 19 -> 19 -> 21
    (S(12, 3, margin=1, r=1.7, q=1e4, column=3, decay=0.7, first=1e-3), C(5, margin=3, peak=1, decay=0.8)),
    # 21 -> 21 -> 13: C-cells two steps apart
    (
        S(38, 3, margin=1, r=4.0, q=1e4, column=3, decay=0.85, first=1e-3),
        C(7, margin=5, peak=0.1, decay=0.8, stride=2),
    ),
    # 13 -> 13 -> 7: again
    (
        S(35, 3, margin=1, r=1.5, q=1e4, column=3, decay=0.9, first=1e-3),
        C(5, margin=2, peak=3, decay=0.6, stride=2),
    ),
    # 7 -> 3 -> 1
    (S(11, 5, margin=0, r=1.0, q=1e4, column=3, decay=0.9, first=1e-3), C(3, margin=0, peak=1, decay=0.7)),
)

# Which C-plane each S-plane leads to. Stage 1: twelve pieces of line of 3x3 cells in eight directions; the four between
# the axes and the diagonals take two pieces each.
JOINED_1988 = (
    (0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7),
    tuple(k // 2 for k in range(38)),  # 19 pairs
    tuple(k // 2 if k < 24 else k - 12 for k in range(35)),  # 12 pairs and 11 alone
)


class Neocognitron(Classifier):
    """S- and C-layers by name, us1, uc1 and so on, behind the input u0; the last C-layer has one cell a class.

    Maps (batch, channels, side, side), 0 without ink to 1, to what the cells of the last layer put out: 0 or more, not
    logits. Nothing is learned by gradient; `neocog.training.neocognitron` teaches it.
    """

    def check_size(self, x: Tensor) -> None:
        """Raise unless `x` is (batch, channels, side, side) with the one side whose last C-cells look at all of it."""
        if x.dim() != 4:
            raise UserError(f"pictures come as (batch, channels, height, width), got {tuple(x.shape)}")
        rows, cols = x.shape[-2:]
        if self.max_size is None:  # a slice, which has no last cell
            return
        if (rows, cols) != (self.min_size, self.min_size):
            size = f"{self.min_size}x{self.min_size} pixels"
            raise UserError(
                f"pictures must be at least {size} and at most {size} for this network, which has one last cell for "
                f"the whole picture, got {rows}x{cols}; resize them"
            )


def neocognitron(num_classes: int = 24, in_chans: int = 1) -> Neocognitron:
    """The Neocognitron of 1980 (Fukushima, Biological Cybernetics 36, section 5). Input (batch, 1, 16, 16).

    24 planes a layer: us1 16x16, uc1 10x10, us2 8x8, uc2 6x6, us3 2x2, uc3 1x1 cells; 29,400 synapses `a` and 72
    `b`. `num_classes` is the number of planes of the last stage, of which learning without a teacher takes as many as
    it finds patterns. A fresh network is the same each time.
    """
    layers: dict[str, nn.Module] = {"u0": Photoreceptors(in_chans)}
    before = in_chans
    for i, (s, c) in enumerate(with_classes(STAGES_1980, num_classes), 1):
        layers |= {f"us{i}": SLayer(before, s), f"uc{i}": CLayer(c, ALPHA)}
        before = s.planes
    return _sized(16, layers)


def neocognitron_1988(num_classes: int = 10, in_chans: int = 1) -> Neocognitron:
    """A Neocognitron with four stages, after that of 1988, which a teacher trains. Input (batch, 1, 19, 19).

    Fukushima, "Neocognitron: a hierarchical neural network capable of visual pattern recognition", Neural Networks 1.
    Cells in a plane (S 19, 21, 13, 3, C 21, 13, 7, 1) and S-planes (12, 38, 35) are corroborated by others' programs;
    11 S-planes in the last stage, C-planes (8, 19, 23, 10), areas, r and the C-cell's formula are from memory. Ours
    are q (so large that one reinforcement is enough), c, d, the first synapses, and which S-planes are joined. With
    another `num_classes` the last stage has one S-plane a class, and one more for class 0.
    """
    joins = (*JOINED_1988, (*range(num_classes), 0))
    layers: dict[str, nn.Module] = {"u0": Photoreceptors(in_chans)}
    before = in_chans
    for i, ((s, c), joined) in enumerate(
        zip(with_classes(STAGES_1988, num_classes + 1), joins, strict=True), 1
    ):
        layers |= {f"us{i}": SLayer(before, s), f"uc{i}": JoinedCLayer(c, joined)}
        before = max(joined) + 1
    return _sized(19, layers)


def with_classes(stages: tuple[tuple[S, C], ...], planes: int) -> list[tuple[S, C]]:
    """The stages with another number of S-planes in the last."""
    *earlier, (s, c) = stages
    return [*earlier, (replace(s, planes=planes), c)]


def _sized(side: int, layers: dict[str, nn.Module]) -> Neocognitron:
    net = Neocognitron(OrderedDict(layers, flatten=nn.Flatten()))
    net.min_size = net.max_size = side
    return net
