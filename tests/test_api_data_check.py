"""`neocog data check` through its real door, and what train and eval make of its list."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import door
import neocog
import zoo
from neocog.data.quarantine import read_list
from neocog.errors import UserError

RNG = np.random.default_rng(0)
EVIL = "<img src=x onerror=alert(1)>&"


def picture(kind: str = "PNG") -> bytes:
    return zoo.encoded(zoo.Image.fromarray(RNG.integers(0, 256, (40, 40, 3), np.uint8)), kind)


def tree(root: Path) -> list[tuple[str, bytes, int]]:
    """Every file with its content and the time of its last change."""
    return sorted((str(p), p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good` holds two classes of 12 sound pictures; `odd` holds these and bad files, copies and an evil name."""
    here = tmp_path_factory.mktemp("work")
    for name in ("cat", "dog"):
        for top in (here / "good", here / "odd" / "train"):
            (top / name).mkdir(parents=True)
        for i in range(12):
            content = picture()
            for top in (here / "good", here / "odd" / "train"):
                (top / name / f"{i}.png").write_bytes(content)
    odd = here / "odd"
    zoo.make(odd / "train" / "cat", zoo.bad())
    zoo.make(odd / "train" / EVIL.replace("/", ""), {"x.png": (odd / "train" / "cat" / "3.png").read_bytes()})
    zoo.make(
        odd / "val" / "dog",
        {"copy.png": (odd / "train" / "dog" / "0.png").read_bytes(), "new.png": picture()},
    )
    return here


def test_clean_data_exit_0_and_nothing_is_found(place: Path) -> None:
    done = door.neocog("data", "check", "good", "--strict", cwd=place)
    assert (done.returncode, done.stdout) == (0, "good: 24 pictures, 2 classes; nothing found\n")


def test_odd_data_exit_1_are_told_and_stay_as_they_were(place: Path) -> None:
    before = tree(place / "odd")
    done = door.neocog("data", "check", "odd", "--json", "-o", "found", cwd=place, ok=False)
    assert done.returncode == 1
    assert tree(place / "odd") == before
    assert {path.name for path in (place / "found").iterdir()} == {
        "check.html",
        "check.json",
        "quarantine.txt",
    }
    told = json.loads(done.stdout)
    assert json.loads((place / "found" / "check.json").read_text()) == told
    wanted = [
        "data",
        "pictures",
        "classes",
        "quarantined",
        "notes",
        "kinds",
        "findings",
        "leakage",
        "quarantine",
    ]
    assert list(told) == wanted
    assert {row["path"] for row in told["quarantine"]} == {f"train/cat/{name}" for name in zoo.bad()}
    pairs = {(row["kind"], tuple(row["pictures"])) for row in told["findings"]}
    assert ("two-labels", (f"train/{EVIL}/x.png", "train/cat/3.png")) in pairs
    assert ("leak", ("train/dog/0.png", "val/dog/copy.png")) in pairs
    assert told["leakage"] == {"val": {"same": 1, "near": 0, "of": 2, "share": 0.5}}
    assert sum(kind["findings"] for kind in told["kinds"].values()) == len(told["findings"])


def test_the_table_says_the_same_as_the_figures(place: Path) -> None:
    found = neocog.check_data(place / "odd")
    rows = [line.split()[:4] for line in str(found).splitlines()[2:-1]]
    kinds = json.loads((place / "found" / "check.json").read_text())["kinds"]
    assert rows == [
        [k["severity"], name, str(k["findings"]), str(k["pictures"])] for name, k in kinds.items()
    ]
    assert (
        str(found).splitlines()[-1].startswith("Leakage: 1 of the 2 pictures of val are in the training part")
    )


def test_the_list_proposes_more_than_it_takes(place: Path, tmp_path: Path) -> None:
    text = (place / "found" / "quarantine.txt").read_text()
    assert {entry.path for entry in read_list(place / "found" / "quarantine.txt")} == {
        f"train/cat/{name}" for name in zoo.bad()
    }
    agreed = tmp_path / "agreed.txt"
    agreed.write_text("\n".join(line.removeprefix("# ") for line in text.splitlines()[2:]))
    more = {entry.path: entry.reason.split(":")[0] for entry in read_list(agreed)}
    assert more["train/cat/3.png"] == more[f"train/{EVIL}/x.png"] == "two-labels"
    assert more["train/dog/0.png"] == "leak"
    assert "val/dog/copy.png" not in more


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_other_peoples_names_as_text_and_asks_nobody(place: Path) -> None:
    text = (place / "found" / "check.html").read_text()
    page = Page(text)
    assert f"train/{EVIL}/x.png" in page.text
    assert all(
        attrs["src"].startswith("data:image/") for tag, attrs in page.tags if tag == "img" and attrs["src"]
    )
    assert not [tag for tag, attrs in page.tags if tag in ("script", "link", "iframe") or "onerror" in attrs]
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)
    shown = {attrs["alt"] for tag, attrs in page.tags if tag == "img"}
    assert {"train/cat/3.png", "train/dog/0.png", "val/dog/copy.png"} <= shown


