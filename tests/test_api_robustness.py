"""Accuracy on spoiled pictures: the counts are those of scoring pictures that were spoiled beforehand."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neocog
from neocog.api.evaluating.robustness import RobustnessReport, robustness
from neocog.data.corruptions.catalogue import CORRUPTIONS, picture_seed
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.evaluation.robustness import ALEXNET, Robustness

RNG = np.random.default_rng(3)
LABELS = np.arange(40) % 2
STRIPES = np.where(np.arange(32) % 8 < 4, 105, 150)
PICTURES = np.stack([np.tile(STRIPES, (32, 1)).T if label else np.tile(STRIPES, (32, 1)) for label in LABELS])
PICTURES = np.clip(PICTURES + RNG.normal(0, 30, PICTURES.shape), 0, 255).astype(np.uint8)
HOW: dict[str, Any] = {"engine": "torch", "device": "cpu"}
SOME = ["gaussian_blur", "contrast", "elastic_transform", "fog"]


def data(pictures: object, labels: Any = LABELS, classes: tuple[str, ...] = ("lying", "standing")) -> Dataset:
    names = [f"{i}.png" for i in range(len(labels))]
    return Dataset("stripes", Arrays(pictures, names), labels, classes, np.full(len(labels), ""))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "stripes"
    neocog.train(data(PICTURES), "lenet5_modern", recipe="scratch", epochs=8, output=folder, **HOW)
    return folder


@pytest.fixture(scope="module")
def report(run: Path) -> RobustnessReport:
    return robustness(run, data(PICTURES), corruptions=SOME, severities=(2, 5), **HOW)


def beforehand(run: Path, name: str, severity: int, seed: int) -> int:
    """How many are right of pictures that were spoiled one by one and then scored as any others."""
    spoiled = [
        CORRUPTIONS[name](x, severity, picture_seed(seed, x, name, severity)) for x in PICTURES[..., None]
    ]
    scored = neocog.evaluate(run, data(np.stack(spoiled)[..., 0]), **HOW)
    return round(scored.top1 * len(PICTURES))  # type: ignore[union-attr]


def test_counts_are_those_of_pictures_that_were_spoiled_beforehand(
    run: Path, report: RobustnessReport
) -> None:
    found = report.figures
    assert found.n == 40
    split = list(csv.DictReader((run / "split.csv").read_text().splitlines()))
    assert report.trained_on == sum(row["part"] == "train" for row in split) > 20
    assert (
        report.notes()[0]
        == f"{report.trained_on} of these pictures trained the model; new ones may score lower."
    )
    assert list(found.right) == [
        "fog",
        "contrast",
        "elastic_transform",
        "gaussian_blur",
    ]  # the catalogue's order
    assert found.clean_top1 == neocog.evaluate(run, data(PICTURES), **HOW).top1  # type: ignore[union-attr]
    for name, row in found.right.items():
        assert row == tuple(beforehand(run, name, severity, 0) for severity in (2, 5)), name
    assert min(min(row) for row in found.right.values()) < found.clean


def test_another_seed_spoils_otherwise(run: Path) -> None:
    rows = []
    for seed in (0, 8):
        found = robustness(
            run, data(PICTURES), corruptions="elastic_transform", severities=(1, 2), seed=seed, **HOW
        )
        assert found.seed == seed
        rows.append(found.figures.right["elastic_transform"])
        assert rows[-1] == tuple(beforehand(run, "elastic_transform", severity, seed) for severity in (1, 2))
    assert rows[0] != rows[1]


def test_neither_order_nor_company_changes_a_count(run: Path, report: RobustnessReport) -> None:
    def counts(places: Any) -> Any:
        part = data(PICTURES[places], LABELS[places])
        found = robustness(run, part, corruptions=SOME, severities=(2, 5), **HOW).figures
        return np.array([*found.right.values()])

    whole = np.array([*report.figures.right.values()])
    mixed = np.random.default_rng(4).permutation(40)
    assert (counts(mixed) == whole).all()
    assert (counts(mixed[:13]) + counts(mixed[13:]) == whole).all()


def test_a_picture_that_cannot_be_read_is_counted_or_an_error(run: Path) -> None:
    broken = data([*PICTURES[:9], b"no picture"], LABELS[:10])
    found = robustness(run, broken, corruptions="fog", severities=[1], **HOW)
    assert found.figures.n == 9
    assert [path for path, _ in found.skipped] == ["9.png"]
    assert "1 picture could not be read: not counted." in found.to_html()
    with pytest.raises(UserError, match="9.png"):
        robustness(run, broken, corruptions="fog", severities=[1], strict=True, **HOW)
    with pytest.raises(UserError, match="no picture of stripes can be read"):
        robustness(run, data([b"none"], LABELS[:1]), corruptions="fog", **HOW)


def test_pictures_of_a_class_that_the_model_lacks_count_as_wrong(run: Path, report: RobustnessReport) -> None:
    renamed = data(PICTURES, classes=("lying", "leaning"))
    found = robustness(run, renamed, corruptions=SOME, severities=(2, 5), **HOW)
    assert found.unknown_classes == ("leaning",)
    assert "The model does not know leaning; those pictures count as wrong." in found.to_html()
    lying = data(PICTURES[::2], np.zeros(20, np.int64), classes=("lying",))
    alone = robustness(run, lying, corruptions=SOME, severities=(2, 5), **HOW)
    assert found.figures.right == alone.figures.right
    assert found.figures.n == 40


def test_the_table_the_json_and_the_page_say_the_same(report: RobustnessReport, tmp_path: Path) -> None:
    told = json.loads(json.dumps(report.to_json()))
    assert told["mce"] is None  # these are not ImageNet's classes
    rows = {row["corruption"]: row for row in report.table()}
    report.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    cells = re.findall(r'<td class="hit"[^>]*>([\d.]+)</td>', page)
    wanted = []
    for name, row in told["corruptions"].items():
        shares = [one["top1"] for one in row["severities"].values()]
        assert [rows[name]["severity 2"], rows[name]["severity 5"]] == shares
        assert rows[name]["mean error"] == row["error"] == pytest.approx(1 - sum(shares) / 2)
        wanted += [f"{100 * share:.1f}" for share in shares]
    assert sorted(cells) == sorted(wanted)
    assert "http" not in re.sub(r'http-equiv|"http://www.w3.org/2000/svg"', "", page)


def test_the_mean_corruption_error_is_told_where_it_means_something(report: RobustnessReport) -> None:
    full = Robustness(50, 40, (1, 2, 3, 4, 5), dict.fromkeys(ALEXNET.errors, (25,) * 5))
    there = replace(report, figures=full, imagenet=True, size=(224, 224))
    wanted = np.mean([0.5 / (sum(row) / 5) for row in ALEXNET.errors.values()])
    assert there.to_json()["mce"] == pytest.approx(wanted)
    assert f"{100 * wanted:.1f}</bdi>" in there.to_html()
    for other in (
        replace(there, size=(240, 240)),
        replace(there, imagenet=False),
        replace(there, figures=report.figures),
    ):
        assert other.to_json()["mce"] is None
        assert "mCE" not in other.to_html()


def test_names_of_others_are_escaped(report: RobustnessReport) -> None:
    page = replace(report, run="<script>alert(1)</script>", data="<b>\x1b[31m").to_html()
    assert "<script" not in page
    assert "<b>" not in page
    assert "\x1b" not in page


def test_wrong_wishes_are_refused_in_words(run: Path) -> None:
    for wish, words in (
        ({"corruptions": "smog"}, "corruptions must be all or names out of gaussian_noise, .*, got smog"),
        ({"corruptions": "saturate"}, "saturate changes colours, but the model sees grey pictures"),
        ({"severities": (0, 1)}, "severities must be out of 1, 2, 3, 4, 5, got 0, 1"),
        ({"severities": ()}, "severities must be out of 1, 2, 3, 4, 5, got none"),
        ({"part": "test"}, "stripes has no parts"),
    ):
        with pytest.raises(UserError, match=words):
            robustness(run, data(PICTURES), **wish, **HOW)  # type: ignore[arg-type]
    several = replace(data(PICTURES), targets=np.eye(2, dtype=bool)[LABELS])
    with pytest.raises(UserError, match="one class per picture, but some pictures of stripes have several"):
        robustness(run, several, **HOW)
