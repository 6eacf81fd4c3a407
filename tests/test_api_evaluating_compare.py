"""Runs beside each other: tests by hand from the answers that each gives alone."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from math import comb
from pathlib import Path

import pytest
from PIL import Image

from door import neocog, refused
from judged import CARD, PREPROCESS, make_run, module, save_digits, write_run
from neocog.api.evaluating.compare import compare
from neocog.api.evaluating.evaluate import evaluate
from neocog.errors import UserError

VOID = {"meta", "link", "br", "img", "input", "hr", "circle", "path", "rect", "line"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("compare")
    for seed, (name, taught) in enumerate({"a": 60, "b": 60, "worse": 14}.items()):
        make_run(here / name, seed, taught=range(taught))
    save_digits(here / "data", range(100, 221))
    return here


@pytest.fixture(scope="module")
def rights(place: Path) -> dict[str, dict[str, bool]]:
    """Run -> picture -> whether it is right, from the predictions.csv that `eval` writes of it alone."""
    found = {}
    for name in ("a", "b", "worse"):
        evaluate(place / name, place / "data", engine="torch", output=place / f"{name}-eval")
        rows = csv.DictReader((place / f"{name}-eval" / "predictions.csv").read_text().splitlines())
        found[name] = {row["path"]: row["label1"] == row["truth"] for row in rows}
    return found


def by_hand(only_first: int, only_second: int) -> float:
    """McNemar's exact p: the chance of a split of the discordant pairs no less even than this one, by a fair coin."""
    n, seen = only_first + only_second, comb(only_first + only_second, only_first)
    return sum(comb(n, k) for k in range(n + 1) if comb(n, k) <= seen) / 2**n


def holm_by_hand(ps: list[float]) -> list[float]:
    """The smallest level at which Holm's procedure, step by step, rejects each."""

    def rejected(level: float) -> set[int]:
        out: set[int] = set()
        for step, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
            if ps[i] > level / (len(ps) - step) * (1 + 1e-12):
                break
            out.add(i)
        return out

    levels = sorted({min(1.0, p * factor) for p in ps for factor in range(1, len(ps) + 1)} | {1.0})
    return [min([level for level in levels if i in rejected(level)], default=1.0) for i in range(len(ps))]


def test_pairs_are_tested_as_by_hand_on_the_answers_of_each_alone(
    place: Path, rights: dict[str, dict[str, bool]]
) -> None:
    found = compare([place / name for name in rights], place / "data", engine="torch")
    wanted = {}
    for first, second in combinations(rights, 2):
        pairs = [(rights[first][path], rights[second][path]) for path in rights[first]]
        counts = [pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))]
        wanted[str(place / first), str(place / second)] = counts
    adjusted = holm_by_hand([by_hand(counts[1], counts[2]) for counts in wanted.values()])
    assert list(found.pairs) == list(wanted)
    for (pair, counts), p in zip(wanted.items(), adjusted, strict=True):
        one = found.pairs[pair]
        assert [one.both, one.only_first, one.only_second, one.neither] == counts
        assert one.p == pytest.approx(p, rel=1e-9)
        assert one.difference == pytest.approx((counts[1] - counts[2]) / 121)
        assert one.interval[0] < one.difference < one.interval[1]
        assert one.verdict == ("not distinguishable" if p >= 0.05 else "first")
    assert len({one.verdict for one in found.pairs.values()}) == 2  # both kinds are among them
    assert f"{place / 'a'} and {place / 'b'} are not distinguishable: " in str(found)
    assert f"{place / 'a'} is better than {place / 'worse'}: " in str(found)


def test_each_run_has_the_figures_that_it_has_alone(place: Path, rights: dict[str, dict[str, bool]]) -> None:
    found = compare([place / "worse", place / "a"], place / "data", engine="torch")
    for run in found.runs:
        right = rights[Path(run.name).name].values()
        assert (run.scored.top1, run.scored.scores.n) == (sum(right) / 121, 121)
        assert run.cost.params == sum(p.numel() for p in module(Path(run.name)).parameters())
        # 28² x 6 x 25, 10² x 16 x 150, 120 x 400, 120 x 84, 84 x 10: LeNet-5's multiply-adds
        assert run.cost.macs == 117_600 + 240_000 + 48_000 + 10_080 + 840
        assert run.cost.rate > 0
    views = compare([place / "worse", place / "a"], place / "data", engine="torch", protocol="flip")
    assert [run.cost.macs for run in views.runs] == [2 * 416_520] * 2


