"""The training loop: one function to read from top to bottom, and those it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import cos, pi

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.data.augment.draws import Draws
from neocog.data.loading.arrival import Waiting, prefetch_to
from neocog.data.loading.loader import Batch, Loader
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.evaluation.metrics import rank_of_truth
from neocog.progress import Progress
from neocog.training.recipe import Recipe

SMALL = 1_000_000  # parameters of a network below which one thread is faster


@dataclass(frozen=True)
class Task:
    """What is learned from, what it is judged by, and how pixels are normalised."""

    train: Labelled
    held_out: Labelled
    preprocess: Preprocess
    workers: Workers | None = None
    """that load the pictures; None measures what is best"""


@dataclass(frozen=True)
class Epoch:
    """One row of metrics.csv."""

    epoch: int
    train_loss: float
    eval_loss: float
    eval_top1: float
    eval_top5: float
    lr: float
    data_wait: float = field(compare=False)
    """share of the epoch's training time that was spent waiting for pictures"""

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}: loss {self.train_loss:.4f}, held-out loss {self.eval_loss:.4f}, "
            f"top-1 {self.eval_top1:.4f}, waiting for data {self.data_wait:.0%}"
        )


def train_loop(
    net: nn.Module, task: Task, recipe: Recipe, seed: int, progress: Progress
) -> tuple[list[Epoch], bool]:
    """Train `net` in place. Returns a row per epoch, and whether the user interrupted it (the weights stay usable)."""
    device = next(net.parameters()).device
    normalise = normaliser(task.preprocess, device)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    order = Order(size=len(task.train), batch_size=recipe.batch_size, seed=seed)
    steps = recipe.epochs * order.batch_count
    rows: list[Epoch] = []
    done = 0
    loader = Loader(task.train, order, task.workers, say=progress.say)
    with loader, threads_for(net), seeded(seed, device), progress.step("training", steps) as advance:
        try:
            for epoch in range(1, recipe.epochs + 1):
                net.train()
                total, pictures, waiting = 0.0, 0, Waiting()
                arriving = waiting.over(prefetch_to(loader, device))
                for pixels, labels in batches(arriving, recipe):
                    # 1. this step's learning rate
                    lr = recipe.lr * warmup_cosine(done / steps, recipe.warmup)
                    optimizer.param_groups[0]["lr"] = lr
                    # 2. forward
                    logits = net(normalise(pixels))
                    loss = F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
                    demand_finite(loss, epoch, recipe)
                    # 3. backward and step
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    total += loss.item() * len(labels)
                    pictures += len(labels)
                    done += 1
                    advance(1)
                # 4. judge on the held-out pictures
                judged = judge(net, task.held_out, normalise, loader.workers)
                rows.append(Epoch(epoch, total / pictures, *judged, lr, waiting.share))
                progress.say(str(rows[-1]))
        except KeyboardInterrupt:
            return rows, True
    return rows, False


def demand_finite(loss: Tensor, epoch: int, recipe: Recipe) -> None:
    if not torch.isfinite(loss):
        raise UserError(f"the loss became {loss.item()} in epoch {epoch}; use an --lr below {recipe.lr}")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's own generator, which dropout draws from, starts at `seed` and is afterwards what it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def threads_for(net: nn.Module) -> Iterator[None]:
    """One thread while a small network trains: its steps are too short to share, and waiting for each other costs more.

    LeNet-5 on two cores with other work: 13 steps a second with two threads.
    """
    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in net.parameters()) < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batches(arriving: Iterable[Batch], recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """The pictures augmented, uint8 (n, height, width, channels), and labels (n,).

    The changes follow from seed, epoch and picture, so neither batch size nor workers alter them.
    """
    for batch in arriving:
        at = batch.position
        draws = Draws(at.seed, at.epoch, batch.picks.indices, batch.picks.copies)
        yield recipe.augment(batch.pixels, draws), batch.labels


def judge(
    net: nn.Module, part: Labelled, normalise: Callable[[Tensor], Tensor], workers: Workers | None
) -> tuple[float, float, float]:
    """Mean cross-entropy, top-1 and top-5 accuracy; the network is left in evaluation mode."""
    logits = predict_logits(net, part, normalise, workers)
    ranks = rank_of_truth(logits, part.labels)
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(part.labels)).item()
    return loss, float((ranks == 0).mean()), float((ranks < min(5, logits.shape[1])).mean())


def predict_logits(
    net: nn.Module, part: Labelled, normalise: Callable[[Tensor], Tensor], workers: Workers | None = None
) -> NDArray[np.float32]:
    """Logits (n, classes) in evaluation mode, computed 64 pictures at a time; every picture must be readable."""
    net.eval()
    order = Order(size=len(part), batch_size=64, shuffle=False)
    with torch.inference_mode(), Loader(part, order, workers, strict=True) as loader:
        parts = [net(normalise(batch.pixels)).cpu() for batch in loader]
    logits: NDArray[np.float32] = torch.cat(parts).float().numpy()
    return logits


def normaliser(preprocess: Preprocess, device: torch.device) -> Callable[[Tensor], Tensor]:
    """uint8 (n, height, width, channels) -> float (n, channels, height, width) on `device`."""
    mean = torch.tensor(preprocess.mean, device=device).view(-1, 1, 1) * 255
    std = torch.tensor(preprocess.std, device=device).view(-1, 1, 1) * 255
    return lambda pixels: (pixels.to(device).permute(0, 3, 1, 2).float() - mean) / std


def warmup_cosine(done: float, warmup: float) -> float:
    """Share of the highest learning rate after the share `done` of all steps."""
    if done < warmup:
        return (done + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + cos(pi * (done - warmup) / (1 - warmup)))
