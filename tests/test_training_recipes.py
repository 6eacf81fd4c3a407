"""The recipes of the eras, held against figures typed from the papers, and BiT's rule against its own."""

import csv
import json
from math import ceil, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neocog.api.training.choosing import chosen
from neocog.api.training.config import Base
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.training.recipes.eras import ERAS, bit_hyperrule
from neocog.training.recipes.named import RECIPES, recipe
from neocog.training.recipes.recipe import Recipe
from neocog.training.schedule import rate

LINES = (Path(__file__).parent / "golden/recipes.csv").read_text().splitlines()
PRINTED = [tuple(row.values())[:3] for row in csv.DictReader(LINES[1:])]


def steps_of(recipe: Recipe, pictures: int) -> int:
    return recipe.epochs * ceil(pictures * recipe.repeats / recipe.batch_size)


def computed(recipe: Recipe, field: str) -> Any:
    """What the recipe says, in the paper's terms."""
    what, _, pictures = field.partition("@")
    if what == "rates":  # passes and the rate of each, as the schedule gives them
        given = [rate(recipe, epoch, recipe.epochs, 1).lr for epoch in range(recipe.epochs)]
        return [[given.count(lr), lr] for lr in dict.fromkeys(given)]
    if what == "cuts":
        return len(recipe.milestones)
    if what == "shown":
        return recipe.epochs * recipe.repeats
    if what == "iterations":
        return steps_of(recipe, int(pictures))
    if what == "warmup":
        return recipe.warmup * steps_of(recipe, int(pictures))
    if what == "milestones" and pictures:
        return [share * steps_of(recipe, int(pictures)) for share in recipe.milestones]
    found: Any = recipe
    for name in what.split("."):
        found = getattr(found, name)
    return list(found) if isinstance(found, tuple) else found


@pytest.mark.parametrize(("name", "field", "value"), PRINTED)
def test_a_recipe_is_as_its_paper_prints_it(name: str, field: str, value: str) -> None:
    printed, given = json.loads(value), computed(ERAS[name], field)
    if isinstance(printed, str | bool | None):
        assert given == printed
    elif field == "rates":
        assert given == [[passes, pytest.approx(lr)] for passes, lr in printed]
    else:
        assert given == pytest.approx(printed, rel=0.01 if "@" in field else 1e-9)


def test_each_era_has_printed_figures_and_is_in_the_table() -> None:
    assert {name for name, *_ in PRINTED} | {"bit-hyperrule"} == set(ERAS)
    assert set(ERAS) <= set(RECIPES)


def test_vgg_and_resnet_cut_their_rate_to_the_papers_last_and_no_further() -> None:
    for name, cuts in {"vgg-2014": 3, "resnet-2015": 3}.items():
        era = ERAS[name]
        assert log(era.lr / era.min_lr, 10) == pytest.approx(cuts)
        assert rate(era, 0, 100, 1, cuts + 1).lr == era.min_lr


@pytest.mark.parametrize(
    ("pictures", "size", "steps", "resized", "side", "mixup"),
    [
        (1_000, 32, 500, 160, 128, 0),
        (19_999, 95, 500, 160, 128, 0),
        (20_000, 96, 10_000, 448, 384, 0.1),
        (499_999, 500, 10_000, 448, 384, 0.1),
        (1_281_167, 500, 20_000, 448, 384, 0.1),
    ],
)
def test_bit_hyperrule(pictures: int, size: int, steps: int, resized: int, side: int, mixup: float) -> None:
    """Kolesnikov et al. 2020, section 3.3."""
    found, read = bit_hyperrule(pictures, size)
    assert read == side
    assert steps_of(found, pictures) == pytest.approx(steps, rel=0.07)  # whole epochs
    assert (found.lr, found.batch_size, found.momentum, found.weight_decay) == (0.003, 512, 0.9, 0)
    assert (found.milestones, found.decay_rate) == ((0.3, 0.6, 0.9), 0.1)
    assert found.augment.mixup == mixup
    assert found.augment.crop is not None
    assert set(found.augment.crop) == {resized / side}
    assert found.warmup * steps == (100 if steps == 500 else 500)


@pytest.mark.parametrize(("pictures", "size", "name"), [(0, 5, "pictures"), (5, 0, "size")])
def test_a_task_of_nothing_is_refused(pictures: int, size: int, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} must be at least 1, got 0"):
        bit_hyperrule(pictures, size)


@pytest.mark.parametrize(("side", "read"), [(30, 128), (100, 384)])
def test_the_plan_asks_the_hyperrule_about_its_own_data(side: int, read: int) -> None:
    wide = [np.zeros((side // 2, side * 2), np.uint8)] * 31_250  # the square of equal area counts
    dataset = Dataset("many", Arrays(wide), np.arange(31_250) % 2, ("a", "b"), np.full(31_250, ""))
    asked = {"recipe": "bit-hyperrule", "model": "bit_r50x1", "lr": 0.001, "weights": "any.npz"}
    plan = chosen(dataset, Base(asked))
    assert isinstance(plan.recipe, Recipe)
    assert steps_of(plan.recipe, 25_000) == pytest.approx(10_000, rel=0.01)  # a fifth of them judge
    assert (plan.recipe.lr, plan.recipe.augment.mixup, plan.recipe_name) == (0.001, 0.1, "bit-hyperrule")
    assert (plan.preprocess.size, plan.preprocess.resize_mode) == ((read, read), "squash")
    given = chosen(dataset, Base({**asked, "img_size": 64, "resize_mode": "pad"})).preprocess
    assert (given.size, given.resize_mode) == ((64, 64), "pad")


def test_the_loop_has_no_use_of_a_rule_of_its_own() -> None:
    with pytest.raises(UserError, match="neocognitron-1980 is a rule of the Neocognitron's own"):
        recipe("neocognitron-1980")
