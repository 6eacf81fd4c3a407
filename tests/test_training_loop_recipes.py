"""Every recipe of the training loop takes two steps with a network of its era, cut down to eight small pictures."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.models.lenet import lenet5
from neocog.models.quick import quick_convnet
from neocog.models.vit import vit
from neocog.progress import Silent
from neocog.training.loop import Setting, Task, train_loop
from neocog.training.recipes.named import RECIPES
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.saving import Saving


class Auxiliary(nn.Module):
    """A convolution, a norm, and two last layers, the second of which answers in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.head, self.side = nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x).flatten(1)
        return (self.head(x), self.side(x)) if self.training else self.head(x)


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(32, 10),
    )  # fmt: skip


def shallow_vit() -> nn.Module:
    net = vit("tiny", 8, 16, num_classes=10)
    net.blocks = net.blocks[:1]
    return net


Suits = tuple[Callable[[], nn.Module], int, int]  # the network, sides and channels of its pictures
TINY_VIT: Suits = (shallow_vit, 16, 3)
SUITS: dict[str, Suits] = {
    "lenet-1998": (lenet5, 32, 1),
    "cpu-quick": (quick_convnet, 28, 1),
    "googlenet-2014": (Auxiliary, 16, 3),
    **dict.fromkeys(("vit-2021", "vit-finetune", "deit"), TINY_VIT),
}
OF_THE_LOOP = [name for name, recipe in RECIPES.items() if isinstance(recipe, Recipe)]


@pytest.mark.parametrize("name", OF_THE_LOOP)
def test_every_recipe_takes_steps(name: str) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, Recipe)
    build, side, channels = SUITS.get(name, (small, 16, 3))
    rng, sizes = np.random.default_rng(0), (side, side)
    part = Labelled(rng.integers(0, 256, (8, *sizes, channels), np.uint8), np.arange(8) % 10)
    pictures = Preprocess(size=sizes, channels=channels, mean=(0.5,) * channels, std=(0.25,) * channels)
    torch.manual_seed(0)
    net = build()
    before = {key: parameter.detach().clone() for key, parameter in net.named_parameters()}
    task = Task(part, part, pictures, Workers(0), classes=10)
    ended = train_loop(net, task, recipe, 0, Silent(), Setting(Saving(steps=2)))
    assert ended.interrupted == "2 steps are done"
    after = dict(net.named_parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after.values())
    still = {key for key in before if torch.equal(before[key], after[key])}
    norms = {"1.weight", "1.bias"} if recipe.freeze_bn else set()
    assert still == norms, f"{still ^ norms} do what they should not"
