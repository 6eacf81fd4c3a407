"""Drawings that stand alone: each lies on paper of its own, by light and by dark, and reads as it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.draw import (
    atlas,
    by_layer,
    clouds,
    confusion,
    function,
    heads,
    reliability,
    scatter,
    trends,
    winners,
)
from neocog.draw.axes import in_lines
from neocog.draw.balance import ClassCount, balance
from neocog.draw.charts import Bar, bars
from neocog.draw.dots import Row, dots
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.numbers import Grid, equations
from neocog.draw.palette import INK, INK_DARK
from neocog.draw.rates import rates_chart
from neocog.draw.text import count, in_percent, size_text
from neocog.draw.years import Mark, by_year

SVG = "{http://www.w3.org/2000/svg}"
SPOT = atlas.Spot(0.0, 1.0, 0, "a", "b")
BINS = reliability.ReliabilityBins(
    edges=np.array([0.0, 1.0]),
    counts=np.array([3]),
    confidence=np.array([0.5]),
    accuracy=np.array([0.4]),
    ece=0.1,
)
DRAWINGS: dict[str, Callable[[], str]] = {
    "sheet": lambda: Sheet(title="t", tiles=[Tile(pixels=np.zeros((3, 3, 3), np.uint8))], columns=1).svg(),
    "numbers": lambda: equations("t", [[Grid(name="w", values=np.eye(2))]]),
    "winners": lambda: winners.winners("t", np.zeros((2, 2), np.int64), str),
    "trends": lambda: trends.trends(
        "t", "x", [trends.Trend("a", ((0.0, 1.0, 1.0, 1.0), (1.0, 2.0, 2.0, 2.0)))]
    ),
    "dots": lambda: dots("t", ("a",), [Row("b", ((1.0, None),))]),
    "function": lambda: function.function("t", (0, 1), (0, 1), (1, 1)),
    "heads": lambda: heads.heads("t", ("layer", "pixels"), [[1.0]], (1.0, "even")),
    "histograms": lambda: by_layer.histograms("t", [by_layer.Histogram("a", (1, 2), 1.0, "1")]),
    "figures": lambda: by_layer.figures("t", ("a",), [by_layer.Figures("b", (1.0,))]),
    "clouds": lambda: clouds.cloud("t", [(0.0, 0.0, 0, False)], ("a",), ("b", "c")),
    "atlas": lambda: atlas.dotted("t", [SPOT], ("a",)),
    "thumbnails": lambda: atlas.thumbnails("t", [SPOT], [None], ("a",)),
    "confusion": lambda: confusion.confusion_svg(np.eye(2, dtype=np.int64), ("a", "b")),
    "reliability": lambda: reliability.reliability_diagram(BINS),
    "balance": lambda: balance("t", [ClassCount("a", (("train", 2),))]),
    "bars": lambda: bars("t", [Bar("a", "conv", 3)]),
    "years": lambda: by_year("t", [Mark("a", 2012, 0.5, (0.4, 0.6), 0)], ("x",)),
    "rates": lambda: rates_chart([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0], [2.0, 1.5, 2.0], [("suggested", 1e-2)]),
    "scatter": lambda: scatter.scatter("t", "cost", [scatter.Spot("a", "a", 1.0, 0.5, 0.4, 0.6)]),
}


def variables(css: str, name: str) -> list[str]:
    return re.findall(rf"\.{name}{{[^}}]*--p:(#[0-9a-f]+)", css)


@pytest.mark.parametrize("kind", DRAWINGS)
def test_a_file_by_itself_lies_on_paper_by_light_and_by_dark(kind: str) -> None:
    root = Xml.fromstring(DRAWINGS[kind]())
    style, paper = list(root)[:2]
    name = root.attrib["class"].split()[0]
    assert paper.tag == f"{SVG}rect" and paper.attrib["class"] == "paper", "below everything else"
    assert paper.attrib["width"] == paper.attrib["height"] == "100%"
    css = style.text or ""
    assert variables(css, name) == [INK["p"], INK_DARK["p"]]
    assert f".{name} .paper{{fill:var(--p)}}" in css
    assert css.index("prefers-color-scheme:dark") < css.index(INK_DARK["p"])
    assert root.attrib["role"] == "img" and root.attrib["aria-label"]


@given(st.lists(st.floats(1, 150), max_size=30))
def test_words_in_lines_neither_meet_nor_leave_the_paper(rooms: list[float]) -> None:
    places = in_lines(rooms, 5.0, 160.0, 40.0, 20.0)
    lines: dict[float, list[tuple[float, float]]] = {}
    for (x, y), room in zip(places, rooms, strict=True):
        lines.setdefault(y, []).append((x, x + room))
    assert sorted(lines) == [40.0 + 20.0 * i for i in range(len(lines))]
    for line in lines.values():
        assert line[0][0] == 5.0 and line[-1][1] <= 160.0 + 1e-6
        assert all(a[1] == pytest.approx(b[0]) for a, b in zip(line[:-1], line[1:], strict=True))
    assert places == sorted(places, key=lambda at: (at[1], at[0]))


def test_sizes_shares_and_counts_have_one_form() -> None:
    times = "\N{MULTIPLICATION SIGN}"
    assert size_text((3, 224, 224)) == f"3 {times} 224 {times} 224" and size_text((1280,)) == "1,280"
    assert [in_percent(share) for share in (0.276, 1.0, 0.9996, 0.0)] == [
        "27.6 %",
        "100.0 %",
        "99.96 %",
        "0.0 %",
    ]
    assert [count(n, "class") for n in (1, 2)] == ["1 class", "2 classes"]
    assert [count(n, "patch") for n in (1, 9)] == ["1 patch", "9 patches"]
    assert count(1200, "picture") == "1,200 pictures"


def test_one_other_class_is_one() -> None:
    texts = {n: Xml.fromstring(winners.winners("t", np.arange(n)[None], str)) for n in (9, 10, 11)}
    legends = {n: [t.text for t in root.iter(f"{SVG}text")] for n, root in texts.items()}
    assert [legends[n][-1] for n in (9, 10, 11)] == ["1 other class", "2 other classes", "3 other classes"]
