"""Pictures that show several classes at once, from a table to scores, through the command."""

import csv
import io
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.metrics import average_precision_score, f1_score, hamming_loss, log_loss

from door import neocog, refused
from neocog.api.estimators import ImageClassifier
from neocog.errors import UserError
from neocog.training.judging import judged_several

SHAPES = {"bar": "blue", "circle": "red", "square": "lime"}
CLASSES = tuple(SHAPES)


def drawn(rng: np.random.Generator, shown: list[str]) -> Image.Image:
    image = Image.new("RGB", (32, 32), tuple(int(v) for v in rng.integers(0, 60, 3)))
    pen = ImageDraw.Draw(image)
    for name in shown:
        x, y = rng.integers(0, 20, 2).tolist()
        box = (0, y, 31, y + 4) if name == "bar" else (x, y, x + 10, y + 10)
        (pen.ellipse if name == "circle" else pen.rectangle)(box, fill=SHAPES[name])
    return image


def table(folder: Path, n: int, seed: int = 0) -> Path:
    """Pictures on which each shape is there or not, with a table of their labels; one of them is none."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    lines = ["path,label", "broken.png,bar|circle"]
    for i in range(n):
        shown = [name for name in CLASSES if rng.random() < 0.45]
        drawn(rng, shown).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{'|'.join(shown)}")
    (folder / "broken.png").write_text("no picture")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures to learn from, others, and a run of each kind."""
    here = tmp_path_factory.mktemp("several")
    data, _ = table(here / "data", 100), table(here / "others", 40, seed=1)
    for name, words in {
        "probe": [],
        "scratch": ["-m", "lenet_caffe", "--epochs", "3", "--patience", "9", "--class-weights", "auto"],
    }.items():
        done = neocog("train", data, *words, "-o", here / name, "--json", cwd=here)
        (here / f"{name}.json").write_text(done.stdout)
        (here / f"{name}.said").write_text(done.stderr)
    return here


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def as_array(sets: list[str]) -> np.ndarray:
    return np.array([[name in text.split("|") for name in CLASSES] for text in sets])


@pytest.mark.parametrize("run", ["probe", "scratch"])
def test_the_figures_of_a_run_are_those_of_scikit_learn_on_its_predictions(place: Path, run: str) -> None:
    figures = json.loads((place / f"{run}.json").read_text())
    rows = rows_of(place / run / "predictions.csv")
    labels = {row["path"]: row["label"] for row in rows_of(place / "data" / "labels.csv")}
    assert [row["truth"] for row in rows] == [labels[Path(row["path"]).name] for row in rows]
    truth, said = as_array([row["truth"] for row in rows]), as_array([row["label"] for row in rows])
    assert len(rows) == figures["n_val"] == 20
    assert figures["micro_f1"] == pytest.approx(f1_score(truth, said, average="micro", zero_division=0))
    assert figures["hamming"] == pytest.approx(hamming_loss(truth, said))
    assert figures["exact"] == pytest.approx((truth == said).all(axis=1).mean())
    last = rows_of(place / run / "metrics.csv")[-1]
    assert list(last)[:6] == [
        "epoch",
        "train_loss",
        "eval_loss",
        "eval_map",
        "eval_micro_f1",
        "eval_macro_f1",
    ]
    assert figures["skipped"] == [
        {"path": str(place / "data" / "broken.png"), "reason": figures["skipped"][0]["reason"]}
    ]
    card = json.loads((place / run / "model.json").read_text())
    assert (card["activation"], card["format"]) == ("sigmoid", 2)


def test_a_run_says_what_was_chosen_for_such_pictures(place: Path) -> None:
    said = (place / "scratch.said").read_text()
    assert "loss: bce, a yes or no for each class" in said
    recipe = json.loads((place / "scratch" / "model.json").read_text())["recipe"]
    assert (recipe["loss"], recipe["best_by"]) == ("bce", "map")
    shown = Counter(row["label"] for row in rows_of(place / "data" / "labels.csv"))
    assert f"{shown['']} of 101 pictures have no label: they show none of the classes" in said


def test_the_best_epoch_is_that_of_the_best_map(place: Path) -> None:
    maps = [float(row["eval_map"]) for row in rows_of(place / "scratch" / "metrics.csv")]
    assert len(maps) == 3
    assert json.loads((place / "scratch.json").read_text())["map"] == pytest.approx(max(maps), abs=0.02)
    card = json.loads((place / "scratch" / "model.json").read_text())
    assert card["recipe"]["weights of epoch"] == 1 + maps.index(max(maps))


def test_the_split_has_every_class_in_its_share_on_both_sides(place: Path) -> None:
    rows = [row for row in rows_of(place / "probe" / "split.csv") if row["part"] != "skipped"]
    labels = {row["path"]: row["label"] for row in rows_of(place / "data" / "labels.csv")}
    assert all(row["label"] == labels[row["path"]] for row in rows)
    truth = as_array([row["label"] for row in rows])
    judged = np.array([row["part"] == "val" for row in rows])
    assert abs(truth[judged].sum(0) - 0.2 * truth.sum(0)).max() <= 1.5


