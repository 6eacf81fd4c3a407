"""`neocog see training` through the real command: its figures are those of eval, planted faults are told in words."""

import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import neocog
from door import neocog as command
from door import refused
from neocog.bundle import read_bundle
from neocog.errors import UserError
from neocog.inside.learning.task import Task
from pages import Page

ALL = ("--pictures", 2000, "--points", 3)
NETWORK = """
from torch import nn

def dead():
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(600, 8), nn.ReLU(), nn.Linear(8, 2)
    )
    nn.init.constant_(net[4].bias, -100.0)
    return net
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("see-training") / "run"
    neocog.train("builtin/digits", "lenet5_modern", output=folder, epochs=3, snapshots=3)
    return folder


@pytest.fixture(scope="module")
def seen(run: Path) -> dict[str, Any]:
    done = command("see", "training", run, *ALL, "--grid", 3, "-o", "out", "--json", cwd=run.parent)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_loss_at_the_weights_is_that_of_eval_and_of_the_run(run: Path, seen: dict[str, Any]) -> None:
    judged = neocog.evaluate(run, "builtin/digits", split=run, part="val")
    assert seen["pictures"] == seen["of"] == judged.scores.n
    for loss in (seen["loss"], *(losses[1] for losses in seen["landscape"]["slices"])):
        assert loss == pytest.approx(judged.scores.nll, rel=1e-3)
        assert loss == pytest.approx(float(rows_of(run)[-1]["eval_loss"]), rel=1e-3)
    assert seen["landscape"]["grid"][1][1] == pytest.approx(seen["loss"], rel=1e-5)
    assert seen["landscape"]["grid"][1] == pytest.approx(seen["landscape"]["slices"][0], rel=1e-5)
    assert [row[1] for row in seen["landscape"]["grid"]] == pytest.approx(
        seen["landscape"]["slices"][1], rel=1e-5
    )


def test_the_line_begins_at_the_earliest_epoch_and_ends_at_the_run(run: Path, seen: dict[str, Any]) -> None:
    line = dict(zip(seen["landscape"]["shares"], seen["landscape"]["line"], strict=True))
    rows = rows_of(run)
    assert seen["landscape"]["epoch"] == 1
    assert line[0.0] == pytest.approx(float(rows[0]["eval_loss"]), rel=1e-3)
    assert line[1.0] == pytest.approx(float(rows[2]["eval_loss"]), rel=1e-3)
    at_one = json.loads(command("see", "training", f"{run}@1", *ALL, "--json", cwd=run.parent).stdout)
    assert at_one["loss"] == pytest.approx(line[0.0], rel=1e-5)


def test_the_loss_around_the_weights_takes_fewer_large_pictures() -> None:
    truth = torch.arange(200) % 5
    large = Task(truth.float().view(-1, 1, 1, 1).expand(-1, 1, 224, 224), truth)
    few = large.some(24)
    assert few.truth.bincount().tolist() == [4, 5, 5, 5, 5]
    assert torch.equal(few.x[:, 0, 0, 0].long(), few.truth)
    small = Task(large.x[..., :8, :8], truth)
    assert torch.equal(small.some(200).x, small.x)
    several = replace(large, truth=torch.nn.functional.one_hot(truth).float())
    assert torch.equal(several.some(24).truth.argmax(1), few.truth)


def test_curves_are_those_of_the_runs_files(run: Path, seen: dict[str, Any]) -> None:
    rows = rows_of(run)
    for name in ("train_loss", "eval_loss", "eval_top1", "lr"):
        assert seen["curves"][name] == [[int(row["epoch"]), float(row[name])] for row in rows]
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    steps = [[event["step"], event["loss"]] for event in events if event["kind"] == "step"]
    assert seen["curves"]["step_loss"] == steps


def test_a_sound_run_gets_no_warning_and_its_layers_are_those_of_the_bundle(
    run: Path, seen: dict[str, Any]
) -> None:
    assert seen["suspicious"] == []
    assert seen["trained_on"] == 0
    tensors = read_bundle(run).tensors
    for layer in seen["layers"]:
        weight = tensors[f"{layer['module']}.weight"].astype(float)
        assert layer["weights"]["rms"] == pytest.approx(float(np.sqrt((weight**2).mean())), rel=1e-5)
        assert layer["channels"] == len(weight)
    assert [layer["nonlinearity"] and layer["nonlinearity"]["kind"] for layer in seen["layers"]] == [
        "tanh", "tanh", "tanh", "tanh", None,
    ]  # fmt: skip


def test_gradients_are_those_of_the_run_on_its_held_out_pictures(run: Path, seen: dict[str, Any]) -> None:
    """By a network built, fed and differentiated here."""
    data = neocog.open_dataset("builtin/digits", neocog.Reading(split=run))
    held_out = np.flatnonzero(data.parts == "val")
    loaded = neocog.load(run)
    pixels = np.stack([loaded.preprocess(data.samples.read(int(i))) for i in held_out])
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - loaded.preprocess.mean[0]) / (
        loaded.preprocess.std[0]
    )
    net = neocog.create_model("lenet5_modern")
    tensors = read_bundle(run).tensors
    net.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()})
    F.cross_entropy(net.eval()(x), torch.from_numpy(data.labels[held_out])).backward()
    for layer in seen["layers"]:
        weight = net.get_submodule(layer["module"]).weight
        assert isinstance(weight, torch.Tensor) and weight.grad is not None
        expected = weight.grad.square().mean().sqrt().item()
        assert layer["weights"]["gradient_rms"] == pytest.approx(expected, rel=1e-3)


def test_people_read_what_was_looked_at_under_papers_names(run: Path, seen: dict[str, Any]) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = command("see", "training", run, "--points", 3, "--pictures", 20, cwd=run.parent)
    assert re.search(r"pictures +20 of 359 of digits/val\n", done.stdout)
    assert re.search(r"suspicious +nothing\n", done.stdout)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    text = (run.parent / "seen" / "training" / "index.html").read_text()
    page = Page(text)
    assert "<script" not in text
    cells = [cell.text() for cell in page.root.all("th")]
    assert {"C1", "C3", "C5", "F6"} <= set(cells)
    assert {path.stem for path in (run.parent / "out").iterdir()} >= {
        "index", "loss", "figure", "rate", "landscape", "plane", "line", "gradients", "weights",
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in files, and a run of a network whose hidden layer is dead from the beginning."""
    root = tmp_path_factory.mktemp("see-training-files")
    rng = np.random.default_rng(0)
    for label in ("dark", "light"):
        (root / "data" / label).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 90, (12, 12, 3), dtype=np.uint8) + np.uint8(120 * (label == "light"))
            Image.fromarray(pixels).save(root / "data" / label / f"{i:02}.png")
    (root / "net.py").write_text(NETWORK)
    words = ("-m", "net.py:dead", "--recipe", "scratch", "--img-size", 12, "--epochs", 1, "-b", 16, "-j", 0)
    command("train", "data", *words, "--val-fraction", 0.4, "-o", "run", cwd=root)
    return root


