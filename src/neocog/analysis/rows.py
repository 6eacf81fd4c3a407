"""The operations of a trace gathered into the rows that a person reads: one for each layer that a paper would list."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from neocog.analysis.kinds import ADAPTIVE_POOLS, CONVOLUTIONS, POOLS, PRODUCTS, RECURRENT, TRANSPOSED
from neocog.analysis.op import Op, Trace

POOLING = set(POOLS) | set(ADAPTIVE_POOLS)
LAYERS = {*CONVOLUTIONS, *TRANSPOSED, *POOLING, *PRODUCTS, *RECURRENT}


def rows_of(trace: Trace) -> list[list[int]]:
    """The positions of each row's operations; the first is the layer itself, the others what is done to its output.

    Every operation is in one row. Norms, activations and sums with constants belong to the row whose output they
    read; what is made of parameters alone belongs to its reader.
    """
    rows: list[list[int]] = []
    owner: dict[int, int] = {}
    waiting: list[int] = []  # on the layer that reads them
    for i, op in enumerate(trace.ops[1:], 1):
        layer = op.from_picture and is_layer(op, trace)
        if not op.from_picture or not (layer or rows):
            waiting.append(i)
            continue
        if layer:
            rows.append([])
            owner[i] = len(rows) - 1
        else:
            owner[i] = max((owner[j] for j in op.inputs if j in owner), default=len(rows) - 1)
        claimed = _behind(op, trace, waiting)
        rows[owner[i]] += [i, *claimed]
        waiting = [j for j in waiting if j not in claimed]
    if waiting:
        rows = [[*row, *(waiting if row is rows[-1] else [])] for row in rows] or [waiting]
    return rows


def is_layer(op: Op, trace: Trace) -> bool:
    """Whether an operation gets a row: layers with weights, pools, attention, joins of branches, flattening."""
    if op.part:
        return False
    before = trace.ops[op.inputs[0]].shape if op.inputs else ()
    if op.kind in POOLING:
        return op.kind in POOLS or op.shape != before
    if op.kind in LAYERS or op.kind in ("cat", "untraced"):
        return op.kind != "cat" or len(_pictures(op, trace)) > 1
    if op.kind in ("flatten", "reshape", "view"):
        return len(op.shape) == 2 < len(before) and op.shape[0] == before[0] and prod(before[2:]) > 1
    if op.kind == "mean":
        return len(op.shape) < len(before) or prod(before[2:]) > prod(op.shape[2:])
    return (
        op.kind == "add"
        and len(_pictures(op, trace)) > 1
        and len({trace.ops[j].shape for j in op.inputs}) == 1
    )


def labels(trace: Trace, mains: Sequence[int]) -> list[str]:
    """A name for each row: conv1, pool1, fc6 where a chain's layers have numbers for names, else the module's.

    So the lecture counts. Pools have the number of the convolution before; linear layers count on.
    """
    weighted = [
        trace.ops[i] for i in mains if trace.ops[i].kind in CONVOLUTIONS or trace.ops[i].kind == "linear"
    ]
    numbered = bool(weighted) and all(op.layer.rpartition(".")[2].isdigit() for op in weighted)
    modules = [trace.ops[i].layer for i in mains]
    names, count = [], 0
    for i in mains:
        op = trace.ops[i]
        count += op in weighted
        names.append(_label(op, count) if numbered else _shortest(op, modules))
    return names


def _shortest(op: Op, modules: Sequence[str]) -> str:
    """The name of the outermost module that has no other row: conv1 for conv1.conv."""
    name = op.layer
    while "." in name and sum(f"{m}.".startswith(f"{name.rpartition('.')[0]}.") for m in modules) == 1:
        name = name.rpartition(".")[0]
    return name or op.kind


def _label(op: Op, count: int) -> str:
    if op.kind in CONVOLUTIONS:
        return f"conv{count}"
    if op.kind == "linear":
        return f"fc{count}"
    return f"pool{count}" if op.kind in POOLING else op.kind


def _pictures(op: Op, trace: Trace) -> list[int]:
    return [j for j in op.inputs if trace.ops[j].from_picture]


def _behind(op: Op, trace: Trace, waiting: list[int]) -> list[int]:
    """Of the `waiting` operations on parameters those that `op` reads, and those behind them."""
    wanted, found = set(op.inputs), []
    for j in reversed(waiting):
        if j in wanted:
            found.append(j)
            wanted |= set(trace.ops[j].inputs)
    return found[::-1]
