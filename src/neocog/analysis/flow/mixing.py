"""The receptive field through what mixes numbers along whole sides: products, norms, softmax, attention, sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from neocog.analysis.call import Ref
from neocog.analysis.field import Array, Field, compact, mixed
from neocog.analysis.flow.given import Given, Rule, bounds_by, everything, made_global, nothing, union
from neocog.analysis.flow.pointwise import pointwise
from neocog.analysis.flow.windows import grouped
from neocog.analysis.kinds import NORMS, REDUCTIONS, RUNNING, SPREADING
from neocog.analysis.op import Op
from neocog.analysis.sizes import per_axis


def spread(op: Op, field: Field, sides: Iterable[int]) -> Field:
    """Every number sees all along `sides`, and stays where it is."""
    sides = [side % len(op.shape) for side in sides]
    out = replace(field, bounds=bounds_by(lambda bound: mixed(bound, sides), field))
    return made_global(op, out) if crosses(field, sides) else out


def crosses(field: Field, sides: Iterable[int]) -> bool:
    """Whether several positions lie along `sides`."""
    sides = set(sides)
    return any(count > 1 and place & sides for count, place in zip(field.counts, field.places, strict=True))


def gathered(field: Field, sides: set[int], kept: bool = False) -> Field:
    """One position sees what all along `sides` saw: of each axis that lies wholly there. `kept` sides have length 1."""
    affine, counts, places = list(field.affine), list(field.counts), list(field.places)
    for axis, (triple, count, place) in enumerate(zip(field.affine, field.counts, field.places, strict=True)):
        if place and place <= sides:
            affine[axis] = triple and triple.through(count, 1, 0, 1)
            counts[axis], places[axis] = 1, place if kept else frozenset()
        elif place & sides:
            affine[axis] = None
            places[axis] = place - sides
    return replace(field, affine=tuple(affine), counts=tuple(counts), places=tuple(places))


def linear(op: Op, given: Given) -> Field:
    """Each output sees all along the last side; of a plain vector that is one position that sees all."""
    _, field = given.first
    last = len(op.shape) - 1
    if last <= 1:
        field = gathered(field, {last})
        return replace(field, bounds=bounds_by(lambda bound: mixed(bound, (last,)), field))
    return spread(op, field, (last,))


def reduction(op: Op, given: Given) -> Field:
    """One number from all along some sides; one position where these hold all positions."""
    ref, field = given.first
    if op.kind in ("max", "min") and len(given.refs) > 1:
        return pointwise(op, given)
    dim = op.arg(2 if op.kind in ("norm", "vector_norm", "linalg_vector_norm", "quantile") else 1, "dim")
    rank = len(ref.shape)
    dims = range(rank) if dim is None or dim == () or dim == [] else per_axis(dim, 1)
    sides = {d % rank for d in dims}
    kept = len(op.shape) == rank
    field = gathered(field, sides, kept)

    def rule(bound: Array) -> Array:
        low = mixed(bound, sides)
        return low if kept else low.reshape([n for side, n in enumerate(low.shape) if side not in sides])

    field = replace(field, bounds=bounds_by(rule, field))
    return field if kept else replace(field, places=without_sides(field.places, sides))


def without_sides(places: Sequence[frozenset[int]], gone: set[int]) -> tuple[frozenset[int], ...]:
    """Where positions lie after the sides `gone` were taken away."""
    return tuple(frozenset(s - sum(g < s for g in gone) for s in place - gone) for place in places)


def softmax(op: Op, given: Given) -> Field:
    """Every number along one side sees all of it."""
    ref, field = given.first
    default = 1 if op.kind == "normalize" else -1
    dim = op.arg(2 if op.kind == "normalize" else 1, "dim", default)
    sides = range(len(ref.shape)) if dim is None else per_axis(dim, 1)
    return spread(op, field, sides)


def running(op: Op, given: Given) -> Field:
    """Each number sees those before it along one side."""
    ref, field = given.first
    side = int(op.arg(1, "dim", -1)) % len(ref.shape)
    out = replace(field, bounds=bounds_by(lambda bound: np.minimum.accumulate(bound, axis=side), field))
    return replace(out, affine=(None,) * field.axes) if crosses(field, (side,)) else out


def norm(op: Op, given: Given) -> Field:
    """What a norm's statistics run over decides: channels of one place only, or all places too."""
    _, field = given.first
    rank = len(op.shape)
    if op.kind in ("layer_norm", "rms_norm"):
        return spread(op, field, range(rank - len(op.arg(1, "normalized_shape")), rank))
    if op.kind == "instance_norm":
        return spread(op, field, range(2, rank)) if op.arg(5, "use_input_stats", True) else field
    if op.kind == "batch_norm":  # its fifth argument: statistics of this batch, not the stored ones
        return spread(op, field, (0, *range(2, rank))) if op.arg(5, "training", False) else field
    if op.kind == "group_norm":
        groups = int(op.arg(1, "num_groups"))
        bounds = bounds_by(lambda bound: grouped(bound, 1, groups, op.shape[1]), field)
        return spread(op, replace(field, bounds=bounds), range(2, rank))
    return _neighbours(op, field)


