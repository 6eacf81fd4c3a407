import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neocog.draw.sheet import Row, Sheet

Pixels = NDArray[np.uint8]
SVG = "{http://www.w3.org/2000/svg}"
RNG = np.random.default_rng(0)


def flat(value: int, height: int = 30, width: int = 40, channels: int = 3) -> Pixels:
    return np.full((height, width, channels), value, np.uint8)


def sheet(*rows: tuple[Pixels, ...], name: str = "cat", settings: str = "flip on") -> Sheet:
    made = tuple(Row(name, f"picture {i}", pictures) for i, pictures in enumerate(rows))
    return Sheet("randaugment", "2 of 9", tuple("abcdefghi"[: len(rows[0])]), made, settings)


VALUES = [[10, 60, 110], [160, 210, 250]]
TWO = sheet(*(tuple(flat(v) for v in row) for row in VALUES))


def test_the_png_shows_every_picture_in_its_cell() -> None:
    """Flat pictures are flat areas of the size of a cell, in the order of rows and columns."""
    shown = np.asarray(Image.open(io.BytesIO(TWO.to_png(scale=2))).convert("RGB")).astype(int)
    width, height = TWO.size
    assert shown.shape == (2 * height, 2 * width, 3)
    middles = []
    for row in VALUES:
        for value in row:
            ys, xs = np.nonzero((shown == value).all(2))
            across, down = (2 * side for side in TWO.cell)
            corners = 4 * 100  # what rounding them off may take away
            assert across * down - corners <= len(ys) <= across * down
            middles.append((round(ys.mean()), round(xs.mean())))
    assert len({y for y, _ in middles}) == 2
    assert middles == sorted(middles)
    gaps = np.diff([x for _, x in middles[:3]])
    assert gaps[0] > gaps[1]  # the first column stands apart


def test_the_proportions_of_the_pictures_are_kept() -> None:
    assert TWO.cell[0] / TWO.cell[1] == pytest.approx(4 / 3, rel=0.01)


@pytest.mark.parametrize("scale", [1, 3])
def test_the_svg_is_sound_and_holds_the_pictures_bit_for_bit(scale: int) -> None:
    pictures = [RNG.integers(0, 256, (12 * scale, 16 * scale, c), dtype=np.uint8) for c in (3, 3, 3)]
    root = ElementTree.fromstring(sheet(tuple(pictures)).to_svg())
    images = root.findall(f"{SVG}image")
    assert len(images) == 3
    for image, picture in zip(images, pictures, strict=True):
        data = base64.b64decode(image.attrib["href"].partition("base64,")[2])
        assert (np.asarray(Image.open(io.BytesIO(data))) == picture).all()
    lefts = [float(image.attrib["x"]) for image in images]
    assert lefts == sorted(lefts)
    width, _ = sheet(tuple(pictures)).size
    assert lefts[-1] + float(images[-1].attrib["width"]) < width


def test_large_pictures_are_stored_as_jpeg_and_look_the_same() -> None:
    picture = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[:, None, None], (1, 220, 3))
    root = ElementTree.fromstring(sheet((picture, picture[..., :1])).to_svg())
    for image in root.findall(f"{SVG}image"):
        assert image.attrib["href"].startswith("data:image/jpeg")
        data = base64.b64decode(image.attrib["href"].partition("base64,")[2])
        shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(shown - picture).max() < 12


def test_words_of_others_are_escaped_and_cut_to_the_room_there_is() -> None:
    evil = '<script>alert("x")</script>' * 5
    made = sheet((flat(1), flat(2)), name=evil, settings=evil)
    page = made.to_html()
    assert "<script" not in page
    root = ElementTree.fromstring(made.to_svg())
    texts = ["".join(text.itertext()) for text in root.findall(f"{SVG}text")]
    assert any(text.startswith("<scr") and "…" in text for text in texts)
    assert made.to_png()


def test_settings_are_broken_between_words_and_all_shown() -> None:
    settings = " ".join(f"setting{i} {i}," for i in range(40))
    made = sheet((flat(1), flat(2)), settings=settings)
    root = ElementTree.fromstring(made.to_svg())
    lines = ["".join(t.itertext()) for t in root.findall(f"{SVG}text") if "setting" in "".join(t.itertext())]
    assert len(lines) > 3
    assert " ".join(lines) == settings
    lowest = max(float(t.attrib["y"]) for t in root.findall(f"{SVG}text"))
    assert lowest < made.size[1]


def test_the_page_needs_no_other_file() -> None:
    addresses = re.findall(r'(?:href|src)="([^"]{0,30})', TWO.to_html())
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    assert TWO._repr_html_() == TWO.to_svg()
