"""Some training pictures, to measure by before or between epochs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Labelled


def first_pictures(pictures: Labelled, order: Order, epoch: int, count: int) -> tuple[Tensor, Tensor]:
    """The first of an epoch over all processes, as they lie: uint8 (n, height, width, channels), and their labels.

    Those that cannot be read are left out.
    """
    rows = order.whole_epoch(epoch).indices[:count]
    pixels = np.empty((len(rows), *pictures.source.shape), np.uint8)
    left_out = [row for row, _ in pictures.source.fill(pictures.places(rows), pixels)]
    kept = np.delete(np.arange(len(rows)), left_out)
    return torch.from_numpy(pixels[kept]), torch.from_numpy(pictures.labels[rows[kept]])
