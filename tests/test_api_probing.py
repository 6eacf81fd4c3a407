"""`neocog probe` on features whose answers are known otherwise: by scikit-learn, and by counting."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import neocog
import trees
from door import neocog as command
from door import refused
from neocog.api.probing.boxes import Cut
from neocog.api.probing.candidates import Candidate
from neocog.api.probing.divisions import Divided
from neocog.api.probing.measured import at_once, measure
from neocog.api.probing.options import asked_for
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.probing.combined import OnKernels
from neocog.probing.kinds import KINDS, Kind
from neocog.probing.splits import Division
from neocog.progress import Silent
from pages import Page, rows, section

DIGITS, LABELS = load_digits(return_X_y=True)
CLASSES = tuple("0123456789")


def write_features(
    path: Path,
    layers: dict[str, np.ndarray],
    labels: np.ndarray,
    parts: np.ndarray | None = None,
    classes: tuple[str, ...] = CLASSES,
    name: str = "digits",
) -> Path:
    """A file as docs/embed.md describes it, written by numpy; each picture's hash is that of its first layer."""
    n = len(labels)
    first = np.ascontiguousarray(next(iter(layers.values())), np.float32)
    origin = {
        "model": "pixels",
        "code": "",
        "digests": dict.fromkeys(layers, "0" * 64),
        "pooling": "mean",
        "views": "center",
        "preprocess": {},
        "dtype": "float32",
        "source": "scikit-learn's digits",
    }
    about = {"format": 1, "origin": origin, "data": {"name": name, "root": None}, "classes": classes}
    np.savez(
        path,
        **{name: matrix.astype(np.float32) for name, matrix in layers.items()},
        labels=labels.astype(np.int64),
        hashes=np.stack([np.frombuffer(hashlib.sha256(row.tobytes()).digest(), np.uint8) for row in first]),
        classes=np.array(classes),
        parts=np.full(n, "", "<U5") if parts is None else parts.astype("<U5"),
        paths=np.array([f"digits/{i:04d}" for i in range(n)]),
        about=np.array([json.dumps(about)]),
    )
    return path


