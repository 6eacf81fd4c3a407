"""The drawing of a graph, read back as XML: geometry by the elements' own numbers, text measured by Pillow's face."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from neocog.analysis.graph import graph_of
from neocog.analysis.table import summarize
from neocog.draw.graph import draw
from neocog.draw.network import Block, Graph, Node
from neocog.models import MODELS, build

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = (
    "alexnet",
    "lenet5",
    "neocognitron",
    "googlenet",
    "resnet50",
    "efficientnet_b0",
    "vit_base_patch16_224",
)
FACES = {"t": 20, "n": 12.5, "r": 17, "g": 13, "j": 17, "w": 10, "s": 11}
Box = tuple[float, float, float, float]


def of_model(name: str) -> Graph:
    with torch.device("cpu" if name in ("lenet5", "neocognitron") else "meta"):
        net = build(name)
    return graph_of(summarize(net, MODELS[name].input_size, name=name))


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return {name: draw(of_model(name)) for name in NETWORKS}


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, "0")) for name in names]


def shapes(svg: str) -> list[Box]:
    """Left, top, right, bottom of all boxes and joins."""
    root, found = ElementTree.fromstring(svg), []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") == "box":
            x, y, w, h = numbers(rect, "x", "y", "width", "height")
            found.append((x, y, x + w, y + h))
    for circle in root.iter(f"{SVG}circle"):
        x, y, r = numbers(circle, "cx", "cy", "r")
        found.append((x - r, y - r, x + r, y + r))
    return found


def words(svg: str) -> set[str]:
    return {text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")}


def overlapping(boxes: list[Box]) -> list[tuple[Box, Box]]:
    return [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


def along(path: str) -> list[tuple[float, float]]:
    """Points on a path of M, V and C: 24 on each curve (de Casteljau's polynomial), 24 on each straight line."""
    points: list[tuple[float, float]] = []
    for letter, rest in re.findall(r"([MVC])([^MVC]*)", path):
        n = [float(v) for v in rest.split()]
        steps = [k / 24 for k in range(1, 25)]
        if letter == "M":
            points.append((n[0], n[1]))
        elif letter == "V":
            x, y = points[-1]
            points += [(x, y + (n[0] - y) * t) for t in steps]
        else:
            (x, y), u = points[-1], [1 - t for t in steps]
            points += [
                (
                    s**3 * x + 3 * s * s * t * n[0] + 3 * s * t * t * n[2] + t**3 * n[4],
                    s**3 * y + 3 * s * s * t * n[1] + 3 * s * t * t * n[3] + t**3 * n[5],
                )
                for s, t in zip(u, steps, strict=True)
            ]
    return points


def curves(svg: str) -> list[list[tuple[float, float]]]:
    return [
        along(p.get("d", ""))
        for p in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if p.get("class") == "edge"
    ]


def crossings(svg: str) -> list[tuple[float, float]]:
    """Points of curves that lie more than a tenth of a pixel inside a box."""
    boxes = shapes(svg)
    return [
        (x, y)
        for curve in curves(svg)
        for x, y in curve
        for a, b, c, d in boxes
        if a + 0.11 < x < c - 0.11 and b + 0.11 < y < d - 0.11
    ]


def outside(svg: str) -> list[str]:
    """Elements that reach over the edge of the picture."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = (float(v) for v in root.get("viewBox", "").split())
    found = []
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = numbers(rect, "x", "y", "width", "height")
        if x < 0 or y < 0 or x + w > width or y + h > height:
            found.append(ElementTree.tostring(rect, "unicode"))
    for text in root.iter(f"{SVG}text"):
        (x, y), wide = numbers(text, "x", "y"), measured(text)
        left = x - wide / 2 if text.get("text-anchor") == "middle" else x
        if left < 0 or left + wide > width or y > height:
            found.append(text.text or "")
    found += [str(point) for curve in curves(svg) for point in curve if not 0 <= point[0] <= width]
    return found


def measured(text: ElementTree.Element) -> float:
    return float(ImageFont.load_default(FACES[text.get("class", "s")]).getlength(text.text or ""))


def node(label: str, module: str = "", kind: str = "conv", op: str = "conv2d") -> Node:
    return Node(label, module or label, kind, op, (8, 4, 4), "3x3", 10, 100)


def chain(names: list[str]) -> Graph:
    nodes = tuple(node(name) for name in names)
    return Graph(
        "chain",
        (3, 8, 8),
        nodes,
        tuple((i - 1, i) for i in range(len(nodes))),
        (),
        (("4 x 4", "8 channels"),),
    )


def repeated(n: int) -> Graph:
    """A conv, then `n` equal blocks of two convs and a sum."""
    nodes, edges, blocks = [node("stem")], [(-1, 0)], []
    for k in range(n):
        i = len(nodes)
        nodes += [node(f"b.{k}.x"), node(f"b.{k}.y"), node(f"b.{k}", kind="join", op="add")]
        edges += [(i - 1, i), (i, i + 1), (i + 1, i + 2), (i - 1, i + 2)]
        blocks.append(Block(f"b.{k}", i, i + 3))
    return Graph("repeated", (3, 8, 8), tuple(nodes), tuple(edges), tuple(blocks))


@st.composite
def graphs(draw_from: st.DrawFn) -> Graph:
    """Any graph in which an edge leads to a later node."""
    n = draw_from(st.integers(1, 24))
    nodes, edges = [], []
    for i in range(n):
        sources = draw_from(st.sets(st.integers(max(-1, i - 7), i - 1), min_size=1, max_size=4))
        join = len(sources) > 1 and draw_from(st.booleans())
        nodes.append(node(f"layer{i}", kind="join" if join else "conv", op="add" if join else "conv2d"))
        edges += [(a, i) for a in sources]
    stages = draw_from(st.lists(st.integers(0, 2), min_size=n, max_size=n).map(sorted))
    nodes = [Node(**{**vars(x), "stage": s}) for x, s in zip(nodes, stages, strict=True)]
    return Graph("any", (3, 8, 8), tuple(nodes), tuple(edges), (), (("a",), ("b",), ("c",)))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_two_boxes_overlap(drawn: dict[str, str], name: str) -> None:
    assert len(shapes(drawn[name])) > 8
    assert not overlapping(shapes(drawn[name]))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_curve_crosses_a_box(drawn: dict[str, str], name: str) -> None:
    assert not crossings(drawn[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_lies_outside_the_picture(drawn: dict[str, str], name: str) -> None:
    assert not outside(drawn[name])


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_any_graph_keeps_boxes_and_curves_apart(graph: Graph) -> None:
    svg = draw(graph)
    assert not overlapping(shapes(svg))
    assert not crossings(svg)
    assert not outside(svg)


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_every_edge_ends_at_its_two_boxes(graph: Graph) -> None:
    """A curve begins at the foot of a box and ends at the head of one; there are as many as edges."""
    svg = draw(graph)
    boxes, found = shapes(svg), curves(svg)
    feet = {(round((a + c) / 2, 0), round(d, 0)) for a, _, c, d in boxes}
    heads = {(round((a + c) / 2, 0), round(b, 0)) for a, b, c, _ in boxes}

    def near(point: tuple[float, float], places: set[tuple[float, float]]) -> bool:
        return any(abs(point[0] - x) < 1.2 and abs(point[1] - y) < 1.2 for x, y in places)

    assert len(found) == len(graph.edges)
    assert all(near(curve[0], feet) and near(curve[-1], heads) for curve in found)


@pytest.mark.parametrize("name", NETWORKS)
def test_bands_follow_each_other_and_hold_their_boxes(drawn: dict[str, str], name: str) -> None:
    rects = [r for r in ElementTree.fromstring(drawn[name]).iter(f"{SVG}rect") if r.get("class") == "band"]
    bands = [(y, y + h) for y, h in (numbers(r, "y", "height") for r in rects)]
    assert all(above[1] <= below[0] for above, below in zip(bands, bands[1:], strict=False))
    for _, top, _, bottom in shapes(drawn[name])[1:]:  # the first is the picture
        assert any(start < top and bottom < end for start, end in bands)


def test_text_stays_in_its_box(drawn: dict[str, str]) -> None:
    root = ElementTree.fromstring(drawn["efficientnet_b0"])
    for group in root.iter(f"{SVG}g"):
        box = next((r for r in group.iter(f"{SVG}rect") if r.get("class") == "box"), None)
        for text in group.iter(f"{SVG}text") if box is not None else ():
            x, wide = float(text.get("x", 0)), measured(text)
            end = x + (wide / 2 if text.get("text-anchor") else wide)
            assert end <= float(box.get("x", 0)) + float(box.get("width", 0)), text.text


def test_a_chain_is_drawn_straight_down() -> None:
    middles = [((a + c) / 2, b) for a, b, c, _ in shapes(draw(chain(["a", "b", "c"])))]
    assert len({round(x, 1) for x, _ in middles}) == 1
    assert [y for _, y in middles] == sorted(y for _, y in middles)


def test_equal_blocks_are_drawn_once_with_their_number() -> None:
    svg = draw(repeated(7))
    assert len(shapes(svg)) == 1 + 1 + 3
    assert "× 7" in words(svg)


def test_unfolded_every_layer_is_drawn() -> None:
    assert len(shapes(draw(repeated(7), fold=False))) == 1 + 1 + 21


def test_totals_count_folded_layers_as_often_as_they_are() -> None:
    svg = draw(repeated(7))
    assert "220 parameters · 2.2 K multiply-adds" in svg


def test_a_graph_of_hundreds_of_layers_stays_readable() -> None:
    """Forty modules of twelve layers, no two alike."""
    nodes = [
        Node(f"m{k}.{i}", f"m{k}.{i}", "conv", "conv2d", (k + 1, 4, 4), "", 1, 1)
        for k in range(40)
        for i in range(12)
    ]
    blocks = tuple(Block(f"m{k}", 12 * k, 12 * k + 12) for k in range(40))
    svg = draw(Graph("large", (3, 8, 8), tuple(nodes), tuple((i - 1, i) for i in range(480)), blocks))
    assert len(shapes(svg)) == 41
    assert not overlapping(shapes(svg))
    assert {"m0", "m39", "12 params · 12 MACs"} <= {
        text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    }


def test_a_graph_in_which_everything_feeds_everything_stays_readable() -> None:
    """As DenseNet's: each layer reads all before it, 19,900 edges."""
    nodes = tuple(node(f"s{i // 50}.l{i}", f"s{i // 50}.l{i}.conv") for i in range(200))
    svg = draw(Graph("dense", (3, 8, 8), nodes, tuple((a, b) for b in range(200) for a in range(-1, b))))
    assert len(shapes(svg)) == 5
    assert not crossings(svg)


def test_names_are_text_and_nothing_else() -> None:
    name = "</text><script>alert(1)</script>&\"'\x1b[2J\x00\ufffe"
    graph = chain([name])
    svg = draw(
        Graph(
            name, graph.input_size, graph.nodes, graph.edges, (Block(name, 0, 1, 2, name),), ((name, name),)
        )
    )
    root = ElementTree.fromstring(svg)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "style", "rect", "g", "title", "text", "path", "circle"}
    told = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert any(text.startswith("</text><script>alert(1)</script>&\"'") for text in told)


def test_the_picture_needs_nothing_from_elsewhere(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert svg.count("http") == 1 and 'xmlns="http://www.w3.org/2000/svg"' in svg
        assert not re.search(r"url\(|@import|href|src=|<script|<image", svg)


def test_it_has_a_light_and_a_dark_form(drawn: dict[str, str]) -> None:
    assert "prefers-color-scheme:dark" in drawn["alexnet"]


def test_equal_graphs_give_equal_text_in_any_process() -> None:
    program = (
        "from neocog.draw.graph import draw; from neocog.draw.network import Graph, Node;"
        "nodes = tuple(Node(f'l{i}', f'l{i}', 'conv', 'conv2d', (1, 2, 2)) for i in range(9));"
        "print(draw(Graph('g', (1, 2, 2), nodes, tuple((a, b) for b in range(9) for a in range(max(b - 3, -1), b)))))"
    )
    told = set()
    for seed in ("1", "2", "3"):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        told.add(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=env).stdout
        )
    assert len(told) == 1


def test_drawing_needs_no_torch() -> None:
    program = "import sys, neocog.draw.graph, neocog.draw.charts, neocog.draw.summary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
