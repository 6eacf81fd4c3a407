"""A recipe in JSON and back."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import POLICIES, Augment, RandomCrop, ScaleJitter
from neocog.errors import UserError
from neocog.training.recipes.config import recipe_facts, recipe_from_json, recipe_to_json
from neocog.training.recipes.named import RECIPES
from neocog.training.recipes.recipe import AVERAGES, LOSSES, METRICS, OPTIMIZERS, Recipe

SHARES = st.floats(0, 0.9)
AUGMENTS = st.builds(
    Augment,
    size=st.none() | st.tuples(st.integers(1, 500), st.integers(1, 500)),
    crop=st.none()
    | st.builds(RandomCrop, st.just((0.1, 0.9)), st.tuples(st.floats(0.5, 1), st.floats(1, 2)))
    | st.builds(ScaleJitter, st.floats(1, 1.5), st.floats(1.5, 3)),
    flip=st.booleans(),
    vflip=st.booleans(),
    shift=st.floats(0, 0.4),
    shift_fill=st.none() | st.integers(0, 255),
    auto=st.sampled_from(["", "trivialaugment", "rand-m9-n2-mstd0.5-inc1", "augmix-m3-w3"]),
    jitter=st.none() | st.builds(Jitter, SHARES, SHARES, SHARES, st.floats(0, 0.5)),
    lighting=st.floats(0, 1),
    erasing=st.none() | st.builds(Erasing, SHARES, st.just((0.02, 0.3)), st.just((0.3, 3.0)), st.booleans()),
    mixup=SHARES,
    cutmix=SHARES,
)
RECIPES_OF_ALL_KINDS = st.builds(
    Recipe,
    epochs=st.integers(4, 300),
    batch_size=st.integers(1, 4096),
    accumulate=st.integers(1, 8),
    optimizer=st.sampled_from(OPTIMIZERS),
    lr=st.floats(1e-6, 10),
    betas=st.tuples(SHARES, SHARES),
    eps=st.none() | st.floats(1e-12, 1),
    clip=st.none() | st.floats(0.1, 10),
    milestones=st.sampled_from([(), (0.3,), (0.25, 0.5, 0.75)]),
    loss=st.sampled_from([loss for loss in LOSSES if loss != "lenet-map"]),
    smoothing=SHARES,
    class_weights=st.sampled_from(["none", "auto", "sqrt"]) | st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)),
    augment=AUGMENTS,
    repeats=st.integers(1, 5),
    sizes=st.lists(st.integers(1, 512), max_size=3).map(tuple),
    dropout=st.none() | SHARES,
    drop_path=st.none() | SHARES,
    freeze=st.lists(st.text(min_size=1), max_size=3).map(tuple),
    average=st.sampled_from([name for name in AVERAGES if name != "lookahead"]),
    best_by=st.none() | st.sampled_from(METRICS),
    flip_test=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(RECIPES_OF_ALL_KINDS)
def test_a_recipe_is_read_back_from_the_json_that_it_is_written_to(recipe: Recipe) -> None:
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe


@pytest.mark.parametrize("name", [name for name, of in RECIPES.items() if isinstance(of, Recipe)])
def test_the_recipes_of_the_table_are_read_back(name: str) -> None:
    recipe: Any = RECIPES[name]
    assert recipe_from_json(json.loads(json.dumps(recipe_facts(recipe)))) == recipe


@pytest.mark.parametrize("name", POLICIES)
def test_the_augmentations_of_papers_are_read_back(name: str) -> None:
    recipe = replace(Recipe(), augment=POLICIES[name])
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe


def test_the_json_names_every_field_and_the_parts_of_an_augmentation() -> None:
    crops = Augment(crop=RandomCrop((0.2, 1.0), (0.5, 2.0)), jitter=Jitter(0.1, 0.2, 0.3, 0.4))
    stored = recipe_to_json(replace(Recipe(), augment=crops, freeze=("stem.*",), class_weights=(1.0, 2.5)))
    assert set(stored) == {field.name for field in fields(Recipe)}
    assert stored["freeze"] == ["stem.*"]
    assert stored["class_weights"] == [1.0, 2.5]
    assert stored["augment"]["crop"] == {"scale": [0.2, 1.0], "ratio": [0.5, 2.0]}
    assert stored["augment"]["jitter"] == {
        "brightness": 0.1,
        "contrast": 0.2,
        "saturation": 0.3,
        "hue": 0.4,
    }
    assert stored["augment"]["erasing"] is None


def test_what_is_missing_is_as_by_default() -> None:
    assert recipe_from_json({}) == Recipe()
    assert recipe_from_json({"lr": 0.1, "augment": {"flip": True}}) == Recipe(
        lr=0.1, augment=Augment(flip=True)
    )
    assert recipe_from_json({"augment": {}}).augment == Augment()


def test_a_probe_says_nothing() -> None:
    assert recipe_facts(None) == {}


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"lrr": 0.1}, "unknown field of a recipe 'lrr'; did you mean lr"),
        ({"augment": {"flips": True}}, "unknown field of an augmentation 'flips'; did you mean flip"),
        ({"augment": {"crop": {"lo": 1.2, "high": 1.3}}}, "unknown field of crop 'lo'; did you mean low"),
        ({"augment": {"crop": {"low": 1.2}}}, "a field of the augmentation has a value of the wrong kind"),
        ({"augment": {"crop": [1.2, 1.3]}}, "a field of the augmentation has a value of the wrong kind"),
        ({"augment": {"shift": "far"}}, "a field of the augmentation has a value of the wrong kind"),
        ({"augment": {"shift": 0.7}}, "shift of an augmentation must lie in 0..0.5, below 0.5, got 0.7"),
        ({"augment": "deit"}, "an object of named fields, got str"),
        ({"epochs": "many"}, "a field of the recipe has a value of the wrong kind"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"betas": [0.9]}, "betas must be a list of 2 numbers, got [0.9]"),
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; did you mean sgd"),
        ([1, 2], "an object of named fields, got list"),
    ],
)
def test_what_is_wrong_is_said_in_words(stored: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        recipe_from_json(stored)
    assert message in str(refused.value)
