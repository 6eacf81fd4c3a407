"""Averages of the weights over the steps of a run, which are often better than the last ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.recipes.recipe import Recipe

Share = Callable[[Recipe, int, int], float]


def make_average(net: nn.Module, recipe: Recipe) -> Average | None:
    """The recipe's average, which starts with the weights that `net` has now; None where it has none."""
    if recipe.average == "none":
        return None
    return Average(net, recipe)


def ema(recipe: Recipe, step: int, steps: int) -> float:
    """What the new weights count in an exponential moving average, once `average_from` is past: 1 - decay.

    The n-th average's decay is the smaller of `average_decay` and (1 + n) / (10 + n), n from 0, so that the first
    weights are soon forgotten and short runs have use of it. This is `tf.train.ExponentialMovingAverage` with
    `num_updates`, as Inception and EfficientNet were trained.
    """
    n = step - _start(recipe, steps)
    return 1.0 if n < 0 else 1 - min(recipe.average_decay, (1 + n) / (10 + n))


def polyak(recipe: Recipe, step: int, steps: int) -> float:
    """1 / n for the n-th weights once `average_from` is past: the plain mean.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
    """
    return 1 / max(step - _start(recipe, steps) + 1, 1)


EVERY = 6


def lookahead(recipe: Recipe, step: int, _: int) -> float:
    """alpha = 1 - `average_decay` at every sixth step.

    Zhang, Lucas, Hinton, Ba, "Lookahead optimizer: k steps forward, 1 step back" (2019), Algorithm 1, which has
    k = 5 or 10 and alpha = .5 or .8. What the optimizer remembers stays as it is.
    """
    return 0.0 if (step + 1) % EVERY else 1 - recipe.average_decay


SHARES: dict[str, Share] = {"ema": ema, "polyak": polyak, "lookahead": lookahead}


def _start(recipe: Recipe, steps: int) -> int:
    return round(recipe.average_from * steps)


class Tensors(NamedTuple):
    """A network's tensors by name: what is averaged, and what is taken as it is."""

    averaged: dict[str, Tensor]
    taken: dict[str, Tensor]


class Average:
    """Averaged weights that follow a network, itself as it was built: `ema`, `polyak` or `lookahead`.

    Batch norm's running mean and variance are averaged as the weights are, since they belong to the weights of their
    step; all other buffers, such as counters, are the network's last. Lookahead's are its slow weights: there the
    parameters alone are averaged, and every sixth step the network goes on from them.
    """

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        self.recipe = recipe
        self.sets_net = recipe.average == "lookahead"
        found = self._of(net)
        self._kept = Tensors(*({name: tensor.clone() for name, tensor in part.items()} for part in found))

    def after_step(self, net: nn.Module, step: int, steps: int) -> None:
        """To be called after the optimizer's step `step` (from 0) of `steps`."""
        share = SHARES[self.recipe.average](self.recipe, step, steps)
        found = self._of(net)
        _copy(self._kept.taken, found.taken)
        if not share:
            return
        kept, new = list(self._kept.averaged.values()), list(found.averaged.values())
        torch._foreach_lerp_(kept, new, share)
        if self.sets_net:
            torch._foreach_copy_(new, kept)

    def tensors(self) -> dict[str, Tensor]:
        """All that is kept, by the network's names: the tensors themselves, which later steps change."""
        return self._kept.averaged | self._kept.taken

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `tensors` gave before. UserError if a name or a shape differs."""
        own = self.tensors()
        wrong = [n for n in own.keys() | tensors.keys() if _shape(own, n) != _shape(tensors, n)]
        if wrong:
            raise UserError(
                f"the averaged weights are of another network: {min(wrong)} differs; start a new run"
            )
        _copy(own, tensors)

    @contextmanager
    def in_place_of(self, net: nn.Module) -> Iterator[None]:
        """`net` has the averaged weights and buffers inside, and its own again afterwards."""
        found = self._of(net)
        own = found.averaged | found.taken
        before = {name: tensor.clone() for name, tensor in own.items()}
        _copy(own, self.tensors())
        try:
            yield
        finally:
            _copy(own, before)

    def put_into(self, net: nn.Module) -> None:
        """Give `net` the averaged weights and buffers for good."""
        found = self._of(net)
        _copy(found.averaged | found.taken, self.tensors())

    def _of(self, net: nn.Module) -> Tensors:
        averaged = {name: parameter.detach() for name, parameter in net.named_parameters()}
        buffers = {name: buffer.detach() for name, buffer in net.named_buffers()}
        if self.sets_net:
            return Tensors(averaged, buffers)
        statistics = {n: buffers.pop(n) for n in list(buffers) if n.endswith(("running_mean", "running_var"))}
        return Tensors(averaged | statistics, buffers)


def _copy(there: dict[str, Tensor], here: dict[str, Tensor]) -> None:
    for name, tensor in there.items():
        tensor.copy_(here[name])


def _shape(tensors: dict[str, Tensor], name: str) -> torch.Size | None:
    return tensors[name].shape if name in tensors else None
