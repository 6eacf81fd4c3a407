"""One number of a network as arithmetic: what is read, what it is multiplied with, the sum, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn

from neocog.analysis.kinds import IDENTITIES
from neocog.analysis.op import Trace
from neocog.analysis.trace import trace
from neocog.errors import UserError
from neocog.inside.sums.calls import Made, made_by
from neocog.inside.sums.steps import Step, formula
from neocog.inside.sums.terms import POOLING, SUMS, Arithmetic, arithmetic_of, taps
from neocog.inside.units import BEHIND, Layer, index_of, source_of

BETWEEN = BEHIND | IDENTITIES | {"local_response_norm"}
"""what may stand between a layer and the pool that reads it"""


@dataclass(frozen=True, eq=False)
class Pooled:
    """What a pool makes of a unit that it reads."""

    arithmetic: Arithmetic
    at: tuple[int, int]
    """row and column of the pool's number"""
    place: tuple[int, int]
    """row and column of the unit in that window"""
    windows: int
    """in how many of the pool's windows the unit lies"""
    wins: int
    """in how many of them it is the largest; 0 of an average"""


@dataclass(frozen=True, eq=False)
class Computed:
    """A unit's arithmetic, and that of the pool behind it where there is one."""

    arithmetic: Arithmetic
    pooled: Pooled | None = None


def computed(
    net: nn.Module,
    x: Tensor,
    layer: Layer,
    channel: int,
    at: tuple[int, ...] = (),
    plain: Trace | None = None,
) -> Computed:
    """The arithmetic of a unit of `layer` on `x` (1, channels, height, width).

    `at` is (row, column) of maps, (token,) of tokens, () of a vector; `plain` the network's trace at this size, where
    it is known. UserError where the layer's units are no single sum or maximum, as those of a block are not.
    """
    plain = plain or trace(net, tuple(x.shape[1:]))
    chain = _chain(plain, layer)
    pool = _next_pool(plain, layer)
    made = made_by(net, x, plain, chain if pool is None else [*chain, pool])
    found = arithmetic_of(plain, chain[0], made[chain[0]], channel, at)
    found = replace(found, steps=_steps(plain, chain, made, found.total, (channel, at)))
    if pool is None or len(at) != 2:
        return Computed(found)
    return Computed(found, _pooled(plain, pool, made[pool], channel, (at[0], at[1])))


def _chain(plain: Trace, layer: Layer) -> list[int]:
    """The operation that sums or takes a maximum, and those behind it to the units' values."""
    i, chain = layer.op, [layer.op]
    while plain.ops[i].kind not in SUMS:
        op, source = plain.ops[i], source_of(plain.ops, i)
        if op.kind not in BEHIND | IDENTITIES or not source:
            raise UserError(
                f"the units of {layer.name} come from {op.kind}, not from one convolution, linear layer or pool; "
                "name one of those (`neocog summary MODEL` lists them)"
            )
        i = source
        chain.insert(0, i)
    return chain


def _next_pool(plain: Trace, layer: Layer) -> int | None:
    """The pool that alone reads the layer, past norms and non-linearities."""
    i = layer.op
    while layer.kind == "maps":
        readers = [j for j, op in enumerate(plain.ops) if i in op.inputs]
        if len(readers) != 1:
            return None
        i = readers[0]
        if plain.ops[i].kind in POOLING:
            return i
        if plain.ops[i].kind not in BETWEEN or source_of(plain.ops, i) is None:
            return None
    return None


def _steps(
    plain: Trace, chain: Sequence[int], made: dict[int, Made], total: float, unit: tuple[int, tuple[int, ...]]
) -> tuple[Step, ...]:
    channel, at = unit
    steps: list[Step] = []
    x = total
    for _, i in pairwise(chain):
        kind = plain.ops[i].kind
        if kind in IDENTITIES:
            continue
        out = made[i].out[0]
        tensor = float(out[index_of(out.dim(), channel, at)])
        words, value = formula(kind, made[i], channel, x)
        x = tensor if value is None else value
        steps.append(Step(kind, words, x, tensor))
    return tuple(steps)


def _pooled(plain: Trace, i: int, made: Made, channel: int, at: tuple[int, int]) -> Pooled | None:
    """Of the pool's windows that hold the unit the first that it wins, else the first."""
    op = plain.ops[i]
    size = made.arg(0, "input").shape[2:]
    found = []
    for row in range(op.shape[2]):
        rows = taps(op, 0, row, size[0])
        if at[0] not in rows:
            continue
        for column in range(op.shape[3]):
            columns = taps(op, 1, column, size[1])
            if at[1] in columns:
                place = int(rows.tolist().index(at[0])), int(columns.tolist().index(at[1]))
                found.append(((row, column), place, arithmetic_of(plain, i, made, channel, (row, column))))
    if not found:
        return None
    won = [one for one in found if one[2].winner == one[1]]
    where, place, arithmetic = (won or found)[0]
    return Pooled(arithmetic, where, place, len(found), len(won))
