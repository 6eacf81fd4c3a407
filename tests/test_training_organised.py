"""The Neocognitron's recipes: what is shown, what the cells come to stand for, and the runs that the command makes."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

import neocog
from door import neocog as run
from door import refused
from neocog.errors import UserError
from neocog.models.neocognitron import neocognitron, neocognitron_1988
from neocog.training.neocognitron import lessons_1988, self_organise, teach
from neocog.training.organised import (
    SelfOrganisation,
    Teaching,
    learn,
    lesson_count,
    shares,
    sharpness,
    to_show,
)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 9))
def test_of_each_class_the_same_number_is_shown_and_the_classes_take_turns(
    labels: list[int], per_class: int, seed: int
) -> None:
    chosen = to_show(np.array(labels), per_class, seed).tolist()
    shown = [labels[i] for i in chosen]
    assert len(set(chosen)) == len(chosen)
    assert Counter(shown) == {c: min(n, per_class) for c, n in Counter(labels).items()}
    for i in range(1, len(shown)):  # one that comes again has seen all others that have not run out
        between = shown[:i][::-1]
        last = between.index(shown[i]) if shown[i] in between else None
        since = set(between[:last]) if last is not None else set()
        assert last is None or {c for c in set(labels) if c in shown[i:]} <= since | {shown[i]}
    assert chosen == to_show(np.array(labels), per_class, seed).tolist()


def test_another_seed_shows_other_pictures() -> None:
    labels = np.zeros(100, np.int64)
    assert set(to_show(labels, 5, 0).tolist()) != set(to_show(labels, 5, 1).tolist())


def test_a_cell_stands_for_the_classes_by_its_mean_answers_however_many_pictures_each_has() -> None:
    answers = np.array([[0.4, 0, 0], [0.2, 0, 0], [0.1, 0.5, 0]], np.float32)
    assert shares(answers, np.array([0, 0, 1]), 2) == pytest.approx(
        np.array([[0.75, 0, 0], [0.25, 1, 0]])  # 0.3 to 0.1; a silent cell stands for nothing
    )


@given(st.integers(1, 19))
def test_the_softmax_is_as_sure_as_the_answers_are_right(right: int) -> None:
    """With two classes and logits 1 and 0, p right of all, the best factor is log(p / (1 - p)), or the least."""
    logits = np.tile(np.array([[1, 0]], np.float32), (20, 1))
    labels = (np.arange(20) >= right).astype(np.int64)
    best = max(np.log(right / (20 - right)), 1e-3)
    assert sharpness(logits, labels) == pytest.approx(best, rel=1e-3, abs=1e-4)


def test_without_a_teacher_black_and_white_pictures_are_shown_again_and_again() -> None:
    pictures = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    net, reference, told = neocognitron(), neocognitron(), []
    recipe = SelfOrganisation(presentations=3, shift=2, ink=0.7)
    learn(net, recipe, pictures, np.array([0, 1, 2]), 5, told.append)
    self_organise(reference, (pictures > 0.7).float(), torch.Generator().manual_seed(5), 3, 2)
    assert torch.equal(net.us3.a, reference.us3.a)
    assert not torch.equal(net.us3.a, neocognitron().us3.a)
    assert sum(told) == lesson_count(net, recipe, 3) == 9


def test_a_teacher_gives_his_lessons_in_shades() -> None:
    pictures = torch.rand(4, 1, 19, 19, generator=torch.Generator().manual_seed(1))
    net, reference, told = neocognitron_1988(), neocognitron_1988(), []
    learn(net, Teaching(), pictures, np.array([0, 1, 2, 0]), 0, told.append)
    teach(reference, lessons_1988(reference, pictures, [0, 1, 2, 0]))
    assert torch.equal(net.us4.a, reference.us4.a)
    assert 12 + 4 < sum(told) <= lesson_count(net, Teaching(), 4) == 12 + 38 + 35 + 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_class": 0}, "per_class must be at least 1, got 0"),
        ({"ink": 1.0}, "ink must lie in 0..1, below 1, or be None, got 1.0"),
        ({"presentations": 0}, "presentations must be at least 1, got 0"),
        ({"shift": -1}, "shift must be at least 0, got -1"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as error:
        SelfOrganisation(**change)  # type: ignore[arg-type]
    assert str(error.value) == message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of scikit-learn's digits 0 to 4 eight each, as PNG files in folders of their own."""
    place = tmp_path_factory.mktemp("digits")
    images, labels = load_digits().images, load_digits().target
    for digit in range(5):
        (place / str(digit)).mkdir()
        for i in np.flatnonzero(labels == digit)[:8]:
            Image.fromarray((images[i] * 15.9).astype(np.uint8)).save(place / str(digit) / f"{i}.png")
    return place


