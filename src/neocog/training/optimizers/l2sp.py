"""The pull of trained weights towards where they began, so that fine-tuning does not forget more than it must."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from neocog.training.optimizers.groups import layer_blocks
from neocog.training.recipes.recipe import Recipe
from neocog.weights.digest import digest

DECOUPLED = ("adamw", "lamb")
"""optimizers whose weight decay is not part of the gradient, and neither is this pull"""


def make_anchor(net: nn.Module, recipe: Recipe, head: str = "") -> Anchor | None:
    """What pulls the weights that `net` has now, but for the last layer's; None where the recipe has no such pull."""
    return Anchor(net, recipe, head) if recipe.l2sp else None


class Anchor:
    """L2-SP: the penalty alpha / 2 |w - w0|^2 on all that comes trained and learns on; alpha is `recipe.l2sp`.

    Li, Grandvalet, Davoine, "Explicit inductive bias for transfer learning with convolutional networks" (2018),
    equation 3. w0 are the weights at the beginning; biases and what norms learn are pulled as well. The last layer,
    which begins anew, has beta / 2 |w|^2 with beta = `recipe.weight_decay` (see `parameter_groups`).

    Like weight decay, the penalty's gradient alpha (w - w0) is added to that of the loss, behind the clipping; with
    AdamW and LAMB, whose decay is decoupled, the weights take the step -rate * alpha * (w - w0) before the
    optimizer's. Weights without a gradient stay as they are.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, head: str = ""):
        self.alpha, self.decoupled = recipe.l2sp, recipe.optimizer in DECOUPLED
        last = {name for block in layer_blocks(net, head)[-1:] for name in block}
        learning = {name: p for name, p in net.named_parameters() if p.requires_grad and name not in last}
        self._names = {p: name for name, p in learning.items()}
        self._start = {name: p.detach().clone() for name, p in learning.items()}

    @cached_property
    def digest(self) -> str:
        """Of the weights at the beginning: a run that goes on must begin with the same."""
        return digest({name: tensor.cpu().contiguous().numpy() for name, tensor in self._start.items()})

    @torch.no_grad()
    def pull(self, optimizer: Optimizer) -> None:
        """To be called before the optimizer's step, which has its rates already."""
        for group in optimizer.param_groups:
            moved = [p for p in group["params"] if p.grad is not None and p in self._names]
            if not moved:
                continue
            away = torch._foreach_sub(moved, self._starts(moved))
            if self.decoupled:
                torch._foreach_add_(moved, away, alpha=-group["lr"] * self.alpha)
            else:
                torch._foreach_add_([p.grad for p in moved], away, alpha=self.alpha)

    def _starts(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        return [self._start[self._names[p]] for p in parameters]
