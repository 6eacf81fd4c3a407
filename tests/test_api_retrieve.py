"""`neocog retrieve` through its real door and from Python, on digits as PNG files and a small network."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_distances

import door
import neocog
from judged import CLASSES, DIGITS, encoded, make_run, middles, module, picture, save_digits
from neocog.api.retrieval.searched import among_themselves
from neocog.data.quarantine import read_list
from neocog.errors import UserError
from neocog.progress import Silent
from pages import Page, section

NUMBERS = range(300, 420)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its digits in folders of classes, of which one stands there twice, and one as a query."""
    here = tmp_path_factory.mktemp("retrieve")
    make_run(here / "run")
    save_digits(here / "digits", NUMBERS)
    first = next((here / "digits" / "3").iterdir())
    shutil.copy(first, here / "digits" / "3" / "9999.png")
    (here / "query.png").write_bytes(encoded(500))
    (here / "broken.png").write_bytes(b"no picture")
    return here


def features(run: Path, numbers: list[int]) -> NDArray[np.float64]:
    """What the last layer reads, by torch alone."""
    body = torch.nn.Sequential(*list(module(run).children())[:-1]).eval()
    given = (torch.from_numpy(middles(numbers).copy())[:, None].float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        return body(given).numpy().astype(np.float64)


@cache
def found(place: Path) -> dict[str, Any]:
    """The figures of everything at once, as the command prints them."""
    done = door.neocog(
        *(
            "retrieve",
            "run",
            "digits",
            "-k",
            5,
            "--outliers",
            4,
            "--mislabels",
            "--figures",
            "--json",
            "-o",
            "all",
        ),
        cwd=place,
    )
    return json.loads(done.stdout)


def test_the_nearest_of_a_query_are_those_of_numpy(place: Path) -> None:
    done = door.neocog("retrieve", "run", "digits", "query.png", "-k", 4, "--json", cwd=place)
    told = json.loads(done.stdout)
    [query] = told["queries"]
    names = sorted(
        path.relative_to(place / "digits").as_posix() for path in (place / "digits").rglob("*.png")
    )
    originals = [int(Path(name).stem) for name in names]
    originals = [original(place) if n == 9999 else n for n in originals]
    far = cosine_distances(features(place / "run", [500]), features(place / "run", originals))[0]
    order = np.argsort(far, kind="stable")[:4]
    assert {one["path"] for one in query["neighbours"]} <= {
        names[i] for i in np.flatnonzero(far <= far[order[-1]] + 1e-5)
    }
    assert [one["distance"] for one in query["neighbours"]] == pytest.approx(far[order], abs=1e-5)
    assert all(one["label"] == one["path"].split("/")[0] for one in query["neighbours"])
    assert (query["path"], query["label"]) == ("query.png", None)
    assert all(one["same"] is None for one in query["neighbours"])
    assert told["figures"] is None


def original(place: Path) -> int:
    """The number of the digit that stands there twice."""
    twice = (place / "digits" / "3" / "9999.png").read_bytes()
    return next(n for n in NUMBERS if encoded(n) == twice)


def test_every_figure_is_told_and_the_keys_are_those_of_the_page(place: Path) -> None:
    told = found(place)
    docs = (Path(__file__).parents[1] / "docs" / "retrieve.md").read_text()
    for key in _keys(told):
        assert f"`{key}`" in docs, key
    assert json.loads((place / "all" / "retrieve.json").read_text()) == told
    assert (told["pictures"], told["k"], told["metric"]) == (121, 5, "cosine")
    assert told["classes"] == list(CLASSES)


def _keys(value: Any) -> set[str]:
    """Every key but those that are names of classes or numbers."""
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    if not isinstance(value, dict):
        return set()
    own = {key for key in value if key not in CLASSES}
    return own.union(*(_keys(item) for item in value.values()))


def test_recall_is_counted_on_the_neighbours_that_are_written(place: Path) -> None:
    told = found(place)
    with (place / "all" / "neighbours.csv").open() as file:
        lines = list(csv.DictReader(file))
    by_query: dict[str, list[bool]] = {}
    for line in lines:
        same = line["query"].split("/")[0] == line["path"].split("/")[0]
        assert line["same_class"] == str(int(same))
        assert line["label"] == line["path"].split("/")[0]
        by_query.setdefault(line["query"], []).append(same)
    assert {len(row) for row in by_query.values()} == {5}
    for depth in (1, 5):
        share = np.mean([any(row[:depth]) for row in by_query.values()])
        assert told["figures"]["recall"][str(depth)]["value"] == pytest.approx(share)
    assert told["figures"]["precision"] == pytest.approx(np.mean([np.mean(row) for row in by_query.values()]))
    pairs = {(line["query"], line["path"]) for line in lines}
    twins = ("3/9999.png", f"3/{original(place):04}.png")
    assert not pairs & {twins, twins[::-1]}


def test_copies_are_neighbours_where_that_is_wanted(place: Path) -> None:
    twin = f"3/{original(place):04}.png"
    done = door.neocog(
        "retrieve", "run", "digits", f"digits/{twin}", "-k", 2, "--keep-copies", "--json", cwd=place
    )
    [query] = json.loads(done.stdout)["queries"]
    assert {one["path"] for one in query["neighbours"]} == {twin, "3/9999.png"}
    assert [one["distance"] for one in query["neighbours"]] == [0, 0]
    assert (query["label"], [one["same"] for one in query["neighbours"]]) == ("3", [True, True])


def test_lists_are_quarantine_lists(place: Path) -> None:
    told = found(place)
    for name, wanted in (
        ("mislabels.csv", [one["path"] for one in told["mislabels"]["pictures"]]),
        (
            "outliers.csv",
            list(
                dict.fromkeys(
                    one["path"]
                    for part in ("far_from_all", "far_from_class")
                    for one in told["outliers"][part]
                )
            ),
        ),
    ):
        entries = read_list(place / "all" / name)
        assert [entry.path for entry in entries] == wanted
        for entry in entries:
            data = (place / "digits" / entry.path).read_bytes()
            assert entry.sha256 == hashlib.sha256(data).hexdigest()
        left_out = neocog.open_dataset(
            place / "digits", neocog.Reading(quarantine=place / "all" / name)
        ).quarantined
        assert sorted(one.path for one in left_out) == sorted(str(place / "digits" / p) for p in wanted)


def test_a_digit_under_a_wrong_name_is_listed_first(place: Path, tmp_path: Path) -> None:
    numbers = range(900)
    save_digits(tmp_path / "digits", numbers)
    moved = [n for n in numbers if DIGITS.target[n] in (0, 6)][:6]
    for n in moved:
        other = "6" if DIGITS.target[n] == 0 else "0"
        (tmp_path / "digits" / str(DIGITS.target[n]) / f"{n:04}.png").rename(
            tmp_path / "digits" / other / f"{n:04}.png"
        )
    report = neocog.retrieve(place / "run", tmp_path / "digits", mislabels=True)
    assert report.mislabels is not None
    told = report.mislabels.to_json()
    listed = {int(Path(one["path"]).stem): one for one in told["pictures"]}
    found_ = set(moved) & set(listed)
    assert len(found_) >= 3
    assert next(iter(listed)) in moved
    assert all(listed[n]["suggested"] == str(DIGITS.target[n]) for n in found_)
    assert (
        6 <= told["estimated"] <= 12
    )  # six were moved, and some digits are written so that they look like others


def test_the_page_shows_what_was_found(place: Path) -> None:
    told = found(place)
    text = (place / "all" / "retrieve.html").read_text()
    root = Page(text).root
    assert len(text) < 3_000_000
    titles = {e.all("h2")[0].text() for e in root.all("section")}
    assert {
        "How well nearness finds the class",
        "Class by class",
        "Far from all others",
        "One of each class",
    } <= titles
    far = section(root, "Far from all others")
    assert [e.attributes["alt"] for e in far.all("img")] == [
        p["path"] for p in told["outliers"]["far_from_all"]
    ]
    doubtful = section(root, "Doubtful labels")
    assert [e.attributes["alt"] for e in doubtful.all("img")] == [
        p["path"] for p in told["mislabels"]["pictures"]
    ]


def test_in_python_it_is_the_same_and_shows_itself(place: Path) -> None:
    report = neocog.retrieve(place / "run", place / "digits", k=5, outliers=4, mislabels=True, figures=True)
    told = found(place)
    assert report.to_json() | {"source": ""} == told | {"source": ""}
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert f"mAP {100 * told['figures']['map']:.1f} %" in str(report)


def test_pictures_may_be_given_as_arrays(place: Path) -> None:
    report = neocog.retrieve(place / "run", place / "digits", [np.asarray(picture(500))], k=3)
    from_file = neocog.retrieve(place / "run", place / "digits", place / "query.png", k=3)
    np.testing.assert_array_equal(report.neighbours.indices, from_file.neighbours.indices)


def test_without_labels_there_are_neighbours_and_no_figures(place: Path, tmp_path: Path) -> None:
    for n in range(12):
        (tmp_path / f"{n}.png").write_bytes(encoded(n))
    done = door.neocog("retrieve", place / "run", ".", "-k", 2, "--outliers", 3, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["figures"] is None
    assert told["notes"][-1] == "No picture has a label: no figures of classes."
    assert len(told["outliers"]["far_from_all"]) == 3
    assert told["outliers"]["far_from_class"] == []
    assert "need labels" in door.refused("retrieve", place / "run", ".", "--mislabels", cwd=tmp_path)


def test_what_cannot_be_done_is_told_in_one_line(place: Path) -> None:
    told = door.refused("retrieve", "run", "digits", "-k", 121, cwd=place)
    assert told.startswith("k must be at most the number of other pictures, 120 in digits, got 121")
    assert "broken.png" in door.refused("retrieve", "run", "digits", "broken.png", cwd=place)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "cosin"}, "unknown metric 'cosin'"),
        ({"rank": "x"}, "unknown rank"),
        ({"prune": "x"}, "unknown way to choose"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"outliers": -1}, "outliers must be 0"),
        ({"queries": ["missing.png"]}, "does not exist"),
        ({"queries": ["missing.png"], "figures": True}, "does not exist"),
        ({"queries": ["query.png"], "figures": True}, "a QUERY was given, too"),
        ({"rank": "margin"}, "rank is of doubtful labels, none are looked for, got margin"),
        ({"prune": "class", "outliers": 3}, "prune is of doubtful labels"),
        ({"mislabels": True, "seed": -1}, "seed must be a whole number from 0"),
        ({"mislabels": True, "k": 3}, "k is of neighbours, doubtful labels need none, got 3"),
        ({"by": "run", "queries": ["query.png"]}, "by is for features from a file"),
        ({"output": ""}, "holds other files"),
        ({"data": None}, "give DATA"),
    ],
)
def test_what_cannot_be_asked_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(place)
    if "output" in options:
        options = {"output": place}
    with pytest.raises(UserError, match=words):
        neocog.retrieve("run", **({"data": "digits", "k": 3} | options))