def test_nothing_is_written_among_the_pictures(place: Path, tmp_path: Path) -> None:
    found = neocog.check_data(place / "good")
    for output in ("good/found", "good/page.html", "good"):
        with pytest.raises(UserError, match="nothing is written among the pictures"):
            found.save(place / output)
    assert {path.name for path in (place / "good").iterdir()} == {"cat", "dog"}
    (page,) = found.save(tmp_path / "deep" / "er" / "page.html")
    assert "Nothing found" in Page(page.read_text()).text


def test_strict_makes_warnings_count(tmp_path: Path) -> None:
    zoo.make(tmp_path / "data" / "few", {"a.png": picture()})
    assert neocog.check_data(tmp_path / "data").ok()
    (tmp_path / "data" / "few" / "notes.txt").write_text("not read")
    done = door.neocog("data", "check", "data", "--strict", cwd=tmp_path, ok=False)
    assert done.returncode == 1
    assert "1 file with .txt" in done.stdout
    assert "few has 1 readable picture" in done.stdout


def test_vectors_come_from_a_file(place: Path, tmp_path: Path) -> None:
    vectors = np.eye(24, dtype=np.float32)
    vectors[20] = vectors[3]
    np.save(tmp_path / "v.npy", vectors)
    found = neocog.check_data(place / "good", vectors=tmp_path / "v.npy")
    assert [f.pictures for f in found.findings if f.kind == "alike"] == [(3, 20)]
    with pytest.raises(UserError, match="one row for each of 24 pictures"):
        neocog.check_data(place / "good", vectors=vectors[:5])
    with pytest.raises(UserError, match=r"vectors must be an array in a \.npy file"):
        neocog.check_data(place / "good", vectors=place / "found" / "check.json")
    with pytest.raises(UserError, match="cosine threshold"):
        neocog.check_data(place / "good", vectors=vectors, threshold=1.5)


def test_train_and_eval_leave_out_what_is_listed_and_count_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, listed = tmp_path / "data", tmp_path / "list.txt"
    for name in ("cat", "dog"):
        data.mkdir(exist_ok=True)
        (data / name).symlink_to(place / "good" / name, target_is_directory=True)
    zoo.make(data / "owl", {f"{i}.png": picture() for i in range(4)} | {"half.png": zoo.bad()["cut-50.png"]})
    options = {"recipe": "scratch", "epochs": 1, "engine": "torch", "device": "cpu"}
    with pytest.raises(
        UserError, match=r"must be readable with --strict, 1 of 29 are not \(.*half\.png: damaged"
    ):
        neocog.train(data, "lenet5_modern", strict=True, **options)  # type: ignore[arg-type]
    listed.write_text(neocog.check_data(data).quarantine_text() + "cat/0.png,,mine\n")
    run = neocog.train(data, "lenet5_modern", strict=True, quarantine=listed, **options)  # type: ignore[arg-type]
    assert run.figures["n_train"] + run.figures["n_val"] == 27
    gone = {Path(row["path"]).name: row["reason"] for row in run.figures["quarantined"]}
    assert gone["0.png"] == "mine"
    assert gone["half.png"].startswith("truncated")
    manifest = csv.DictReader((run.folder / "split.csv").read_text().splitlines())
    assert {"cat/0.png", "owl/half.png"}.isdisjoint({row["path"] for row in manifest})
    assert "quarantine: 2 left out" in Page((run.folder / "report.html").read_text()).text
    assert neocog.check_data(data, quarantine=listed).ok()
    scored = neocog.evaluate(run.folder, data, quarantine=listed, strict=True, engine="torch")
    assert (scored.scores.n, len(scored.to_json()["quarantined"])) == (27, 2)
    with pytest.raises(UserError, match=r"half\.png"):
        neocog.evaluate(run.folder, data, strict=True, engine="torch")