def _neighbours(op: Op, field: Field) -> Field:
    """Local response norm: channel c sees the `size` channels around it."""
    size, side = int(op.arg(1, "size")), 1

    def rule(bound: Array) -> Array:
        if bound.shape[side] == 1:
            return bound
        n = bound.shape[side]
        near = [
            mixed(
                bound.take(range(max(0, c - size // 2), min(n, c + (size - 1) // 2 + 1)), axis=side), (side,)
            )
            for c in range(n)
        ]
        return compact(np.concatenate(near, axis=side))

    return replace(field, bounds=bounds_by(rule, field))


def matmul(op: Op, given: Given) -> Field:
    """Number (i, j) sees row i of the first and column j of the second factor."""
    factors = [leaf for leaf in op.tensors if leaf.shape][-2:]
    rank = max(len(factor.shape) for factor in factors)
    if any(len(factor.shape) < 2 for factor in factors):
        return everything(op, given, exact=False)  # with a vector
    fields = [given.of(factor) for factor in factors]
    bounds = []
    for i in range(2 * given.first[1].axes):
        terms = [
            mixed(field.bounds[i], (field.bounds[i].ndim + side,)) if field else nothing(rank)
            for field, side in zip(fields, (-1, -2), strict=True)
        ]
        bounds.append(compact(union(terms, rank)))
    seen = [
        (factor, field, side) for factor, field, side in zip(factors, fields, (-1, -2), strict=True) if field
    ]
    return _product(op, seen, tuple(bounds)) if seen else everything(op, given)


def _product(op: Op, seen: list[tuple[Ref, Field, int]], bounds: tuple[Array, ...]) -> Field:
    rank = len(op.shape)
    crossing = any(crosses(field, (len(ref.shape) + side,)) for ref, field, side in seen)
    kept = []
    for ref, field, side in seen:
        shift, gone = rank - len(ref.shape), len(ref.shape) + side
        kept.append([frozenset(s + shift for s in place if s != gone) for place in field.places])
    first = seen[0][1]
    places = tuple(frozenset.union(*(sides[axis] for sides in kept)) for axis in range(first.axes))
    field = _together([field for _, field, _ in seen], bounds, places)
    if crossing:
        return made_global(op, field)
    two = len(seen) > 1 and any(count > 1 for count in first.counts)
    return replace(field, affine=(None,) * field.axes) if two else field


def _together(fields: list[Field], bounds: tuple[Array, ...], places: tuple[frozenset[int], ...]) -> Field:
    cause = next((field.cause for field in fields if field.cause), "")
    exact = all(field.exact for field in fields)
    return replace(fields[0], bounds=bounds, places=places, cause=cause, exact=exact)


def einsum(op: Op, given: Given) -> Field:
    """Each result sees all numbers of each factor that have its letters."""
    equation = op.args[0]
    if not isinstance(equation, str) or "." in equation:
        return everything(op, given, exact=False)
    letters, _, result = equation.replace(" ", "").partition("->")
    operands = letters.split(",")
    if not result:
        result = "".join(sorted(c for c in set(letters) - {","} if letters.count(c) == 1))
    axes = given.first[1].axes
    bounds, seen = [], list(zip(operands, given.refs, given.fields, strict=True))
    for i in range(2 * axes):
        terms = [_laid_out(field.bounds[i], own, result) for own, _, field in seen if field]
        bounds.append(compact(union(terms, len(result))) if terms else nothing(len(result)))
    fields = [field for *_, field in seen if field]
    crossing = any(
        crosses(field, [side for side, letter in enumerate(own) if letter not in result])
        for own, _, field in seen
        if field
    )
    places = tuple(
        frozenset(result.index(own[s]) for own, _, f in seen if f for s in f.places[axis] if own[s] in result)
        for axis in range(axes)
    )
    out = _together(fields, tuple(bounds), places)
    if crossing:
        return made_global(op, out)
    return replace(out, affine=(None,) * axes) if len(fields) > 1 else out


def _laid_out(bound: Array, own: str, result: str) -> Array:
    """A factor's bound with the sides of the result, in its order."""
    low = mixed(bound, [side for side, letter in enumerate(own) if letter not in result])
    kept = [letter for letter in own if letter in result]
    low = low.reshape([n for n, letter in zip(low.shape, own, strict=True) if letter in result])
    low = low.transpose([kept.index(letter) for letter in result if letter in kept])
    sizes = dict(zip([letter for letter in result if letter in kept], low.shape, strict=True))
    return low.reshape([sizes.get(letter, 1) for letter in result])


def largest(op: Op, given: Given) -> Field:
    """The largest along one side: which they are depends on all."""
    return spread(op, given.first[1], (int(op.arg(2, "dim", -1)),))


MIXING: dict[str, Rule] = {
    "topk": largest,
    "linear": linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "addmm", "baddbmm", "addbmm"), matmul),
    "einsum": einsum,
    **dict.fromkeys(SPREADING, softmax),
    **dict.fromkeys(RUNNING, running),
    **dict.fromkeys(NORMS, norm),
    **dict.fromkeys(REDUCTIONS, reduction),
}