def test_doubtful_labels_need_two_classes(place: Path) -> None:
    (place / "one" / "3").mkdir(parents=True)
    for path in (place / "digits" / "3").iterdir():
        shutil.copy(path, place / "one" / "3")
    with pytest.raises(UserError, match="need two classes of 5 different pictures each, got 1 in 1"):
        neocog.retrieve(place / "run", place / "one", mislabels=True)


def test_an_unreadable_query_is_skipped_and_said(place: Path) -> None:
    done = door.neocog("retrieve", "run", "digits", "query.png", "broken.png", "-k", 2, "--json", cwd=place)
    told = json.loads(done.stdout)
    assert [one["path"] for one in told["queries"]] == ["query.png"]
    assert [one["path"] for one in told["skipped_queries"]] == ["broken.png"]
    assert "skipped broken.png: " in done.stderr


def test_features_from_a_file_are_those_of_the_run(place: Path) -> None:
    door.neocog("embed", "run", "digits", "-o", "digits.npz", cwd=place)
    told = json.loads(door.neocog("retrieve", "digits.npz", "-k", 5, "--json", cwd=place).stdout)
    assert told["figures"] == found(place)["figures"]
    query = ("query.png", "-k", 4, "--json")
    wanted = json.loads(door.neocog("retrieve", "run", "digits", *query, cwd=place).stdout)["queries"]
    done = door.neocog("retrieve", "digits.npz", "digits", *query, "--by", "run", cwd=place)
    assert json.loads(done.stdout)["queries"] == wanted
    make_run(place / "other", seed=1)
    said = door.refused("retrieve", "digits.npz", "digits", *query, "--by", "other", cwd=place)
    assert "got other weights of lenet5_modern (the run other)" in said
    assert "name the network with --by" in said
    said = door.refused("retrieve", "run", "digits", *query, "--by", "run", cwd=place)
    assert said.startswith("by is for features from a file, run embeds the queries itself")


