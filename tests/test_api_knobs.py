"""What a user may change about a recipe: by keyword, on the command line, under the names of timm and torchvision."""

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import neocog
from neocog.api.training.knobs import KNOBS, RecipeOptions, changed_recipe
from neocog.cli.knobs import FLAGS
from neocog.cli.main import app
from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import POLICIES, Augment, RandomCrop
from neocog.errors import UserError
from neocog.training.recipes.named import RECIPES
from neocog.training.recipes.recipe import CHOICES, ELSEWHERE, Recipe

BASE = Recipe(epochs=20)
CLASSES = ("cat", "dog")
IN_EPOCHS = {"milestones": "decay_milestones"}
"""fields that the command line has in other units alone"""


def changed(**options: Any) -> Recipe:
    return changed_recipe(BASE, RecipeOptions(**options), CLASSES)


def typed(*words: str) -> dict[str, Any]:
    """What the parser of `neocog train` makes of a command; nothing is run."""
    train: Any = get_command(app).commands["train"]  # type: ignore[attr-defined]
    given = train.make_context("train", ["photos", *words]).params
    return {name: value for name, value in given.items() if value not in (None, ())}


def test_every_field_of_a_recipe_can_be_changed_by_keyword_and_by_flag() -> None:
    """A new field cannot be forgotten."""
    names = {field.name for field in fields(Recipe)}
    knobs = {flag.knob for flag in FLAGS}
    assert names <= set(KNOBS)
    assert {IN_EPOCHS.get(name, name) for name in names} <= knobs
    teaching = {"teacher", "unlabelled", "confidence", "per_class"}
    assert set(KNOBS) - set(IN_EPOCHS) == knobs - teaching


def test_no_flag_has_two_meanings() -> None:
    names = [name for flag in FLAGS for name in flag.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("words", "knob", "value"),
    [
        ("--opt sgd", "optimizer", "sgd"),
        ("--opt-eps 1e-6", "eps", 1e-6),
        ("--opt-betas 0.9,0.95", "betas", (0.9, 0.95)),
        ("--momentum 0.8", "momentum", 0.8),
        ("--weight-decay 0.05", "weight_decay", 0.05),
        ("--wd 0.05", "weight_decay", 0.05),
        ("--clip-grad 1", "clip", 1.0),
        ("--clip-grad-norm 1", "clip", 1.0),
        ("--layer-decay 0.75", "layer_decay", 0.75),
        ("--freeze-epochs 2", "head_epochs", 2),
        ("--lora-rank 4", "lora", 4),
        ("--sched step", "schedule", "step"),
        ("--lr-scheduler step", "schedule", "step"),
        ("--lr 0.1", "lr", 0.1),
        ("--min-lr 1e-5", "min_lr", 1e-5),
        ("--lr-min 1e-5", "min_lr", 1e-5),
        ("--warmup-epochs 5", "warmup_epochs", 5.0),
        ("--lr-warmup-epochs 5", "warmup_epochs", 5.0),
        ("--decay-milestones 30,60", "decay_milestones", (30.0, 60.0)),
        ("--decay-epochs 30", "decay_epochs", 30.0),
        ("--lr-step-size 30", "decay_epochs", 30.0),
        ("--decay-rate 0.1", "decay_rate", 0.1),
        ("--dr 0.1", "decay_rate", 0.1),
        ("--lr-gamma 0.1", "decay_rate", 0.1),
        ("--epochs 90", "epochs", 90),
        ("-b 32", "batch_size", 32),
        ("--batch-size 32", "batch_size", 32),
        ("--grad-accum-steps 4", "accumulate", 4),
        ("--smoothing 0.1", "smoothing", 0.1),
        ("--label-smoothing 0.1", "smoothing", 0.1),
        ("--aa rand-m9-n2", "auto", "rand-m9-n2"),
        ("--auto-augment trivialaugment", "auto", "trivialaugment"),
        ("--mixup 0.2", "mixup", 0.2),
        ("--mixup-alpha 0.2", "mixup", 0.2),
        ("--cutmix 1", "cutmix", 1.0),
        ("--cutmix-alpha 1", "cutmix", 1.0),
        ("--reprob 0.25", "erasing", 0.25),
        ("--random-erase 0.1", "erasing", 0.1),
        ("--color-jitter 0.4", "colour_jitter", 0.4),
        ("--scale 0.5,1", "scale", (0.5, 1.0)),
        ("--aug-repeats 3", "repeats", 3),
        ("--ra-reps 4", "repeats", 4),
        ("--drop 0.2", "dropout", 0.2),
        ("--drop-path 0.1", "drop_path", 0.1),
        ("--model-ema-decay 0.999", "average_decay", 0.999),
        ("--eval-metric top1", "best_by", "top1"),
        ("--flip", "flip", True),
        ("--no-flip", "flip", False),
        ("--vflip", "vflip", True),
        ("--freeze stem.* --freeze 'layer1.*'", "freeze", ["stem.*", "layer1.*"]),
        ("--sizes 128,160", "sizes", (128, 160)),
        ("--workers 4", "workers", "4"),
        ("-j 4", "workers", "4"),
        ("--amp-dtype bfloat16", "precision", "bfloat16"),
        ("--grad-checkpointing", "recompute", True),
        ("--torchcompile", "compile", True),
        ("--checkpoint-hist 3", "keep", 3),
        ("--img-size 160", "img_size", 160),
        ("--train-crop-size 160", "img_size", 160),
        ("--crop-mode squash", "resize_mode", "squash"),
        ("--output-dir there", "output", Path("there")),
        ("--seed 5", "seed", 5),
    ],
)
def test_the_flags_of_timm_and_torchvision_are_understood(words: str, knob: str, value: Any) -> None:
    """Typed from timm's train.py and the classification reference of torchvision."""
    found = typed(*words.replace("'", "").split())[knob]
    flag = next((flag for flag in FLAGS if flag.knob == knob), None)
    if flag and flag.kind is tuple:
        from neocog.cli.knobs import _value

        found = _value(flag, found)
    assert found == value
    assert type(found) is type(value) or isinstance(value, Path)


