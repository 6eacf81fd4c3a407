"""The graph of a network as one SVG that needs nothing else: stages as bands, blocks framed, skips as curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neocog.draw.layout import GAP, LANE, Layout, passing, place, ranks_of
from neocog.draw.network import KINDS, Block, Graph, Node, condensed, folded, inner
from neocog.draw.palette import MARGIN, NARROWEST, WORDS, legend, style
from neocog.draw.text import fit, length, safe, short, size_text

BOX, LINE, PAD = 200.0, 16.0, 9.0  # width of a box, height of its lines, room around them
ROOM = BOX - 26  # for its text
ROUND = 14.0  # radius of a join
BETWEEN = 34.0  # height between two layers, where the curves run
STEP = 18.0  # more of it where a stage or a block begins
NAME = 88.0  # room left of a block for its name
GUTTER = 96.0  # for the stages' names
LARGEST = 160  # boxes beyond which blocks, then whole stages, are drawn as one box each
CROWDED = 1500  # lanes beyond which they are
SIGNS = {"add": "+", "mul": "×", "sub": "−", "div": "÷", "cat": "cat", "concat": "cat", "stack": "stk"}
STYLE = style(
    "ncg",
    """
.ncg text{fill:var(--s);font-size:11px}.ncg .t{fill:var(--i);font-size:20px;font-weight:680}
.ncg .n{fill:var(--i);font-size:12.5px;font-weight:600}.ncg .r{fill:var(--i);font-size:17px;font-weight:680}
.ncg .g{font-size:13px;font-weight:600;fill:var(--i)}.ncg .j{fill:var(--i);font-size:17px}.ncg .w{font-size:10px}
.ncg .paper{fill:var(--p)}.ncg .band{fill:var(--b)}.ncg .frame{fill:none;stroke:var(--l);stroke-dasharray:4 3}
.ncg .box{fill:var(--c);stroke:var(--l)}.ncg .edge{fill:none;stroke:var(--e);stroke-width:1.5}
.ncg .head{fill:var(--e)}.ncg .circle{fill:var(--c);stroke:var(--join);stroke-width:1.75}
""",
)


@dataclass(frozen=True)
class Scene:
    """What is drawn and where: boxes by index, layers by rank."""

    graph: Graph
    layout: Layout
    tops: tuple[float, ...]
    """of the layers"""
    heights: tuple[float, ...]
    left: float
    """of the leftmost box, its block's name included"""
    width: float
    height: float

    def middle(self, i: int) -> tuple[float, float]:
        rank = self.layout.ranks[i]
        return self.layout.x[i] - self.left, self.tops[rank] + self.heights[rank] / 2


def draw(graph: Graph, fold: bool = True) -> str:
    """The picture of `graph` for a browser or a file. Names are untrusted and escaped. Equal graphs, equal text."""
    shown = readable(with_picture(graph), fold)
    head = _header(graph, shown)
    scene = arranged(shown, 64.0 + LINE * (len(head[1]) + len(legend(head[2]))) + 8)
    body = (_bands(scene), _frames(scene), _edges(scene), _nodes(scene), _heading(head))
    label = safe(f"Graph of {graph.name}: {len(graph.nodes)} layers")
    w, h = f"{scene.width:.0f}", f"{scene.height:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ncg" role="img" aria-label="{label}" width="{w}" height="{h}" '
        f'viewBox="0 0 {w} {h}"><style>{STYLE}</style><rect class="paper" width="{w}" height="{h}"/>'
        f"{''.join(body)}</svg>\n"
    )


def with_picture(graph: Graph) -> Graph:
    """`graph` with the picture as its first node, so that every edge has two ends."""
    first = Node("picture", "", "other", "input", graph.input_size)
    edges = tuple((a + 1, b + 1) for a, b in graph.edges)
    blocks = tuple(Block(b.name, b.start + 1, b.stop + 1, b.repeat, b.last) for b in graph.blocks)
    return Graph(graph.name, graph.input_size, (first, *graph.nodes), edges, blocks, graph.stages)


def readable(graph: Graph, fold: bool = True) -> Graph:
    """`graph` with equal blocks folded and, while it is too large for a page, its modules drawn as one box each."""
    depth = max((node.module.count(".") for node in graph.nodes), default=0)
    for level in (None, 0, *range(depth, 0, -1)):
        smaller = graph if level is None else condensed(graph, level)
        smaller = folded(smaller) if fold else smaller
        lanes = passing(smaller.edges, ranks_of(len(smaller.nodes), smaller.edges))
        if len(smaller.nodes) <= LARGEST and lanes <= CROWDED:
            break
    return smaller


def height_of(node: Node) -> float:
    if node.kind == "join":
        return 2 * ROUND
    if node.op == "input":
        return 2 * LINE
    return 2 * PAD + LINE * (1 + len(_lines(node))) - 3


