"""The proof of a table: receptive fields against two witnesses that run the network, counts and shapes by torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.analysis.cost import macs
from neocog.analysis.field import NOTHING, Array, Field
from neocog.analysis.op import Op, Trace
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.thin import neutral, thinned
from neocog.analysis.trace import Recorder, record, trace
from neocog.analysis.twin import on_meta, picture, unchanged_random
from neocog.analysis.witness import Gradients, NaNs, Reach, Witness, testify
from neocog.errors import UserError
from neocog.progress import Progress, Silent

WITNESSES: tuple[type[Witness], ...] = (NaNs, Gradients)
UNCOUNTED = {"mv", "dot", "addmv", "addbmm", "affine_grid"}  # by torch's counter
SHOWN = 20  # mismatches that are kept


@dataclass(frozen=True)
class Mismatch:
    """One number of one tensor that a witness found to see other lines of the picture than computed."""

    layer: str
    kind: str
    index: tuple[int, ...]
    """of the number in its tensor, batch first"""
    axis: int
    """of the picture: 0 is its height where it has two"""
    expected: tuple[int, int] | None
    """first and last line; None for none"""
    found: tuple[int, int] | None
    probe: str

    def __str__(self) -> str:
        lines = [f"lines {s[0]} to {s[1]}" if s else "no line" for s in (self.expected, self.found)]
        where = f"{self.layer} ({self.kind})" if self.layer else self.kind
        place = ", ".join(map(str, self.index))
        return f"{where}[{place}] sees {lines[0]} along axis {self.axis}, but the {self.probe} probe finds {lines[1]}"


@dataclass(frozen=True)
class Probed:
    """What the probes of a network found."""

    model: str
    input_size: tuple[int, ...]
    indices: int
    """numbers of all operations' tensors, once for each axis and probe"""
    mismatches: tuple[Mismatch, ...]
    """the first of them"""
    probes: tuple[str, ...]
    """that ran"""
    skipped: tuple[str, ...]
    """what no probe could see, and why"""
    macs: int
    """by closed form"""
    macs_of_torch: int | None
    """by torch's counter on the meta device; None where it counts other operations than we do"""
    shapes: int
    """that equal those of torch"""
    wrong_shapes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs and at least one probe ran."""
        counts = self.macs_of_torch is None or self.macs == self.macs_of_torch
        return bool(self.probes) and counts and not self.mismatches and not self.wrong_shapes

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}

    @property
    def faults(self) -> list[str]:
        """Everything that differs, a line each."""
        lines = [*map(str, self.mismatches), *self.wrong_shapes]
        if self.macs_of_torch not in (None, self.macs):
            lines.append(
                f"{self.macs:,} multiply-adds by closed form, {self.macs_of_torch:,} by torch's counter"
            )
        return lines if self.probes else [*lines, "no probe could run"]

    def __str__(self) -> str:
        size = "x".join(map(str, self.input_size))
        lines = [f"{self.model} at {size}: {'proven' if self.ok else 'NOT proven'}"]
        lines.append(
            f"  receptive fields: {self.indices:,} checked by {' and '.join(self.probes) or 'no'} probe"
        )
        counted = "torch counts other operations" if self.macs_of_torch is None else "as torch's counter"
        lines.append(f"  multiply-adds: {self.macs:,}, {counted if self.ok else 'see below'}")
        lines.append(f"  shapes: {self.shapes:,} as torch's")
        return "\n".join(
            [*lines, *(f"  differs: {fault}" for fault in self.faults), *(f"  {s}" for s in self.skipped)]
        )


def check(net: nn.Module, size: Sequence[int], progress: Progress | None = None, name: str = "") -> Probed:
    """Prove the receptive fields, multiply-adds and shapes that the table of `net` gives for pictures of `size`.

    The probes run a copy with fewer channels (`thinned`) and neutral weights; counts and shapes are of `net` itself.
    """
    with unchanged_random():
        return _checked(net, size, progress or Silent(), name)


def _checked(net: nn.Module, size: Sequence[int], progress: Progress, name: str) -> Probed:
    full = trace(net, size)
    thin = thinned(net, size)
    ops = full if thin is net else trace(thin, size)
    axes = len(size) - 1
    found, skipped, ran, checked = list[Mismatch](), list[str](), list[str](), 0
    with progress.step("probe", len(WITNESSES) * axes) as advance:
        for witness in WITNESSES:
            try:
                live, typed = neutral(thin, thin, witness.dtype), trace(thin, size, dtype=witness.dtype)
                sides = batch_sides(live, size, typed)
                for axis in range(axes):
                    count, wrong = confront(witness, live, typed, axis, sides)
                    checked, found = checked + count, found + wrong
                    advance(1)
                ran.append(witness.name)
            except UserError as error:
                skipped.append(f"the {witness.name} probe cannot run: {error}")
    unseen = _unseen(ops)
    if unseen:
        skipped.append(f"seen by no probe: {', '.join(unseen)}")
    counted, shapes = counted_by_torch(net, size, full), wrong_shapes(net, size, full)
    return Probed(
        name or full.name, tuple(size), checked, tuple(found[:SHOWN]), tuple(ran), tuple(skipped),
        sum(macs(op) or 0 for op in full.ops), counted, len(full.ops) - len(shapes), shapes,
    )  # fmt: skip


def confront(
    witness: type[Witness], live: nn.Module, ops: Trace, axis: int, sides: Sequence[int | None] | None
) -> tuple[int, list[Mismatch]]:
    """How many numbers a witness saw along one axis, and where it contradicts the computed fields."""
    fields = receptive_fields(ops)
    blind = blinded(ops, witness)
    count, wrong = _compare(witness, ops, axis, (fields, blind, testify(witness, live, ops, axis, sides)))
    if wrong and sides is not None and entangled(ops, sides):
        return _compare(witness, ops, axis, (fields, blind, testify(witness, live, ops, axis, None)))
    return count, wrong


def _compare(
    witness: type[Witness],
    ops: Trace,
    axis: int,
    seen: tuple[Sequence[Field | None], set[int], Sequence[Reach | None]],
) -> tuple[int, list[Mismatch]]:
    fields, blind, reached = seen
    count, wrong = 0, list[Mismatch]()
    for i, (op, field, reach) in enumerate(zip(ops.ops, fields, reached, strict=True)):
        if i == 0 or i in blind or reach is None or op.kind.endswith("empty") or op.kind == "empty_like":
            continue
        count += reach[0].size
        low, high = expected(field, axis, op.shape)
        found_low, found_high = (side.reshape(op.shape) for side in reach)
        exact = field is None or field.exact
        bad = (low != found_low) | (high != found_high) if exact else (found_low < low) | (found_high > high)
        for place in np.argwhere(bad)[:SHOWN]:
            at = tuple(map(int, place))
            wrong.append(
                Mismatch(
                    op.layer, op.kind, at, axis, _lines(low[at], high[at]),
                    _lines(found_low[at], found_high[at]), witness.name,
                )
            )  # fmt: skip
    return count, wrong


def expected(field: Field | None, axis: int, shape: Sequence[int]) -> tuple[Array, Array]:
    """First and last line that each number sees by computation; NOTHING and -1 where none."""
    if field is None:
        return np.full(shape, NOTHING, np.int32), np.full(shape, -1, np.int32)
    high = np.where(field.bounds[2 * axis + 1] == NOTHING, -1, field.high(axis))
    return np.broadcast_to(field.low(axis), shape), np.broadcast_to(high, shape)


def _lines(low: int, high: int) -> tuple[int, int] | None:
    return (int(low), int(high)) if low <= high else None


def batch_sides(net: nn.Module, size: Sequence[int], ops: Trace) -> list[int | None] | None:
    """The side of each tensor along which the batch lies, None for what all pictures share.

    None altogether where several pictures cannot be told apart.
    """
    try:
        two = trace(net, size, batch=2).ops
    except UserError:
        return None
    if [op.kind for op in two] != [op.kind for op in ops.ops]:
        return None
    sides: list[int | None] = []
    for one, other in zip(ops.ops, two, strict=True):
        longer = [side for side, (n, m) in enumerate(zip(one.shape, other.shape, strict=False)) if n != m]
        doubled = len(longer) == 1 and other.shape[longer[0]] == 2 * one.shape[longer[0]]
        if not doubled and (longer or one.from_picture):
            return None
        sides.append(longer[0] if longer else None)
    return sides


def entangled(ops: Trace, sides: Sequence[int | None]) -> bool:
    """Whether pictures and positions share a side somewhere, perhaps in another order than taken for granted."""
    return any(side is not None and op.shape[side] > 1 for side, op in zip(sides, ops.ops, strict=True))


def blinded(ops: Trace, witness: type[Witness]) -> set[int]:
    """Operations that the witness cannot judge: what it cannot see through, and all that depends on those."""
    blind = set[int]()
    for i, op in enumerate(ops.ops):
        real = op.dtype.is_floating_point or op.dtype.is_complex
        if op.from_picture and (not real or witness.blind(op) or blind & set(op.inputs)):
            blind.add(i)
    return blind


def _unseen(ops: Trace) -> list[str]:
    both = set.intersection(*(blinded(ops, witness) for witness in WITNESSES))
    return list(dict.fromkeys(_name(ops.ops[i]) for i in sorted(both)))[:SHOWN]


def _name(op: Op) -> str:
    return f"{op.layer} ({op.kind})" if op.layer else op.kind


def counted_by_torch(net: nn.Module, size: Sequence[int], ops: Trace) -> int | None:
    """Multiply-adds by torch's counter of operations on the meta device; None where we know no closed form."""
    if any(macs(op) is None or op.kind in UNCOUNTED or _with_vector(op) for op in ops.ops):
        return None
    twin = on_meta(net).eval()
    image = picture(twin, size)
    # the recorder gives constants with values their twins on meta
    with torch.no_grad(), FlopCounterMode(display=False) as counter, Recorder(twin, image, fast=False):
        twin(image)
    return int(counter.get_total_flops()) // 2


def _with_vector(op: Op) -> bool:
    return op.kind == "matmul" and any(len(ref.shape) < 2 for ref in op.tensors)


def wrong_shapes(net: nn.Module, size: Sequence[int], ops: Trace) -> tuple[str, ...]:
    """Where a shape that the trace computed itself is not what torch makes of the call."""
    twin = on_meta(net).eval()
    with torch.no_grad():
        slow = record(twin, picture(twin, size), ops.name, fast=False)
    if len(slow.ops) != len(ops.ops):
        return (f"{len(ops.ops)} operations traced, {len(slow.ops)} by torch",)
    return tuple(
        f"{_name(one)} makes {one.shape}, torch {other.shape}"
        for one, other in zip(ops.ops, slow.ops, strict=True)
        if (one.kind, one.shape, one.dtype) != (other.kind, other.shape, other.dtype)
    )