def test_dead_relus_of_a_real_run_are_told_in_words(folder: Path) -> None:
    done = command("see", "training", "run", "-m", "net.py:dead", *ALL, cwd=folder)
    assert re.search(r"pictures +32 of data/held out\n", done.stdout)
    assert re.search(
        r"^Dead ReLUs: of 4 more than 50 % of the channels are 0 for each of the 32 pictures", done.stdout
    )
    assert "No gradient reaches the weights of 0, 4" in done.stdout
    assert re.search(r"suspicious +\d things\n", done.stdout)


def test_held_out_pictures_are_found_by_their_files_with_their_content(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    place = tmp_path / "copy"
    with (place / "run" / "predictions.csv").open(newline="") as file:
        first = next(csv.DictReader(file))["path"]
    Image.new("RGB", (12, 12)).save(place / first)
    done = command("see", "training", "run", "-m", "net.py:dead", *ALL, "--json", cwd=place)
    found = json.loads(done.stdout)
    assert (found["pictures"], found["of"]) == (31, 32)
    assert [row["picture"] for row in found["skipped"]] == [first]
    assert "changed since" in found["skipped"][0]["reason"]
    shutil.rmtree(place / "data")
    said = refused("see", "training", "run", "-m", "net.py:dead", *ALL, cwd=place)
    assert said == f"the pictures that judged run are no longer where they were ({first}); give DATA"


def test_data_may_be_others_of_which_unknown_classes_are_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    shutil.copytree(folder / "data" / "dark", tmp_path / "data" / "strange")
    seen = neocog.see.training(
        str(folder / "run"), tmp_path / "data", pictures=30, points=3, run_model=f"{folder / 'net.py'}:dead"
    )
    assert seen.pictures.strange == ("strange",)
    assert (seen.health.pictures, seen.pictures.of) == (30, 80)
    rows = csv.DictReader((folder / "run" / "split.csv").read_text().splitlines())
    trained = {row["sha256"] for row in rows if row["part"] == "train"}
    chosen = [
        sorted((folder / "data" / label).iterdir())[i * 40 // 15]
        for label in ("dark", "light")
        for i in range(15)
    ]
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in chosen]
    assert seen.pictures.trained == sum(one in trained for one in sums) > 0
    assert "Left out: pictures of strange" in " ".join(seen.gallery.notes)
    assert sorted(seen.pictures.task.truth.tolist()) == [0] * 15 + [1] * 15


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing/here",), "nothing/here is not a run; give a folder that `neocog train` made"),
        (
            ("efficientnet_lite0",),
            "efficientnet_lite0 is a published model, of whose training nothing is here",
        ),
        (("edge_net",), "edge_net is a model that comes with neocog, of whose training nothing is here"),
        (("edge_net", "few"), "edge_net is a model that comes with neocog"),
        (("run", "builtin/digits"), "model and data must share a class; the model has dark, light"),
        (
            ("run", "few"),
            "at least 12 labelled pictures that can be read are needed, few has 4; give more DATA",
        ),
        (
            ("run", "--points", 4),
            "points must be odd, so that the run's weights are in the middle, and 3 at least, got 4",
        ),
        (("run", "--grid", 1), "grid must be odd"),
        (("run", "--pictures", 3), "at least 12 pictures must be looked at, got 3"),
        (("run", "--part", "val"), "part says how DATA are read, none are given"),
    ],
)
def test_what_cannot_be_is_one_line(folder: Path, words: tuple[object, ...], message: str) -> None:
    if not (folder / "few").is_dir():
        for label in ("dark", "light"):
            shutil.copytree(folder / "data" / label, folder / "few" / label)
            for path in sorted((folder / "few" / label).iterdir())[2:]:
                path.unlink()
    model = ("-m", "net.py:dead") if words[0] == "run" else ()
    assert message in refused("see", "training", *words, *model, cwd=folder)


