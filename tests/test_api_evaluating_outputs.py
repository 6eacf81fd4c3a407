"""What `eval -o` and `--json` leave behind, against each other, scikit-learn and the page that documents it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from PIL import Image

from door import neocog, refused
from judged import (
    CARD,
    CLASSES,
    DIGITS,
    PREPROCESS,
    encoded,
    in_order,
    logits,
    make_run,
    middles,
    module,
    save_digits,
    softmax,
    write_run,
)
from neocog.api.classifier import load
from neocog.api.evaluating.calibrate import calibrate
from neocog.api.evaluating.compare import compare
from neocog.api.evaluating.evaluate import evaluate
from neocog.errors import UserError

PAGE = Path(__file__).parents[1] / "docs" / "evaluation.md"
FAST = replace(PREPROCESS, decoding="fast")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, pictures with an unreadable, a trained, a quarantined and an unknown one, and what `eval` says."""
    here = tmp_path_factory.mktemp("outputs")
    make_run(here / "a", 0, preprocess=FAST)
    make_run(here / "b", 1)
    several = replace(CARD, activation="sigmoid", preprocess=FAST)
    write_run(here / "several", module(here / "a"), several, range(55))
    data = save_digits(here / "data", range(50, 200))
    save_digits(data, [200, 201], names=["odd"] * 10)
    (data / "3" / "bad.png").write_text("nothing")
    (data / "4" / "left.png").write_bytes(encoded(900))
    (here / "quarantine.txt").write_text("4/left.png\n")
    rows = [f"data/{DIGITS.target[n]}/{n:04}.png,{DIGITS.target[n]}|{n * 7 % 10}" for n in range(50, 110)]
    (here / "several.csv").write_text("\n".join(["path,label", *rows, "data/3/bad.png,3", ""]))
    calibrate(here / "a", save_digits(here / "used", range(300, 420)), engine="torch")
    done = neocog(
        *("eval", "a", "data", "--engine", "torch", "--quarantine", "quarantine.txt", "-o", "out", "--json"),
        "--exact",
        cwd=here,
    )
    (here / "said.json").write_text(done.stdout)
    (here / "said.txt").write_text(done.stderr)
    return here


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def wanted(place: Path) -> tuple[list[str], list[str], np.ndarray[Any, Any]]:
    """Paths in order, true classes, and probabilities by torch."""
    numbers, _ = in_order(place / "data")
    names = [*map(str, DIGITS.target[numbers])]
    names = ["odd" if number in (200, 201) else name for number, name in zip(numbers, names, strict=True)]
    temperature = json.loads((place / "a" / "model.json").read_text())["calibration"]["temperature"]
    rows = softmax(logits(module(place / "a"), middles(numbers)) / temperature)
    return [f"{name}/{n:04}.png" for n, name in zip(numbers, names, strict=True)], names, rows


Wanted = tuple[list[str], list[str], np.ndarray[Any, Any]]


def test_the_folder_holds_what_the_docs_say(place: Path) -> None:
    assert {path.name for path in (place / "out").iterdir()} == {
        *("report.html", "metrics.json", "predictions.csv", "classes.csv", "confusion.csv", "confusion.png")
    }
    assert json.loads((place / "out" / "metrics.json").read_text()) == json.loads(
        (place / "said.json").read_text()
    )


def test_every_answer_stands_in_predictions(place: Path, wanted: Wanted) -> None:
    paths, truth, probabilities = wanted
    rows = table(place / "out" / "predictions.csv")
    assert [(row["path"], row["truth"]) for row in rows] == list(zip(paths, truth, strict=True))
    order = np.argsort(-probabilities, axis=1)[:, :5]
    for row, best, own in zip(rows, order, probabilities, strict=True):
        assert [row[f"label{k}"] for k in range(1, 6)] == [CLASSES[i] for i in best]
        given = [float(row[f"probability{k}"]) for k in range(1, 6)]
        np.testing.assert_allclose(given, own[best], rtol=0, atol=3e-6)


