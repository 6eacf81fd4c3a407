"""A network as it is drawn: boxes, what feeds what, blocks that repeat. No torch: anyone may fill it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

KINDS = ("conv", "pool", "linear", "attention", "norm", "recurrent", "join", "block", "other")


@dataclass(frozen=True)
class Node:
    """One layer, or one module where several are drawn as one."""

    label: str
    module: str
    """its path, layer1.0.conv1"""
    kind: str
    """one of `KINDS`"""
    op: str
    """torch's name of the operation"""
    output_size: tuple[int, ...]
    window: str = ""
    """kernel / stride: 3x3 / 2"""
    params: int = 0
    macs: int = 0
    then: tuple[str, ...] = ()
    """what is done to its output: batch_norm, relu"""
    stage: int = 0


@dataclass(frozen=True)
class Block:
    """Nodes `start` to `stop` (exclusive) that one module makes; `repeat` of them in a row, `last` the last's name."""

    name: str
    start: int
    stop: int
    repeat: int = 1
    last: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of their work; an edge is (from, to), and from is -1 for the picture."""

    name: str
    input_size: tuple[int, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]
    blocks: tuple[Block, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()
    """for each stage the lines of its label: 56 x 56, 256 channels"""

    @property
    def params(self) -> int:
        return sum(node.params for node in self.nodes)

    @property
    def macs(self) -> int:
        return sum(node.macs for node in self.nodes)


def condensed(graph: Graph, depth: int = 0) -> Graph:
    """One node for each run of nodes from the same module: at `depth` names of its path, or for each block if 0."""
    keys: list[tuple[str, int]] = []
    own = {i: block.name for block in graph.blocks for i in range(block.start, block.stop)}
    for i, node in enumerate(graph.nodes):
        parts = node.module.split(".")
        key = own.get(i, "") if not depth else ".".join(parts[:depth])
        keys.append((key, -1 if key else i))
    place: list[int] = []
    nodes: list[Node] = []
    for (name, _), run in groupby(range(len(keys)), keys.__getitem__):
        members = list(run)
        place += [len(nodes)] * len(members)
        nodes.append(_merged(name, [graph.nodes[i] for i in members]))
    place.append(-1)  # the picture
    edges = dict.fromkeys((place[a], place[b]) for a, b in graph.edges if place[a] != place[b])
    blocks = tuple(Block(node.label, i, i + 1) for i, node in enumerate(nodes) if node.kind == "block")
    return replace(graph, nodes=tuple(nodes), edges=tuple(sorted(edges)), blocks=blocks)


def _merged(name: str, nodes: Sequence[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    return replace(
        nodes[-1],
        label=name,
        module=name,
        kind="block",
        op=f"{len(nodes)} layers",
        window="",
        params=sum(node.params for node in nodes),
        macs=sum(node.macs for node in nodes),
        then=(),
    )


def folded(graph: Graph) -> Graph:
    """Equal blocks in a row drawn once. Blocks are equal if their layers are, and one leads to the next alone."""
    into, out_of = _neighbours(graph)
    runs: list[list[Block]] = []
    before: object = None
    for block in graph.blocks:
        mark = _mark(graph, block, into, out_of)
        inside = range(block.start, block.stop)
        alone = runs and runs[-1][-1].stop == block.start and set(out_of[block.start - 1]) <= set(inside)
        if alone and mark is not None and mark == before:
            runs[-1].append(block)
        else:
            runs.append([block])
        before = mark
    return _kept(graph, runs)


def _neighbours(graph: Graph) -> tuple[list[list[int]], list[list[int]]]:
    into: list[list[int]] = [[] for _ in graph.nodes]
    out_of: list[list[int]] = [[] for _ in graph.nodes]
    for a, b in graph.edges:
        into[b].append(a)
        if a >= 0:
            out_of[a].append(b)
    return into, out_of


def _mark(graph: Graph, block: Block, into: list[list[int]], out_of: list[list[int]]) -> object:
    """What two equal blocks share; None where a block cannot be folded."""
    inside = range(block.start, block.stop)
    given = {a for i in inside for a in into[i] if a not in inside}
    leaves = any(b not in inside for i in inside[:-1] for b in out_of[i])
    if given != {block.start - 1} or leaves:
        return None
    nodes = [
        replace(node, label=inner(node.label, block.name), module="", stage=0)
        for node in graph.nodes[block.start : block.stop]
    ]
    return nodes, [[a - block.start for a in into[i]] for i in inside]


def inner(label: str, block: str) -> str:
    """A layer's name within its block; empty for the block's own."""
    return label.removeprefix(block).lstrip(".") if f"{label}.".startswith(f"{block}.") else label


def _kept(graph: Graph, runs: Sequence[Sequence[Block]]) -> Graph:
    new: dict[int, int] = {-1: -1}
    dropped = {
        i: i - (block.start - run[0].start)
        for run in runs
        for block in run[1:]
        for i in range(block.start, block.stop)
    }
    kept = 0
    for i in range(len(graph.nodes)):
        new[i] = new[dropped[i]] if i in dropped else kept
        kept += i not in dropped
    edges = {(new[a], new[b]) for a, b in graph.edges if b not in dropped}
    blocks = tuple(
        replace(
            run[0],
            start=new[run[0].start],
            stop=new[run[0].stop - 1] + 1,
            repeat=len(run),
            last=run[-1].name if len(run) > 1 else "",
        )
        for run in runs
    )
    nodes = tuple(node for i, node in enumerate(graph.nodes) if i not in dropped)
    return replace(graph, nodes=nodes, edges=tuple(sorted(edges)), blocks=blocks)
