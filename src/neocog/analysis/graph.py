"""The graph of a network: the table's rows, what feeds what, its stages and blocks. Nothing is drawn here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import prod

from neocog.analysis.cost import counted
from neocog.analysis.kinds import (
    ACTIVATIONS,
    ADAPTIVE_POOLS,
    CONVOLUTIONS,
    NORMS,
    POOLS,
    PRODUCTS,
    RECURRENT,
    SPREADING,
    TRANSPOSED,
)
from neocog.analysis.op import Op, Trace
from neocog.analysis.table import Summary
from neocog.analysis.window import groups_of, windows_of
from neocog.draw.charts import Bar
from neocog.draw.network import Block, Graph, Node, condensed

CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}
"""modules that only hold others, so that they are no block themselves"""
NUMBERED = re.compile(r"[._]\d+$")  # layers.0, layers.encoder_layer_0
JOINS = {
    "add",
    "sub",
    "mul",
    "div",
    "cat",
    "concat",
    "concatenate",
    "stack",
    "maximum",
    "minimum",
    "hstack",
    "vstack",
}


@dataclass
class Part:
    """Operations drawn as one node: a row of the table, or what joins rows inside one."""

    row: int
    main: int
    ops: list[int] = field(default_factory=list)
    sources: dict[int, None] = field(default_factory=dict)
    """parts that it reads, -1 for the picture"""


def graph_of(summary: Summary, depth: int | None = None) -> Graph:
    """The graph of a table's rows, or of the modules at `depth` names of their path.

    Where a row's operations read other rows, as a gate that multiplies, they are a node of their own: a join. Each
    parameter and multiply-add that an operation has is in exactly one node.
    """
    parts = parts_of(summary)
    nodes = [_node(summary, part) for part in parts]
    edges = sorted((a, b) for b, part in enumerate(parts) for a in part.sources)
    blocks = blocks_of(summary.trace, [summary.trace.ops[part.main].layer for part in parts])
    nodes, stages = staged(nodes, blocks, summary.input_size)
    graph = Graph(summary.model, summary.input_size, tuple(nodes), tuple(edges), blocks, stages)
    return graph if depth is None else condensed(graph, depth)


def parts_of(summary: Summary) -> list[Part]:
    """The rows' operations in the order of the trace, each row cut where it reads another one."""
    ops = summary.trace.ops
    row_of = {i: n for n, row in enumerate(summary.rows) for i in row.ops}
    parts: list[Part] = []
    home: dict[int, int] = {0: -1}
    waiting: list[int] = []
    for i in range(1, len(ops)):
        if not ops[i].from_picture:
            waiting.append(i)
            continue
        row = row_of[i]
        read = dict.fromkeys(home[j] for j in ops[i].inputs if j in home)
        home[i] = _home(i, row, list(read), summary, parts)
        part = parts[home[i]]
        part.ops.append(i)
        part.sources |= {p: None for p in read if p != home[i]}
    for i in waiting:
        own = [n for n, part in enumerate(parts) if part.row == row_of[i]]
        reader = next((n for n in own if any(i in ops[j].inputs for j in parts[n].ops)), own[0])
        parts[reader].ops.append(i)
    return parts


def _home(i: int, row: int, read: list[int], summary: Summary, parts: list[Part]) -> int:
    """The part that operation `i` belongs to; a new one for a layer and for what joins two parts."""
    main = summary.rows[row].ops[0]
    started = [n for n in read if n >= 0 and parts[n].row == row]
    if i != main and read:
        latest = max(read)
        if len(read) == 1 and started:
            return latest
        if started and set(read) - {latest} <= set(parts[latest].sources):
            return latest
    parts.append(Part(row, i))
    return len(parts) - 1


def _node(summary: Summary, part: Part) -> Node:
    ops = summary.trace.ops
    main, row = ops[part.main], summary.rows[part.row]
    whole = part.main == row.ops[0]
    shares = _shares(summary, part.row)
    own = [ops[i] for i in part.ops if i != part.main]
    then = [op.kind for op in own if op.kind in NORMS | ACTIVATIONS | {"softmax", "tanh", "sigmoid"}]
    return Node(
        label=row.layer if whole else main.kind,
        module=main.layer,
        kind=kind_of(main),
        op=main.kind,
        output_size=main.shape[1:],
        window=window_text(main),
        params=sum(prod(ref.shape) for i in part.ops for ref in ops[i].weights),
        macs=sum(shares.get(i, 0) for i in part.ops),
        then=tuple(dict.fromkeys(then)),
    )


def _shares(summary: Summary, row: int) -> dict[int, int]:
    """The multiply-adds of a row's operations, in the table's convention."""
    ops = summary.trace.ops
    return {i: counted(ops[i], summary.convention) or 0 for i in summary.rows[row].ops}