def test_what_is_not_given_leaves_the_recipe_as_it_is() -> None:
    for recipe in RECIPES.values():
        if isinstance(recipe, Recipe):
            assert changed_recipe(recipe, RecipeOptions(lr=None), CLASSES) == recipe


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"lr": 0.3, "clip": 1.0}, {"lr": 0.3, "clip": 1.0}),
        ({"warmup_epochs": 5}, {"warmup": 0.25}),
        ({"warmup_epochs": 5, "epochs": 50}, {"warmup": 0.1, "epochs": 50}),
        (
            {"schedule": "step", "decay_milestones": [5, 15]},
            {"schedule": "step", "milestones": (0.25, 0.75)},
        ),
        ({"betas": [0.8, 0.9]}, {"betas": (0.8, 0.9)}),
        ({"class_weights": [1.0, 3.0]}, {"class_weights": (1.0, 3.0)}),
        ({"class_weights": "sqrt"}, {"class_weights": "sqrt"}),
        ({"freeze": "stem.*"}, {"freeze": ("stem.*",)}),
        ({"freeze": ["stem.*", "a"]}, {"freeze": ("stem.*", "a")}),
        ({"patience": 3}, {"patience": 3, "best_by": "top1"}),
        ({"patience": 3, "best_by": "loss"}, {"patience": 3, "best_by": "loss"}),
        ({"augment": "deit"}, {"augment": POLICIES["deit"]}),
        ({"augment": "rand-m5-n1"}, {"augment": Augment(auto="rand-m5-n1")}),
        ({"augment": Augment(flip=True)}, {"augment": Augment(flip=True)}),
        ({"flip": True}, {"augment": Augment(shift=0.06, flip=True)}),
        ({"augment": "none", "mixup": 0.2}, {"augment": Augment(mixup=0.2)}),
        ({"augment": "none", "erasing": 0.25}, {"augment": Augment(erasing=Erasing(0.25))}),
        ({"augment": "none", "colour_jitter": 0.4}, {"augment": Augment(jitter=Jitter(0.4, 0.4, 0.4))}),
        ({"augment": "none", "scale": (0.5, 1)}, {"augment": Augment(crop=RandomCrop(scale=(0.5, 1)))}),
        (
            {"augment": "deit", "scale": [0.2, 0.8]},
            {"augment": replace(POLICIES["deit"], crop=RandomCrop((0.2, 0.8)))},
        ),
        ({"augment": "trivialaugment", "erasing": 0.0}, None),
    ],
)
def test_what_is_given_is_changed_and_nothing_else(options: Any, change: dict[str, Any] | None) -> None:
    if change is None:
        change = {"augment": replace(POLICIES["trivialaugment"], erasing=None)}
    assert changed(**options) == replace(BASE, **change)


