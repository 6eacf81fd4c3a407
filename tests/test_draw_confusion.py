"""Confusion matrices: CSV read back, PNG decoded by its own legend, SVG read as XML."""

import csv
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from neocog.draw.confusion import confused_pairs, confusion_csv, confusion_svg
from neocog.draw.confusion_png import MARGIN, confusion_png, place
from neocog.errors import UserError

SVG = "{http://www.w3.org/2000/svg}"
GROUND = (235, 232, 225)


def names(n: int) -> list[str]:
    return [f"class {i}" for i in range(n)]


def table(n: int, seed: int = 0, filled: float = 0.3) -> np.ndarray:
    """Counts of `n` classes, most of them on the diagonal, many 0."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 20, (n, n)) * (draw.random((n, n)) < filled)
    counts[np.arange(n), np.arange(n)] = draw.integers(30, 80, n)
    return counts


def decoded(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


@given(
    st.integers(1, 6).flatmap(lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 10**9))), st.data()
)
def test_csv_comes_back(counts: np.ndarray, data: st.DataObject) -> None:
    letters = st.characters(exclude_categories=("Cc", "Cs", "Cf"))
    given_ = data.draw(
        st.lists(
            st.text(letters) | st.sampled_from(['a,"b"', "=1+1", "猫"]),
            min_size=len(counts),
            max_size=len(counts),
        )
    )
    header, *lines = csv.reader(io.StringIO(confusion_csv(counts, given_)))
    assert header[1:] == given_ == [line[0] for line in lines]
    assert [[int(cell) for cell in line[1:]] for line in lines] == counts.tolist()


def test_csv_has_no_control_characters() -> None:
    assert (
        confusion_csv([[1]], ["a\x1b[31m\nb"])
        == "true \\ predicted,a\ufffd[31m\ufffdb\na\ufffd[31m\ufffdb,1\n"
    )


@given(
    st.integers(1, 7).flatmap(lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 9))),
    st.integers(1, 30),
)
def test_confused_pairs_are_those_of_a_search_by_hand(counts: np.ndarray, most: int) -> None:
    found = [(t, p, int(n)) for (t, p), n in np.ndenumerate(counts) if n and t != p]
    found.sort(key=lambda pair: -pair[2])  # stable: of equals the first in the matrix
    before = counts.copy()
    assert confused_pairs(counts, most) == found[:most]
    assert np.array_equal(counts, before)


@pytest.mark.parametrize("n", [1, 2, 10, 25, 26, 60])
def test_each_cell_has_the_colour_of_its_share_in_the_legend(n: int) -> None:
    counts = table(n)
    picture, (left, top, cell) = decoded(confusion_png(counts, names(n))), place(names(n))
    ramp = picture[top + cell * n + MARGIN + 4, left : left + min(max(cell * n, 300), 420)]
    half = len(ramp) // 2
    wrong, right = ramp[:half][::-1], ramp[half:]
    for t, p in np.ndindex(n, n):
        colour = picture[top + cell * t + 3, left + cell * p + 3]  # beside the number
        side = right if t == p else wrong
        distance = np.abs(side - colour).sum(axis=1)
        assert distance.min() <= 6
        share = np.argmin(distance) / (len(side) - 1)
        assert share == pytest.approx(counts[t, p] / counts[t].sum(), abs=0.02)


def test_a_thousand_classes_are_one_picture_without_names() -> None:
    counts = table(1000, filled=0.01)
    given_ = names(1000)
    picture, (left, top, cell) = decoded(confusion_png(counts, given_)), place(given_)
    inside = picture[top : top + cell * 1000, left : left + cell * 1000]
    assert inside.shape == (cell * 1000, cell * 1000, 3)
    empty = (inside[::cell, ::cell] == GROUND).all(axis=2)
    assert np.array_equal(empty, counts == 0)
    assert (np.abs(inside[::cell, ::cell] - GROUND).sum(axis=2)[counts > 0] > 40).all()
    assert confusion_png(counts, given_) == confusion_png(counts, ["other"] * 1000)


def test_a_row_without_pictures_is_empty() -> None:
    picture, (left, top, cell) = decoded(confusion_png([[0, 0], [0, 3]], names(2))), place(names(2))
    assert tuple(picture[top + 5, left + 5]) == tuple(picture[top + cell // 2, left + cell // 2]) == GROUND


def test_names_that_cannot_be_set_are_numbered() -> None:
    counts = table(3)
    assert confusion_png(counts, ["a", "כלב", "قطة"]) == confusion_png(counts, ["a", "#1", "#2"])
    assert confusion_png(counts, ["a", "b", "c"]) != confusion_png(counts, ["a", "#1", "#2"])


def test_long_names_leave_room_for_the_matrix() -> None:
    picture = decoded(confusion_png(table(3), ["x" * 500, "b", "c"]))
    assert picture.shape[0] < 900
    assert picture.shape[1] < 900


@pytest.mark.parametrize("n", [1, 2, 25])
def test_svg_holds_the_numbers_and_names_in_their_places(n: int) -> None:
    counts = table(n)
    given_ = ["<b>&\x00", *names(n)[1:]]
    root = ElementTree.fromstring(confusion_svg(counts, given_))
    numbers = [t for t in root.iter(f"{SVG}text") if (t.get("class") or "").startswith("n")]
    xs, ys = (sorted({float(t.get(side, "")) for t in numbers}) for side in ("x", "y"))
    read = {
        (ys.index(float(t.get("y", ""))), xs.index(float(t.get("x", "")))): int(t.text or "") for t in numbers
    }
    assert read == {(int(t), int(p)): int(counts[t, p]) for t, p in np.ndindex(n, n)}
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert all(texts.count(name.replace("\x00", "\ufffd")) == 2 for name in given_)
    assert root.get("aria-label") == f"Confusion matrix of {n} classes, {counts.sum():,} pictures"
    colours = [r.get("class") for r in root.iter(f"{SVG}rect") if r.get("class") != "track"]
    assert colours.count("hit") == n
    assert len(colours) == np.count_nonzero(counts)


def test_svg_is_darker_for_a_larger_share() -> None:
    root = ElementTree.fromstring(confusion_svg([[1, 3], [0, 8]], ["a", "b"]))
    shades = [float(r.get("opacity", "")) for r in root.iter(f"{SVG}rect") if r.get("opacity")]
    assert shades[0] < shades[1] < shades[2]


def test_more_classes_than_numbers_can_be_read_of() -> None:
    with pytest.raises(UserError, match="up to 25 classes, got 26; take the PNG or the CSV"):
        confusion_svg(table(26), names(26))


@pytest.mark.parametrize("write", [confusion_csv, confusion_svg, confusion_png])
@pytest.mark.parametrize("counts", [[[1]], [[1, 2], [3]], []])
def test_a_matrix_must_fit_its_classes(write, counts: list[list[int]]) -> None:
    given_ = f"got {len(counts)} rows for 2 classes"
    with pytest.raises(UserError, match=re.escape(given_)):
        write(counts, names(2))
