"""Class activation maps: where in the last maps of a network, or among its last tokens, a class is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from neocog.analysis.capture import capture
from neocog.errors import UserError
from neocog.inside.evidence.gradients import NO_GRADIENT, OUTPUT, finite
from neocog.inside.evidence.last_maps import Maps

Map = NDArray[np.float64]
"""(rows, columns)"""


@dataclass(frozen=True, eq=False)
class Cams:
    """What a layer gives, and how the classes' logits change with it."""

    activation: NDArray[np.float64]
    """(channels, rows, columns)"""
    gradients: NDArray[np.float64]
    """(classes asked for, channels, rows, columns)"""
    logits: NDArray[np.float64]
    """of all classes"""

    def grad_cam(self, i: int) -> Map:
        """Of the i-th class asked for, by `grad_cam`."""
        return grad_cam(self.activation, self.gradients[i])

    def layer_cam(self, i: int) -> Map:
        """Of the i-th class asked for, by `layer_cam`."""
        return layer_cam(self.activation, self.gradients[i])


def grad_cam(activation: NDArray[np.float64], gradient: NDArray[np.float64], rectify: bool = True) -> Map:
    """The channels' maps, each times the mean of its gradient; what is below 0 counts as 0 where they `rectify`.

    Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2. Both arrays are (channels, rows, columns). Where the
    network pools globally and has one linear layer after that, the sum before it is rectified is the class activation
    map of Zhou et al. (2016), equation 2, over the number of positions (their section 3.1 and appendix A).
    """
    weights = gradient.mean(axis=(1, 2))
    summed = np.asarray(np.tensordot(weights, activation, axes=1))
    return summed.clip(min=0) if rectify else summed


def layer_cam(activation: NDArray[np.float64], gradient: NDArray[np.float64]) -> Map:
    """The channels' maps, each number times its own gradient where that is above 0.

    Jiang et al., "LayerCAM" (2021), equations 6 to 8. Both arrays are (channels, rows, columns).
    """
    return np.asarray((gradient.clip(min=0) * activation).sum(axis=0).clip(min=0))


def stretched_over(values: Map, height: int, width: int) -> Map:
    """A map smoothly enlarged to the picture."""
    scaled = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(scaled, np.float64)


def class_activation(net: nn.Module, x: Tensor, maps: Maps, targets: Sequence[int]) -> Cams:
    """What `maps` hold for one picture `x` (1, channels, height, width), and the gradients of the logits of `targets`.

    UserError where no logit depends on them, as on the patches' tokens behind the last attention of a network that
    reads the class token.
    """
    with torch.inference_mode(False), torch.enable_grad(), capture(net, [maps.place, OUTPUT]) as seen:
        seen.run(x.detach().clone().requires_grad_())
        activation, logits = seen[maps.place], seen[OUTPUT]
        if not logits.requires_grad:
            raise UserError(NO_GRADIENT)
        gradients = [
            torch.autograd.grad(logits[0, target], activation, retain_graph=True, allow_unused=True)[0]
            for target in targets
        ]
    found = [torch.zeros_like(activation) if one is None else one for one in gradients]
    by_place = finite(np.stack([maps.placed(one[0]) for one in found]))
    if not by_place.any():
        raise UserError(f"the logits do not depend on {maps.name}; name an earlier layer with --layer")
    return Cams(maps.placed(activation[0].detach()), by_place, logits[0].detach().double().numpy())
