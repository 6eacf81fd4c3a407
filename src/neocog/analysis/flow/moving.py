"""The receptive field through what moves numbers: the same call of torch, made on the bounds themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.analysis.call import Ref, replaced
from neocog.analysis.field import NOTHING, Affine, Array, Field, compact
from neocog.analysis.flow.given import Given, Rule, everything, joined, nothing
from neocog.analysis.flow.mixing import gathered, without_sides
from neocog.analysis.flow.picking import indexed
from neocog.analysis.flow.sides import Places, carried
from neocog.analysis.flow.windows import unfold
from neocog.analysis.kinds import CUTTING, PERMUTING, RESHAPING, SHUFFLING
from neocog.analysis.op import Op


def replayed(op: Op, field: Field, shape: Sequence[int]) -> tuple[Array, ...]:
    """What the call does with numbers, done with the bounds: they are spread over `shape` without being copied."""
    if field.uniform:
        return tuple(bound.reshape((1,) * len(op.shape)) for bound in field.bounds)

    def rule(bound: Array) -> Array:
        full = torch.from_numpy(np.ascontiguousarray(bound)).expand(*shape)
        if op.kind in ("view", "view_as", "reshape_as"):  # spread numbers can only be reshaped
            return unspread(full.reshape(op.shape))
        args, kwargs = replaced((op.args, dict(op.kwargs)), lambda ref: full)
        out = op.call(*args, **kwargs)
        return unspread(out[op.part] if isinstance(out, tuple | list) else out)

    return tuple(rule(bound) for bound in field.bounds)


def unspread(tensor: Tensor) -> Array:
    """A tensor of bounds with sides of 1 where nothing differs; those that were never copied need no look."""
    for side, step in enumerate(tensor.stride()):
        if step == 0 and tensor.shape[side] > 1:
            tensor = tensor.narrow(side, 0, 1)
    return compact(tensor.numpy())


def reshape(op: Op, given: Given) -> Field:
    """The same numbers in another shape. A map that becomes one vector is read as the lecture does: one position."""
    ref, field = given.first
    bounds = replayed(op, field, ref.shape)
    if op.kind in ("expand", "expand_as", "broadcast_to"):
        shift = len(op.shape) - len(ref.shape)
        places = tuple(frozenset(s + shift for s in place) for place in field.places)
        return replace(field, bounds=bounds, places=places)
    if len(op.shape) == 2 < len(ref.shape) and op.shape[0] == ref.shape[0]:
        return replace(gathered(field, set(range(1, len(ref.shape)))), bounds=bounds)
    places, whole = carried(field.places, ref.shape, op.shape)
    out = replace(field, bounds=bounds, places=places)
    return out if whole else replace(out, affine=(None,) * field.axes)


def permute(op: Op, given: Given) -> Field:
    """The sides in another order, found out on a tensor whose sides all differ."""
    ref, field = given.first
    marker = torch.empty(*range(2, 2 + len(ref.shape)), device="meta")
    args, kwargs = replaced((op.args, dict(op.kwargs)), lambda _: marker)
    order = [side - 2 for side in op.call(*args, **kwargs).shape]
    bounds = tuple(bound.transpose(order) for bound in field.bounds)
    return replace(field, bounds=bounds, places=_reordered(field.places, order))


def _reordered(places: Places, order: Sequence[int]) -> Places:
    return tuple(frozenset(order.index(side) for side in place) for place in places)


def cut(op: Op, given: Given) -> Field:
    """Pieces, reversals, rotations and repetitions of sides. Where positions are touched, no triple remains."""
    ref, field = given.first
    bounds = replayed(op, field, ref.shape)
    places = field.places
    if op.kind in ("unbind", "select"):
        side = int(op.arg(1, "dim", 0)) % len(ref.shape)
        places = without_sides(places, {side})
        touched = any(side in place for place in field.places)
    elif len(op.shape) != len(ref.shape):
        return replace(everything(op, given), bounds=bounds, cause=field.cause, exact=field.exact)
    else:
        touched = _touched(op, ref, field)
    affine = (None,) * field.axes if touched else field.affine
    return replace(field, bounds=bounds, places=places, affine=affine)


def _touched(op: Op, ref: Ref, field: Field) -> bool:
    """Whether the call moves positions rather than channels."""
    if op.kind in ("flip", "roll", "rot90", "fliplr", "flipud", "tril", "triu"):
        dims = op.arg(1 if op.kind == "flip" else 2, "dims", None)
        sides = range(len(ref.shape)) if dims is None else [dims] if isinstance(dims, int) else dims
        return any(side % len(ref.shape) in place for side in sides for place in field.places)
    return any(ref.shape[side] != op.shape[side] for place in field.places for side in place)


def shuffle(op: Op, given: Given) -> Field:
    """Channels to positions or back, or channels among themselves."""
    ref, field = given.first
    bounds = replayed(op, field, ref.shape)
    same = ref.shape == op.shape
    counts = field.counts if same or not field.is_map(len(op.shape)) else op.shape[-field.axes :]
    affine = field.affine if same else (None,) * field.axes
    return replace(field, bounds=bounds, affine=affine, counts=counts)


def concatenate(op: Op, given: Given) -> Field:
    """Tensors one after another. Along channels this is a join; along positions their order is lost."""
    rank = len(op.shape)
    if op.kind in ("hstack", "vstack"):
        side = 1 if op.kind == "hstack" and rank > 1 else 0
    else:
        side = int(op.arg(1, "dim", 0)) % rank
    stacked = op.kind == "stack"
    bounds = tuple(
        compact(_laid_end_to_end(op, given, side, stacked, i)) for i in range(2 * given.first[1].axes)
    )
    fields = [field for _, field in given.seen]
    places = fields[0].places
    if stacked:
        places = tuple(frozenset(s + (s >= side) for s in place) for place in places)
    field = joined(op, fields, bounds, places)
    along = not stacked and any(side in place for place in places)
    several = along and len(fields) > 1
    return replace(field, affine=(None,) * field.axes) if several else field


def _laid_end_to_end(op: Op, given: Given, side: int, stacked: bool, i: int) -> Array:
    pieces = []
    for ref, field in zip(given.refs, given.fields, strict=True):
        piece = field.bounds[i] if field else nothing(len(ref.shape))
        piece = np.expand_dims(piece, side) if stacked else piece
        length = 1 if stacked else ref.shape[side]
        shape = (*piece.shape[:side], length, *piece.shape[side + 1 :])
        pieces.append(np.broadcast_to(piece, shape))
    sides = [max(piece.shape[s] for piece in pieces) for s in range(len(op.shape))]
    full = [np.broadcast_to(p, [p.shape[s] if s == side else n for s, n in enumerate(sides)]) for p in pieces]
    return np.concatenate(full, axis=side)


def pad(op: Op, given: Given) -> Field:
    """Zeros around a map see nothing; copies of its border see what they copy."""
    ref, field = given.first
    widths = list(op.arg(1, "pad"))
    mode, rank = op.arg(2, "mode", "constant"), len(op.shape)
    sides = {rank - 1 - i: (widths[2 * i], widths[2 * i + 1]) for i in range(len(widths) // 2)}

    def rule(bound: Array) -> Array:
        shape = [n if side in sides else bound.shape[side] for side, n in enumerate(ref.shape)]
        full = torch.from_numpy(np.ascontiguousarray(bound)).expand(*shape)
        if mode == "constant":
            return compact(F.pad(full, widths, value=NOTHING).numpy())
        return compact(F.pad(full.double(), widths, mode=mode).to(torch.int32).numpy())

    affine: list[Affine | None] = []
    for triple, place in zip(field.affine, field.places, strict=True):
        before = sum(sides.get(side, (0, 0))[0] for side in place)
        affine.append(triple and Affine(triple.size, triple.stride, triple.padding + before * triple.stride))
    counts = op.shape[rank - field.axes :] if field.is_map(rank) else field.counts
    bounds = tuple(rule(bound) for bound in field.bounds)
    return replace(field, bounds=bounds, affine=tuple(affine), counts=counts)


def index(op: Op, given: Given) -> Field:
    """A part by integers and slices, where a slice along positions moves the triple; or by lists and tensors."""
    ref, field = given.first
    items = op.args[1] if isinstance(op.args[1], tuple) else (op.args[1],)
    if any(isinstance(item, Ref | list) or item is True or item is False for item in items):
        return indexed(op, given)
    bounds = replayed(op, field, ref.shape)
    affine, counts, moved, gone = list(field.affine), list(field.counts), {}, set[int]()
    out = 0
    for side, item in _one_for_each_side(items, len(ref.shape)):
        if side is None:
            out += 1
            continue
        axes = [axis for axis, place in enumerate(field.places) if side in place]
        if isinstance(item, int):
            gone.add(side)
            for axis in axes:
                counts[axis] = 1 if len(field.places[axis]) == 1 else counts[axis]
                affine[axis] = affine[axis] if len(axes) > 1 else None
            continue
        start, stop, step = item.indices(ref.shape[side])
        for axis in axes:
            affine[axis] = _sliced(affine[axis], start, step, field.places[axis] == {side})
            counts[axis] = len(range(start, stop, step)) if field.places[axis] == {side} else counts[axis]
        moved[side] = out
        out += 1
    places = tuple(frozenset(moved[s] for s in place if s in moved) for place in field.places)
    return replace(field, bounds=bounds, places=places, affine=tuple(affine), counts=tuple(counts))


def _sliced(triple: Affine | None, start: int, step: int, alone: bool) -> Affine | None:
    if triple is None or not alone:
        return triple if triple is not None and start == 0 and step == 1 else None
    return Affine(triple.size, triple.stride * step, triple.padding - start * triple.stride)


def _one_for_each_side(items: Sequence[Any], rank: int) -> list[tuple[int | None, Any]]:
    """Pairs of side and index, with the ellipsis written out; side None where one is made."""
    real = sum(item is not None and item is not Ellipsis for item in items)
    filled: list[Any] = []
    for item in items:
        filled += [slice(None)] * (rank - real) if item is Ellipsis else [item]
    filled += [slice(None)] * (rank - sum(item is not None for item in filled))
    pairs, side = [], 0
    for item in filled:
        pairs.append((None if item is None else side, item))
        side += item is not None
    return pairs


def tensor_unfold(op: Op, given: Given) -> Field:
    """F.unfold makes columns of patches; the method of this name adds a side."""
    if op.call == Tensor.unfold:
        ref, field = given.first
        return replace(field, bounds=replayed(op, field, ref.shape), affine=(None,) * field.axes)
    return unfold(op, given)


MOVING: dict[str, Rule] = {
    **dict.fromkeys(RESHAPING, reshape),
    **dict.fromkeys(PERMUTING, permute),
    **dict.fromkeys(CUTTING, cut),
    **dict.fromkeys(SHUFFLING, shuffle),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack"), concatenate),
    "unfold": tensor_unfold,
    "pad": pad,
    "getitem": index,
}
