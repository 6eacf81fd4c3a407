"""A recipe survives JSON: every field, of every kind of recipe, and what is wrong in it is named."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import Augment, RandomCrop, ScaleJitter
from neocog.errors import UserError
from neocog.training.organised import SelfOrganisation, Teaching
from neocog.training.recipes.config import organised_from_json, recipe_facts, recipe_from_json, recipe_to_json
from neocog.training.recipes.named import RECIPES
from neocog.training.recipes.recipe import AVERAGES, METRICS, OPTIMIZERS, Recipe

count = st.integers(1, 10**6)
above_0 = st.floats(1e-12, 1e12)
share = st.floats(0, 1, exclude_max=True)
pair = st.tuples(st.floats(0.01, 0.5), st.floats(0.5, 1))
crops = (
    st.none()
    | st.builds(RandomCrop, pair, pair)
    | st.builds(ScaleJitter, st.floats(1, 1.2), st.floats(1.2, 2))
)
augments = st.builds(
    Augment,
    size=st.none() | st.tuples(count, count),
    crop=crops,
    flip=st.booleans(),
    vflip=st.booleans(),
    shift=st.floats(0, 0.49),
    shift_fill=st.none() | st.integers(0, 255),
    auto=st.sampled_from(["", "trivialaugment", "rand-m9-n2-mstd0.5-inc1"]),
    jitter=st.none() | st.builds(Jitter, share, share, share, st.floats(0, 0.5)),
    lighting=share,
    erasing=st.none() | st.builds(Erasing, share, pair, pair, st.booleans()),
    mixup=share,
    cutmix=share,
)
recipes = st.builds(
    Recipe,
    epochs=st.integers(5, 10**6),
    batch_size=count,
    optimizer=st.sampled_from(OPTIMIZERS),
    lr=above_0,
    betas=st.tuples(share, share),
    eps=st.none() | above_0,
    decay_all=st.booleans(),
    clip=st.none() | above_0,
    milestones=st.lists(st.floats(0.01, 0.99), unique=True).map(lambda x: tuple(sorted(x))),
    class_weights=st.sampled_from(["none", "auto"]) | st.lists(above_0, min_size=1).map(tuple),
    augment=augments,
    sizes=st.lists(count, max_size=4).map(tuple),  # fewer than epochs
    drop_path=st.none() | share,
    freeze=st.lists(st.text()).map(tuple),
    head_epochs=st.integers(0, 4),
    unfreeze=st.floats(0, 4),
    lora=st.integers(0, 64),
    lora_alpha=st.none() | above_0,
    lora_layers=st.lists(st.text()).map(tuple),
    average=st.sampled_from(AVERAGES),
    average_decay=st.floats(0, 0.9),
    best_by=st.sampled_from(METRICS),
    patience=st.none() | count,
)


@settings(deadline=None, max_examples=50)
@given(recipes)
def test_a_recipe_comes_back_from_json_as_it_was(recipe: Recipe) -> None:
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe


def test_each_field_is_stored() -> None:
    stored = recipe_to_json(Recipe())
    assert set(stored) == {field.name for field in fields(Recipe)}
    assert set(stored["augment"]) == {field.name for field in fields(Augment)}


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if isinstance(recipe, Recipe)])
def test_the_recipes_by_name_come_back(name: str) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, Recipe)
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe


@pytest.mark.parametrize("recipe", [replace(SelfOrganisation(), shift=3, ink=None), Teaching(per_class=7)])
def test_the_neocognitrons_recipes_come_back(recipe: SelfOrganisation | Teaching) -> None:
    assert organised_from_json(type(recipe)(), json.loads(json.dumps(recipe_facts(recipe)))) == recipe


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epoch": 3}, "unknown field of a recipe 'epoch'; did you mean epochs"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"epochs": True}, "epochs must be a whole number, got True"),
        ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"flip_test": 1}, "flip_test must be true or false, got 1"),
        ({"betas": [0.9]}, r"betas must be a list of 2 numbers, got \[0.9\]"),
        ({"freeze": "stem.*"}, "freeze must be a list of texts"),
        ({"eps": []}, r"eps must be a number or null, got \[\]"),
        ({"lr": -1}, "lr must be above 0, got -1"),
        ({"augment": {"flips": True}}, "unknown field of an augmentation 'flips'; did you mean flip"),
        ({"augment": {"flip": "no"}}, "flip must be true or false, got 'no'"),
        ({"augment": {"jitter": {"hues": 1}}}, "unknown field of jitter 'hues'; did you mean hue"),
        ({"augment": {"jitter": {"hue": "red"}}}, "hue must be a number, got 'red'"),
        ({"augment": {"crop": 3}}, "crop must be"),
        ({"augment": 3}, "object of named fields"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        recipe_from_json(given)
