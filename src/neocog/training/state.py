"""What changes while a network is trained: all that a checkpoint holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neocog.data.loading.arrival import Waiting
from neocog.data.loading.order import Position
from neocog.errors import UserError
from neocog.evaluation.metrics import Figures
from neocog.evaluation.several import judged_again
from neocog.training.network.averages import Average, make_average
from neocog.training.optimizers.l2sp import Anchor, make_anchor
from neocog.training.optimizers.make import make_optimizer
from neocog.training.optimizers.state import optimizer_tensors, restore_optimizer
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.checkpoint import Checkpoint
from neocog.training.schedule import Plateau, Rate


@dataclass(frozen=True)
class Epoch:
    """One row of metrics.csv."""

    epoch: int
    train_loss: float
    judged: Figures
    lr: float
    seconds: float = field(compare=False)
    """that the epoch's training took, without judging"""
    data_wait: float = field(compare=False)
    """share of them that was spent waiting for pictures"""

    def to_json(self) -> dict[str, Any]:
        """Flat, as the columns of metrics.csv."""
        judged = self.judged.to_json()
        own = {name: value for name, value in asdict(self).items() if name != "judged"}
        return {"epoch": own.pop("epoch"), "train_loss": own.pop("train_loss"), **judged, **own}

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}: loss {self.train_loss:.4f}, held-out {self.judged}, "
            f"waiting for data {self.data_wait:.0%}"
        )


@dataclass(frozen=True)
class Best:
    """The best epoch so far by the recipe's `best_by`."""

    value: float
    epoch: int
    tensors: Mapping[str, Tensor] = field(repr=False)
    """the network's state then"""