def arranged(graph: Graph, top: float) -> Scene:
    """The boxes' places below `top`."""
    layout = place([BOX if n.kind != "join" else BOX * 0.7 for n in graph.nodes], graph.edges)
    stages = _stages(graph, layout.ranks)
    rows = max(layout.ranks) + 1
    heights = [0.0] * rows
    for rank, node in zip(layout.ranks, graph.nodes, strict=True):
        heights[rank] = max(heights[rank], height_of(node))
    begins = {layout.ranks[b.start] for b in framed(graph, layout)}
    begins |= {max(layout.ranks[b.start : b.stop]) + 1 for b in framed(graph, layout)}
    tops, y = [], top
    for rank in range(rows):
        y += BETWEEN * (rank > 0) + STEP * (rank > 0 and (rank in begins or stages[rank] != stages[rank - 1]))
        tops.append(y)
        y += heights[rank]
    lanes = [x for path in layout.paths.values() for x, _ in path]
    left = min(min(layout.x) - BOX / 2, min(lanes, default=0.0) - LANE) - NAME * bool(framed(graph, layout))
    right = max(max(layout.x) + BOX / 2, max(lanes, default=0.0) + LANE)
    left -= MARGIN + (GUTTER if graph.stages else 0)
    width = max(right - left + 2 * MARGIN, NARROWEST)
    return Scene(graph, layout, tuple(tops), tuple(heights), left, width, y + MARGIN + STEP)


def framed(graph: Graph, layout: Layout) -> list[Block]:
    """Blocks that have their layers to themselves."""
    found = []
    for block in graph.blocks:
        own = set(layout.ranks[block.start : block.stop])
        others = [r for i, r in enumerate(layout.ranks) if not block.start <= i < block.stop]
        if own.isdisjoint(others) and (block.stop - block.start > 1 or block.repeat > 1):
            found.append(block)
    return found


def _stages(graph: Graph, ranks: Sequence[int]) -> list[int]:
    """The stage of each layer: the last that any of its nodes, or of those above, has."""
    found = [0] * (max(ranks) + 1)
    for rank, node in zip(ranks, graph.nodes, strict=True):
        found[rank] = max(found[rank], node.stage)
    for rank in range(1, len(found)):
        found[rank] = max(found[rank], found[rank - 1])
    return found


def _bands(scene: Scene) -> str:
    stages = _stages(scene.graph, scene.layout.ranks)
    parts = []
    for stage, lines in enumerate(scene.graph.stages):
        own = [rank for rank, s in enumerate(stages) if s == stage and rank > 0]
        if not own:
            continue
        y = scene.tops[own[0]] - BETWEEN / 2 - STEP / 2 + 3
        below = scene.tops[own[-1]] + scene.heights[own[-1]] + BETWEEN / 2 + STEP / 2 - 3
        parts.append(_rect("band", 8, y, scene.width - 16, below - y, 12))
        for n, line in enumerate(lines):
            text = fit(line, GUTTER - 8, 13 if not n else 11)
            parts.append(_text(MARGIN, y + 24 + 16 * n, text, "g" if not n else "s"))
    return "".join(parts)


def _frames(scene: Scene) -> str:
    graph, layout, parts = scene.graph, scene.layout, []
    for block in framed(graph, layout):
        ranks = layout.ranks[block.start : block.stop]
        own = range(block.start, block.stop)
        xs = [layout.x[i] + side * BOX / 2 for i in own for side in (-1, 1)]
        for (_, b), path in layout.paths.items():
            if b in own:
                xs += [
                    x + side * LANE
                    for x, rank in path
                    if min(ranks) <= rank < layout.ranks[b]
                    for side in (-1, 1)
                ]
        top, bottom = scene.tops[min(ranks)] - 12, scene.tops[max(ranks)] + scene.heights[max(ranks)] + 12
        x, right = min(xs) - scene.left - NAME - 2, max(xs) - scene.left + 8
        parts.append(_rect("frame", x, top, right - x, bottom - top, 10))
        names = [block.name, f"to {block.last}"] if block.last else [block.name]
        rows = [(fit(name, NAME - 12, 11), "s") for name in names]
        rows = [(f"× {block.repeat}", "r"), *rows] if block.repeat > 1 else rows
        for n, (text, css) in enumerate(rows):
            parts.append(_text(x + 9, top + (24 if block.repeat > 1 else 20) + 16 * n, text, css))
    return "".join(parts)


def _edges(scene: Scene) -> str:
    parts = []
    for edge, path in sorted(scene.layout.paths.items()):
        parts.append(_edge(scene, edge, path))
    return "".join(parts)


