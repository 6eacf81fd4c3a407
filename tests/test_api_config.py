"""`--print-config` says what a run would do, and `--config` does it: through the command's door."""

import json
from pathlib import Path
from typing import Any

import pytest

import neocog as package
from door import neocog, refused

PHOTOS = ("train", "builtin/photos")
DIGITS = ("train", "builtin/digits")
CHANGED = [
    (*PHOTOS, "--seed", "7", "--val-fraction", "0.3", "--decoding", "fast", "--img-size", "128"),
    (*DIGITS, "--lr", "0.1", "--opt", "nesterov", "--no-flip", "--mixup", "0.2", "--sizes", "20,24"),
    (*DIGITS, "--freeze", "conv1.*", "--class-weights", "auto", "-j", "processes:2", "--keep", "5"),
    (*DIGITS, "-m", "neocognitron", "--recipe", "neocognitron-1980"),
    (
        *PHOTOS,
        "--recipe",
        "finetune",
        "--l2sp",
        "0.01",
        "--unfreeze",
        "0.5",
        "--head-epochs",
        "2",
        "--no-keep-probe",
    ),
    (
        *PHOTOS,
        "--recipe",
        "finetune",
        "--no-freeze-bn",
        "--freeze-bn-stats",
        "--lora",
        "4",
        "--lora-layers",
        "*.fc1",
    ),
    (*PHOTOS, "--weights", "my.safetensors", "--recipe", "scratch", "--time-limit", "10m", "--compile"),
]


def printed(*arguments: object, cwd: Path) -> str:
    return neocog(*arguments, "--print-config", cwd=cwd).stdout


@pytest.mark.parametrize("command", CHANGED, ids=lambda c: c[-1])
def test_a_printed_config_prints_itself(command: tuple[str, ...], tmp_path: Path) -> None:
    first = printed(*command, cwd=tmp_path)
    (tmp_path / "c.json").write_text(first)
    assert printed(*command[:2], "--config", "c.json", cwd=tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json"]


def test_the_printed_values_are_those_of_the_flags(tmp_path: Path) -> None:
    photos, digits = (json.loads(printed(*command, cwd=tmp_path)) for command in CHANGED[:2])
    assert (photos["seed"], photos["val_fraction"], photos["recipe"]) == (7, 0.3, {"name": "probe"})
    assert (photos["preprocess"]["decoding"], photos["preprocess"]["size"]) == ("fast", [128, 128])
    recipe = digits["recipe"]
    assert (recipe["name"], recipe["lr"], recipe["optimizer"]) == ("digits", 0.1, "nesterov")
    assert (recipe["sizes"], recipe["augment"]["mixup"], recipe["augment"]["flip"]) == ([20, 24], 0.2, False)


def test_flags_go_before_the_config() -> None:
    stored = package.train_config(
        "builtin/digits", recipe="digits", lr=0.1, epochs=3, seed=5, weights="w.pth"
    )
    changed = package.train_config("builtin/digits", config=stored, lr=0.2)
    assert changed == {**stored, "recipe": {**stored["recipe"], "lr": 0.2}}
    other = package.train_config("builtin/digits", "resnet18", config=stored)
    assert other == {
        **stored,
        "model": "resnet18",
        "compare_pixels": False,  # that is for the digits' own network
        "weights": None,
        "preprocess": package.train_config("builtin/digits", "resnet18")["preprocess"],
    }
    anew = package.train_config("builtin/digits", recipe="scratch", config=stored)
    assert anew["recipe"] == package.train_config("builtin/digits", recipe="scratch")["recipe"]
    assert anew["seed"] == 5


def test_a_run_is_repeated_from_its_card(tmp_path: Path) -> None:
    """The same held-out answers, to the last digit, without a flag of the first run."""
    same = ("--precision", "float32")
    flags = ("-m", "lenet5_modern", "--recipe", "scratch", "--epochs", "1", "--seed", "3")
    neocog(*DIGITS, *flags, *same, "-o", "one", cwd=tmp_path)
    neocog(*DIGITS, "--config", "one", *same, "-o", "two", cwd=tmp_path)
    one, two = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"modell": "lenet5"}, "unknown field in c.json 'modell'; did you mean model"),
        ({"seed": 1.5}, "seed in c.json must be a whole number, got 1.5"),
        ({"run": {"keeps": 3}}, "unknown field in run of c.json 'keeps'; did you mean keep"),
        ({"run": 3}, "run in c.json must be an object of named fields, got 3"),
        (
            {"recipe": {"name": "digits", "epoch": 3}},
            "unknown field of a recipe 'epoch'; did you mean epochs",
        ),
        ({"recipe": {"name": "probe", "lr": 3}}, "unknown field of the recipe probe 'lr'"),
        ({"recipe": {"name": "no-such"}}, "unknown recipe 'no-such'"),
        (
            {"preprocess": {"size": [8, 8]}},
            "preprocessing must be said in full, it lacks channels, crop_pct, dec",
        ),
        ({"preprocess": {"siz": [8, 8]}}, "unknown field of the preprocessing 'siz'; did you mean size"),
        ([1], "a config must be a JSON object of named fields, c.json has list"),
    ],
)
def test_a_wrong_config_is_refused_in_words(fields: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(fields))
    assert words in refused(*DIGITS, "--config", "c.json", cwd=tmp_path)


def test_what_is_no_config_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{'model'")
    assert "a config must be JSON, c.json is not" in refused(*DIGITS, "--config", "c.json", cwd=tmp_path)
    assert "cannot read the config no.json: No such file" in refused(
        *DIGITS, "--config", "no.json", cwd=tmp_path
    )
    (tmp_path / "model.json").write_text('{"format": 2, "kind": "neocog bundle"}')
    said = refused(*DIGITS, "--config", "model.json", cwd=tmp_path)
    assert said == "model.json is the card of a run, not a config; give the run: --config ."
    (tmp_path / "model.json").unlink()
    assert "is no run with a card" in refused(*DIGITS, "--config", ".", cwd=tmp_path)
