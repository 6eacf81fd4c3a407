"""What a view leaves in a folder: its own files alone, and nothing of the user's is touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from neocog.api.see.seen import Seen
from neocog.api.see.units.filters import filters
from neocog.draw.gallery import Gallery, Plate, Room
from neocog.errors import UserError


def seen(*names: str, label: str = "") -> Seen:
    pixels = np.zeros((4, 5, 3), np.uint8)
    plates = tuple(Plate(name=name, title=name, caption="black", pixels=pixels) for name in names)
    gallery = Gallery(
        over="A view", title="net", facts=(("class", label),), rooms=(Room(title="Plates", plates=plates),)
    )
    return Seen(gallery=gallery, figures={"plates": len(names)})


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
    assert json.loads((page.parent / "seen.json").read_text())["figures"] == {"plates": 2}


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
