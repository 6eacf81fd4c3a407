"""A run as the teacher of another, through the command and from Python."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import neocog
from door import neocog as run
from door import refused
from neocog.api.training.teacher import Teacher, make_teacher, taught_by
from neocog.data.loading.pictures import Labelled
from neocog.errors import UserError
from neocog.progress import Silent

THREE = ("0", "1", "2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data: 12 pictures of each of three digits, un: 10 more of each and one that cannot be read, r: a run."""
    place = tmp_path_factory.mktemp("teacher")
    images, labels = load_digits().images, load_digits().target
    (place / "un").mkdir()
    for digit in range(3):
        (place / "data" / str(digit)).mkdir(parents=True)
        for n, i in enumerate(np.flatnonzero(labels == digit)[:22]):
            picture = Image.fromarray((images[i] * 15.9).astype(np.uint8))
            picture.save(place / f"data/{digit}/{i}.png" if n < 12 else place / f"un/{i}.png")
    (place / "un/broken.png").write_bytes(b"no picture")
    run("train", "data", "-m", "lenet5_modern", "--recipe", "digits", "--epochs", 6, "-o", "r", cwd=place)
    return place


def test_a_picture_has_the_teachers_probabilities_in_the_order_of_the_datas_classes(place: Path) -> None:
    teacher = neocog.load(place / "r")
    labelled = Labelled(np.zeros((4, 32, 32, 1), np.uint8), np.array([0, 2, 1, 0]))
    order = [2, 0, 1]
    classes = [THREE[i] for i in order]
    told = Silent()
    taught = taught_by(
        Teacher(run=place / "r", unlabelled=place / "un"),
        labelled,
        classes,
        frozenset(),
        teacher.preprocess,
        told,
    )
    source = taught.train.source
    for i in range(4, len(taught.train)):
        name = source.name(int(taught.train.places(np.array([i]))[0]))
        pixels = np.empty((1, 32, 32, 1), np.uint8)
        source.fill(taught.train.places(np.array([i])), pixels)
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) * 2  # black -1, white 1
        said = teacher.module()(x).softmax(1)[0, order].detach().numpy()
        assert taught.train.labels[i] == pytest.approx(said, abs=1e-4), name
    assert len(taught.train) - 4 == len(taught.targets) >= 28
    assert taught.train.labels[:4].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_the_command_trains_a_student_that_says_how_it_was_taught(place: Path, tmp_path: Path) -> None:
    """Held-out pictures among the unlabelled ones, the same bytes, are not learned from."""
    judging = [
        line.split(",")[0] for line in (place / "r/split.csv").read_text().splitlines() if ",val" in line
    ]
    shutil.copytree(place / "un", tmp_path / "un")
    for n, name in enumerate(judging):
        shutil.copy(place / "data" / name, tmp_path / "un" / f"copy{n}.png")
    quick = ("--epochs", 1, "-b", 8, "--drop", 0, "--drop-path", 0, "--augment", "digits", "--opt", "adamw")
    given = ("train", place / "data", "-m", "lenet5_modern", "--recipe", "noisy-student", *quick)
    taught = ("--teacher", place / "r", "--unlabelled", "un", "--per-class", 11, "--confidence", 0.2)
    done = run(*given, *taught, "-o", "s", cwd=tmp_path)
    assert f"{len(judging)} are held-out pictures and were left out" in done.stderr
    assert "1 cannot be read" in done.stderr
    said = json.loads((tmp_path / "s/model.json").read_text())["recipe"]["teacher"]
    assert said.startswith("more than 0.2 sure of 30 of 30 pictures, balanced to 11 in each of 3 classes")
    assert f"training: {36 - len(judging) + 33} in" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--recipe", "noisy-student"),
            "the recipe noisy-student needs a teacher.*give --teacher RUN and --unlabelled",
        ),
        (("--recipe", "scratch", "--teacher", "r"), "--teacher needs .*give --unlabelled DATA, too"),
        (("--recipe", "scratch", "--per-class", 3), "--per-class needs a teacher"),
        (("--recipe", "probe", "--teacher", "r", "--unlabelled", "un"), "that train all weights, got probe"),
    ],
)
def test_half_a_teacher_is_refused(place: Path, flags: tuple[object, ...], message: str) -> None:
    assert re.search(message, refused("train", "data", "-m", "lenet5_modern", *flags, cwd=place))


def test_a_teacher_of_other_classes_or_of_nothing_is_refused(place: Path, tmp_path: Path) -> None:
    labelled = Labelled(np.zeros((2, 32, 32, 1), np.uint8), np.array([0, 1]))
    preprocess = neocog.load(place / "r").preprocess
    teacher = Teacher(run=place / "r", unlabelled=place / "un")
    with pytest.raises(UserError, match="must have the classes of the data, '2' is in one alone"):
        taught_by(teacher, labelled, ["0", "1"], frozenset(), preprocess, Silent())
    (tmp_path / "x.png").write_bytes(b"none")
    teacher = Teacher(run=place / "r", unlabelled=tmp_path)
    with pytest.raises(UserError, match="no picture of .* can be read"):
        taught_by(teacher, labelled, THREE, frozenset(), preprocess, Silent())


@pytest.mark.parametrize(
    ("change", "rule"), [({"confidence": 1.0}, "confidence must"), ({"per_class": 0}, "per_class")]
)
def test_numbers_out_of_range_are_refused(change: dict[str, float], rule: str) -> None:
    with pytest.raises(UserError, match=rule):
        make_teacher({"teacher": "r", "unlabelled": "un", **change}, "scratch", True)  # type: ignore[typeddict-item]


def test_without_a_teacher_there_is_none() -> None:
    assert make_teacher({"teacher": None}, "scratch", True) is None