@dataclass
class State:
    """A run between two steps."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None
    position: Position
    """epoch, from 0, and how many of its pictures are done"""
    anchor: Anchor | None = None
    """what pulls trained weights towards where they began"""
    step: int = 0
    """steps done"""
    plateau: Plateau = field(default_factory=Plateau)
    rows: list[Epoch] = field(default_factory=list)
    best: Best | None = None
    loss: float = 0.0
    """summed over the pictures of this epoch"""
    pictures: int = 0
    """of this epoch so far, those that could be read"""
    lr: float = 0.0
    """of the last step"""
    seconds: float = 0.0
    """of this epoch's training so far"""
    waited: float = 0.0
    """of these, for pictures"""

    def set_rate(self, now: Rate, recipe: Recipe) -> None:
        """Tell the optimizer the step's rate, in each group times its scale; and the momentum where it moves."""
        self.lr = now.lr
        for group in self.optimizer.param_groups:
            group["lr"] = now.lr * group["scale"]
            if recipe.schedule == "one-cycle" and "momentum" in group:
                group["momentum"] = now.momentum
            elif recipe.schedule == "one-cycle" and "betas" in group:
                group["betas"] = (now.momentum, group["betas"][1])

    def take(self, clip: float | None, steps: int) -> None:
        """The step along the gradients that are there, of `steps` in all."""
        if clip is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), clip)
        if self.anchor:
            self.anchor.pull(self.optimizer)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.after_step(self.net, self.step, steps)

    def after_step(self, position: Position, loss: float, pictures: int, clock: Waiting) -> int:
        """Note what a step has done: the sum of its losses, over how many pictures, where the run is now.

        Returns how many places of the epoch it took, those of pictures that cannot be read among them.
        """
        places, self.position = position.done - self.position.done, position
        self.step += 1
        self.loss += loss
        self.pictures += pictures
        self.waited, self.seconds = clock.waited, clock.total
        return places

    def after_epoch(self, judged: Figures, recipe: Recipe) -> None:
        """End the epoch: its row, the best so far, what the schedule learns from it; the next one begins."""
        epoch, mean = self.position.epoch + 1, self.loss / max(1, self.pictures)
        share = self.waited / self.seconds if self.seconds else 0.0
        self.rows.append(Epoch(epoch, mean, judged, self.lr, self.seconds, share))
        self.plateau = self.plateau.after(judged.loss, recipe)
        if recipe.best_by:
            value = judged.figure(recipe.best_by)
            if self.best is None or better(value, self.best.value, recipe.best_by):
                self.best = Best(value, epoch, _copied(self.net.state_dict()))
        self.position = Position(self.position.seed, epoch)
        self.loss, self.pictures, self.seconds, self.waited = 0.0, 0, 0.0, 0.0

    def patience_over(self, recipe: Recipe) -> bool:
        """Whether `best_by` has not got better for as many epochs as the recipe's `patience`."""
        if recipe.patience is None or self.best is None:
            return False
        return self.position.epoch - self.best.epoch >= recipe.patience

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """All of it; `identity` says what run it belongs to."""
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"optimizer.{k}": t for k, t in optimizer_tensors(self.optimizer, self.net).items()}
        if self.average:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.tensors().items()}
        if self.best:
            tensors |= {f"best.{name}": tensor for name, tensor in self.best.tensors.items()}
        facts = {
            "identity": dict(identity),
            "position": self.position.to_json(),
            "step": self.step,
            "plateau": self.plateau.to_json(),
            "rows": [asdict(row) for row in self.rows],
            "best": {"value": self.best.value, "epoch": self.best.epoch} if self.best else None,
            "loss": self.loss,
            "pictures": self.pictures,
            "lr": self.lr,
            "seconds": self.seconds,
            "waited": self.waited,
            "began with": self.anchor.digest if self.anchor else None,
        }
        return Checkpoint(self.step, tensors, facts)

    def restore(self, stored: Checkpoint) -> None:
        """Become what was stored; the network and the optimizer are changed in place."""
        facts = stored.facts
        if self.anchor and facts.get("began with") != self.anchor.digest:
            raise UserError(
                "the checkpoint's run pulls its weights towards others than these (l2sp); give the --weights that it "
                "began with, or another --output to start anew"
            )
        try:
            self.net.load_state_dict(_part(stored.tensors, "net."))
        except RuntimeError as error:
            raise UserError(
                f"the checkpoint is of another network: {' '.join(str(error).split())[:300]}"
            ) from error
        restore_optimizer(self.optimizer, self.net, _part(stored.tensors, "optimizer."))
        if self.average:
            self.average.restore(_part(stored.tensors, "average."))
        self.position = Position.from_json(facts["position"])
        self.step = facts["step"]
        self.plateau = Plateau.from_json(facts["plateau"])
        self.rows = [Epoch(**{**row, "judged": judged_again(row["judged"])}) for row in facts["rows"]]
        self.best = Best(**facts["best"], tensors=_part(stored.tensors, "best.")) if facts["best"] else None
        for name in ("loss", "pictures", "lr", "seconds", "waited"):
            setattr(self, name, facts[name])


def begun(net: nn.Module, head: str, recipe: Recipe, seed: int) -> State:
    """A run at its beginning. `head` is the name of the last layer; what is not to learn is frozen already."""
    net.zero_grad(set_to_none=True)  # of whatever was tried before
    optimizer, anchor = make_optimizer(net, recipe, head), make_anchor(net, recipe, head)
    return State(net, optimizer, make_average(net, recipe), Position(seed, 0), anchor)


def better(value: float, than: float, figure: str) -> bool:
    """Whether a figure of held-out pictures is better: losses fall, all others rise."""
    return value < than if figure == "loss" else value > than


def demand_same(stored: Mapping[str, Any], identity: Mapping[str, Any], what: str = "the checkpoint") -> None:
    """Raise in words where a checkpoint, or `what` else it is, is of another network, recipe or data set."""
    for name, now in json.loads(json.dumps(dict(identity))).items():  # tuples come back from a card as lists
        then = stored.get(name)
        if then != now:
            raise UserError(
                f"{what} was made with {name} {_shown(then, now)}, got {_shown(now, then)}; "
                "give what it was made with, or another --output to start anew"
            )


def _shown(value: Any, other: Any) -> str:
    """What differs, where it is one of several things."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return ", ".join(f"{name} {value[name]}" for name in value if value[name] != other.get(name))
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        own = [str(item) for item in value if item not in other]
        return f"{', '.join(own[:5])} ({len(value)} in all)"
    return str(value)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