def _edge(scene: Scene, edge: tuple[int, int], path: Sequence[tuple[float, int]]) -> str:
    """Straight past each layer, a curve in the free room between two, and a small arrow at the end."""
    (x, y), half = scene.middle(edge[0]), height_of(scene.graph.nodes[edge[0]]) / 2
    d = [f"M{x:.1f} {y + half:.1f}"]
    end_x, end = scene.middle(edge[1])
    end -= height_of(scene.graph.nodes[edge[1]]) / 2
    for place_x, rank in path[1:]:
        above = scene.tops[rank - 1] + scene.heights[rank - 1]
        x, before, y = place_x - scene.left, x, scene.tops[rank]
        middle = (above + y) / 2
        d.append(f"V{above:.1f}" + (f"C{before:.1f} {middle:.1f} {x:.1f} {middle:.1f} {x:.1f} {y:.1f}"))
        if rank < path[-1][1]:
            d.append(f"V{y + scene.heights[rank]:.1f}")
    d.append(f"V{end:.1f}")
    arrow = f"M{end_x:.1f} {end:.1f}l-4 -7h8z"
    return f'<path class="edge" d="{"".join(d)}"/><path class="head" d="{arrow}"/>'


def _nodes(scene: Scene) -> str:
    own = {i: b for b in framed(scene.graph, scene.layout) for i in range(b.start, b.stop)}
    parts = []
    for i, node in enumerate(scene.graph.nodes):
        shape: Callable[[Node, float, float, str], str] = _join if node.kind == "join" else _box
        block = own.get(i)
        label = (inner(node.label, block.name) if block else node.label) or node.op
        parts.append(f"<g><title>{safe(_told(node))}</title>{shape(node, *scene.middle(i), label)}</g>")
    return "".join(parts)


def _box(node: Node, x: float, y: float, label: str) -> str:
    height, left = height_of(node), x - BOX / 2
    top = y - height / 2
    if node.op == "input":
        body = _rect("box", x - 70, top, 140, height, LINE)
        return body + _text(x, y + 4, fit(size_text(node.output_size), 124, 12.5), "n", "middle")
    lines = [(fit(label, ROOM, 12.5), "n"), *((fit(line, ROOM, 11), "s") for line in _lines(node))]
    body = _rect("box", left, top, BOX, height, 7)
    body += _rect(f"k-{node.kind}", left + 6, top + 7, 4, height - 14, 2)
    return body + "".join(
        _text(left + 18, top + PAD + 10 + LINE * n, text, css) for n, (text, css) in enumerate(lines)
    )


def _join(node: Node, x: float, y: float, label: str) -> str:
    sign = SIGNS.get(node.op, node.op[:3])
    then = fit(", ".join(node.then), (BOX * 0.7 - 2 * ROUND) / 2 + GAP - 6, 10)
    body = f'<circle class="circle" cx="{x:.1f}" cy="{y:.1f}" r="{ROUND:g}"/>'
    body += _text(x, y + (5.5 if len(sign) == 1 else 3.5), sign, "j" if len(sign) == 1 else "w", "middle")
    return body + (_text(x + ROUND + 5, y + 3.5, then, "w") if then else "")


def _lines(node: Node) -> list[str]:
    """What a box says below its name: kernel, size and cost."""
    window = re.sub(r"(?<=\d)x(?=\d)", "×", node.window)
    size = size_text(node.output_size).replace(" ", "")
    whole = f"{window} → {size}" if window else size
    shape = [whole] if length(whole, 11) <= ROOM else [window, f"→ {size}"]
    return shape + ([_cost(node)] if node.params or node.macs else [])


def _cost(node: Node) -> str:
    parts = [f"{short(node.params)} params"] if node.params else []
    return " · ".join(parts + ([f"{short(node.macs)} MACs"] if node.macs else []))


def _told(node: Node) -> str:
    """What the pointer is told: nothing cut off, nothing rounded."""
    parts = [f"{node.label} ({node.op})", node.window, size_text(node.output_size), ", ".join(node.then)]
    parts += [f"{node.params:,} parameters"] * bool(node.params) + [f"{node.macs:,} MACs"] * bool(node.macs)
    return "; ".join(part for part in parts if part)


def _header(graph: Graph, shown: Graph) -> tuple[str, list[str], list[str]]:
    """Title, facts, and the kinds that the legend explains."""
    facts = [f"picture {size_text(graph.input_size)} · {len(graph.nodes)} layers"]
    facts.append(f"{short(graph.params)} parameters · {short(graph.macs)} multiply-adds")
    used = {node.kind for node in shown.nodes if node.op != "input"}
    return graph.name, facts, [kind for kind in KINDS if kind in used and kind != "join"]


def _heading(head: tuple[str, list[str], list[str]]) -> str:
    title, facts, kinds = head
    parts = [_text(MARGIN, 38, fit(title, 330, 20), "t")]
    parts += [_text(MARGIN, 60 + LINE * n, line, "s") for n, line in enumerate(facts)]
    y = 60 + LINE * len(facts)
    for n, row in enumerate(legend(kinds)):
        for x, kind in row:
            parts.append(_rect(f"k-{kind}", x, y + LINE * n - 3, 10, 10, 2))
            parts.append(_text(x + 16, y + LINE * n + 6, WORDS[kind], "s"))
    return "".join(parts)


def _rect(css: str, x: float, y: float, width: float, height: float, corner: float) -> str:
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner:g}"/>'


def _text(x: float, y: float, text: str, css: str, anchor: str = "") -> str:
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}"{anchored}>{safe(text)}</text>'
