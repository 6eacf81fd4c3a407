"""The training loop: one function to read from top to bottom, and the five it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, cos, pi

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.data.augment.draws import Draws
from neocog.data.augment.policy import Augment
from neocog.data.decode import Pixels
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.evaluation.metrics import rank_of_truth
from neocog.progress import Progress
from neocog.training.recipe import Recipe

SMALL = 1_000_000  # parameters of a network below which one thread is faster


@dataclass(frozen=True)
class Labelled:
    """Pictures as uint8 (n, height, width, channels) with their labels; `rows` picks some without copying them all."""

    pixels: Pixels
    labels: NDArray[np.int64]
    """of the rows, in their order"""
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(
            np.array(self.pixels[positions if self.rows is None else self.rows[positions]])
        )


@dataclass(frozen=True)
class Task:
    """What is learned from, what it is judged by, and how pixels are normalised."""

    train: Labelled
    held_out: Labelled
    preprocess: Preprocess


@dataclass(frozen=True)
class Epoch:
    """One row of metrics.csv."""

    epoch: int
    train_loss: float
    eval_loss: float
    eval_top1: float
    eval_top5: float
    lr: float


def train_loop(
    net: nn.Module, task: Task, recipe: Recipe, seed: int, progress: Progress
) -> tuple[list[Epoch], bool]:
    """Train `net` in place. Returns a row per epoch, and whether the user interrupted it (the weights stay usable)."""
    device = next(net.parameters()).device
    normalise = normaliser(task.preprocess, device)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )
    pictures = len(task.train)
    steps = recipe.epochs * batch_count(pictures, recipe.batch_size)
    rows: list[Epoch] = []
    done = 0
    with threads_for(net), seeded(seed, device), progress.step("training", steps) as advance:
        try:
            for epoch in range(1, recipe.epochs + 1):
                net.train()
                total = 0.0
                for pixels, labels in batches(task.train, recipe, seed, epoch):
                    # 1. this step's learning rate
                    lr = recipe.lr * warmup_cosine(done / steps, recipe.warmup)
                    optimizer.param_groups[0]["lr"] = lr
                    # 2. forward
                    logits = net(normalise(pixels))
                    loss = F.cross_entropy(logits, labels.to(device), label_smoothing=recipe.smoothing)
                    if not torch.isfinite(loss):
                        raise UserError(
                            f"the loss became {loss.item()} in epoch {epoch}; use an --lr below {recipe.lr}"
                        )
                    # 3. backward and step
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    total += loss.item() * len(labels)
                    done += 1
                    advance(1)
                # 4. judge on the held-out pictures
                rows.append(Epoch(epoch, total / pictures, *judge(net, task.held_out, normalise), lr))
        except KeyboardInterrupt:
            return rows, True
    return rows, False


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


def batches(train: Labelled, recipe: Recipe, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The pictures in the epoch's order, augmented: uint8 (n, height, width, channels) and labels (n,).

    Order and changes follow from seed, epoch and picture, so the batch size does not alter them.
    """
    augment = Augment(shift=recipe.shift, flip=recipe.flip)
    order, copies = augment.order(seed, epoch, len(train))
    for chosen in torch.arange(len(train)).tensor_split(batch_count(len(train), recipe.batch_size)):
        index = order[chosen].numpy()
        draws = Draws(seed, epoch, index, copies[chosen].numpy())
        yield augment(train.take(index), draws), torch.from_numpy(train.labels[index])


def batch_count(pictures: int, batch_size: int) -> int:
    """Batches of nearly equal size, none above `batch_size`: a last one of one picture would break batch norm."""
    return ceil(pictures / batch_size)


def judge(
    net: nn.Module, part: Labelled, normalise: Callable[[Tensor], Tensor]
) -> tuple[float, float, float]:
    """Mean cross-entropy, top-1 and top-5 accuracy; the network is left in evaluation mode."""
    logits = predict_logits(net, part, normalise)
    ranks = rank_of_truth(logits, part.labels)
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(part.labels)).item()
    return loss, float((ranks == 0).mean()), float((ranks < min(5, logits.shape[1])).mean())


def predict_logits(
    net: nn.Module, part: Labelled, normalise: Callable[[Tensor], Tensor]
) -> NDArray[np.float32]:
    """Logits (n, classes) in evaluation mode, computed 64 pictures at a time."""
    net.eval()
    with torch.inference_mode():
        chunks = np.array_split(np.arange(len(part)), -(-len(part) // 64))
        parts = [net(normalise(part.take(chunk))).cpu() for chunk in chunks]
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
