"""A first convolution that whitens patches of the pictures and needs no training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neocog.errors import UserError

EPS = 5e-4
"""added to each variance, as in airbench: directions in which patches hardly vary would be mostly noise"""
AT_ONCE = 2**24
"""numbers in the patches that are in memory at the same time"""


def whiten_first(net: nn.Module, pixels: Tensor) -> None:
    """Set the first convolution of `net` so that its maps on `pixels` are uncorrelated, with variance 1, and fix it.

    `pixels` are pictures as the network reads them, float (n, channels, height, width); a few thousand small ones or a
    hundred large ones have patches enough. The filters are the eigenvectors of the covariance of all patches of the
    kernel's size, each divided by sqrt(its eigenvalue + EPS), the largest first, and then their negatives, since a ReLU
    behind would drop half of each. Where the convolution has fewer filters than that, the leading ones are taken; where
    it has more, the others stay as they were drawn. A bias makes the means 0. All its parameters stop learning.

    Page, "How to train your ResNet 8: bag of tricks" (2018); Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU"
    (2024), section 3.2, whose covariance leaves the mean in, which is nearly 0 there. UserError if there is no
    convolution, if it has groups or reads other channels, or if the pictures are smaller than a patch.
    """
    conv = _first_convolution(net, pixels)
    mean, covariance = _moments(_patches(conv, pixels))
    values, vectors = torch.linalg.eigh(covariance)
    pairs = min(conv.out_channels // 2, len(values))
    filters = (vectors / (values + EPS).sqrt()).T.flip(0)[:pairs]
    filters = torch.cat((filters, -filters))
    with torch.no_grad():
        conv.weight[: 2 * pairs] = filters.view(-1, *conv.weight.shape[1:]).to(conv.weight)
        if conv.bias is not None:
            conv.bias[: 2 * pairs] = -(filters @ mean).to(conv.bias)
    conv.requires_grad_(False)


def _first_convolution(net: nn.Module, pixels: Tensor) -> nn.Conv2d:
    conv = next((layer for layer in net.modules() if isinstance(layer, nn.Conv2d)), None)
    if conv is None:
        raise UserError("whitening sets the first convolution, and this network has none; leave it out")
    if conv.in_channels != pixels.shape[1] or conv.groups != 1:
        raise UserError(
            f"whitening needs a first convolution over all {pixels.shape[1]} channels of a picture, "
            f"got one over {conv.in_channels} in {conv.groups} group(s); leave it out"
        )
    reach = [step * (kernel - 1) + 1 for step, kernel in zip(conv.dilation, conv.kernel_size, strict=True)]
    if min(pixels.shape[2] - reach[0], pixels.shape[3] - reach[1]) < 0:
        raise UserError(
            f"whitening needs pictures of at least {reach[0]}x{reach[1]} pixels, the first convolution's patch, "
            f"got {pixels.shape[2]}x{pixels.shape[3]}"
        )
    return conv


def _patches(conv: nn.Conv2d, pixels: Tensor) -> Iterator[Tensor]:
    """(patches, numbers of one) of some pictures at a time; none reaches over the border."""
    at_once = max(1, AT_ONCE // (conv.weight[0].numel() * pixels.shape[2] * pixels.shape[3]))
    for start in range(0, len(pixels), at_once):
        some = pixels[start : start + at_once]
        columns = nn.functional.unfold(some, conv.kernel_size, conv.dilation)  # pictures, numbers, places
        yield columns.transpose(1, 2).flatten(0, 1).double()


def _moments(parts: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and covariance (divided by the number of rows) of the rows of all parts, on the processor."""
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    shift: Tensor | None = None  # near the mean, so that no large squares are subtracted
    for rows in parts:
        shift = rows.mean(0) if shift is None else shift
        rows = rows - shift
        count += len(rows)
        total = total + rows.sum(0).cpu()
        square = square + (rows.T @ rows).cpu()
    if shift is None:
        raise UserError("whitening measures training pictures, got none")
    mean = total / count
    return mean + shift.cpu(), square / count - torch.outer(mean, mean)