def test_a_keyword_that_the_view_does_not_have_is_named(run: Path) -> None:
    with pytest.raises(TypeError, match=r"see training\(\) has no argument 'splits'; did you mean split"):
        neocog.see.training(run, splits=3)


def test_a_run_on_several_classes_a_picture_has_its_own_loss(tmp_path: Path) -> None:
    digits = neocog.open_dataset("builtin/digits").select(np.arange(300))
    names = ("even", "above four", "round")
    shown = np.stack(
        [digits.labels % 2 == 0, digits.labels > 4, np.isin(digits.labels, (0, 6, 8, 9))], axis=1
    )
    data = type(digits)(
        "traits", digits.samples, np.full(300, -1), names, digits.parts, targets=shown, listed=True
    )
    neocog.train(data, "lenet5_modern", output=tmp_path / "run", epochs=1)
    seen = neocog.see.training(
        str(tmp_path / "run"), data, split=tmp_path / "run", part="val", pictures=300, points=3
    )
    assert seen.health.loss == pytest.approx(float(rows_of(tmp_path / "run")[-1]["eval_loss"]), rel=1e-3)
    assert seen.landscape.slices[0][1] == pytest.approx(seen.health.loss, rel=1e-5)
    assert seen.curves.figure_name == "eval_map"
    with pytest.raises(UserError, match="no longer where they were .*; give DATA"):
        neocog.see.training(str(tmp_path / "run"))


def test_data_of_several_classes_a_picture_are_refused_for_a_run_of_one(run: Path) -> None:
    shown = np.eye(10, dtype=bool)[np.arange(20) % 10]
    data = neocog.open_dataset("builtin/digits").select(np.arange(20))
    several = type(data)(
        "several", data.samples, np.full(20, -1), data.classes, data.parts, targets=shown, listed=True
    )
    with pytest.raises(
        UserError, match="the run names one class for a picture, the labels of several several classes"
    ):
        neocog.see.training(str(run), several, points=3)