def test_another_schedule_leaves_the_milestones_of_the_recipe_behind() -> None:
    base = replace(BASE, schedule="step", milestones=(0.3, 0.6), factors=(0.2, 0.1))
    found = changed_recipe(base, RecipeOptions(schedule="cosine"), CLASSES)
    assert found == replace(BASE, schedule="cosine")


def test_weights_of_classes_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "weights.csv"
    file.write_text("dog,3\ncat,0.5\n")
    assert changed(class_weights=file).class_weights == (0.5, 3.0)
    assert changed(class_weights=str(file)).class_weights == (0.5, 3.0)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; did you mean sgd"),
    ({"optimizer": "rmsproptf"}, "did you mean rmsprop-tf"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean cosine"),
    ({"loss": "cross-entropi"}, "unknown loss 'cross-entropi'; did you mean cross-entropy"),
    ({"average": "emma"}, "unknown average 'emma'; did you mean ema"),
    ({"best_by": "top-1"}, "unknown best_by 'top-1'; did you mean top1"),
    ({"best_by": "accuracy"}, "unknown best_by 'accuracy'; did you mean top1?"),
    ({"best_by": "Acc"}, "unknown best_by 'Acc'; did you mean top1?"),
    ({"best_by": "f1"}, "unknown best_by 'f1'; did you mean macro-f1, micro-f1?"),
    ({"best_by": "val_loss"}, "unknown best_by 'val_loss'; did you mean loss?"),
    ({"optimizer": "sgd_nesterov"}, "unknown optimizer 'sgd_nesterov'; did you mean nesterov?"),
    ({"optimizer": "rmsproptf"}, "unknown optimizer 'rmsproptf'; did you mean rmsprop-tf?"),
    ({"schedule": "steplr"}, "unknown schedule 'steplr'; did you mean exponential?"),
    ({"schedule": "multistep"}, "unknown schedule 'multistep'; did you mean step?"),
    ({"augment": "diet"}, "unknown augmentation 'diet'; did you mean deit"),
    ({"auto": "rand-m99"}, "m of rand must be from 0 to "),
    ({"lr": -1.0}, "lr must be above 0, got -1.0"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
    ({"repeats": 0}, "repeats must be at least 1, got 0"),
    ({"patience": 0}, "patience must be at least 1, got 0"),
    ({"clip": 0.0}, "clip must be above 0, got 0.0"),
    ({"eps": 0.0}, "eps must be above 0, got 0.0"),
    ({"momentum": 1.0}, "momentum must lie in 0..1, below 1, got 1.0"),
    ({"betas": (0.9,)}, "betas must be two numbers in 0..1, below 1, got 0.9"),
    ({"betas": (0.9, 1.0)}, "betas must be two numbers in 0..1, below 1, got 0.9, 1.0"),
    ({"layer_decay": 0.0}, "layer_decay must lie above 0, at most 1, got 0.0"),
    ({"decay_rate": 2.0}, "decay_rate must lie above 0, at most 1, got 2.0"),
    ({"dropout": 1.0}, "dropout must lie in 0..1, below 1, got 1.0"),
    ({"min_lr": 1.0}, "min_lr must not be above lr"),
    ({"sizes": (0,)}, "sizes must be at least 1, got 0"),
    ({"sizes": (32,) * 20}, "an epoch for each of its sizes and one at full size"),
    ({"shift": 0.5}, "shift of an augmentation must lie in 0..0.5, below 0.5, got 0.5"),
    ({"warmup": 0.1, "warmup_epochs": 2}, "give warmup or warmup_epochs, not both"),
    ({"scale": (0.5,)}, "scale is two shares of the area, such as 0.5,1, got 0.5"),
    ({"scale": (0.5, 0.2)}, "crop of an augmentation must"),
    ({"warmup_epochs": 20}, "warmup_epochs must lie before the end of the 20 epochs, got 20"),
    ({"warmup_epochs": -1}, "warmup_epochs must lie before the end of the 20 epochs, got -1"),
    (
        {"schedule": "step", "decay_milestones": (10, 30)},
        "decay_milestones must lie before the end of the 20 epochs, got 10, 30",
    ),
    ({"schedule": "step", "decay_milestones": (0, 10)}, "decay_milestones must be above 0, got 0, 10"),
    ({"schedule": "step", "decay_milestones": (10, 5)}, "milestones must rise between 0 and 1"),
    ({"decay_milestones": (5, 10)}, "of the schedule step, got cosine; give --sched step"),
    ({"factors": (0.5,)}, "of the schedule step, got cosine; give --sched step"),
    ({"schedule": "step"}, "the schedule step needs milestones"),
    (
        {"schedule": "step", "decay_milestones": (5, 10), "factors": (0.1,)},
        "a factor for each milestone of the schedule",
    ),
    ({"class_weights": "auto", "balanced": True}, "class_weights and balanced do the same thing twice"),
    ({"class_weights": (1.0, -1.0)}, "class_weights must be above 0, got 1.0, -1.0"),
    ({"class_weights": "no/such/file.csv"}, "cannot read the class weights in no/such/file.csv"),
    ({"average": "lookahead"}, "lookahead needs an average_decay of at most 0.9"),
    ({"loss": "lenet-map", "mixup": 0.2}, "lenet-map needs one class per picture"),
    ({"freeze_bn": True, "precise_bn": True}, "give one of them"),
    ({"freeze_bn_stats": True, "precise_bn": True}, "precise_bn measures them anew; give one of them"),
    (
        {"freeze_bn": True, "freeze_bn_stats": True},
        "leave it out (--no-freeze-bn) for scale and shift to learn",
    ),
    ({"head_start": True, "whiten": True}, "whiten exchanges the first layer; give one of them"),
    ({"head_start": True, "loss": "lenet-map"}, "are not the distances that lenet-map reads"),
    ({"lora": 2, "l2sp": 0.1}, "l2sp pulls them back; give one of them"),
    ({"lora": 2, "whiten": True}, "whiten exchanges the first; give one of them"),
    ({"head_epochs": 20}, "which the recipe probe does better; give fewer head_epochs"),
    ({"unfreeze": 20}, "which the recipe probe does better; give fewer head_epochs, a smaller unfreeze"),
    ({"unfreeze": -0.5}, "unfreeze must be at least 0, got -0.5"),
    ({"lora": -1}, "lora must be at least 0, got -1"),
    ({"l2sp": -1.0}, "l2sp must be at least 0, got -1.0"),
    ({"lora": 2, "lora_alpha": 0.0}, "lora_alpha must be above 0, got 0.0"),
    ({"lora_alpha": 2.0}, "lora_alpha counts for nothing here: lora, the rank, is 0; leave it out"),
    ({"lora_layers": ("*.fc1",)}, "lora_layers counts for nothing here: lora, the rank, is 0"),
    (
        {"keep_probe": True},
        "keep_probe counts for nothing here: there is no probe to keep without head_start",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_wrong_is_said_in_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        changed(**options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ("optimiser", "did you mean optimizer"),
        ("opt", "did you mean optimizer"),
        ("color_jitter", "did you mean colour_jitter"),
        ("batchsize", "did you mean batch_size"),
        ("zzzzzz", "`neocog train --help-all` lists all"),
    ],
)
def test_a_keyword_that_train_does_not_have_is_answered_with_the_nearest(given: str, way: str) -> None:
    with pytest.raises(TypeError) as refused:
        neocog.train("builtin/digits", **{given: 1})  # type: ignore[arg-type]
    assert str(refused.value).startswith(f"train() has no argument {given!r}; {way}")


def test_the_names_of_elsewhere_are_not_ours_and_those_they_lead_to_are() -> None:
    for name, others in ELSEWHERE.items():
        for other, own in others.items():
            assert other == other.lower()
            assert other not in CHOICES[name]
            assert set(own) <= set(CHOICES[name])


def test_the_verb_offers_every_flag() -> None:
    """In its signature, where the parser finds them."""
    from neocog.cli.train import train

    assert {flag.knob for flag in FLAGS} <= set(inspect.signature(train).parameters)
