"""One forward and backward of a copy of the network, and what its layers were seen to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from neocog.layers.batch_norm import Layer as BatchNorm
from neocog.training.network.freezing import held_still
from neocog.training.preflight.finding import Subject
from neocog.training.randomness import seed_step
from neocog.training.recipes.recipe import Recipe

RELUS = (nn.ReLU, nn.ReLU6)


@dataclass
class Seen:
    """What hooks saw in a forward, by the layers' names."""

    numbers: dict[str, int] = field(default_factory=dict)
    """positions of one picture in a channel that a batch norm in training mode reads"""
    silent: dict[str, float] = field(default_factory=dict)
    """share of a ReLU's units that are 0 for every picture at every position"""


@dataclass(frozen=True, eq=False)
class Trial:
    """The copy after backward; its parameters hold gradients."""

    net: nn.Module
    x: Tensor
    logits: Tensor
    loss: Tensor
    """scalar: mean over the pictures"""
    seen: Seen


class Fails(Exception):
    """The forward raised; `seen` is what happened before."""

    def __init__(self, reason: Exception, seen: Seen):
        super().__init__(str(reason))
        self.reason = reason
        self.seen = seen


def trial(net: nn.Module, x: Tensor, subject: Subject) -> Trial:
    """Train the copy `net` for one forward and, where the logits have the right shape, one backward."""
    with watched(net) as seen:
        try:
            logits = forward(net, x)
        except Exception as reason:  # whatever a user's network raises becomes a line
            raise Fails(reason, seen) from reason
    loss = torch.zeros(())
    if isinstance(logits, Tensor) and logits.shape == (len(x), len(subject.classes)):
        loss = subject.sample.criterion(logits.float(), subject.sample.targets.to(x.device)).mean()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    return Trial(net, x, logits, loss, seen)


def forward(net: nn.Module, x: Tensor) -> Tensor:
    """What the network says with all generators at one place, so that dropout drops the same again."""
    seed_step(0, 0, 0, x.device)
    logits: Tensor = net(x)
    return logits


@contextmanager
def watched(net: nn.Module) -> Iterator[Seen]:
    """Hooks on batch norms and ReLUs, taken off afterwards."""
    seen = Seen()
    handles = []
    for name, layer in net.named_modules():
        if isinstance(layer, BatchNorm):
            handles.append(layer.register_forward_pre_hook(_numbers(seen, name)))
        elif isinstance(layer, RELUS):
            handles.append(layer.register_forward_hook(_silent(seen, name)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _numbers(seen: Seen, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer.training:
            seen.numbers[name] = inputs[0][0].numel() // inputs[0].shape[1]

    return hook


def _silent(seen: Seen, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        units = out.detach().movedim(-1 if out.dim() == 3 else 1, 0).flatten(1)  # tokens: batch, tokens, dim
        share = float((units.amax(1) <= 0).float().mean())
        seen.silent[name] = max(share, seen.silent.get(name, 0.0))

    return hook


def put_in_training(net: nn.Module, recipe: Recipe) -> None:
    """As the loop does before an epoch: training mode, but for batch norms that are to stay as they are."""
    net.train()
    held_still(net, recipe)
