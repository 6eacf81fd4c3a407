"""What a view leaves in a folder: its own files alone, and nothing of the user's is touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from neocog.api.see.about import About
from neocog.api.see.seen import Seen, demand_place
from neocog.api.see.units.filters import filters
from neocog.draw.gallery import Gallery, Plate, Room
from neocog.errors import UserError


def seen(*names: str, label: str = "") -> Seen:
    pixels = np.zeros((4, 5, 3), np.uint8)
    plates = tuple(Plate(name=name, title=name, caption="black", pixels=pixels) for name in names)
    gallery = Gallery(
        over="A view", title="net", facts=(("class", label),), rooms=(Room(title="Plates", plates=plates),)
    )
    about = About(
        view="maps", model="net", weights="as they are", input=(1, 4, 5), skipped=(("b.png", "cut short"),)
    )
    return Seen(about=about, gallery=gallery, figures={"plates": len(names)})


def test_a_page_never_lies_among_the_users_files(tmp_path: Path) -> None:
    mine = tmp_path / "photo.png"
    mine.write_bytes(b"mine")
    with pytest.raises(UserError, match="results need a folder of their own"):
        seen("photo").save(tmp_path)
    assert mine.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [mine]


def test_a_later_page_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    seen("one", "two").save(tmp_path / "o")
    (tmp_path / "o" / "notes.txt").write_text("mine")
    page = seen("two", "three").save(tmp_path / "o")
    assert page.name == "index.html"
    assert {path.name for path in page.parent.iterdir()} == {
        "index.html", "seen.json", "two.png", "three.png", "notes.txt",
    }  # fmt: skip
    assert json.loads((page.parent / "seen.json").read_text())["figures"] == {
        "view": "maps",
        "model": "net",
        "weights": "as they are",
        "input": [1, 4, 5],
        "data": [],
        "skipped": [{"picture": "b.png", "reason": "cut short"}],
        "plates": 2,
    }


@pytest.mark.parametrize("name", ["three.png", "index.html", "other.svg"])
def test_a_picture_of_the_users_beside_an_earlier_page_stays(tmp_path: Path, name: str) -> None:
    seen("one").save(tmp_path / "o")
    (tmp_path / "o" / "index.html").unlink()
    (tmp_path / "o" / "seen.json").write_text('{"files": ["one.png"]}')
    (tmp_path / "o" / name).write_bytes(b"mine")
    with pytest.raises(UserError, match=f"holds {name}, which is of no earlier page; name another with -o"):
        seen("three").save(tmp_path / "o")
    assert (tmp_path / "o" / name).read_bytes() == b"mine" and (tmp_path / "o" / "one.png").is_file()


def test_a_list_of_the_same_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    for mine in ("no list", "[1]", '{"files": 3}', "{}"):
        (tmp_path / "seen.json").write_text(mine)
        with pytest.raises(UserError, match=r"holds seen\.json, which is of no earlier page"):
            seen("one").save(tmp_path)
        assert (tmp_path / "seen.json").read_text() == mine


def test_places_where_nothing_can_be_written_are_refused_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "cat.jpg").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for place, words in (
        ("file", "file is a file"),
        ("file/below/it", "file is a file"),
        ("full", "holds other files"),
    ):
        with pytest.raises(UserError, match=words):
            demand_place(tmp_path / place)
    with pytest.raises(UserError, match="File name too long; choose another place"):
        demand_place(tmp_path / ("x" * 300))
    assert demand_place(tmp_path / "new" / "page") == tmp_path / "new" / "page"
    assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(UserError, match=f"cannot write into {tmp_path}: permission denied"):
        demand_place(tmp_path / "new" / "page")


def test_names_of_classes_do_not_reach_the_terminal_raw() -> None:
    told = str(seen("one", label="\x1b[31mred\nline"))
    assert "\x1b" not in told and told.count("\n") == 0 and "red" in told


def test_a_view_is_short_where_it_is_printed() -> None:
    assert repr(seen("one", label="cat")) == str(seen("one", label="cat"))


def test_a_module_of_another_type_is_refused_in_a_line() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3)).double()
    with pytest.raises(UserError, match="the module has float64 on cpu; give a copy"):
        filters(net)
    weight = net[0].weight.detach().float().numpy()
    np.testing.assert_array_equal(filters(net.float()).kernels, weight)
