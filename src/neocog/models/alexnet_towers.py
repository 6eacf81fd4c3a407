"""AlexNet of 2012 as it was trained: two halves on two devices."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models.classifier import Classifier

MEET = ("conv3", "fc6", "fc7", "fc8")  # the layers that read both towers
SEAM = 2  # maps on each side of the cut that the response normalisation of size 5 reads from the other tower


class TwoTowers(nn.Module):
    """`alexnet_2012` in two halves, each on a device of its own (Krizhevsky et al. 2012, figure 2).

    Each half holds half of the maps of every layer and half of the units of fc6, fc7 and fc8. The towers read each
    other before conv3, fc6, fc7 and fc8. The response normalisation reads the two maps beyond the cut, too, so that
    the logits are those of the grouped net, which normalises across the cut; they come out on the first device.
    """

    def __init__(self, net: Classifier, first: torch.device | str, second: torch.device | str):
        super().__init__()
        layers = dict(net.named_children())
        conv2, fc8 = layers.get("conv2"), layers.get("fc8")
        if getattr(conv2, "groups", 1) != 2 or getattr(fc8, "out_features", 0) < 2:
            raise UserError(
                "only alexnet_2012 and caffenet with two classes or more come in two towers, got another network"
            )
        self.devices = (torch.device(first), torch.device(second))
        self.left, self.right = (
            nn.ModuleDict({name: _half(layer, side) for name, layer in net.named_children()}).to(device)
            for side, device in enumerate(self.devices)
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = (x.to(device) for device in self.devices)
        for name in self.left:
            if name in MEET:
                left, right = self._both(left, right)
            if name.startswith("norm"):
                left, right = self._normalised(name, left, right)
            else:
                left, right = self.left[name](left), self.right[name](right)
        return torch.cat([left, right.to(left.device)], dim=1)

    def _both(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """All maps on each device."""
        here, there = self.devices
        return torch.cat([left, right.to(here)], dim=1), torch.cat([left.to(there), right], dim=1)

    def _normalised(self, name: str, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        here, there = self.devices
        beyond, before = right[:, :SEAM].to(here), left[:, -SEAM:].to(there)
        return (
            self.left[name](torch.cat([left, beyond], dim=1))[:, :-SEAM],
            self.right[name](torch.cat([before, right], dim=1))[:, SEAM:],
        )


def _half(layer: nn.Module, side: int) -> nn.Module:
    """A layer with the first or second half of its outputs; one without weights as it is."""
    half = deepcopy(layer)
    if isinstance(half, nn.Conv2d | nn.Linear):
        assert half.bias is not None
        half.weight = nn.Parameter(half.weight.detach().chunk(2)[side].clone())
        half.bias = nn.Parameter(half.bias.detach().chunk(2)[side].clone())
    if isinstance(half, nn.Conv2d):
        half.out_channels = len(half.weight)
        half.in_channels, half.groups = half.weight.shape[1], 1
    return half