def test_one_layer_is_looked_at(place: Path) -> None:
    layers = ("--layer", "fc4", "--layer", "conv3")
    door.neocog("embed", "run", "digits", *layers, "-o", "two.safetensors", cwd=place)
    said = door.refused("retrieve", "two.safetensors", cwd=place)
    assert said == "retrieve looks at one layer, got fc4, conv3; choose one of them with --layer"
    told = json.loads(
        door.neocog("retrieve", "two.safetensors", "--layer", "conv3", "-k", 3, "--json", cwd=place).stdout
    )
    direct = door.neocog("retrieve", "run", "digits", "--layer", "conv3", "-k", 3, "--json", cwd=place)
    assert told["figures"] == json.loads(direct.stdout)["figures"]
    assert (told["layer"], told["features"]) == ("conv3", 120)


def test_features_that_are_no_numbers_are_told(place: Path) -> None:
    report = neocog.retrieve(place / "run", place / "digits", k=3)
    report.index.features[7, 3] = np.nan
    with pytest.raises(UserError, match="those of row 7 are not"):
        among_themselves(report.index, report.asked, Silent())


def test_pictures_of_several_classes_have_neighbours_and_no_figures(place: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "path,label\n" + "".join(f"{n}.png,{'a|b' if n % 2 else 'a'}\n" for n in range(12))
    )
    for n in range(12):
        (tmp_path / f"{n}.png").write_bytes(encoded(n))
    done = door.neocog("retrieve", place / "run", "list.csv", "0.png", "-k", 2, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    for one in told["queries"][0]["neighbours"]:
        assert one["label"] == ("a + b" if int(Path(one["path"]).stem) % 2 else "a")
    assert told["notes"][-1].startswith("Pictures may show several classes")
    said = door.refused("retrieve", place / "run", "list.csv", "--mislabels", cwd=tmp_path)
    assert "each picture has one class" in said


def test_what_is_missing_is_told_before_anything_is_computed(place: Path, tmp_path: Path) -> None:
    """Before the run is opened, too: this one does not exist."""
    (tmp_path / "flat").mkdir()
    for n in range(3):
        (tmp_path / "flat" / f"{n}.png").write_bytes(encoded(n))
    for data, options, words in (
        (place / "digits", {"queries": ["gone.png"]}, "gone.png does not exist; give one that does$"),
        (place / "digits", {"k": 121}, "k must be at most the number of other pictures, 120"),
        (tmp_path / "flat", {"mislabels": True}, "need labels, got none"),
        (place / "digits", {"queries": [place / "query.png"], "k": 122}, "number of pictures, 121"),
    ):
        with pytest.raises(UserError, match=words):
            neocog.retrieve("runs/none", data, **options)


def test_as_many_neighbours_as_there_are_where_nobody_said_how_many(place: Path, tmp_path: Path) -> None:
    save_digits(tmp_path / "few", [300, 301, 302, 303, 304])
    report = neocog.retrieve(place / "run", tmp_path / "few")
    assert report.neighbours is not None
    assert report.neighbours.indices.shape == (5, 4)
    (tmp_path / "one").mkdir()
    shutil.copy(place / "query.png", tmp_path / "one")
    with pytest.raises(UserError, match="among the others, one has one; add pictures"):
        neocog.retrieve(place / "run", tmp_path / "one")


def test_one_neighbour_has_one_recall(place: Path) -> None:
    done = door.neocog("retrieve", "run", "digits", "-k", 1, cwd=place)
    assert done.stdout.count("recall@1 ") == 2  # in the headline and over the column
    assert neocog.retrieve(place / "run", place / "digits", k=1).classes().header == (
        "class",
        "pictures",
        "recall@1",
        "mAP",
        "nearest other",
    )


def test_lists_come_alone_unless_figures_are_asked_for(place: Path) -> None:
    doubtful = neocog.retrieve(place / "run", place / "digits", mislabels=True)
    assert (doubtful.neighbours, doubtful.figures, len(doubtful)) == (None, None, 0)
    assert "nearest" not in doubtful.headline() and "recall" not in str(doubtful)
    odd = neocog.retrieve(place / "run", place / "digits", outliers=2)
    assert odd.figures is None and odd.outliers is not None
    both = neocog.retrieve(place / "run", place / "digits", place / "query.png", k=2, mislabels=True)
    assert len(both) == 1 and both.mislabels is not None
    assert both.mislabels.to_json() == doubtful.mislabels.to_json()  # type: ignore[union-attr]


def test_lists_of_an_earlier_call_do_not_stay_and_files_of_the_users_do(place: Path, tmp_path: Path) -> None:
    where = tmp_path / "out"
    neocog.retrieve(place / "run", place / "digits", outliers=2, output=where)
    assert {path.name for path in where.iterdir()} == {
        "retrieve.html",
        "retrieve.json",
        "neighbours.csv",
        "outliers.csv",
    }
    neocog.retrieve(place / "run", place / "digits", mislabels=True, output=where)
    assert {path.name for path in where.iterdir()} == {"retrieve.html", "retrieve.json", "mislabels.csv"}
    (where / "outliers.csv").write_text("path\nmine.png\n")
    neocog.retrieve(place / "run", place / "digits", output=where)
    assert (where / "outliers.csv").read_text() == "path\nmine.png\n"
    assert not (where / "mislabels.csv").exists()


def test_pictures_that_trained_the_network_are_counted_and_told_of(place: Path, tmp_path: Path) -> None:
    """Of the digits 30 to 109 the run has learned those below 60."""
    save_digits(tmp_path / "digits", range(30, 110))
    run = place / "run"
    done = door.neocog("retrieve", run, "digits", "--json", "-k", 3, "-o", "out", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert (told["leakage"]["same"], told["leakage"]["of"]) == (30, 80)
    with (tmp_path / "out" / "neighbours.csv").open() as file:
        first = [line for line in csv.DictReader(file) if line["rank"] == "1"]
    others = [line["same_class"] == "1" for line in first if int(Path(line["query"]).stem) >= 60]
    assert told["leakage"]["recall_at_1_without"] == pytest.approx(np.mean(others))
    assert len(others) == 50
    sentence = f"30 of 80 pictures trained {run}: its features know their labels"
    assert f"warning: {sentence}" in done.stderr
    assert told["notes"][0].startswith(sentence)
    page = Page((tmp_path / "out" / "retrieve.html").read_text()).root
    assert page.all("p", "leak")[0].text().startswith(sentence)
    assert neocog.retrieve(run, place / "digits", k=3).trained is None
    door.neocog("embed", run, "digits", "-o", "digits.npz", cwd=tmp_path)
    from_file = neocog.retrieve(tmp_path / "digits.npz", k=3)
    assert from_file.trained is not None
    assert from_file.trained.to_json()["same"] == 30


def test_a_frozen_network_was_not_trained_on_what_its_run_learned(place: Path, tmp_path: Path) -> None:
    save_digits(tmp_path / "digits", range(30, 110))
    for told in ({"recipe": "probe"}, {"recipe": "finetune", "beside_probe": {"kept": "probe"}}):
        shutil.copytree(place / "run", tmp_path / "run", dirs_exist_ok=True)
        (tmp_path / "run" / "run.json").write_text(json.dumps(told))
        assert neocog.retrieve(tmp_path / "run", tmp_path / "digits", k=3).trained is None
    saved = make_run(
        tmp_path / "saved", recipe={"name": "probe"}
    )  # as `probe --save` leaves it, without a run.json
    assert neocog.retrieve(saved, tmp_path / "digits", k=3).trained is None
    (tmp_path / "run" / "run.json").write_text(json.dumps({"recipe": "finetune", "beside_probe": None}))
    assert neocog.retrieve(tmp_path / "run", tmp_path / "digits", k=3).trained is not None


def test_how_good_the_classifier_behind_doubtful_labels_is_is_told(place: Path) -> None:
    report = neocog.retrieve(place / "run", place / "digits", mislabels=True)
    assert report.mislabels is not None
    names = [int(report.index.dataset.short_name(row).split("/")[0]) for row in report.mislabels.rows]
    right = report.mislabels.held.probabilities.argmax(axis=1) == names
    assert report.mislabels.to_json()["accuracy"] == pytest.approx(right.mean())
    assert f"gives {100 * right.mean():.1f} % their label" in str(report)
    fewest = min(names.count(digit) for digit in range(10))
    assert f"it learns from few pictures (a class has {fewest})" in report.notes[0]


def test_beside_a_features_file_a_picture_is_a_query(place: Path) -> None:
    door.neocog("embed", "run", "digits", "-o", "again.npz", cwd=place)
    words = ("-k", 4, "--json", "--by", "run")
    alone = json.loads(door.neocog("retrieve", "again.npz", "query.png", *words, cwd=place).stdout)
    both = door.neocog("retrieve", "again.npz", "digits", "query.png", *words, cwd=place)
    assert alone["queries"] == json.loads(both.stdout)["queries"]
    gone = door.refused("retrieve", "again.npz", "gone.png", cwd=place)
    assert gone.startswith("a query is a picture or a folder of pictures, gone.png does not exist")
    make_run(place / "second", seed=1)
    said = door.refused("retrieve", "again.npz", "query.png", "--by", "second", cwd=place)
    assert "name the network with --by run, " in said


def test_a_keyword_that_it_does_not_have_is_an_error(place: Path) -> None:
    with pytest.raises(TypeError, match="retrieve.. has no argument 'mislabel'; did you mean mislabels"):
        neocog.retrieve(place / "run", place / "digits", mislabel=True)  # type: ignore[call-arg]
