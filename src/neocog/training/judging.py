"""How good a network is on held-out pictures, between two epochs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.data.loading.loader import Loader
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.evaluation.metrics import Figures, Judged, by_class, confusion_matrix
from neocog.evaluation.per_picture import best, rank_of_truth
from neocog.evaluation.several import JudgedSeveral, score_several
from neocog.inference.network import sigmoid
from neocog.training.processes.distributed import World
from neocog.training.processes.exchange import ALONE, rows_of_all

AT_ONCE = 64  # pictures of a forward pass

Normalise = Callable[[Tensor], Tensor]


def judge(
    net: nn.Module,
    part: Labelled,
    normalise: Normalise,
    workers: Workers | None = None,
    mirrored: bool = False,
    world: World = ALONE,
) -> Figures:
    """The figures of `part`, each picture counted once over all processes; the network is left in evaluation mode."""
    logits = predict_logits(net, part, normalise, workers, mirrored, world)
    return (judged_several if part.labels.ndim == 2 else judged_one)(logits, part.labels)


def judged_one(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Judged:
    """The figures of pictures that show one class each."""
    ranks = rank_of_truth(logits, labels)
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()
    confusion = confusion_matrix(best(logits), labels, logits.shape[1])
    return Judged(
        loss,
        float((ranks == 0).mean()),
        float((ranks < min(5, logits.shape[1])).mean()),
        *by_class(confusion),
    )


def judged_several(logits: NDArray[np.float32], shown: NDArray[np.float32]) -> JudgedSeveral:
    """The figures of pictures that may show several classes: `shown` (n, classes)."""
    loss = F.binary_cross_entropy_with_logits(torch.from_numpy(logits), torch.from_numpy(shown)).item()
    classes = tuple(map(str, range(shown.shape[1])))
    return score_several(sigmoid(logits), shown, classes).judged(loss)


def predict_logits(
    net: nn.Module,
    part: Labelled,
    normalise: Normalise,
    workers: Workers | None = None,
    mirrored: bool = False,
    world: World = ALONE,
) -> NDArray[np.float32]:
    """Logits (n, classes) in evaluation mode; every picture must be readable.

    With `mirrored` the mean over each picture and its mirror image. Of several processes each does its share.
    """
    net.eval()
    mine = Labelled(part.pixels, part.labels[world.rank :: world.size], part.places(_share(part, world)))
    order = Order(size=len(mine), batch_size=AT_ONCE, shuffle=False)
    parts = []
    # not inference_mode: a network may keep a tensor that it makes, and learn with it in the next epoch
    with torch.no_grad(), Loader(mine, order, workers, strict=True) as loader:
        for batch in loader:
            pixels = normalise(batch.pixels)
            logits = net(pixels)
            if mirrored:
                logits = (logits + net(pixels.flip(-1))) / 2
            parts.append(logits.float().cpu())
    return rows_of_all(world, torch.cat(parts).numpy(), len(part))


def probabilities_of(
    net: nn.Module,
    part: Labelled,
    normalise: Normalise,
    workers: Workers | None = None,
    mirrored: bool = False,
) -> NDArray[np.float32]:
    """(n, classes): softmax of the logits, or the sigmoid of each where pictures may show several classes."""
    logits = predict_logits(net, part, normalise, workers, mirrored)
    if part.labels.ndim == 2:
        return sigmoid(logits)
    probabilities: NDArray[np.float32] = torch.from_numpy(logits).softmax(1).numpy()
    return probabilities


def _share(part: Labelled, world: World) -> NDArray[np.int64]:
    return np.arange(world.rank, len(part), world.size)
