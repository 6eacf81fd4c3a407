"""What trains and what judges never meet unseen: a leak is a number, and parts are what the data say."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neocog
from neocog.api.training.train import Run
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.evaluation.leakage import leaked
from neocog.progress import Silent

PICTURES = np.random.default_rng(3).integers(0, 256, (24, 28, 28), dtype=np.uint8)


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def data(parts: list[str], pictures: np.ndarray = PICTURES) -> Dataset:
    names = [f"{i}.png" for i in range(24)]
    return Dataset("d", Arrays(pictures, names), np.arange(24) % 2, ("a", "b"), np.array(parts))


def train(dataset: Dataset, output: Path, said: Said | None = None) -> Run:
    how: dict[str, Any] = {"recipe": "scratch", "epochs": 1, "engine": "torch", "device": "cpu"}
    return neocog.train(dataset, "lenet5_modern", output=output, progress=said, **how)


def rows(run: Run, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((run.folder / name).read_text().splitlines()))


def test_the_accuracy_without_what_was_trained_on() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)
    labels = np.array([0, 0, 0, 1])
    found = leaked(probabilities, labels, np.array([True, False, False, True]))
    assert (found.same, found.of, found.top1_without) == (2, 4, 0.5)
    assert str(found) == "without the 2 that were trained on: 0.5000 on 2"
    all_of_them = leaked(probabilities, labels, np.ones(4, bool))
    assert (all_of_them.same, all_of_them.of, all_of_them.top1_without) == (4, 4, None)


def test_copies_of_training_pictures_in_the_users_own_val_part_are_counted(tmp_path: Path) -> None:
    pictures = PICTURES.copy()
    pictures[[16, 17, 22]] = pictures[[0, 3, 3]]  # one with its label, one with it, one under the other label
    dataset = data(["train"] * 16 + ["val"] * 8, pictures)
    run = train(dataset, tmp_path / "run")
    judged = [
        row for row in rows(run, "predictions.csv") if row["path"] not in ("16.png", "17.png", "22.png")
    ]
    without = sum(row["label1"] == row["truth"] for row in judged) / 5
    assert run.figures["leakage"] == {"same": 3, "of": 8, "top1_without": without}
    assert "3 held-out pictures" in (run.folder / "report.html").read_text()
    scored = neocog.evaluate(run.folder, dataset, engine="torch")
    assert scored.to_json()["leakage"] == {"same": 3, "of": 8, "top1_without": without}


def test_a_drawn_split_has_no_leak(tmp_path: Path) -> None:
    pictures = PICTURES.copy()
    pictures[12:] = pictures[:12]
    said, dataset = Said(), data([""] * 24, pictures)
    run = train(replace(dataset, columns={"group": np.arange(24) % 12 // 2}), tmp_path / "run", said)
    assert [line for line in said.lines if "each group on one side" in line]
    assert run.figures["leakage"]["same"] == 0
    assert run.figures["leakage"]["top1_without"] == run.figures["top1"]


def test_pictures_of_a_test_part_judge_and_never_train(tmp_path: Path) -> None:
    dataset = data([""] * 16 + ["test"] * 8)
    run = train(replace(dataset, columns={"group": np.arange(24)}), tmp_path / "run")
    parts = {row["path"]: row["part"] for row in rows(run, "split.csv")}
    assert parts == {f"{i}.png": "train" if i < 16 else "test" for i in range(24)}
    assert (run.figures["n_train"], run.figures["n_val"]) == (16, 8)


def test_pictures_that_all_belong_together_cannot_be_parted(tmp_path: Path) -> None:
    """Copies and groups link all of them in a chain."""
    pictures = PICTURES.copy()
    pictures[12:] = pictures[:12]
    dataset = replace(data([""] * 24, pictures), columns={"group": np.arange(24) % 7})
    with pytest.raises(UserError, match=r"or a val folder \(copies and pictures of a group stay together\)"):
        train(dataset, tmp_path / "run")


@pytest.mark.parametrize("there", [["test"], ["val"], ["val", "test"]])
def test_data_without_a_picture_to_train_on_are_refused(tmp_path: Path, there: list[str]) -> None:
    with pytest.raises(UserError, match=f"must be pictures to train on, d has {', '.join(there)} alone"):
        train(data([there[i % len(there)] for i in range(24)]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_train_part_that_cannot_be_read_is_no_missing_part(tmp_path: Path) -> None:
    pictures = [b"nothing" if i < 16 else picture for i, picture in enumerate(PICTURES)]
    samples = Arrays(pictures, [f"{i}.png" for i in range(24)])
    dataset = replace(data(["train"] * 16 + ["val"] * 8), samples=samples)
    with pytest.raises(UserError, match="needs a readable picture to train on, got none for a, b"):
        train(dataset, tmp_path / "run")
