import io
import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from PIL import Image

import zoo
from neocog.data.builtin import whole_photographs
from neocog.data.checks.look import Look, look
from neocog.data.checks.scan import scan
from neocog.data.samples import Arrays, Files

GOOD = zoo.good()


def seen(content: object, name: str = "a.jpg") -> Look:
    return look(Arrays([content], [name]), 0)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "kind", "mode", "bits", "orientation", "frames", "colour", "alpha"),
    [
        ("grey.jpg", "JPEG", "L", 8, 1, 1, False, False),
        ("cmyk.jpg", "JPEG", "CMYK", 8, 1, 1, True, False),
        ("progressive.jpg", "JPEG", "RGB", 8, 1, 1, True, False),
        ("exif-6-big.jpg", "JPEG", "RGB", 8, 6, 1, True, False),
        ("exif-3-little.jpg", "JPEG", "RGB", 8, 3, 1, True, False),
        ("exif-6.webp", "WEBP", "RGB", 8, 6, 1, True, False),
        ("sixteen-bit.png", "PNG", "I;16", 16, 1, 1, False, False),
        ("palette-transparent.png", "PNG", "P", 8, 1, 1, True, True),
        ("rgba.png", "PNG", "RGBA", 8, 1, 1, True, True),
        ("one-bit.png", "PNG", "1", 1, 1, 1, False, False),
        ("animated.gif", "GIF", "P", 8, 1, 2, True, False),
        ("picture.tif", "TIFF", "RGB", 8, 1, 1, True, False),
    ],
)
def test_the_facts_are_those_the_file_was_made_with(
    name: str, kind: str, mode: str, bits: int, orientation: int, frames: int, colour: bool, alpha: bool
) -> None:
    row, troubles = seen(GOOD[name], name)
    told = [row[key].item() for key in ("format", "mode", "bits", "orientation", "frames", "colour", "alpha")]
    assert told == [kind, mode, bits, orientation, frames, colour, alpha]
    assert (row["width"].item(), row["height"].item()) == (96, 64)  # upright
    assert row["bytes"] == len(GOOD[name])
    assert not troubles
    assert not row["wrong_suffix"]


def test_sixteen_bits_are_told_in_colour_too() -> None:
    """Pillow makes 8 bits of such a file, so its mode tells nothing; the file is written here by hand."""
    rows = b"".join(b"\0" + bytes(range(12)) * 2 for _ in range(4))  # filter 0, 4 pixels of 3 x 16 bits

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    row = seen(png, "a.png").row
    assert (row["bits"], row["mode"], row["width"]) == (16, "RGB", 4)


def test_brightness_and_its_spread_are_those_of_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), np.uint8)
    row = seen(pixels).row
    assert row["mean"] == pytest.approx(pixels.mean(), abs=0.01)
    assert row["deviation"] == pytest.approx(pixels.std(), abs=0.01)
    assert (row["format"], row["mode"], row["bytes"]) == ("array", "L", 3500)


def test_a_large_jpeg_is_measured_in_full_though_decoded_at_a_scale() -> None:
    row = seen(zoo.jpeg(zoo.held(zoo.scene(400, 600), 8), exif=zoo.exif(8, "<"))).row
    assert (row["width"], row["height"], row["scaled"]) == (600, 400, True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("empty.jpg", "empty"),
        ("cut-30.jpg", "truncated"),
        ("cut-90.jpg", "truncated"),
        ("cut-50.png", "truncated"),
        ("text.jpg", "not-a-picture"),
        ("bomb.png", "bomb"),
        ("flipped.png", "corrupt"),
    ],
)
def test_a_bad_file_is_named_for_what_it_is(name: str, kind: str, tmp_path: Path) -> None:
    (path,) = zoo.make(tmp_path, {name: zoo.bad()[name]})
    row, troubles = look(Files([path]), 0)
    assert not row["readable"]
    assert [told for told, _ in troubles] == [kind]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [64, 320])
def test_a_jpeg_cut_anywhere_is_never_taken_for_whole(side: int, progressive: bool) -> None:
    """At 64 pixels it is decoded in full, at 320 at a reduced scale: the file must be read to its end either way."""
    photo = Image.open(io.BytesIO(whole_photographs().read(0))).convert("RGB").resize((side, side))
    data = zoo.encoded(photo, "JPEG", quality=90, progressive=progressive)
    for cut in np.linspace(len(data) // 20, len(data) - 1, 40).astype(int).tolist():
        row, troubles = seen(data[:cut])
        assert [kind for kind, _ in troubles] in (["truncated"], ["corrupt"]), cut
    assert not seen(data).troubles


def test_a_jpeg_that_opens_but_is_broken_inside_is_told() -> None:
    """Pillow decodes it without a word; libjpeg's warning is what we listen to."""
    data = bytearray(zoo.jpeg(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    Image.open(io.BytesIO(bytes(data))).load()
    row, troubles = seen(bytes(data))
    assert row["readable"]
    assert [kind for kind, _ in troubles] == ["damaged"]


def test_a_file_without_its_end_mark_is_told() -> None:
    gif, png = GOOD["animated.gif"], GOOD["rgba.png"]
    assert [kind for kind, _ in seen(gif[:-1], "a.gif").troubles] == ["cut"]
    assert [kind for kind, _ in seen(png[:-12], "a.png").troubles] == ["cut"]
    assert not seen(gif + b"\0\0", "a.gif").troubles


@pytest.mark.parametrize(
    ("name", "wrong"), [("a.JPG", False), ("a.jpe", False), ("a.png", True), ("a", False)]
)
def test_the_suffix_is_held_against_the_content(name: str, wrong: bool) -> None:
    assert bool(seen(GOOD["progressive.jpg"], name).row["wrong_suffix"]) == wrong


def test_a_scan_holds_every_picture_in_its_place() -> None:
    pictures = [np.full((8, 8), i, np.uint8) if i % 7 else np.zeros((8, 8, 2), np.uint8) for i in range(100)]
    scanned = scan(Arrays(pictures))
    assert [trouble.index for trouble in scanned.troubles] == list(range(0, 100, 7))
    means = scanned.facts["mean"].tolist()
    assert means == [i if i % 7 else 0 for i in range(100)]