def test_pictures_that_one_run_cannot_read_are_left_out_for_all(place: Path, tmp_path: Path) -> None:
    squash = write_run(
        tmp_path / "squash",
        module(place / "b"),
        replace(CARD, preprocess=replace(PREPROCESS, resize_mode="squash")),
    )
    data = save_digits(tmp_path / "data", range(100, 130))
    Image.new("L", (200_000, 4), 9).save(
        data / "0" / "oblong.png"
    )  # 40 x 2,000,000 where the shorter edge is resized
    (data / "0" / "bad.png").write_text("nothing")
    options = {"engine": "torch", "protocol": "5-crop"}
    alone = [evaluate(run, data, **options) for run in (place / "a", squash)]  # type: ignore[arg-type]
    assert [len(one.indices) for one in alone] == [30, 31]
    found = compare([place / "a", squash], data, **options)  # type: ignore[arg-type]
    assert [len(run.scored.indices) for run in found.runs] == [30, 30]
    assert found.n == 30
    names = [{Path(path).name for path in run.scored.paths} for run in found.runs]
    assert names[0] == names[1]
    assert "oblong.png" not in names[0]


def test_pictures_that_trained_one_run_are_left_out_for_all(place: Path, tmp_path: Path) -> None:
    data = save_digits(tmp_path / "data", [*range(10, 30), *range(100, 130)])
    found = compare(
        [place / "worse", place / "a"], data, engine="torch"
    )  # 10 to 13 trained both, up to 29 one
    assert found.n == 30
    with pytest.raises(UserError, match="compared on pictures that trained none of them, but each of the 20"):
        compare([place / "worse", place / "a"], save_digits(tmp_path / "old", range(10, 30)), engine="torch")


def test_one_run_or_the_same_twice_is_refused(place: Path, tmp_path: Path) -> None:
    said = refused("compare", "a", "./a", "--data", "data", cwd=place)
    assert said == "compare at least two different runs, got a, ./a"
    a, b = place / "a", place / "b"
    (tmp_path / "last").symlink_to(a)
    for runs in ([], [a], [a, a], [b, a, b], [a, tmp_path / "last"]):
        with pytest.raises(UserError) as told:
            compare(runs, place / "data")
        names = ", ".join(map(str, runs)) or "none"
        assert str(told.value) == f"compare at least two different runs, got {names}"


def test_runs_of_several_classes_are_refused(place: Path, tmp_path: Path) -> None:
    several = write_run(tmp_path / "several", module(place / "a"), replace(CARD, activation="sigmoid"))
    with pytest.raises(UserError) as told:
        compare([place / "a", several], place / "data", engine="torch")
    assert str(told.value) == f"runs that name one class per picture are compared, {several} names several"
    with pytest.raises(UserError, match="compare sets single runs beside each other; leave soup out"):
        compare([place / "a", place / "b"], place / "data", soup=True)


class Page(HTMLParser):
    """The text of a page whose tags must close each other."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_command_writes_its_figures_and_a_page(place: Path, tmp_path: Path) -> None:
    done = neocog(
        *("compare", "a", "worse", "--data", "data", "--json", "-o", tmp_path / "out", "--engine", "torch"),
        cwd=place,
    )
    figures = json.loads(done.stdout)
    assert figures == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [run["name"] for run in figures["runs"]] == ["a", "worse"]
    assert figures["pairs"][0]["verdict"] == "first"
    page = Page()
    page.feed((tmp_path / "out" / "compare.html").read_text())
    assert not page.open
    text = " ".join(page.text)
    for said in ("worse", "McNemar", f"{100 * figures['runs'][0]['top1']:.1f}"):
        assert said in text
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"compare.html", "compare.json"}


def test_pictures_without_labels_are_compared_by_label_sets(place: Path, tmp_path: Path) -> None:
    """The first hundred cannot be read: they are skipped, not the end."""
    (tmp_path / "flat").mkdir()
    found = sorted((place / "data").rglob("*.png"))
    sets = {}
    for i, path in enumerate(found):
        shutil.copy(path, tmp_path / "flat" / f"p{i:04d}.png")
        sets[f"p{i:04d}.png"] = [path.parent.name]
    for i in range(100):
        (tmp_path / "flat" / f"a{i:03d}.png").write_bytes(b"no picture")
        sets[f"a{i:03d}.png"] = ["0"]
    (tmp_path / "sets.json").write_text(json.dumps(sets))
    one = compare(
        [place / "a", place / "b"], tmp_path / "flat", label_sets=tmp_path / "sets.json", engine="torch"
    )
    labelled = compare([place / "a", place / "b"], place / "data", engine="torch")
    assert [run.scored.top1 for run in one.runs] == [run.scored.top1 for run in labelled.runs]
