"""What LeNet-5 has where later nets have average pooling and full connections between maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn


class Subsampling(nn.Module):
    """The sum of each 2x2 square times a trained weight of its map, plus a trained bias (LeCun et al. 1998, S2, S4).

    (batch, maps, 2 height, 2 width) -> (batch, maps, height, width). Two parameters a map.
    """

    def __init__(self, maps: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))
        nn.init.uniform_(self.weight, -2.4 / 4, 2.4 / 4)
        self.sum = nn.AvgPool2d(2, divisor_override=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.sum(x) * self.weight + self.bias  # type: ignore[no-any-return]


class TableConv2d(nn.Module):
    """Convolution in which each output map reads the input maps that `table` lists for it, and no others.

    The paper's table 1 for C3. Output maps that read equally many maps stand side by side in the table, so each
    such run is one grouped convolution; connections that do not exist have no parameters.
    """

    def __init__(self, table: Sequence[Sequence[int]], kernel: int):
        super().__init__()
        runs = [list(run) for _, run in groupby(table, key=len)]
        self.inputs = [[i for row in run for i in row] for run in runs]
        self.convs = nn.ModuleList(
            nn.Conv2d(len(run) * len(run[0]), len(run), kernel, groups=len(run)) for run in runs
        )

    def forward(self, x: Tensor) -> Tensor:
        picked = [torch.stack([x[:, i] for i in maps], dim=1) for maps in self.inputs]
        return torch.cat([conv(maps) for conv, maps in zip(self.convs, picked, strict=True)], dim=1)