def kind_of(op: Op) -> str:
    """The colour of an operation: one of `neocog.draw.network.KINDS`."""
    seen = [ref for ref in op.tensors if ref.op is not None]
    if op.kind in CONVOLUTIONS or op.kind in TRANSPOSED:
        return "conv"
    if op.kind in POOLS or op.kind in ADAPTIVE_POOLS or op.kind == "mean":
        return "pool"
    if op.kind in PRODUCTS:
        attends = "attention" in op.kind or (op.kind != "linear" and len(seen) > 1)
        return "attention" if attends else "linear"
    if op.kind in NORMS | SPREADING:
        return "norm"
    if op.kind in RECURRENT:
        return "recurrent"
    return "join" if op.kind in JOINS and len(seen) > 1 else "other"


def window_text(op: Op) -> str:
    """Kernel, stride and what is unusual: 3x3 / 2, depthwise."""
    windows = windows_of(op)
    if not windows:
        return ""
    strides = [w.stride for w in windows]
    text = "x".join(str(w.kernel) for w in windows)
    if set(strides) != {1}:
        text += f" / {strides[0] if len(set(strides)) == 1 else 'x'.join(map(str, strides))}"
    if any(w.dilation > 1 for w in windows):
        text += f", dilation {max(w.dilation for w in windows)}"
    groups = groups_of(op) if op.kind in CONVOLUTIONS or op.kind in TRANSPOSED else 1
    if groups > 1:
        text += ", depthwise" if groups == op.tensors[0].shape[1] else f", {groups} groups"
    return text


def blocks_of(trace: Trace, layers: Sequence[str]) -> tuple[Block, ...]:
    """Runs of at least two nodes that one module makes: the outermost that is no container of equal others."""
    prefixes = [prefixes_of(layer) for layer in layers]
    nodes = Counter(prefix for own in prefixes for prefix in own)
    holders = _holders(nodes)
    keys = [next((p for p in own if _is_block(p, trace, holders)), "") for own in prefixes]
    blocks, start = [], 0
    for key, run in groupby(keys):
        stop = start + len(list(run))
        if key and stop - start > 1:
            blocks.append(Block(key, start, stop))
        start = stop
    return tuple(blocks)


def prefixes_of(layer: str) -> list[str]:
    """The modules around a layer and itself, the outermost first."""
    parts = layer.split(".") if layer else []
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _holders(nodes: Counter[str]) -> set[str]:
    """Modules that hold, at any depth, at least two numbered siblings of several nodes each: stages, not blocks."""
    numbered = Counter(p.rpartition(".")[0] for p, n in nodes.items() if n > 1 and NUMBERED.search(p))
    return {outer for parent, n in numbered.items() if n > 1 for outer in prefixes_of(parent)}


def _is_block(prefix: str, trace: Trace, holders: set[str]) -> bool:
    return trace.modules.get(prefix, "") not in CONTAINERS and prefix not in holders


def staged(
    nodes: Sequence[Node], blocks: Sequence[Block], input_size: Sequence[int]
) -> tuple[list[Node], tuple[tuple[str, ...], ...]]:
    """The nodes with their stage: as long as what blocks and layers put out has one size along the axes."""
    exits = list(range(len(nodes)))
    for block in blocks:
        exits[block.start : block.stop] = [block.stop - 1] * (block.stop - block.start)
    sizes = [_side(nodes[i].output_size, len(input_size)) for i in exits]
    found: list[Node] = []
    stages: list[tuple[str, ...]] = []
    for _, run in groupby(range(len(nodes)), lambda i: sizes[i]):
        members = list(run)
        found += [replace(nodes[i], stage=len(stages)) for i in members]
        stages.append(_stage_label(nodes[exits[members[-1]]].output_size, len(input_size)))
    return found, tuple(stages)


def _side(size: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes along which positions lie: height and width of a map, the tokens of a sequence, none of a vector."""
    if len(size) == rank:
        return () if prod(size[1:]) == 1 else size[1:]
    return size[:-1]


def _stage_label(size: tuple[int, ...], rank: int) -> tuple[str, ...]:
    side = _side(size, rank)
    if not side:
        return ("vector", f"{prod(size):,} numbers")
    if len(size) == rank:
        return (" × ".join(map(str, side)), f"{size[0]:,} channels")
    return (f"{' × '.join(map(str, side))} tokens", f"{size[-1]:,} wide")


def bars_of(summary: Summary, column: str) -> list[Bar]:
    """A column of the table as bars: memory_bytes, params or macs."""
    ops = summary.trace.ops
    return [Bar(row.layer, kind_of(ops[row.ops[0]]), getattr(row, column)) for row in summary.rows]
