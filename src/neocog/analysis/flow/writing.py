"""The receptive field where numbers are written over: by an index, or through another view of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from neocog.analysis.call import Ref
from neocog.analysis.field import NOTHING, Array, Field, compact
from neocog.analysis.flow.given import Given, Rule, everything, made_global, nothing
from neocog.analysis.op import Op


def assign(op: Op, given: Given) -> Field:
    """A part written over: what is written, and what stays of the old."""
    if not all(ref is op.args[0] or ref is op.args[2] for ref in op.tensors):
        return everything(op, given, exact=False)
    target, source = given.of(op.args[0]), given.of(op.args[2])
    field = target or source or given.first[1]
    bounds = []
    for i in range(2 * field.axes):
        old = target.bounds[i] if target else nothing(len(op.shape))
        full = torch.from_numpy(np.array(np.broadcast_to(old, op.shape)))
        if isinstance(op.args[2], Ref):
            new = source.bounds[i] if source else nothing(len(op.args[2].shape))
            full[op.args[1]] = torch.from_numpy(np.ascontiguousarray(np.broadcast_to(new, op.args[2].shape)))
        else:
            full[op.args[1]] = NOTHING
        bounds.append(compact(full.numpy()))
    everywhere = frozenset(range(1, len(op.shape)))
    places = field.places if target else (everywhere,) * field.axes
    affine = field.affine if target is not None and source is None else (None,) * field.axes
    return replace(field, bounds=tuple(bounds), places=places, affine=affine)


def written_through(op: Op, given: Given) -> Field:
    """A tensor after another one in the same memory was written: what was written where they overlap, else the old."""
    (shape, new_shape), layouts = [ref.shape for ref in op.args], op.kwargs["layouts"]
    before, now = (given.of(ref) for ref in op.args)
    if op.args[0].itemsize != op.args[1].itemsize:
        return everything(op, given, exact=False)
    own, written = (
        _addresses(size, *layout) for size, layout in zip((shape, new_shape), layouts, strict=True)
    )
    table = np.full(max(own.max(), written.max()) + 1, -1)
    table[written.ravel()] = np.arange(written.size)
    where = table[own]
    bounds = []
    for i in range(2 * given.first[1].axes):
        old, new = (
            np.broadcast_to(field.bounds[i] if field else nothing(len(size)), size)
            for field, size in ((before, shape), (now, new_shape))
        )
        bounds.append(compact(np.where(where >= 0, new.ravel()[where], old)))
    return _rewritten(op, (before, now), tuple(bounds))


def _rewritten(op: Op, seen: tuple[Field | None, Field | None], bounds: tuple[Array, ...]) -> Field:
    """Positions stay where they were; a triple too where nothing changed, or where only what was written sees."""
    before, now = seen
    one, other = op.args
    if now and one.shape == other.shape and op.kwargs["layouts"][0] == op.kwargs["layouts"][1]:
        return now
    base = before or now
    assert base
    exact = all(field.exact for field in seen if field)
    field = replace(base, bounds=bounds, exact=exact)
    if before:
        unchanged = all(np.array_equal(a, b) for a, b in zip(before.bounds, bounds, strict=True))
        return field if unchanged else made_global(op, field)
    sides = {side for place in base.places for side in place}
    if len(one.shape) == len(other.shape):
        same = all(one.shape[side] == other.shape[side] for side in sides)
        return field if same else made_global(op, field)
    everywhere = (frozenset(range(1, len(op.shape))),) * base.axes
    return made_global(op, replace(field, places=everywhere))


def _addresses(shape: Sequence[int], strides: Sequence[int], offset: int) -> NDArray[np.int64]:
    """Where each number of a tensor lies in its memory."""
    found = np.full(tuple(shape), offset, np.int64)
    for side, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        found += (np.arange(length) * stride).reshape((-1,) + (1,) * (len(shape) - side - 1))
    return found


WRITING: dict[str, Rule] = {"setitem": assign, "written_through_a_view": written_through}