@pytest.mark.parametrize("run", ["probe", "scratch"])
def test_a_run_still_computes_the_same(place: Path, run: str) -> None:
    assert "still computes the same" in neocog("verify", place / run, cwd=place).stdout


def test_eval_scores_what_predict_names(place: Path) -> None:
    run, data = place / "probe", place / "others" / "labels.csv"
    scored = json.loads(neocog("eval", run, data, "--json", cwd=place).stdout)
    pictures = [place / "others" / f"{i:03}.png" for i in range(40)]
    listed = json.loads(neocog("predict", run, *pictures, "--json", "--threshold", "0", cwd=place).stdout)
    found = [{p["label"]: p["probability"] for p in one["predictions"]} for one in listed]
    probabilities = np.array([[one[name] for name in CLASSES] for one in found])
    labels = {row["path"]: row["label"] for row in rows_of(data)}
    truth = as_array([labels[path.name] for path in pictures])
    assert scored["n"] == 40
    assert len(scored["skipped"]) == 1
    aps = average_precision_score(truth, probabilities, average=None)
    assert scored["map"] == pytest.approx(aps.mean())
    assert [scored["per_class"][name]["ap"] for name in CLASSES] == pytest.approx(list(aps))
    assert [scored["per_class"][name]["n"] for name in CLASSES] == truth.sum(0).tolist()
    f1s = f1_score(truth, probabilities >= 0.5, average=None)
    assert [scored["per_class"][name]["f1"] for name in CLASSES] == pytest.approx(list(f1s))
    assert scored["map"] > 0.9, "red, green and blue are easy to tell"
    assert f"mAP {scored['map']:.4f}" in neocog("eval", run, data, cwd=place).stdout


def test_predict_names_the_classes_above_the_threshold_in_every_form(place: Path) -> None:
    picture = place / "others" / "blank.png"
    drawn(np.random.default_rng(5), []).save(picture)
    pictures = [place / "others" / f"{i:03}.png" for i in range(6)] + [picture]
    run = place / "probe"
    text = neocog("predict", run, *pictures, "--csv", "--threshold", "0.3", cwd=place).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    every = json.loads(neocog("predict", run, *pictures, "--json", "--threshold", "0", cwd=place).stdout)
    for row, one in zip(rows, every, strict=True):
        named = [p["label"] for p in one["predictions"] if p["probability"] >= 0.3]
        assert row["label"] == "|".join(named)
        values = [p["probability"] for p in one["predictions"]]
        assert values == sorted(values, reverse=True)
        assert len(values) == 3
    lines = neocog("predict", run, picture, "--threshold", "1", cwd=place).stdout.splitlines()
    assert lines == [f"{picture}: none of the classes"]
    first = json.loads(
        neocog("predict", run, picture, "--json", "--threshold", "0", "-k", "1", cwd=place).stdout
    )
    assert len(first[0]["predictions"]) == 1


@pytest.mark.parametrize("run", ["probe", "scratch"])
def test_predict_says_what_the_run_said_when_it_was_made(place: Path, run: str) -> None:
    rows = rows_of(place / run / "predictions.csv")
    pictures = [row["path"] for row in rows] + [str(place / "data" / "broken.png")]
    text = neocog("predict", place / run, *pictures, "--csv", cwd=place).stdout
    *found, broken = csv.DictReader(io.StringIO(text))
    assert broken["label"] == ""
    assert "not a picture" in broken["error"]
    for one, row in zip(found, rows, strict=True):
        kept, said = (
            dict(zip(r["label"].split("|"), r["probability"].split("|"), strict=True)) for r in (row, one)
        )
        unsure = {name for name in {*kept, *said} - {""} if abs(float({**said, **kept}[name]) - 0.5) < 1e-3}
        assert set(kept) - unsure - {""} == set(said) - unsure - {""}
        both = {*kept} & {*said} - {""}
        assert [float(said[n]) for n in both] == pytest.approx([float(kept[n]) for n in both], abs=1e-3)
        assert one["error"] == ""


def test_data_of_one_class_each_are_scored_as_showing_no_other(place: Path) -> None:
    lines = ["path,label"]
    for row in rows_of(place / "others" / "labels.csv"):
        if row["path"] != "broken.png" and row["label"] and "|" not in row["label"]:
            lines.append(f"{row['path']},{row['label']}")
    (place / "others" / "single.csv").write_text("\n".join(lines) + "\n")
    scored = json.loads(
        neocog("eval", place / "probe", place / "others" / "single.csv", "--json", cwd=place).stdout
    )
    assert scored["n"] == sum(row["n"] for row in scored["per_class"].values()) == len(lines) - 1


