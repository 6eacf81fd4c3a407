"""Curves with bands: their values are read back from the picture by the numbers that stand at its axes."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.draw.trends import Trend, trends

SVG = "{http://www.w3.org/2000/svg}"
Numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


def read_back(svg: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(line, band) of each trend, points (x, y) in the units of the axes."""
    root = ElementTree.fromstring(svg)
    across, up = [], []
    for text in root.iter(f"{SVG}text"):
        if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text.text or ""):
            if text.get("text-anchor") == "middle":
                across.append((float(text.get("x", "")), float(text.text or "")))
            else:
                up.append((float(text.get("y", "")) - 4, float(text.text or "")))
    lines = [e for e in root.iter(f"{SVG}polyline") if e.find(f"{SVG}title") is not None]
    return [
        tuple(unscaled(element.get("points", ""), across, up) for element in pair)  # type: ignore[misc]
        for pair in zip(lines, root.iter(f"{SVG}polygon"), strict=True)
    ]


def unscaled(points: str, across: list[tuple[float, float]], up: list[tuple[float, float]]) -> np.ndarray:
    pixels = np.array([pair.split(",") for pair in points.split()], float)
    axes = [np.polyfit(*np.array(ticks).T, 1) for ticks in (across, up)]
    return np.stack([np.polyval(axis, pixels[:, i]) for i, axis in enumerate(axes)], 1)


@given(st.lists(st.tuples(Numbers, st.floats(0, 50), st.floats(0, 50)), min_size=4, max_size=8))
def test_lines_and_whole_bands_can_be_read_back(rows: list[tuple[float, float, float]]) -> None:
    points = tuple((float(x), y, y - below, y + above) for x, (y, below, above) in enumerate(rows))
    [(line, band)] = read_back(trends("t", "epochs", [Trend("a", points)], whole=True))
    data = np.array(points)
    height = max(np.ptp(data[:, 2:]), 1.0)
    assert line == pytest.approx(data[:, :2], abs=0.002 * height + 0.01)
    edges = np.concatenate([data[:, [0, 3]], data[::-1][:, [0, 2]]])
    assert band == pytest.approx(edges, abs=0.002 * height + 0.01)


def test_wide_bands_do_not_flatten_the_lines() -> None:
    points = ((0.0, 1.0, -100.0, 100.0), (4.0, 2.0, -100.0, 100.0))
    [(line, band)] = read_back(trends("t", "epochs", [Trend("a", points)]))
    assert line[:, 1] == pytest.approx([1, 2], abs=0.02)
    assert band[:, 1].max() < 5 and band[:, 1].min() > -3


def test_long_marks_at_either_end_stay_in_the_drawing() -> None:
    line = Trend("a", ((0.0, 1.0, 1.0, 1.0), (1.0, 2.0, 2.0, 2.0)))
    marks = [(0.0, "the first of all layers"), (0.5, "middle"), (1.0, "the last of all layers")]
    root = ElementTree.fromstring(trends("t", "layer", [line], marks=marks))
    width = float(root.get("viewBox", "").split()[2])
    found = {e.text: (e.get("text-anchor"), float(e.get("x", ""))) for e in root.iter(f"{SVG}text")}
    assert found["the first of all layers"] == ("start", 0)
    assert found["the last of all layers"] == ("end", width)
    anchor, x = found["middle"]
    assert anchor == "middle" and abs(x - width / 2) < 50


def test_labels_are_text_and_values_that_are_no_number_are_left_out() -> None:
    nan = float("nan")
    lines = [
        Trend("<b>&", ((0.0, 1.0, 1.0, 1.0), (1.0, nan, nan, nan), (2.0, 2.0, 2.0, 2.0))),
        Trend("none", ()),
    ]
    svg = trends("t <i>", "x", lines)
    assert len(read_back(svg)[0][0]) == 2
    texts = [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "<b>&" in texts and "t <i>" in texts and "none" not in texts
    ElementTree.fromstring(trends("nothing", "x", []))
