"""The receptive field through sums, products and activations: each number from those at its own place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neocog.analysis.field import Array, Field, compact
from neocog.analysis.flow.given import Given, bounds_by, joined, union
from neocog.analysis.op import Op

HIDDEN = -500.0  # its exponential is 0 in single precision, and next to nothing in double


def pointwise(op: Op, given: Given) -> Field:
    """The union of what the arguments see, broadcast as torch does; their positions must be the same ones."""
    rank = len(op.shape)
    fields = [field for _, field in given.seen]
    if len(fields) == 1 and fields[0].bounds[0].ndim == rank:
        return fields[0]
    bounds = tuple(compact(union([f.bounds[i] for f in fields], rank)) for i in range(2 * fields[0].axes))
    places = []
    for axis in range(fields[0].axes):
        sides = [{s + rank - len(ref.shape) for s in field.places[axis]} for ref, field in given.seen]
        places.append(frozenset[int]().union(*sides))
    field = joined(op, fields, bounds, places)
    lying = [
        [frozenset(s + rank - len(ref.shape) for s in place) for place in own.places]
        for ref, own in given.seen
        if max(own.counts) > 1
    ]
    same = all(one == lying[0] for one in lying)  # a map plus its own transpose: height meets width
    return field if same else replace(field, affine=(None,) * field.axes, aligned=False)


def hiding(op: Op, given: Given) -> Field:
    """A mask: what it sets so low that a softmax makes it zero is still said to be seen, which is an upper bound."""
    field = pointwise(op, given)
    numbers = [float(arg) for arg in (*op.args, *op.kwargs.values()) if isinstance(arg, int | float)]
    values = [given.value(ref) for ref, seen in zip(given.refs, given.fields, strict=True) if seen is None]
    numbers += [float(value.min()) for value in values if value is not None and value.numel()]
    return replace(field, exact=field.exact and min(numbers, default=0.0) > HIDDEN)


def unchanged(op: Op, given: Given) -> Field:
    """The first argument's own field; a second one only lends its type."""
    return pointwise(op, Given(given.refs[:1], given.fields[:1]))


def written(op: Op, given: Given) -> Field:
    """What is written over the first argument; nothing of it stays."""
    return pointwise(op, Given(given.refs[1:], given.fields[1:]))


def halved(op: Op, given: Given) -> Field:
    """A gated linear unit: one half of a side times the sigmoid of the other."""
    _, field = given.first
    side = int(op.arg(1, "dim", -1)) % len(op.shape)

    def rule(bound: Array) -> Array:
        if bound.shape[side] == 1:
            return bound
        return compact(np.minimum(*np.split(bound, 2, axis=side)))

    halves_meet = any(side in place for place in field.places)
    affine = (None,) * field.axes if halves_meet else field.affine
    return replace(field, bounds=bounds_by(rule, field), affine=affine)
