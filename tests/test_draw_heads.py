"""Plots of numbers by head and of functions: every mark stands where its number says, at one scale."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from neocog.draw.function import function
from neocog.draw.heads import heads

SVG = "{http://www.w3.org/2000/svg}"


def test_dots_and_the_line_of_even_attention_share_a_scale() -> None:
    figures = [[0.0, 12.0, 31.0], [5.0, 44.0, 20.0]]
    root = ElementTree.fromstring(heads("<far>", ("layer & head", "pixels"), figures, (26.0, "even")))
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{SVG}circle")]
    ys = [y for _, y in dots]
    slope, start = np.polyfit(np.ravel(figures), ys, 1)
    np.testing.assert_allclose(ys, slope * np.ravel(figures) + start, atol=0.06)
    assert slope < 0, "more is higher up"
    line, sample = (one for one in root.iter(f"{SVG}line") if one.get("class") == "even")
    assert float(line.get("y1", "")) == pytest.approx(slope * 26 + start, abs=0.06)
    assert len({x for x, _ in dots[:3]}) == len({x for x, _ in dots[3:]}) == 1
    assert dots[0][0] < dots[3][0]
    (mean,) = root.iter(f"{SVG}polyline")
    points = [float(point.split(",")[1]) for point in mean.get("points", "").split()]
    np.testing.assert_allclose(points, [slope * np.mean(layer) + start for layer in figures], atol=0.06)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"<far>", "layer & head", "even", "1", "2"} <= set(texts)
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles[1] == "layer 1, head 2: 12 pixels"


def test_a_function_its_derivative_and_the_marks_share_a_scale() -> None:
    x = np.linspace(-3, 3, 61)
    text = function("x^2 - 2 & 2x", x.tolist(), (x**2 - 2).tolist(), (2 * x).tolist())
    root = ElementTree.fromstring(text)
    lines = {
        one.get("class"): np.array([p.split(",") for p in one.get("points", "").split()], float)
        for one in root.iter(f"{SVG}polyline")
    }
    slope, start = np.polyfit(x**2 - 2, lines["value"][:, 1], 1)
    assert slope < 0
    np.testing.assert_allclose(lines["value"][:, 1], slope * (x**2 - 2) + start, atol=0.06)
    np.testing.assert_allclose(lines["slope"][:, 1], slope * 2 * x + start, atol=0.06)
    np.testing.assert_allclose(lines["slope"][:, 0], lines["value"][:, 0])
    rows = re.findall(r'y="([\d.]+)" text-anchor="end">(-?[\d.]+)<', text)
    np.testing.assert_allclose(
        [float(y) - 4 for y, _ in rows], [slope * float(v) + start for _, v in rows], atol=0.06
    )
    zero = [one for one in root.iter(f"{SVG}line") if one.get("class") == "zero"]
    assert len(zero) == 2
    assert float(zero[0].get("y1", "")) == pytest.approx(start, abs=0.06)