def test_figures_are_those_of_scikit_learn(place: Path, wanted: Wanted) -> None:
    _, truth, probabilities = wanted
    figures = json.loads((place / "said.json").read_text())
    every = [*CLASSES, "odd"]
    padded = np.column_stack([probabilities, np.zeros(len(truth))])
    said = [CLASSES[i] for i in probabilities.argmax(axis=1)]
    values = {name: pair["value"] for name, pair in figures["figures"].items()}
    labels = [every.index(name) for name in truth]
    assert values["top1"] == figures["top1"] == pytest.approx(sk.accuracy_score(truth, said))
    top5 = sk.top_k_accuracy_score(labels, padded, k=5, labels=range(11))
    assert values["top5"] == figures["top5"] == pytest.approx(top5)
    assert values["balanced"] == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert values["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro", labels=every))
    ours = padded[np.arange(len(truth)), labels]
    assert values["nll"] == pytest.approx(-np.log(np.maximum(ours, 1e-12)).mean(), rel=1e-5)
    assert values["brier"] == pytest.approx(((padded - np.eye(11)[labels]) ** 2).sum(axis=1).mean(), rel=1e-4)
    for name, pair in figures["figures"].items():
        low, high = pair["interval"]
        assert low <= high
        assert low <= pair["value"] <= high or name == "ece"  # a resample has more noise than the sample
    assert figures["n"] == len(truth) == 152


