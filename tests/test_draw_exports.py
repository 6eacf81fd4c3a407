"""A table as CSV, Markdown, pandas and a page: each read back by somebody else's reader."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from neocog.draw.charts import Bar, charts
from neocog.draw.graph import draw
from neocog.draw.network import Graph, Node
from neocog.draw.summary import page
from neocog.draw.table import Table
from neocog.errors import UserError

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf")), max_size=12)
TABLE = Table(("layer", "size", "params"), (("conv1", "64x56x56", 23296), ("fc_6|x", None, 37752832)))
NASTY = "</td><script>alert(1)</script>&\"'"


class Reader(HTMLParser):
    """Tags, attributes, and the text of each table cell."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def made(name: str) -> str:
    layers = [Bar(name, "conv", 3), Bar("fc", "linear", 5)]
    nodes = (Node(name, name, "conv", "conv2d", (4, 2, 2)), Node("fc", "fc", "linear", "linear", (5,)))
    graph = Graph(name, (3, 4, 4), nodes, ((-1, 0), (0, 1)))
    table = Table(("layer", "params"), ((name, 1234), ("fc", 5)))
    return page(name, [("Input", "3x4x4"), (name, name)], table, charts(layers, layers, layers), draw(graph))


@given(st.lists(st.tuples(WORDS, st.integers(), WORDS), max_size=5))
def test_csv_is_read_back_as_it_was(rows: list[tuple[str, int, str]]) -> None:
    table = Table(("a,b", 'c"d', "e"), tuple(rows))
    found = list(csv.reader(io.StringIO(table.to_csv(), newline="")))
    assert found == [["a,b", 'c"d', "e"], *([a, str(n), b] for a, n, b in rows)]


def test_csv_leaves_numbers_plain_and_what_is_missing_empty() -> None:
    assert TABLE.to_csv() == "layer,size,params\nconv1,64x56x56,23296\nfc_6|x,,37752832\n"


@given(st.lists(st.tuples(WORDS, st.integers(), WORDS), min_size=1, max_size=4))
def test_markdown_is_read_as_the_same_cells(rows: list[tuple[str, int, str]]) -> None:
    text = Table(("name", "n", "note"), tuple(rows)).to_markdown()
    found = Reader(MarkdownIt("gfm-like", {"linkify": False}).render(text))
    assert set(found.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    spaced = [[" ".join(cell.split()) for cell in (a, f"{n:,}", b)] for a, n, b in rows]
    cells = [" ".join(cell.split()) for cell in found.cells]
    assert cells == ["name", "n", "note", *(cell for row in spaced for cell in row)]


@pytest.mark.parametrize(
    "name", ["*a*", "_a_", "`a`", "<b>a</b>", "[a](b)", "~~a~~", "a|b", "a\\|b", "&amp;", "![a](b)"]
)
def test_markdown_shows_marks_as_they_are(name: str) -> None:
    found = Reader(MarkdownIt("gfm-like", {"linkify": False}).render(Table(("x",), ((name,),)).to_markdown()))
    assert found.cells == ["x", name]
    assert set(found.tags) == {"table", "thead", "tbody", "tr", "th", "td"}


def test_markdown_sets_numbers_to_the_right() -> None:
    lines = TABLE.to_markdown().splitlines()
    assert lines[:3] == ["| layer | size | params |", "| --- | --- | ---: |", "| conv1 | 64x56x56 | 23,296 |"]
    assert lines[3] == "| fc_6\\|x | - | 37,752,832 |"


@pytest.mark.skipif(find_spec("pandas") is not None, reason="pandas is installed")
def test_without_pandas_the_way_out_is_said() -> None:
    with pytest.raises(
        UserError, match=r"needs pandas, which is not installed; pip install pandas, or use to_csv"
    ):
        TABLE.to_pandas()


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
def test_pandas_gets_names_numbers_and_gaps() -> None:
    frame = TABLE.to_pandas()
    assert list(frame.columns) == ["layer", "size", "params"]
    assert int(frame["params"].sum()) == 23296 + 37752832
    assert frame["size"].isna().tolist() == [False, True]


def test_the_page_holds_every_cell_three_charts_and_the_graph() -> None:
    found = Reader(made("conv1"))
    assert found.cells == ["layer", "params", "conv1", "1,234", "fc", "5"]
    assert found.tags.count("svg") == 4


def test_every_tag_of_the_page_is_closed() -> None:
    assert Reader(made("conv1")).open == []


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    text = made("conv1")
    found = Reader(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not {"src", "href", "srcset", "action", "onload"} & {name for name, _ in found.attributes}
    assert not re.search(r"url\(|@import", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_names_in_the_page_are_text_and_nothing_else() -> None:
    found = Reader(made(NASTY))
    assert "script" not in found.tags
    assert NASTY in found.cells


def test_the_page_fits_a_telephone_and_both_lights() -> None:
    text = made("conv1")
    assert ("name", "viewport") in Reader(text).attributes
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_equal_networks_give_equal_pages() -> None:
    assert made("conv1") == made("conv1")