def small(rows: np.ndarray) -> np.ndarray:
    """A worse layer: 8 sums of pixels."""
    return rows.reshape(-1, 8, 8).sum(axis=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("probe")
    x, y = DIGITS[:600], LABELS[:600]
    write_features(here / "whole.npz", {"sums": small(x), "pixels": x}, y)
    parts = np.where(np.arange(600) < 400, "train", "test")
    write_features(here / "parts.npz", {"pixels": x}, y, parts)
    return here


def test_the_parts_of_the_data_train_and_judge(place: Path) -> None:
    found = neocog.probe(place / "parts.npz", kinds=["ncm"], layers=["pixels"])
    x, y = DIGITS[:600].astype(np.float32), LABELS[:600]
    scaler = StandardScaler().fit(x[:400])
    train, judge = scaler.transform(x[:400]), scaler.transform(x[400:])
    means = np.stack([train[y[:400] == label].mean(axis=0) for label in range(10)])
    said = np.argmin(cdist(judge, means), axis=1)
    assert found.best.top1 == (pytest.approx((said == y[400:]).mean()),)
    assert found.best.balanced == (pytest.approx(balanced_accuracy_score(y[400:], said)),)
    assert (found.best.right[0] == (said == y[400:])).all()
    told = found.to_json()
    assert (told["n_judge"], told["results"][0]["n_train"]) == ([200], [400])
    assert told["two_best"] is None
    assert told["results"][0]["strengths"] is None


def test_without_parts_a_fifth_of_each_class_judges(place: Path) -> None:
    found = neocog.probe(place / "whole.npz", kinds=["ncm", "logreg"], layers=["pixels"])
    (division,) = found.divided.divisions
    labels = LABELS[:600]
    counts = np.bincount(labels)
    assert np.abs(np.bincount(labels[division.judge]) - counts / 5).max() <= 0.5
    assert sorted([*division.train, *division.judge]) == list(range(600))
    assert found.best.kind == "logreg"
    assert found.best.top1[0] > 0.9


def patients(per_patient: int) -> Dataset:
    """120 digits; those of one patient lie next to each other."""
    groups = np.array([f"p{i}" for i in np.arange(120) // per_patient])
    names = [f"{i}.png" for i in range(120)]
    pictures = (DIGITS[:120].reshape(-1, 8, 8) * 15).astype(np.uint8)
    return Dataset("d", Arrays(pictures, names), LABELS[:120] % 2, ("even", "odd"), np.full(120, ""),
                   columns={"group": groups})  # fmt: skip


@pytest.mark.parametrize("asked", [{"per_class": 5}, {"shots": [1, 5]}])
def test_a_group_that_trains_does_not_judge(asked: dict[str, Any]) -> None:
    data = patients(4)
    found = neocog.probe("classical:tiny", data, kinds=["ncm"], splits=3, **asked)
    groups = data.columns["group"]
    for one in found.divided.divisions:
        trained = set(groups[one.train])
        assert not trained & set(groups[one.judge])
        assert len(one.judge) == sum(group not in trained for group in groups)
    assert "but those of a group that trains" in str(found)
    with pytest.raises(UserError, match="a picture left to judge by.*--(per-class|shots)"):
        neocog.probe("classical:tiny", patients(60), kinds=["ncm"], splits=3, **asked)


def test_a_tilde_is_the_users_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    neocog.probe("~/whole.npz", kinds=["ncm"], layers=["pixels"], output="~/told")
    assert (place / "told" / "probe.json").is_file()


def test_one_name_is_one_name(place: Path) -> None:
    found = neocog.probe(place / "whole.npz", kinds="ncm", layers="pixels")
    assert [(one.kind, one.layer) for one in found.measured] == [("ncm", "pixels")]
    with pytest.raises(UserError, match="all layers are those of a model or a run"):
        neocog.probe(place / "whole.npz", kinds="ncm", layers="all")
    words = ("probe", "whole.npz", "--kind", "ncm,ncm-cosine", "--layer", "pixels", "--json")
    told = json.loads(command(*words, cwd=place).stdout)
    assert [row["kind"] for row in told["results"]] == ["ncm", "ncm-cosine"]


def test_nothing_is_said_of_a_choice_that_there_was_not(place: Path) -> None:
    one = neocog.probe(place / "whole.npz", kinds="ncm", layers="pixels", per_class=1, splits=1)
    assert "chosen by" not in str(one)
    assert one.to_json()["choosing"] is None
    assert "1 picture of each class trains, all others judge, 1 random split: 10 pictures" in str(one)
    several = neocog.probe(place / "whole.npz", kinds=["ncm", "ridge"], layers="pixels")
    assert "by cross-validation in the training pictures, 5 folds" in str(several)


def test_what_is_not_as_in_the_paper_is_said(tmp_path: Path) -> None:
    few, x = np.flatnonzero(LABELS != 3), DIGITS
    rows = np.sort(np.r_[few, np.flatnonzero(LABELS == 3)[:9]])
    path = write_features(tmp_path / "f.npz", {"pixels": x[rows]}, LABELS[rows])
    words: dict[str, Any] = {"protocol": "decaf-sun397", "kinds": "ncm", "layers": "pixels"}
    with pytest.raises(UserError, match="got 9 of 3; take what there is with --fewer") as refused_:
        neocog.probe(path, **words)
    assert "--per-class" not in str(refused_.value)
    found = neocog.probe(path, fewer=True, **words)
    assert found.to_json()["notes"] == [
        "Not as in the paper: the numbers are those of decaf-sun397, the data are not: sun-397 is meant, "
        "digits has 10 classes.",
        "Not as in the paper: 1 of 10 classes have fewer than 50 pictures to train on.",
        "Not as in the paper: 1 of 10 classes have fewer than 50 pictures to judge by.",
    ]
    assert found.to_json()["notes"][1] in str(found)
    tiny = neocog.probe(write_features(tmp_path / "g.npz", {"p": x[:90]}, LABELS[:90]), layers="p", kinds="ncm",
                        protocol="decaf-caltech101", fewer=True)  # fmt: skip
    assert "Not as in the paper: no class has 30 pictures to train on." in str(tiny)
    fashion = write_features(tmp_path / "h.npz", {"pixels": x[:1300]}, LABELS[:1300],
                             np.repeat(["train", "val", "test"], [800, 200, 300]), name="fashion-mnist")  # fmt: skip
    told = neocog.probe(fashion, protocol="vtab1k", kinds="ncm", layers="pixels").to_json()["notes"]
    assert [note for note in told if "a task of VTAB is meant, fashion-mnist has 10 classes" in note]


def test_a_network_that_saw_what_judges_is_warned_of(tmp_path: Path) -> None:
    from judged import make_run, save_digits

    make_run(tmp_path / "run", 0, taught=range(100, 130))
    save_digits(tmp_path / "data", range(90, 190))
    words = ("probe", "run", "data", "--kind", "ncm", "--engine", "torch", "-o", "out")
    done = command(*words, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    split = np.array(list(csv.DictReader((tmp_path / "run" / "split.csv").read_text().splitlines())))
    seen = {row["sha256"] for row in split if row["part"] == "train"}
    assert len(seen) == 30
    found = neocog.probe(tmp_path / "run", tmp_path / "data", kinds="ncm", engine="torch")
    names = sorted(tmp_path.glob("data/*/*.png"))
    judged = [hashlib.sha256(names[i].read_bytes()).hexdigest() for i in found.divided.divisions[0].judge]
    count = sum(name in seen for name in judged)
    assert 0 < count < len(judged)
    assert told["trained_on"] == found.trained_on == count
    sentence = f"{count} of the pictures that judge trained the model; new ones may score lower"
    assert f"warning: {sentence}" in done.stderr
    assert sentence in str(found)
    assert sentence in (tmp_path / "out" / "probe.html").read_text("utf-8")
    # of a run of which the last layer alone was trained the features have seen nothing
    frozen = make_run(tmp_path / "frozen", 0, taught=range(100, 130), recipe={"name": "probe"})
    kept = {"recipe": "finetune", "beside_probe": {"kept": "probe"}}
    (tmp_path / "run" / "run.json").write_text(json.dumps(kept))
    for run in (frozen, tmp_path / "run"):
        assert neocog.probe(run, tmp_path / "data", kinds="ncm", engine="torch").trained_on == 0


def test_a_strength_is_not_chosen_by_copies_of_what_trains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 20)).repeat(3, axis=0), rng.integers(0, 2, 150).repeat(3)
    path = write_features(tmp_path / "f.npz", {"noise": x}, y, classes=("a", "b"))
    found = neocog.probe(path, kinds=["knn"], layers=["noise"])
    assert max(found.best.first.figures.values()) < 0.65
    (division,) = found.divided.divisions
    assert not set(division.train // 3) & set(division.judge // 3)


def test_one_split_is_tested_by_the_figure_that_ranks(place: Path, tmp_path: Path) -> None:
    found = neocog.probe(place / "parts.npz", kinds=["ncm", "logreg"], layers=["pixels"])
    (first, second), two = found.ranked, found.two_best
    assert two is not None
    assert two.difference == pytest.approx(first.balanced[0] - second.balanced[0])
    assert abs(two.difference - (first.top1[0] - second.top1[0])) > 1e-4
    assert "permutation" in two.test
    task = thousand(tmp_path / "f.npz")
    found = neocog.probe(task, layers=["pixels"], protocol="vtab1k", kinds=["ncm", "ridge"])
    assert found.two_best is not None
    assert found.two_best.difference == pytest.approx(found.ranked[0].top1[0] - found.ranked[1].top1[0])
    assert "McNemar" in found.two_best.verdict


def test_where_the_two_best_are_level_the_headline_says_so(place: Path, tmp_path: Path) -> None:
    for kinds, words in ((["ridge", "svm"], "are level"), (["ncm", "svm"], "svm on pixels is best")):
        where: dict[str, Any] = {"val_fraction": 0.5, "output": tmp_path / kinds[0]}
        found = neocog.probe(place / "whole.npz", kinds=kinds, layers=["pixels"], **where)
        assert found.two_best is not None
        assert (found.two_best.p >= 0.05) == (words == "are level")
        (head,) = Page((tmp_path / kinds[0] / "probe.html").read_text("utf-8")).root.all("h1")
        assert words in head.text()
        assert "ahead" not in head.text()
        assert f"{100 * found.best.balanced[0]:.2f} %" in head.text()


def test_figures_do_not_depend_on_the_order_of_the_pictures(place: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(600)
    x, y = DIGITS[:600][order], LABELS[:600][order]
    mixed = write_features(tmp_path / "mixed.npz", {"sums": small(x), "pixels": x}, y)
    options: dict[str, Any] = {"kinds": ["logreg-dropout", "knn"], "layers": ["sums"]}
    for more in ({"per_class": 12, "splits": 2}, {"val_fraction": 0.5}):
        told = [neocog.probe(path, **options, **more).to_json() for path in (place / "whole.npz", mixed)]
        for one in told:
            del one["seconds"]
        two = [one.pop("two_best") for one in told]
        assert two[0]["p"] == pytest.approx(two[1]["p"])  # sums in another order
        assert two[0]["interval"] == pytest.approx(two[1]["interval"])
        assert told[0] == told[1]


def test_several_splits_have_a_mean_and_a_deviation(place: Path) -> None:
    found = neocog.probe(
        place / "whole.npz",
        kinds=["ncm", "ridge"],
        layers=["pixels"],
        per_class=20,
        splits=4,
        judged_per_class=15,
    )
    told = found.to_json()
    assert told["n_judge"] == [150] * 4
    for row in told["results"]:
        assert row["n_train"] == [200] * 4
        for name in ("balanced", "top1"):
            assert len(set(row[name])) > 1
            assert row[f"{name}_mean"] == pytest.approx(np.mean(row[name]))
            assert row[f"{name}_std"] == pytest.approx(np.std(row[name], ddof=1))
        assert row["top1_interval"] is None
        # 15 of each class judge: both figures are one
        assert row["balanced"] == pytest.approx(row["top1"])
    cell = f"{100 * found.best.mean('balanced'):.2f} ± {100 * np.std(found.best.balanced, ddof=1):.2f}"
    assert cell in str(found)
    first, second = found.ranked
    assert found.two_best is not None
    gains = np.array(first.balanced) - np.array(second.balanced)
    assert found.two_best.difference == pytest.approx(gains.mean())
    assert found.two_best.interval[0] < gains.mean() < found.two_best.interval[1]
    assert found.two_best.verdict in str(found)


def test_shots_are_draws_of_each_other(place: Path, tmp_path: Path) -> None:
    found = neocog.probe(
        place / "whole.npz",
        kinds=["ncm", "ridge"],
        layers=["pixels"],
        shots=[5, 1, 20],
        splits=3,
        output=tmp_path / "out",
    )
    assert [(one.kind, one.shots, one.trained) for one in found.measured] == [
        (kind, n, (10 * n,) * 3) for kind in ("ncm", "ridge") for n in (1, 5, 20)
    ]
    by_shots = {one.shots: one.mean("balanced") for one in found.measured if one.kind == "ncm"}
    assert by_shots[1] < by_shots[5] < by_shots[20]
    assert found.best.shots == 20
    page = Page((tmp_path / "out" / "probe.html").read_text("utf-8")).root
    assert len(section(page, "Curves").all("svg")) == 1
    axis = [e.text() for e in section(page, "Curves").all("text")]
    assert {"1", "5", "20", "pictures per class"} <= set(axis)


def test_kernels_of_layers_are_summed(place: Path, tmp_path: Path) -> None:
    """One picture of each class trains, so C is the usual 10; the sum and its machines are scikit-learn's."""
    options: dict[str, Any] = {"kinds": ["ncm"], "layers": ["sums", "pixels"], "scale": "none", "seed": 3}
    found = neocog.probe(
        place / "whole.npz", combine=["uniform"], kernel="linear", per_class=1, splits=1, **options
    )
    assert [(one.kind, one.layer) for one in found.measured] == [
        ("ncm", "sums"),
        ("ncm", "pixels"),
        ("sum-uniform", "sums + pixels"),
    ]
    assert [row[:2] for row in found.table().rows] == [(one.kind, one.layer) for one in found.measured]
    (division,) = found.divided.divisions
    parts = [rows.astype(float) for rows in (small(DIGITS[:600]), DIGITS[:600])]
    lengths = [np.square(rows[division.train]).sum(axis=1).mean() for rows in parts]
    scaled = np.hstack([rows / np.sqrt(2 * length) for rows, length in zip(parts, lengths, strict=True)])
    margins = [
        SVC(kernel="linear", C=10, tol=1e-6)
        .fit(scaled[division.train], LABELS[division.train] == label)
        .decision_function(scaled[division.judge])
        for label in range(10)
    ]
    said = np.argmax(margins, axis=0)
    assert (found.measured[2].right[0] == (said == LABELS[division.judge])).mean() > 0.995
    assert found.measured[2].counts == pytest.approx({"sums": 0.5, "pixels": 0.5})
    assert "sum-uniform on sums + pixels counts sums 0.50, pixels 0.50." in found.how


def test_a_kernel_may_be_of_one_layer_alone(place: Path) -> None:
    options: dict[str, Any] = {"kinds": ["ncm"], "layers": ["sums", "pixels"], "per_class": 2, "splits": 1}
    found = neocog.probe(place / "whole.npz", combine="uniform", kernel=["linear", "pixels=rbf"], **options)
    behind = found.measured[-1].first.fitted.behind
    assert isinstance(behind, OnKernels)
    assert [(part.name, part.kernel) for part in behind.kernels.parts] == [
        ("sums", "linear"),
        ("pixels", "rbf"),
    ]


def test_a_sum_has_its_curve_and_no_place_among_the_layers(place: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"kinds": ["ncm"], "layers": ["sums", "pixels"], "combine": "alignment"}
    found = neocog.probe(place / "whole.npz", shots=[1, 4], splits=2, output=tmp_path / "o", **options)
    table = found.table()
    assert table.header == ("classifier", "layer", "1 per class", "4 per class")
    assert [row[:2] for row in table.rows] == [
        ("ncm", "sums"),
        ("ncm", "pixels"),
        ("sum-alignment", "sums + pixels"),
    ]
    curve, layers = Page((tmp_path / "o" / "probe.html").read_text("utf-8")).root.all("svg")
    assert "sum-alignment on sums + pixels" in curve.text()
    assert "sum-alignment" not in layers.text()


def test_sums_too_large_are_refused_before_any_classifier_is_fitted() -> None:
    """12,000 pictures train, in 5 folds of 9,600 at first: 2 kernels of 9,600 would fit into 2 GiB, of 12,000 not."""
    rows, fitted = np.zeros((12_001, 2), np.float32), []

    def path(x: Any, *_: Any) -> list[Any]:
        fitted.append(len(x))
        return []

    plain = Kind("plain", "", "", (1.0,), 1.0, path)
    todo = [Candidate("a", plain, rows), Candidate("a + b", plain, rows, kernels=2)]
    division = Division(np.arange(12_000), np.arange(12_000, 12_001))
    divided = Divided((division,), "", 5, np.arange(12_001))
    with pytest.raises(UserError, match=r"2 of 12,000 pictures take 2\.1; take fewer"):
        list(measure(todo, np.arange(12_001) % 2, 2, divided, asked_for({}), Silent()))
    assert not fitted


def test_fewer_are_fitted_at_once_where_their_features_are_large() -> None:
    """Ten copies of 100,000 x 1,280 numbers are 5.1 GB, more than 4 GiB; of a tenth of them eight fit."""
    wide = np.broadcast_to(np.float32(0), (100_001, 1280))
    candidate = Candidate("features", KINDS["ncm"], wide)
    for pictures, threads, fitted in ((100_000, 8, 1), (10_000, 4, 4), (10_000, 16, 8), (10**6, 2, 1)):
        division = Division(np.arange(pictures), np.arange(1))
        divided = Divided((division,), "", 5, np.arange(pictures))
        assert at_once([candidate], divided, threads) == fitted


def test_no_axis_goes_above_all_pictures(tmp_path: Path) -> None:
    labels = np.arange(60) % 2
    path = write_features(tmp_path / "f.npz", {"told": labels[:, None] + np.arange(60)[:, None] / 1e4}, labels,
                          classes=("a", "b"))  # fmt: skip
    found = neocog.probe(path, kinds="ncm", layers="told", shots=[1, 2, 4], output=tmp_path / "o")
    assert found.best.mean("balanced") == 1
    page = Page((tmp_path / "o" / "probe.html").read_text("utf-8")).root
    texts = [e.text() for e in section(page, "Curves").all("text")]
    numbers = [float(text) for text in texts if re.fullmatch(r"[\d.]+", text)]
    assert max(numbers) == 100


def test_the_page_marks_the_best_and_holds_every_figure(place: Path, tmp_path: Path) -> None:
    found = neocog.probe(
        place / "whole.npz",
        kinds=["decaf"],
        layers=["sums", "pixels"],
        per_class=10,
        splits=2,
        output=tmp_path / "o",
    )
    text = (tmp_path / "o" / "probe.html").read_text("utf-8")
    page = Page(text).root
    (table,) = section(page, "The classifiers").all("table")
    told = json.loads((tmp_path / "o" / "probe.json").read_text("utf-8"))
    cells = {
        (row["kind"], row["layer"]): f"{100 * row['balanced_mean']:.2f} ± {100 * row['balanced_std']:.2f}"
        for row in told["results"]
    }
    kinds = ["logreg", "logreg-dropout", "svm", "svm-dropout"]
    assert rows(table) == [[kind, cells[kind, "sums"], cells[kind, "pixels"]] for kind in kinds]
    best = max(told["results"], key=lambda row: row["balanced_mean"])
    assert told["best"] == {"kind": best["kind"], "layer": best["layer"], "shots": None}
    (bold,) = [cell.text() for cell in table.all("td", "best")]
    assert bold == cells[best["kind"], best["layer"]]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    second = sorted(told["results"], key=lambda row: -row["balanced_mean"])[1]
    assert found.two_best is not None
    assert found.two_best.difference == pytest.approx(best["balanced_mean"] - second["balanced_mean"])
    assert found.two_best.verdict in " ".join(e.text() for e in page.all("p"))


def test_names_of_others_are_escaped(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    path = write_features(tmp_path / "f.npz", {name: DIGITS[:200]}, LABELS[:200])
    found = neocog.probe(path, kinds=["ncm"], layers=[name], output=tmp_path / "o")
    assert "<script>" not in (tmp_path / "o" / "probe.html").read_text("utf-8")
    assert "<script>" not in found._repr_html_()


def test_more_layers_than_fit_beside_each_other_stand_below(place: Path, tmp_path: Path) -> None:
    layers = {f"block{i}": DIGITS[:200, : 8 * i] for i in range(1, 9)}
    path = write_features(tmp_path / "f.npz", layers, LABELS[:200])
    found = neocog.probe(path, kinds=["ncm", "ridge"], layers=list(layers))
    table = found.table()
    assert table.header == ("layer", "ncm", "ridge")
    shown = {(one.layer, one.kind): f"{100 * one.balanced[0]:.2f}" for one in found.measured}
    assert len(set(shown.values())) > 8
    assert table.rows == tuple((layer, shown[layer, "ncm"], shown[layer, "ridge"]) for layer in layers)


def thousand(path: Path, train: int = 800) -> Path:
    """The digits as a task of VTAB: 800 train, 200 choose, 300 judge."""
    parts = np.repeat(["train", "val", "test"], [train, 1000 - train, 300])
    return write_features(path, {"pixels": DIGITS[:1300]}, LABELS[:1300], parts)


def test_vtab_chooses_on_200_and_trains_on_1000(tmp_path: Path) -> None:
    path = thousand(tmp_path / "f.npz")
    found = neocog.probe(path, layers=["pixels"], protocol="vtab1k", kinds=["ncm", "ridge"])
    told = found.to_json()
    assert [row["n_train"] for row in told["results"]] == [[1000], [1000]]
    assert (told["n_judge"], told["figure"]) == ([300], "top1")
    chosen = next(one for one in found.measured if one.kind == "ridge").first
    # the choosing figures are those of the 200 after learning from the 800
    x, y = DIGITS[:1300].astype(np.float32), LABELS[:1300]
    from sklearn.linear_model import RidgeClassifier

    scaler = StandardScaler().fit(x[:800])
    for alpha, figure in chosen.figures.items():
        machine = RidgeClassifier(alpha=alpha).fit(scaler.transform(x[:800]), y[:800])
        said = machine.predict(scaler.transform(x[800:1000]))
        assert figure == pytest.approx(balanced_accuracy_score(y[800:1000], said), abs=0.006)
    with pytest.raises(
        UserError, match="800 pictures in a part train, 200 in val.* got 700 in train, 300 in val"
    ):
        neocog.probe(thousand(tmp_path / "g.npz", 700), layers=["pixels"], protocol="vtab1k")


def caltech(root: Path, counts: dict[str, int]) -> Path:
    trees.write(
        root,
        *(
            f"101_ObjectCategories/{name}/image_{i:04d}.jpg"
            for name, count in counts.items()
            for i in range(count)
        ),
    )
    return root


LENET = ("lenet5_modern", "--engine", "torch", "--json")


def test_caltech_by_the_protocol_of_decaf(tmp_path: Path) -> None:
    caltech(tmp_path / "c", {"ant": 33, "bass": 40, "BACKGROUND_Google": 35})
    words = ("probe", LENET[0], "c", *LENET[1:], "--protocol", "decaf-caltech101")
    told = json.loads(command(*words, cwd=tmp_path).stdout)
    assert told["classes"] == ["ant", "bass"]
    assert [row["kind"] for row in told["results"]] == ["logreg", "logreg-dropout", "svm", "svm-dropout"]
    assert all(row["n_train"] == [60] * 5 for row in told["results"])
    assert (told["n_judge"], told["figure"]) == ([3 + 10] * 5, "balanced")
    assert told["choosing"].startswith("on 5 of the training pictures of each class")
    caltech(tmp_path / "d", {"ant": 12, "bass": 40})
    with pytest.raises(
        UserError, match=r"31 different pictures, 30 to train on and one to judge by, got 12 of ant"
    ):
        neocog.probe("lenet5_modern", tmp_path / "d", protocol="decaf-caltech101", engine="torch")


def test_sun_by_its_published_splits(tmp_path: Path) -> None:
    root = trees.sun397(tmp_path / "sun")
    for k in (3, 4, 5):
        for kind, other in (("Training", "01"), ("Testing", "01")):
            source = root / "Partitions" / f"{kind}_{other}.txt"
            (root / "Partitions" / f"{kind}_{k:02d}.txt").write_text(source.read_text())
    found = neocog.probe("lenet5_modern", root, protocol="decaf-sun397", engine="torch", kinds=["ncm"])
    names = [[found_name(found, root, i) for i in one.train] for one in found.divided.divisions]
    one, other = {"sun_bbb.jpg", "sun_ddd.jpg"}, {"sun_aaa.jpg", "sun_eee.jpg"}
    assert [set(split) for split in names] == [one, other, one, one, one]
    assert found.to_json()["n_judge"] == [2] * 5


def found_name(found: neocog.Probe, root: Path, row: int) -> str:
    """By the order of the union of the splits, which is that of the paths."""
    pictures = sorted(str(path) for path in root.rglob("*.jpg") if path.name != "sun_ccc.jpg")
    return Path(pictures[row]).name


def test_birds_are_cut_to_their_box(tmp_path: Path) -> None:
    """The class is seen in the box alone; what lies around it would name the other one."""
    root = trees.cub200(tmp_path / "cub")
    for number, line in enumerate((root / "images.txt").read_text().splitlines(), 1):
        name = line.split()[1]
        first, trains = name.startswith("001"), number in (2, 3)
        pixels = np.zeros((60, 60, 3), np.uint8)
        pixels[:, slice(0, 30) if first == trains else slice(30, 60)] = 255  # the left or the right half
        pixels[18:42, 18:42] = 0
        pixels[slice(18, 30) if first else slice(30, 42), 18:42] = 255  # the upper or the lower half
        Image.fromarray(pixels).save(root / "images" / name, quality=95)
    (root / "bounding_boxes.txt").write_text("".join(f"{i} 22.0 22.0 16.0 16.0\n" for i in range(1, 5)))
    options: dict[str, Any] = {"kinds": ["ncm"], "scale": "none"}
    found = neocog.probe("classical:tiny", root, protocol="decaf-cub", **options)
    told = found.to_json()
    assert (told["results"][0]["n_train"], told["n_judge"]) == ([2], [2])
    assert found.best.top1 == (1.0,)
    grey = neocog.probe("classical:tiny", root, protocol="decaf-cub").best
    assert grey.kind == "logreg"
    with pytest.raises(UserError, match="needs DATA"):
        neocog.probe(tmp_path / "f.npz", protocol="decaf-cub")


def test_a_box_grows_around_its_middle_within_the_picture() -> None:
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    boxes = np.array([[10, 6, 8, 4], [0, 0, 30, 20], [np.nan] * 4, [28, 18, 4, 4], [100, 100, 2, 2]])
    cut = Cut(Arrays([pixels] * 5), boxes, 1.5)
    # 8 x 4 becomes 12 x 6 around (14, 8)
    assert (np.asarray(cut.read(0)) == pixels[5:11, 8:20]).all()
    for i in (1, 2, 4):  # a box as large as the picture, an unknown one, one that lies elsewhere
        assert (np.asarray(cut.read(i)) == pixels).all()
    # 4 x 4 becomes 6 x 6 around (30, 20), of which 3 x 3 are in the picture
    assert (np.asarray(cut.read(3)) == pixels[17:, 27:]).all()
    assert isinstance(cut.read(0), Image.Image)


def test_office_in_one_domain(tmp_path: Path) -> None:
    trees.write(
        tmp_path,
        *(f"office/webcam/images/{name}/frame_{i:04d}.jpg" for name in ("mug", "pen") for i in range(7)),
        "office/amazon/images/mug/frame_0001.jpg",
    )
    words = ("probe", LENET[0], "office/webcam", *LENET[1:], "--protocol", "office31")
    told = json.loads(command(*words, cwd=tmp_path).stdout)
    assert all(row["n_train"] == [6] * 5 for row in told["results"])
    assert told["n_judge"] == [8] * 5
    assert [row["kind"] for row in told["results"]] == ["logreg", "svm"]
    with pytest.raises(UserError, match="one domain at a time, got amazon, webcam"):
        neocog.probe("lenet5_modern", tmp_path / "office", protocol="office31", engine="torch")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": ["logrek"]}, "unknown kind of classifier 'logrek'; did you mean logreg"),
        ({"protocol": "decaf-caltech"}, "did you mean decaf-caltech101"),
        ({"scale": "standart"}, "did you mean standard"),
        ({"layers": ["pixel"]}, "did you mean pixels"),
        ({"shots": [0, 1]}, "shots must be 1 or more, got 0"),
        ({"shots": [1, 2], "per_class": 3}, "not both"),
        ({"splits": 0}, "splits must be 1 or more"),
        ({"per_class": 100}, "needs 101 different pictures, 100 to train on and one to judge by, got"),
        ({"per_class": 5, "protocol": "vtab1k"}, "leave per_class out"),
        ({"judged_per_class": 5}, "goes with per_class or shots"),
        ({"val_fraction": 0.3, "per_class": 5}, "with per_class or shots all that do not train judge"),
        ({"val_fraction": 0.3, "shots": [1, 5]}, "with per_class or shots all that do not train judge"),
        ({"fewer": True}, "fewer is for pictures of each class that are drawn"),
        ({"fewer": True, "protocol": "vtab1k"}, "fewer is for pictures of each class that are drawn"),
        ({"shots": [5, 100]}, "ask for fewer with --shots"),
        ({"save": "r", "layers": ["pixels"]}, "a run is saved of the last layer's features"),
        ({"save": "r"}, "a run is saved of a model or a run"),
        ({"layers": ["all"]}, "all layers are those of a model or a run"),
        ({"folds": 1}, "folds must be 2 or more, got 1"),
        ({"per_class": 0}, "the number of pictures of each class that train must be 1 or more, got 0"),
        (
            {"kinds": "chi2-svm", "data": "no/such"},
            "chi2-svm compares histograms, whose numbers are 0 or more, got",
        ),
        ({"seed": -1}, "seed must be a whole number from 0 to 2**31 - 1, got -1"),
        ({"val_fraction": 1.5}, "val_fraction must lie between 0 and 1, got 1.5"),
    ],
)
def test_what_is_wrong_is_said_in_words(place: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        neocog.probe(place / "whole.npz", **options)


@pytest.mark.parametrize(
    ("given", "said"),
    [("kind", "did you mean kinds"), ("per_clas", "did you mean per_class"), ("xyzzy", "--help-all")],
)
def test_a_keyword_that_it_does_not_have_is_an_error_as_python_raises_it(
    place: Path, given: str, said: str
) -> None:
    with pytest.raises(TypeError, match=rf"^probe\(\) has no argument '{given}'; .*{said}"):
        neocog.probe(place / "whole.npz", **{given: 1})  # type: ignore[arg-type]


def test_the_command_refuses_in_one_line(place: Path) -> None:
    words = ("probe", "whole.npz", "--kind", "ncm", "--shots")
    assert "shots must be whole numbers" in refused(*words, "1,x", cwd=place)
    assert "needs 101 different pictures" in refused(*words, "5,100", cwd=place)


def test_a_share_is_not_asked_for_where_a_part_judges(place: Path) -> None:
    with pytest.raises(UserError, match="have a part test that judges, so val_fraction says nothing"):
        neocog.probe(place / "parts.npz", layers=["pixels"], val_fraction=0.2)


def test_one_class_is_no_task(tmp_path: Path) -> None:
    path = write_features(tmp_path / "f.npz", {"pixels": DIGITS[:50]}, np.zeros(50), classes=("zero",))
    with pytest.raises(UserError, match="two classes"):
        neocog.probe(path)


def test_pictures_of_several_classes_are_refused(tmp_path: Path) -> None:
    path = write_features(tmp_path / "f.npz", {"pixels": DIGITS[:50]}, np.full(50, -1))
    several = tmp_path / "several.npz"
    with np.load(path) as held:
        np.savez(several, **held, targets=np.eye(10, dtype=bool)[LABELS[:50]])
    with pytest.raises(UserError, match="one class for each picture"):
        neocog.probe(several)


def test_pictures_without_a_label_are_left_out(tmp_path: Path) -> None:
    labels = np.where(np.arange(200) % 4 == 0, -1, LABELS[:200])
    path = write_features(tmp_path / "f.npz", {"pixels": DIGITS[:200]}, labels)
    (division,) = neocog.probe(path, kinds=["ncm"]).divided.divisions
    assert len(division.train) + len(division.judge) == 150


def test_a_saved_run_writes_over_no_other(tmp_path: Path) -> None:
    from judged import make_run, save_digits

    make_run(tmp_path / "run", 0, taught=range(30))
    save_digits(tmp_path / "data", range(100, 160))
    before = (tmp_path / "run" / "model.json").read_bytes()
    with pytest.raises(UserError, match="holds a run"):
        neocog.probe(tmp_path / "run", tmp_path / "data", kinds=["ncm"], save=tmp_path / "run")
    assert (tmp_path / "run" / "model.json").read_bytes() == before


def test_saved_it_predicts_what_it_was_judged_by(tmp_path: Path) -> None:
    from judged import make_run, save_digits

    make_run(tmp_path / "run", 0, taught=range(30))
    save_digits(tmp_path / "data", range(100, 300))
    for kind in ("logreg", "ridge"):
        words = (
            "probe",
            "run",
            "data",
            "--kind",
            kind,
            "--save",
            f"saved-{kind}",
            "--engine",
            "torch",
            "--json",
        )
        told = json.loads(command(*words, cwd=tmp_path).stdout)
        (tmp_path / f"{kind}.csv").write_text((tmp_path / f"saved-{kind}" / "split.csv").read_text())
        judged = ("eval", f"saved-{kind}", "data", "--split", f"{kind}.csv", "--part", "val", "--json")
        again = json.loads(command(*judged, "--engine", "torch", cwd=tmp_path).stdout)
        assert again["top1"] == pytest.approx(told["results"][0]["top1_mean"])
        assert again["figures"]["nll"]["value"] < np.log(10) / 2
        assert again["leakage"] == {
            "same": 0,
            **{key: again["leakage"][key] for key in again["leakage"] if key != "same"},
        }
        assert command("verify", f"saved-{kind}", cwd=tmp_path).returncode == 0


def test_where_nothing_bounds_a_temperature_there_is_none(tmp_path: Path) -> None:
    """Zeros and ones are told apart without a fault in each fold, so that colder would always be better."""
    from judged import DIGITS as PICTURES
    from judged import make_run, save_digits

    make_run(tmp_path / "run", 0, taught=range(30))
    save_digits(tmp_path / "data", [i for i in range(100, 400) if PICTURES.target[i] < 2])
    neocog.probe(tmp_path / "run", tmp_path / "data", kinds="ridge", engine="torch", save=tmp_path / "saved")
    recipe = json.loads((tmp_path / "saved" / "model.json").read_text())["recipe"]
    assert recipe["temperature"] == 1


def test_a_saved_run_says_how_its_pictures_were_divided_and_its_kind_chosen(tmp_path: Path) -> None:
    from judged import make_run, save_digits

    make_run(tmp_path / "run", 0, taught=range(30))
    save_digits(tmp_path / "data", range(100, 200))

    def card(name: str, **options: Any) -> dict[str, Any]:
        neocog.probe(tmp_path / "run", tmp_path / "data", engine="torch", save=tmp_path / name, **options)
        data: dict[str, Any] = json.loads((tmp_path / name / "model.json").read_text())["data"]
        return data

    whole = card("a", kinds=["ncm", "ridge", "knn"])
    assert (whole["division"], whole["val_fraction"]) == ("20% of each class judges", 0.2)
    assert whole["kind"].startswith("the best of 2 on the pictures that judge")
    drawn = card("b", kinds="ridge", per_class=4, splits=1)
    assert drawn["division"].startswith("4 pictures of each class train, all others judge")
    assert "val_fraction" not in drawn
    assert "kind" not in drawn