def test_classes_and_confusion_are_those_of_scikit_learn(place: Path, wanted: Wanted) -> None:
    _, truth, probabilities = wanted
    said, every = [CLASSES[i] for i in probabilities.argmax(axis=1)], [*CLASSES, "odd"]
    rows = table(place / "out" / "classes.csv")
    assert [row["class"] for row in rows] == every
    columns = sk.precision_recall_fscore_support(truth, said, labels=every, zero_division=0)
    for name, column in zip(("precision", "recall", "f1", "n"), columns, strict=True):
        np.testing.assert_allclose([float(row[name]) for row in rows], column, atol=1e-9)
    with (place / "out" / "confusion.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["true \\ predicted", *every]
    assert [line[0] for line in lines[1:]] == every
    matrix = sk.confusion_matrix(truth, said, labels=every)
    np.testing.assert_array_equal(np.array([line[1:] for line in lines[1:]], int), matrix)
    figures = json.loads((place / "said.json").read_text())
    assert figures["per_class"]["3"]["recall"] == float(rows[3]["recall"])
    np.fill_diagonal(matrix, 0)
    first = figures["confused"][0]
    assert first["n"] == matrix.max() == matrix[every.index(first["truth"]), every.index(first["said"])]
    assert sum(pair["n"] for pair in figures["confused"]) <= matrix.sum()


def test_the_confusion_picture_is_a_picture(place: Path) -> None:
    with Image.open(place / "out" / "confusion.png") as shown:
        shown.load()
        assert min(shown.size) > 200
        colours = shown.convert("RGB").getcolors(2**24)
    assert colours is not None
    assert len(colours) > 10


def test_what_is_not_scored_is_said(place: Path) -> None:
    figures = json.loads((place / "said.json").read_text())
    assert [Path(row["path"]).name for row in figures["skipped"]] == ["bad.png"]
    assert [Path(row["path"]).name for row in figures["quarantined"]] == ["left.png"]
    assert figures["unknown_classes"] == ["odd"]
    assert (figures["leakage"]["same"], figures["leakage"]["of"]) == (10, 152)
    told = (place / "said.txt").read_text()
    assert "the model does not know odd; those pictures count as wrong" in told
    assert "10 of these pictures trained the model" in told


def test_the_report_stands_alone_and_shows_the_figures(place: Path) -> None:
    text = (place / "out" / "report.html").read_text()
    figures = json.loads((place / "said.json").read_text())
    assert f"{100 * figures['top1']:.1f}" in text
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:|#)[^"'> ]+""", text)
    assert "bad.png" in text


def test_an_evaluation_of_several_classes_leaves_tables(place: Path) -> None:
    evaluate(place / "several", place / "several.csv", engine="torch", output=place / "out-several")
    assert {path.name for path in (place / "out-several").iterdir()} == {
        *("report.html", "metrics.json", "predictions.csv", "classes.csv")
    }
    numbers = range(50, 110)
    raw = logits(module(place / "several"), middles(numbers))
    truth = np.zeros((60, 10), bool)
    for row, n in zip(truth, numbers, strict=True):
        row[[DIGITS.target[n], n * 7 % 10]] = True
    for row, own, n in zip(table(place / "out-several" / "predictions.csv"), raw, numbers, strict=True):
        assert (int(Path(row["path"]).stem), set(row["truth"].split("|"))) == (
            n,
            {CLASSES[i] for i in np.flatnonzero(truth[n - 50])},
        )
        assert set(filter(None, row["label"].split("|"))) == {CLASSES[i] for i in np.flatnonzero(own > 0)}
    rows = table(place / "out-several" / "classes.csv")
    probabilities = 1 / (1 + np.exp(-raw))
    for i, row in enumerate(rows):
        assert float(row["ap"]) == pytest.approx(sk.average_precision_score(truth[:, i], probabilities[:, i]))
        assert float(row["auroc"]) == pytest.approx(sk.roc_auc_score(truth[:, i], probabilities[:, i]))
        assert int(row["said"]) == (raw[:, i] > 0).sum()


# What the page documents


def documented(title: str) -> set[str]:
    """The keys in the table below a heading."""
    section = PAGE.read_text("utf-8").partition(f"### {title}\n")[2].partition("\n##")[0]
    keys = re.findall(r"^\| `([^`]+)` \| \S.*\|$", section, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 10
    return set(keys)


def keys_of(shown: Any, at: str = "") -> Iterator[str]:
    """Paths of the values in a JSON object, spelled as the page spells them."""
    if isinstance(shown, dict) and shown:
        for name, inner in shown.items():
            word = {"per_class": "CLASS", "figures": "NAME"}.get(at, name)
            yield from keys_of(inner, f"{at}.{word}" if at else word)
    elif isinstance(shown, list) and shown and isinstance(shown[0], dict):
        for inner in shown:
            yield from keys_of(inner, f"{at}[]")
    elif shown != [] or not at:
        yield at
    else:
        yield f"{at} (empty)"


def real_keys(*outputs: dict[str, Any]) -> set[str]:
    """Of several outputs together; a list that is empty in one must be filled in another, or hold no objects."""
    found = {key for shown in outputs for key in keys_of(json.loads(json.dumps(shown)))}
    empty = {key.removesuffix(" (empty)") for key in found if key.endswith("(empty)")}
    plain = {key for key in found if not key.endswith("(empty)")}
    return plain | {name for name in empty if not any(key.startswith(f"{name}[]") for key in plain)}


def test_the_page_names_the_keys_of_an_evaluation_and_no_others(place: Path) -> None:
    alone = json.loads((place / "said.json").read_text())
    together = evaluate(place / "b", place / "data", ensemble=[place / "a"], engine="torch").to_json()
    (place / "b" / "split.csv").rename(place / "b" / "away.csv")
    unknown = evaluate(place / "b", place / "used", engine="torch").to_json()
    (place / "b" / "away.csv").rename(place / "b" / "split.csv")
    assert unknown["leakage"] is None
    assert documented("`eval`, one class per picture") == real_keys(alone, together, unknown)


def test_the_page_names_the_keys_of_several_classes_and_no_others(place: Path) -> None:
    (place / "several.txt").write_text("data/3/bad.png\n")
    data, run = place / "several.csv", place / "several"
    whole = evaluate(run, data, ensemble=[run], engine="torch", exact=True).to_json()
    listed = evaluate(run, data, engine="torch", quarantine=str(place / "several.txt")).to_json()
    (run / "split.csv").rename(place / "away.csv")
    unknown = evaluate(run, data, engine="torch").to_json()
    (place / "away.csv").rename(run / "split.csv")
    assert documented("`eval`, several classes per picture") == real_keys(whole, listed, unknown)


def test_the_page_names_the_keys_of_a_comparison_and_no_others(place: Path) -> None:
    found = compare([place / "a", place / "b"], place / "data", engine="torch").to_json()
    own = set(evaluate(place / "b", place / "data", engine="torch").to_json())
    keys = real_keys(found)
    inner = {key for key in keys if re.split(r"[.\[]", key.removeprefix("runs[]."))[0] in own}
    inner = {key for key in inner if key.startswith("runs[].")}
    assert {key.removeprefix("runs[].").partition(".")[0].partition("[")[0] for key in inner} == own
    assert documented("`compare`") == keys - inner | {"runs[].KEY"}


# Wrong input


def test_labels_that_overlap_partly_are_scored_and_said(place: Path, tmp_path: Path) -> None:
    save_digits(tmp_path / "data", range(100, 130), names=[*"01234", *(f"x{i}" for i in range(5))])
    scored = evaluate(place / "a", tmp_path / "data", engine="torch")
    labels = DIGITS.target[100:130]
    said = logits(module(place / "a"), middles(range(100, 130))).argmax(axis=1)
    assert scored.top1 == np.mean((said == labels) & (labels < 5))  # type: ignore[union-attr]
    assert scored.unknown_classes == tuple(f"x{i}" for i in range(5))
    done = neocog("eval", place / "a", tmp_path / "data", "--engine", "torch", cwd=tmp_path)
    assert "warning: the model does not know x0, x1, x2, x3, x4; those pictures count as wrong" in done.stderr
    assert "scored 30, skipped 0" in done.stdout


def test_labels_that_do_not_overlap_are_told_before_a_picture_is_read(place: Path, tmp_path: Path) -> None:
    data = save_digits(tmp_path / "data", range(100, 104), names=[f"x{i}" for i in range(10)])
    for path in data.rglob("*.png"):
        path.write_text("nothing")  # were it read, this would be told
    shown = ", ".join(sorted({f"x{d}" for d in DIGITS.target[100:104]}))
    assert refused("eval", place / "a", data, cwd=tmp_path) == (
        f"model and data must share a class; the model has {', '.join(CLASSES)}, the data has {shown}"
    )
    with pytest.raises(UserError, match="model and data must share a class"):
        compare([place / "a", place / "b"], data)


def test_nothing_to_score_is_told(place: Path, tmp_path: Path) -> None:
    data = save_digits(tmp_path / "data", range(100, 104))
    for path in data.rglob("*.png"):
        path.write_text("nothing")
    first = min(data.rglob("*.png"))
    with pytest.raises(
        UserError, match=f"^no picture of data can be read \\({re.escape(str(first))}: .+\\)$"
    ):
        evaluate(place / "a", data, engine="torch")
    (tmp_path / "empty").mkdir()
    assert "got no picture in" in refused("eval", place / "a", tmp_path / "empty", cwd=tmp_path)


def test_a_damaged_network_is_told(place: Path, tmp_path: Path) -> None:
    net = module(place / "a")
    net.fc5.bias.data[3] = float("nan")  # type: ignore[union-attr]
    run = write_run(tmp_path / "nan", net, CARD)
    for options in ({}, {"ensemble": [place / "a"]}, {"average": "logits", "ensemble": [place / "a"]}):
        with pytest.raises(UserError) as told:
            evaluate(run, place / "data", engine="torch", **options)  # type: ignore[arg-type]
        assert "NaN" in str(told.value)
    with pytest.raises(UserError, match="NaN"):
        calibrate(run, place / "data", engine="torch")


def test_more_labels_than_classes_are_all_of_them(place: Path, tmp_path: Path) -> None:
    picture = next((place / "used").rglob("*.png"))
    assert len(load(place / "b", engine="torch").predict(picture, topk=99)[0].labels) == 10
    net = module(place / "a")
    from neocog.models.lenet import lenet5_modern

    two = lenet5_modern(2)
    two.fc5.weight.data = net.fc5.weight.data[:2]  # type: ignore[union-attr,assignment,index]
    run = write_run(tmp_path / "two", two, replace(CARD, classes=("0", "1")))
    data = save_digits(tmp_path / "data", [n for n in range(100, 160) if DIGITS.target[n] < 2])
    scored = evaluate(run, data, engine="torch", output=tmp_path / "out")
    assert scored.scores.top5 == 1  # type: ignore[union-attr]  # the true one is always among the two
    assert list(table(tmp_path / "out" / "predictions.csv")[0]) == [
        *("path", "truth", "label1", "probability1", "label2", "probability2")
    ]
