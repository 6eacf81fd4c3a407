"""The tensors that a call was given, with what each of them sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from neocog.analysis.call import Ref
from neocog.analysis.constants import Constants
from neocog.analysis.field import NOTHING, Affine, Array, Field, least
from neocog.analysis.op import Op


@dataclass(frozen=True, eq=False)
class Given:
    """The op's tensors in order; a field is None where a tensor does not depend on the picture."""

    refs: Sequence[Ref]
    fields: Sequence[Field | None]
    constants: Constants | None = None

    def value(self, ref: Ref) -> Tensor | None:
        """The values of an argument that does not depend on the picture, where they are known."""
        return self.constants.of(ref) if self.constants else None

    @property
    def seen(self) -> list[tuple[Ref, Field]]:
        """Those that depend on the picture; at least one."""
        return [(ref, field) for ref, field in zip(self.refs, self.fields, strict=True) if field is not None]

    @property
    def first(self) -> tuple[Ref, Field]:
        return self.seen[0]

    def of(self, value: object) -> Field | None:
        """The field of one argument."""
        return next((f for r, f in zip(self.refs, self.fields, strict=True) if r is value), None)


Rule = Callable[[Op, Given], Field]


def lifted(bound: Array, rank: int) -> Array:
    """`bound` with sides of 1 in front until it has `rank` of them."""
    return bound.reshape((1,) * (rank - bound.ndim) + bound.shape)


def nothing(rank: int) -> Array:
    """The bound of a tensor that does not depend on the picture."""
    return np.full((1,) * rank, NOTHING, np.int32)


def bounds_by(rule: Callable[[Array], Array], field: Field) -> tuple[Array, ...]:
    """What a rule makes of each of the field's bounds."""
    return tuple(rule(bound) for bound in field.bounds)


def everything(op: Op, given: Given, exact: bool = True) -> Field:
    """Every number of the result sees what all the arguments together see."""
    axes = given.first[1].axes
    rank = len(op.shape)
    bounds = []
    for i in range(2 * axes):
        low = min(int(field.bounds[i].min(initial=NOTHING)) for _, field in given.seen)
        bounds.append(np.full((1,) * rank, low, np.int32))
    places = tuple(frozenset(range(1, rank)) for _ in range(axes))
    return Field(tuple(bounds), places, (None,) * axes, given.first[1].counts, False, caused_by(op), exact)


def caused_by(op: Op) -> str:
    """The operation as a person would name it."""
    return f"{op.layer} ({op.kind})" if op.layer else op.kind


def made_global(op: Op, field: Field) -> Field:
    """`field` after its positions were mixed by `op`: global if now all see the same, else without a triple."""
    cause = field.cause or (caused_by(op) if field.uniform else "")
    return replace(field, affine=(None,) * field.axes, cause=cause)


def joined(
    op: Op, parts: Sequence[Field], bounds: tuple[Array, ...], places: Sequence[frozenset[int]]
) -> Field:
    """What a sum or concatenation of `parts` along the same positions sees."""
    counts = tuple(max(part.counts[axis] for part in parts) for axis in range(parts[0].axes))
    cause = next((part.cause for part in parts if part.cause), "")
    exact = all(part.exact for part in parts)
    spread = any(part.counts[axis] == 1 < counts[axis] for part in parts for axis in range(part.axes))
    aligned = all(part.aligned for part in parts)
    affine: list[Affine | None] = []
    for axis in range(parts[0].axes):
        triples = [part.affine[axis] for part in parts]
        known = [triple for triple in triples if triple is not None]
        one: Affine | None = known[0] if len(known) == len(triples) and not spread and not cause else None
        for other in known[1:]:
            aligned = aligned and known[0].centred_as(other)
            one = one.union(other) if one is not None else None
        affine.append(one)
    field = Field(bounds, tuple(places), tuple(affine), counts, aligned, cause, exact)
    return made_global(op, field) if spread and not cause else field


def union(arrays: Sequence[Array], rank: int) -> Array:
    return least(lifted(array, rank) for array in arrays)
