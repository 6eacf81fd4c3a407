"""The receptive field of every operation: exact intervals of pixels, and the lecture's triple beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neocog.analysis.call import Ref
from neocog.analysis.constants import Constants
from neocog.analysis.field import NOTHING, Affine, Field, whole
from neocog.analysis.flow import FLOWS
from neocog.analysis.flow.given import Given, everything
from neocog.analysis.kinds import IDENTITIES, RESHAPING
from neocog.analysis.op import Op, Trace


def receptive_fields(trace: Trace) -> list[Field | None]:
    """What each operation of `trace` sees of the picture; None where that is nothing, as of weights and constants.

    The intervals are exact for every index, also behind rounding down, dilation, padding that covers a whole window,
    and branches that do not lie straight above each other. They hold the numbers' dependence by the rectangle around
    it: a sum of a wide and a tall window sees a cross, and the rectangle is given. An operation without a rule sees
    all that its arguments see, and its field says that this is an upper bound.
    """
    size = trace.ops[0].shape[2:]
    fields: list[Field | None] = [whole(size, len(trace.ops[0].shape))]
    constants = Constants(trace)
    for op in trace.ops[1:]:
        fields.append(_field(op, fields, size, constants) if op.from_picture else None)
    return fields


def _field(op: Op, fields: Sequence[Field | None], size: Sequence[int], constants: Constants) -> Field:
    refs = op.tensors[:1] if op.kind in IDENTITIES | RESHAPING else op.tensors
    given = Given(refs, [None if ref.op is None else fields[ref.op] for ref in refs], constants)
    if not given.seen:  # written through a view, or made where the trace could not look
        seen = [f for f in (fields[i] for i in op.inputs) if f is not None] or fields[:1]
        return everything(op, Given([Ref(None, op.shape)] * len(seen), seen), exact=False)
    rule = FLOWS.get(op.kind)
    if rule is None:
        return everything(op, given, exact=False)
    try:
        field = rule(op, given)
    except (
        IndexError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ):  # the rule does not know this form
        return everything(op, given, exact=False)
    # a copied border reads other pixels than those outside; what windows make of it is checked
    if op.kind == "pad" or 0 in op.shape:
        return field
    return checked(field, len(op.shape), size)


def checked(field: Field, rank: int, size: Sequence[int]) -> Field:
    """`field` with the triple only along those axes where the exact intervals bear it out."""
    if all(triple is None for triple in field.affine) or not field.is_map(rank):
        return field
    affine = [
        triple if triple is None or agrees(field, axis, triple, rank, size[axis]) else None
        for axis, triple in enumerate(field.affine)
    ]
    return replace(field, affine=tuple(affine))


def agrees(field: Field, axis: int, triple: Affine, rank: int, side: int) -> bool:
    """Whether what each position sees lies in its window, and one that is not cut off fills it."""
    low, high = extent(field, axis, rank - field.axes + axis, field.counts[axis])
    i = np.arange(len(low))
    first = i * triple.stride - triple.padding
    last = first + triple.size - 1
    some = low <= high
    inside = (low >= np.clip(first, 0, side - 1)) & (high <= np.clip(last, 0, side - 1))
    uncut = some & (first >= 0) & (last < side)
    filled = (low == first) & (high == last)
    return bool(inside[some].all()) and (not uncut.any() or bool(filled[uncut].any()))


def extent(field: Field, axis: int, side: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel along `axis` that each position along `side` of the tensor sees; first > last for none."""
    found = []
    for bound in field.bounds[2 * axis : 2 * axis + 2]:
        others = tuple(s for s in range(bound.ndim) if s != side)
        found.append(np.broadcast_to(bound.min(axis=others), length).astype(np.int64))
    low, high = found
    return low, np.where(high == NOTHING, -1, -high)
