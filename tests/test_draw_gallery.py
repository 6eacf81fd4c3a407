"""The page of a view: one file without network, whatever names it is given; sheets of tiles and grids of numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.draw.gallery import Gallery, Plate, Room, gallery_page
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.numbers import Grid, equations, number
from neocog.draw.tiles import EXACT, plate_uri
from pages import Page, definitions, noise, pixels, rows, section

HOSTILE = "<script>alert('&1')</script>\"><img src=x onerror=alert(2)>\u202e\x1b[31m{{7*7}}"
SVG = "{http://www.w3.org/2000/svg}"


def gallery(text: str = "") -> Gallery:
    plates = (
        Plate(name="one", title="small", caption="exact", pixels=noise(1, 20, 30)),
        Plate(name="two", title="large", caption="a JPEG", pixels=noise(2, 300, 260)),
        Plate(
            name="three",
            title="plot",
            caption="own",
            svg=equations("e", [[Grid(name="w", values=np.eye(2))]]),
        ),
        Plate(name="four", title="sheet", caption="flows", sheet=fields([(2, 3, 9, 8), (0, 0, 40, 50)])),
    )
    rooms = (
        Room(title="A room", words="words", plates=plates),
        Room(title="A table", small=True, header=("name", "n"), rows=(("a", "1"), ("b", "2"))),
    )
    made = Gallery(
        over="a view", title="a model", facts=(("fact", "value"),), rooms=rooms, warnings=("look out",),
        notes=("how",), made="2000-01-01", version="1.0",
    )  # fmt: skip
    if not text:
        return made
    room = Room(title=text, words=text, plates=(Plate(name="one", title=text, caption=text, pixels=noise(1)),),
                header=(text, text), rows=((text, text),))  # fmt: skip
    return Gallery(
        over=text, title=text, facts=((text, text),), rooms=(room,), warnings=(text,), notes=(text,),
        made=text, version=text,
    )  # fmt: skip


def test_everything_is_on_the_page() -> None:
    root = Page(gallery_page(gallery())).root
    assert root.all("h1")[0].text() == "a model"
    assert root.all("title")[0].text() == "A view: a model"
    assert definitions(root) == {"fact": "value"}
    assert [h.text() for h in root.all("h2")] == ["A room", "A table", "How it was made"]
    assert [c.text() for c in root.all("figcaption")] == [
        "small exact", "large a JPEG", "plot own", "sheet flows",
    ]  # fmt: skip
    assert rows(section(root, "A table").all("table")[0]) == [["a", "1"], ["b", "2"]]
    assert root.all("p", " warning ")[0].text() == "look out"
    assert root.all("li")[0].text() == "how"
    assert "2000-01-01" in root.all("footer")[0].text()


def test_small_pictures_are_exact_and_large_ones_near() -> None:
    small, large = Page(gallery_page(gallery())).root.all("img")
    assert np.array_equal(pixels(small), noise(1, 20, 30))
    assert (small.attributes["width"], small.attributes["height"]) == ("30", "20")
    assert small.attributes["class"] == "crisp" and not large.attributes["class"]
    assert large.attributes["src"].startswith("data:image/jpeg")
    smooth = np.linspace(0, 255, 300)[:, None, None].repeat(300, 1).repeat(3, 2).astype(np.uint8)
    plate = Plate(name="s", title="", caption="", pixels=smooth)
    page = gallery_page(Gallery(over="", title="", rooms=(Room(title="", plates=(plate,)),)))
    assert np.abs(pixels(Page(page).root.all("img")[0]).astype(int) - smooth).max() <= 4
    assert 300 * 300 > EXACT >= 256 * 256


def test_names_are_text_whatever_they_are() -> None:
    page = gallery_page(gallery(HOSTILE))
    root = Page(page).root
    assert [e.tag for e in root.walk() if e.tag == "script"] == []
    assert all("onerror" not in e.attributes for e in root.walk())
    assert len(root.all("img")) == 1
    assert "\u202e" not in page and "\x1b" not in page and "49" not in re.sub('base64,[^"]*', "", page)
    assert "alert('&1')" in root.all("h1")[0].text()
    assert "alert('&1')" in root.all("img")[0].attributes["alt"]


@given(st.text(max_size=60))
@settings(max_examples=25)
def test_any_text_makes_a_well_formed_page(text: str) -> None:
    plain = len(list(Page(gallery_page(gallery("x"))).root.walk()))
    found = list(Page(gallery_page(gallery(text or "x"))).root.walk())
    assert len(found) == plain


def test_the_page_is_one_file_that_asks_nobody() -> None:
    page = gallery_page(gallery())
    root = Page(page).root
    policy = next(e for e in root.all("meta") if "Content-Security" in e.attributes.get("http-equiv", ""))
    allowed = policy.attributes["content"]
    assert "default-src 'none'" in allowed and "img-src data:;" in allowed
    assert "http" not in allowed and "script" not in allowed
    for element in root.walk():
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert element.attributes.get(name, "data:").startswith(("data:", "#")), (element.tag, name)
        assert element.tag not in ("script", "link", "iframe", "object")
    assert not re.search(r"url\(\s*['\"]?(?!data:)|@import", page)


def test_files_of_plates_hold_the_whole_picture(tmp_path: Path) -> None:
    from PIL import Image

    first, second, *drawn = gallery().plates()
    assert [plate.file for plate in gallery().plates()] == ["one.png", "two.png", "three.svg", "four.svg"]
    for plate in (first, second):
        (tmp_path / plate.file).write_bytes(plate.content())
        assert np.array_equal(np.asarray(Image.open(tmp_path / plate.file)), plate.pixels)
    for plate in drawn:
        assert Xml.fromstring(plate.content().decode()).tag == f"{SVG}svg"


def test_a_notebook_shows_the_same_page() -> None:
    from html import unescape

    shown = gallery()._repr_html_()
    assert unescape(re.findall(r'srcdoc="([^"]*)"', shown)[0]) == gallery_page(gallery())


def test_a_sheet_has_each_tile_once_with_its_label_below() -> None:
    shown = [Tile(pixels=noise(i, 8, 6), label=f"n{i}", marked=i == 2) for i in range(5)]
    root = Xml.fromstring(Sheet(title="sheet", tiles=shown, columns=3).svg())
    images, labels = root.findall(f"{SVG}image"), root.findall(f"{SVG}text")
    assert [label.text for label in labels] == [f"n{i}" for i in range(5)]
    places = [(float(i.attrib["x"]), float(i.attrib["y"])) for i in images]
    assert len({x for x, _ in places}) == 3 and len({y for _, y in places}) == 2
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        assert image.attrib["href"] == plate_uri(shown[i].pixels)
        assert float(label.attrib["x"]) == float(image.attrib["x"])
        assert float(label.attrib["y"]) > float(image.attrib["y"]) + float(image.attrib["height"])
    frames = [rect for rect in root.findall(f"{SVG}rect") if rect.attrib["class"] == "marked"]
    assert [(float(f.attrib["x"]), float(f.attrib["y"])) for f in frames] == [places[2]]
    assert not Sheet(title="nothing", tiles=[], columns=3).svg()


def fields(boxes: list[tuple[int, int, int, int]]) -> Sheet:
    """A tile for each box on a picture of 40 x 50 pixels."""
    shown = [
        Tile(pixels=noise(i, 8, 8), label=f"n{i}", sees=box, words=f"w{i}") for i, box in enumerate(boxes)
    ]
    return Sheet(title="fields", tiles=shown, columns=2, side=80.0, picture=noise(9, 40, 50))


boxes = st.tuples(st.integers(0, 39), st.integers(0, 49), st.integers(1, 40), st.integers(1, 50)).map(
    lambda b: (b[0], b[1], min(b[0] + b[2], 40), min(b[1] + b[3], 50))
)


@given(st.lists(boxes, min_size=1, max_size=5))
@settings(max_examples=20)
def test_beside_each_tile_its_field_is_framed_to_the_pixel(
    given_boxes: list[tuple[int, int, int, int]],
) -> None:
    root = Xml.fromstring(fields(given_boxes).svg())
    (shared,) = root.iter(f"{SVG}defs")
    insets = root.findall(f"{SVG}svg")
    assert len(insets) == len(given_boxes)
    tiles = root.findall(f"{SVG}image")
    for inset, tile, (top, left, bottom, right) in zip(insets, tiles, given_boxes, strict=True):
        assert inset.attrib["viewBox"] == "0 0 50 40"
        assert float(inset.attrib["width"]) == pytest.approx(80) and float(
            inset.attrib["height"]
        ) == pytest.approx(64)
        assert float(inset.attrib["x"]) >= float(tile.attrib["x"]) + float(tile.attrib["width"])
        assert inset.attrib["y"] == tile.attrib["y"]
        (use,) = inset.findall(f"{SVG}use")
        assert use.attrib["href"] == f"#{shared[0].attrib['id']}"
        drawn = {path.attrib["class"]: path.attrib["d"] for path in inset.findall(f"{SVG}path")}
        frame = f"M{left} {top}H{right}V{bottom}H{left}z"
        assert drawn["rest"] == f"M0 0H50V40H0z{frame}"
        assert drawn["sees"] == drawn["under"] and drawn["sees"].startswith(frame)
        small = max(bottom - top, right - left) * 80 / 50 <= 10
        assert drawn["sees"].count("M") == (5 if small else 1)


def test_pieces_of_a_sheet_need_one_another_and_nothing_else() -> None:
    sheet = fields([(1, 2, 4, 5), (0, 0, 9, 9), (0, 0, 40, 50)])
    whole = [Xml.fromstring(piece) for piece in sheet.pieces()]
    assert ["".join(piece.itertext()).endswith(f"n{i}") for i, piece in enumerate(whole)] == [True] * 3
    pieces = [piece[0] for piece in whole]
    assert [piece.attrib["aria-label"] for piece in pieces] == [f"fields: w{i}" for i in range(3)]
    assert [len(list(piece.iter("style"))) for piece in pieces] == [1, 0, 0]
    named = {element.attrib["id"] for piece in pieces for element in piece.iter() if "id" in element.attrib}
    used = {element.attrib["href"] for piece in pieces for element in piece.iter("use")}
    assert used == {f"#{name}" for name in named} and len(named) == 1
    for i, piece in enumerate(pieces):
        assert {title.text for title in piece.iter("title")} == {f"w{i}"}
        width, height = map(float, piece.attrib["viewBox"].split()[2:])
        assert width == pytest.approx(sheet.room + 2) and height == pytest.approx(80 + 2)  # without the words
    other = Sheet(title="other", tiles=sheet.tiles, columns=2, picture=sheet.picture)
    assert re.findall('id="([^"]+)"', other.svg()) != re.findall('id="([^"]+)"', sheet.svg())


def test_photographs_are_small_files_and_numbers_exact_squares() -> None:
    shown = [Tile(pixels=noise(1, 100, 100), photograph=photograph) for photograph in (False, True)]
    exact, near = Xml.fromstring(Sheet(title="t", tiles=shown, columns=2).svg()).findall(f"{SVG}image")
    assert exact.attrib["href"].startswith("data:image/png") and exact.attrib["class"] == "crisp"
    assert near.attrib["href"].startswith("data:image/jpeg") and "class" not in near.attrib


def test_rows_that_must_stay_together_keep_readable_words() -> None:
    shown = [Tile(pixels=noise(i, 8, 8), label=str(i)) for i in range(24)]
    root = Xml.fromstring(Sheet(title="t", tiles=shown, columns=6, side=56.0).svg())
    width = float(root.attrib["viewBox"].split()[2])
    least = float(re.findall(r"min-width:(\d+)px", root.attrib["style"])[0])
    assert 11 * least / width == pytest.approx(9, abs=0.05)


def test_a_page_says_when_and_by_what_it_was_made() -> None:
    from importlib.metadata import version

    made = Gallery(over="x", title="y")
    assert made.version == version("neocog")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made.made)).total_seconds()) < 60


@given(st.text(max_size=40))
@settings(max_examples=25)
def test_labels_of_sheets_and_grids_are_text(text: str) -> None:
    sheet = Xml.fromstring(
        Sheet(title=text, tiles=[Tile(pixels=noise(1), label=text, words=text)], columns=2).svg()
    )
    grid = Xml.fromstring(equations(text, [[Grid(name=text, values=np.zeros((1, 2))), text]]))
    for root in (sheet, grid):
        assert not [
            e
            for e in root.iter()
            if e.tag not in {f"{SVG}{n}" for n in ("svg", "style", "text", "image", "rect", "title")}
        ]


def cells(root: Xml.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text") if e.attrib["class"] in ("dark", "light")]


def test_a_grid_has_every_number_and_dashes_for_padding() -> None:
    values = np.array([[0.126, -3.5, 1.0], [9.999, 0.0, -0.004]])
    there = np.array([[True, True, False], [True, True, True]])
    root = Xml.fromstring(
        equations("e", [[Grid(name="w", values=values, there=there), "×", Grid(name="k", values=-values)]])
    )
    minus = "\N{MINUS SIGN}"
    first, second = cells(root)[:5], cells(root)[5:]
    assert first == ["0.13", f"{minus}3.50", "10.00", "0.00", "0.00"]
    assert second == [f"{minus}0.13", "3.50", f"{minus}1.00", f"{minus}10.00", "0.00", "0.00"]
    assert len([e for e in root.iter(f"{SVG}rect") if e.attrib["class"] == "none"]) == 1


def test_frames_are_around_the_cells_named() -> None:
    values = np.arange(6.0).reshape(2, 3)
    root = Xml.fromstring(equations("e", [[Grid(name="w", values=values, won=(1, 2), own=(0, 1))]]))
    boxes = {
        e.attrib["class"]: e.attrib for e in root.iter(f"{SVG}rect") if e.attrib["class"] in ("won", "own")
    }
    numbered = [e for e in root.iter(f"{SVG}rect") if e.attrib["class"] == "cell"]
    for css, index in (("won", 5), ("own", 1)):
        assert (boxes[css]["x"], boxes[css]["y"]) == (
            numbered[index].attrib["x"],
            numbered[index].attrib["y"],
        )


@pytest.mark.parametrize(
    ("value", "text"), [(-1.5, "\N{MINUS SIGN}1.5"), (0.1 + 0.2, "0.3"), (1e-9, "1e\N{MINUS SIGN}09")]
)
def test_numbers_have_a_true_minus(value: float, text: str) -> None:
    assert number(value) == text


def test_small_numbers_have_a_unit_that_gives_them_back() -> None:
    values = np.array([[0.00123, -0.04567, 0.0]])
    root = Xml.fromstring(equations("e", [[Grid(name="w", values=values, after="; sum 1")]]))
    (name,) = [e.text for e in root.iter(f"{SVG}text") if e.attrib["class"] == "h"]
    assert name == "w, in units of 10⁻²; sum 1"
    shown = [float(text.replace("\N{MINUS SIGN}", "-")) for text in cells(root)]
    assert np.allclose(np.array(shown) * 1e-2, values[0], atol=5e-5)