def test_classes_that_the_model_lacks_are_never_named(place: Path) -> None:
    text = (place / "others" / "labels.csv").read_text().replace("circle", "ring")
    (place / "others" / "rings.csv").write_text(text)
    done = neocog("eval", place / "probe", place / "others" / "rings.csv", "--json", cwd=place)
    scored = json.loads(done.stdout)
    assert "the model does not know ring" in done.stderr
    ring = scored["per_class"]["ring"]
    assert (ring["f1"], ring["said"]) == (0, 0)
    assert ring["ap"] == pytest.approx(ring["n"] / 40), "the share that shows it, as for any constant answer"
    assert scored["per_class"]["circle"]["ap"] is None
    aps = [row["ap"] for row in scored["per_class"].values() if row["ap"] is not None]
    assert scored["map"] == pytest.approx(math.fsum(aps) / 3)


def test_the_report_shows_every_class_by_itself(place: Path) -> None:
    figures = json.loads((place / "scratch.json").read_text())
    page = (place / "scratch" / "report.html").read_text("utf-8")
    assert f"mAP {100 * figures['map']:.1f}&nbsp;% on 20 held-out pictures" in page
    assert "What is taken for what" not in page
    rows = rows_of(place / "scratch" / "predictions.csv")
    wrong = sum(row["truth"].split("|") != sorted(row["label"].split("|")) for row in rows)
    assert f"{wrong} held-out pictures of 20 have" in page
    train = [row["label"] for row in rows_of(place / "scratch" / "split.csv") if row["part"] == "train"]
    for name, n in zip(CLASSES, as_array(train).sum(0), strict=True):
        assert f'<td class="n">{n}</td></tr>' in page.split(f'<th scope="row"><bdi>{name}</bdi>')[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-m lenet_caffe --loss cross-entropy", "need the loss bce, got cross-entropy"),
        ("-m lenet_caffe --balanced", "balanced draws pictures by their one class"),
        (
            "-m lenet_caffe --recipe scratch --best-by top1",
            "best_by top1 is for pictures that show one class each",
        ),
        ("--recipe neocognitron-1988", "learns one class per picture"),
    ],
)
def test_what_needs_one_class_per_picture_is_refused(place: Path, words: str, why: str) -> None:
    said = refused("train", place / "data" / "labels.csv", *words.split(), "-o", place / "no", cwd=place)
    assert why in said
    assert not (place / "no").exists()


def test_what_needs_several_is_refused_for_one(place: Path) -> None:
    single = place / "others" / "one.csv"
    single.write_text("path,label\n000.png,a\n001.png,b\n002.png,a\n003.png,b\n004.png,a\n005.png,b\n")
    words = ["-m", "lenet_caffe", "--recipe", "scratch", "--best-by", "map"]
    assert "best_by map is for pictures that show several" in refused("train", single, *words, cwd=place)
    neocog("train", single, "-m", "lenet_caffe", "--epochs", "1", "-o", place / "one", cwd=place)
    picture = place / "others" / "000.png"
    assert "a threshold is for runs" in refused(
        "predict", place / "one", picture, "--threshold", "0.5", cwd=place
    )
    data = place / "others" / "two.csv"
    data.write_text("path,label\n000.png,a|b\n001.png,b\n")
    assert "the model names one class per picture" in refused("eval", place / "one", data, cwd=place)


def test_a_run_that_was_cut_short_goes_on_to_the_same_figures(place: Path) -> None:
    data, whole, cut = place / "data" / "labels.csv", place / "whole", place / "cut"
    words = ["-m", "lenet_caffe", "--epochs", "4", "--best-by", "map", "--precision", "float32"]
    neocog("train", data, *words, "-o", whole, cwd=place)
    done = neocog("train", data, *words, "-o", cut, "--time-limit", "0.001s", cwd=place, ok=False)
    assert done.returncode == 130, done.stderr
    neocog("train", data, *words, "-o", cut, "--resume", "auto", cwd=place)
    figures = [[list(row.items())[:8] for row in rows_of(run / "metrics.csv")] for run in (whole, cut)]
    assert figures[0] == figures[1]
    assert len(figures[0]) == 4


def test_the_estimator_says_that_it_takes_one_label() -> None:
    with pytest.raises(UserError, match=r"y must be one label per picture, got the shape \(3, 2\)"):
        ImageClassifier().fit(np.zeros((3, 8, 8), np.uint8), np.eye(3, 2))


def test_the_figures_of_an_epoch_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    shown = (rng.random((40, 3)) < 0.4).astype(np.float32)
    logits = (rng.normal(size=(40, 3)) + shown).astype(np.float32)
    got = judged_several(logits, shown)
    probabilities = 1 / (1 + np.exp(-logits.astype(float)))
    losses = [log_loss(shown[:, k], probabilities[:, k]) for k in range(3)]
    assert got.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert got.map == pytest.approx(average_precision_score(shown, logits, average="macro"))
    assert got.micro_f1 == pytest.approx(f1_score(shown, logits >= 0, average="micro"))
    assert got.figure("micro-f1") == got.micro_f1
