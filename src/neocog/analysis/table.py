"""The lecture's table of any network: size, receptive field, stride, padding, memory, parameters, multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import nn

from neocog.analysis.cost import counted, macs, work
from neocog.analysis.field import Field
from neocog.analysis.kinds import CONVOLUTIONS
from neocog.analysis.memory import inference_peak
from neocog.analysis.op import Trace
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.rows import labels, rows_of
from neocog.analysis.trace import trace
from neocog.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer. Sizes are (channels, height, width), or what the tensor has behind its batch; fields are per axis."""

    layer: str
    """conv1, pool1, fc6, or the module's name"""
    module: str
    kind: str
    """torch's name of the operation"""
    output_size: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    """pixels along each axis: of the triple where one holds, else the most that any position sees"""
    cause: str
    """the operation that made the field global; empty where it is not"""
    effective_stride: tuple[int, ...] | None
    effective_padding: tuple[int, ...] | None
    aligned: bool
    exact: bool
    memory_bytes: int
    """of the output, for the whole batch"""
    params: int
    biases: int
    """of `params`, those that are added"""
    macs: int
    """in the table's convention"""
    work: int
    """element-wise operations"""
    ops: tuple[int, ...] = field(repr=False, default=())
    """positions in the trace, the layer first"""


@dataclass(frozen=True)
class Summary:
    """The table of a network, its totals, and the trace it was made from."""

    model: str
    input_size: tuple[int, ...]
    batch: int
    convention: str
    rows: tuple[Row, ...]
    partial: tuple[str, ...]
    """operations without a rule for their cost or their field; empty where every one is known"""
    trace: Trace
    fields: tuple[Field | None, ...] = field(repr=False)
    uncounted: tuple[str, ...] = ()
    """of `partial`, those whose cost has no rule; the others only lack one for the receptive field"""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def params(self) -> int:
        """Of the whole network, each tensor once, those that no operation reads included."""
        return sum(prod(ref.shape) for ref in self.trace.parameters.values())

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Of the outputs of all rows, the lecture's column."""
        return sum(row.memory_bytes for row in self.rows)

    @property
    def units(self) -> int:
        """Numbers that convolutions and linear layers put out: the lecture's "650K units"."""
        mains = [self.trace.ops[row.ops[0]] for row in self.rows]
        return sum(prod(op.shape[1:]) for op in mains if op.kind in CONVOLUTIONS or op.kind == "linear")

    @property
    def macs_of_one(self) -> int:
        """Multiply-adds of one picture, whatever the table's convention."""
        return sum(macs(op) or 0 for op in self.trace.ops) // self.batch

    @property
    def unused(self) -> int:
        """Parameters that no operation reads."""
        return sum(prod(self.trace.parameters[name].shape) for name in self.trace.unused)

    @property
    def inference_peak_bytes(self) -> int:
        return inference_peak(self.trace)


def summarize(
    net: nn.Module,
    size: Sequence[int],
    *,
    name: str = "",
    batch: int = 1,
    dtype: torch.dtype | None = None,
    convention: str = "mac",
) -> Summary:
    """The table of `net` in evaluation on pictures of `size`, (channels, height, width). Computes no value."""
    plain = trace(net, size, dtype=dtype)
    seen = receptive_fields(plain)
    ops = plain if batch == 1 else trace(net, size, batch=batch, dtype=dtype)
    if [op.kind for op in ops.ops] != [op.kind for op in plain.ops]:
        raise UserError(
            f"{ops.name} does other things with {batch} pictures than with one; take a batch of 1"
        )
    groups = rows_of(ops)
    names = labels(ops, [group[0] for group in groups])
    rows = tuple(
        _row(label, group, ops, seen[group[0]], convention)
        for label, group in zip(names, groups, strict=True)
    )
    uncounted = [op.kind for op in ops.ops if counted(op, convention) is None]
    missing = uncounted + [plain.ops[i].kind for i in without_rule(plain, seen)]
    return Summary(
        name or ops.name,
        tuple(size),
        batch,
        convention,
        rows,
        tuple(dict.fromkeys(missing)),
        ops,
        tuple(seen),
        tuple(dict.fromkeys(uncounted)),
    )


def without_rule(trace: Trace, seen: Sequence[Field | None]) -> list[int]:
    """Where bounds first become upper bounds, among operations whose result is read or returned."""
    read = {j for op in trace.ops for j in op.inputs}
    loose = {i for i, field in enumerate(seen) if field is not None and not field.exact}
    return [
        i
        for i in sorted(loose)
        if (i in read or trace.ops[i].output) and not loose & set(trace.ops[i].inputs)
    ]


def _row(label: str, group: Sequence[int], trace: Trace, seen: Field | None, convention: str) -> Row:
    ops = [trace.ops[i] for i in group]
    main = ops[0]
    weights = [ref for op in ops for ref in op.weights]
    return Row(
        layer=label,
        module=main.layer,
        kind=main.kind,
        output_size=main.shape[1:],
        memory_bytes=prod(main.shape) * main.dtype.itemsize,
        params=sum(prod(ref.shape) for ref in weights),
        biases=sum(prod(ref.shape) for ref in weights if ref.name.endswith("bias")),
        macs=sum(counted(op, convention) or 0 for op in ops),
        work=sum(work(op) for op in ops),
        ops=tuple(group),
        **seen_as(seen),
    )


def seen_as(seen: Field | None) -> dict[str, Any]:
    """A field in the table's words."""
    if seen is None:
        empty = {"receptive_field": None, "effective_stride": None, "effective_padding": None}
        return {**empty, "cause": "", "aligned": True, "exact": True}
    triples = [triple for triple in seen.affine if triple is not None]
    whole = len(triples) == seen.axes
    return {
        "receptive_field": tuple(t.size for t in triples) if whole else widest(seen),
        "cause": seen.cause,
        "effective_stride": tuple(t.stride for t in triples) if whole else None,
        "effective_padding": tuple(t.padding for t in triples) if whole else None,
        "aligned": seen.aligned,
        "exact": seen.exact,
    }


def widest(seen: Field) -> tuple[int, ...]:
    """The most pixels along each axis that any number sees."""
    return tuple(max(int((seen.high(a) - seen.low(a)).max()) + 1, 0) for a in range(seen.axes))


def gathered(summary: Summary, depth: int) -> tuple[Row, ...]:
    """The table's rows joined by the first `depth` names of their modules: sums, and size and field of the last one."""
    if depth < 1:
        raise UserError(f"depth must be 1 or more, got {depth}")
    groups: list[list[Row]] = []
    for row in summary.rows:
        name = _prefix(row, depth)
        if groups and _prefix(groups[-1][-1], depth) == name:
            groups[-1].append(row)
        else:
            groups.append([row])
    return tuple(_merged(group, depth) for group in groups)


def _prefix(row: Row, depth: int) -> str:
    return ".".join(row.module.split(".")[:depth]) or row.layer


def _merged(group: Sequence[Row], depth: int) -> Row:
    sums = {
        name: sum(getattr(row, name) for row in group)
        for name in ("memory_bytes", "params", "biases", "macs", "work")
    }
    name = _prefix(group[0], depth)
    label = group[0].layer if len(group) == 1 else name
    kind = group[0].kind if len(group) == 1 else f"{len(group)} layers"
    ops = tuple(i for row in group for i in row.ops)
    return replace(group[-1], layer=label, module=name, kind=kind, ops=ops, **sums)