@pytest.mark.parametrize(("year", "chance"), [(1980, 0.2), (1988, 0.2)])
def test_the_command_makes_a_run_that_evaluates_predicts_and_verifies(
    year: int, chance: float, folder: Path, tmp_path: Path
) -> None:
    done = run("train", folder, "--recipe", f"neocognitron-{year}", "-o", "r", cwd=tmp_path)
    assert "pictures of each class" in done.stderr
    figures = json.loads((tmp_path / "r/run.json").read_text())
    assert figures["model"] == ("neocognitron" if year == 1980 else "neocognitron_1988")
    assert figures["top1"] > chance
    assert "still computes the same" in run("verify", "r", cwd=tmp_path).stdout
    classifier = neocog.load(tmp_path / "r")
    files = sorted(folder.glob("*/*.png"))
    said = classifier.probabilities([str(path) for path in files])
    pixels = np.stack([np.asarray(classifier.preprocess(path.read_bytes())) for path in files])
    logits = classifier.module()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    assert said == pytest.approx(logits.softmax(1).detach().numpy(), abs=1e-5)
    first = json.loads(run("predict", "r", files[0], "--json", cwd=tmp_path).stdout)
    best = classifier.classes[int(said[0].argmax())]
    assert best == json.dumps(first).split('"label": "')[1].split('"')[0]


def test_the_run_of_1988_was_taught_the_training_pictures_that_its_seed_draws(
    folder: Path, tmp_path: Path
) -> None:
    run("train", folder, "--recipe", "neocognitron-1988", "--seed", 3, "-o", "r", cwd=tmp_path)
    rows = list(csv.DictReader((tmp_path / "r/split.csv").read_text().splitlines()))
    train = [row for row in rows if row["part"] == "train"]
    labels = np.array([int(row["label"]) for row in train])
    shown = to_show(labels, 30, 3)
    classifier = neocog.load(tmp_path / "r")
    read = [np.asarray(classifier.preprocess((folder / train[i]["path"]).read_bytes())) for i in shown]
    pictures = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).float() / 255
    net = neocognitron_1988()
    teach(net, lessons_1988(net, pictures, labels[shown].tolist()))
    tensors = classifier.module().state_dict()
    assert torch.equal(tensors["backbone.us4.a"], net.us4.a)
    factor = json.loads((tmp_path / "r/model.json").read_text())["recipe"]["sharpness"]
    assert tensors["classifier.weight"].numpy() == pytest.approx(factor * np.eye(5, 10), abs=1e-3)
    assert not tensors["classifier.bias"].any()


def test_recipes_of_one_network_are_refused_for_another(folder: Path, tmp_path: Path) -> None:
    wrong = refused("train", folder, "-m", "resnet18", "--recipe", "neocognitron-1980", cwd=tmp_path)
    assert wrong.startswith("the recipe neocognitron-1980 is for -m neocognitron")
    wrong = refused("train", folder, "-m", "neocognitron_1988", "--recipe", "scratch", cwd=tmp_path)
    assert wrong.endswith("take --recipe neocognitron-1988, or probe")
    wrong = refused("train", folder, "--recipe", "neocognitron-1980", "--epochs", 3, cwd=tmp_path)
    assert wrong.startswith("the rule of neocognitron has no epochs; it has per_class, ink")


def test_the_network_of_1988_has_a_last_cell_for_ten_classes_only() -> None:
    pixels, labels = np.zeros((22, 8, 8), np.uint8), np.repeat(np.arange(11), 2)
    with pytest.raises(UserError, match="has last cells for 10 classes, got 11; take --recipe probe"):
        neocog.train((pixels, labels), recipe="neocognitron-1988")
