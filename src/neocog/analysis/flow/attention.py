"""The receptive field through attention and recurrent layers: tokens that see each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neocog.analysis.call import Ref
from neocog.analysis.field import Array, Field, compact, mixed
from neocog.analysis.flow.given import Given, Rule, bounds_by, everything, made_global, union
from neocog.analysis.flow.mixing import crosses
from neocog.analysis.kinds import RECURRENT
from neocog.analysis.op import Op


def attention(op: Op, given: Given) -> Field:
    """softmax(Q K^T) V: each token sees itself, all keys and all values; with a causal mask those before it."""
    query, key, value = (given.of(op.arg(i, name)) for i, name in enumerate(("query", "key", "value")))
    causal = bool(op.arg(5, "is_causal", False))
    rank = len(op.shape)
    bounds = []
    for i in range(2 * given.first[1].axes):
        terms = [mixed(query.bounds[i], (rank - 1,))] if query else []
        for field, sides in ((key, (rank - 1,)), (value, ())):
            if field:
                low = mixed(field.bounds[i], sides)
                before = _up_to(low, op.shape[-2]) if causal else mixed(low, (rank - 2,))
                terms.append(before if op.arg(0, "query").shape[1] == _heads(op) else mixed(before, (1,)))
        bounds.append(compact(union(terms, rank)))
    out = replace(query or given.first[1], bounds=tuple(bounds))
    out = _masked(out, op.arg(3, "attn_mask"))
    tokens = [field for field in (key, value) if field and crosses(field, (rank - 2,))]
    products = [field for field in (query, key) if field and crosses(field, (rank - 1,))]
    return made_global(op, out) if tokens or products else out


def _up_to(low: Array, queries: int) -> Array:
    """What the keys up to a query's own place see; behind the last key all of them."""
    before = np.minimum.accumulate(low, axis=-2)
    keys = before.shape[-2]
    return before if keys == 1 else before[..., np.minimum(np.arange(queries), keys - 1), :]


def _masked(field: Field, *masks: object) -> Field:
    """With a mask of unknown values the field is an upper bound; sums of learned numbers (positions) mask nothing."""
    hidden = any(
        isinstance(mask, Ref) and not mask.trained and (mask.op is None or mask.itemsize == 1)
        for mask in masks
    )
    return replace(field, exact=field.exact and not hidden)


def _heads(op: Op) -> int:
    """Heads of the keys, which several heads of the queries may share."""
    shape: tuple[int, ...] = op.arg(1, "key").shape
    return shape[1]


def multi_head_attention(op: Op, given: Given) -> Field:
    """torch's leaf of projections and attention; tokens lie along side 0: (tokens, batch, dim)."""
    query, key, value = (given.of(op.arg(i, name)) for i, name in enumerate(("query", "key", "value")))
    if op.part:
        return everything(op, given)
    bounds = []
    for i in range(2 * given.first[1].axes):
        terms = [mixed(query.bounds[i], (2,))] if query else []
        terms += [mixed(field.bounds[i], (0, 2)) for field in (key, value) if field]
        bounds.append(compact(union(terms, 3)))
    out = replace(query or given.first[1], bounds=tuple(bounds))
    out = _masked(out, op.kwargs.get("attn_mask"), op.kwargs.get("key_padding_mask"))
    crossing = [field for field in (query, key, value) if field and crosses(field, (2,))]
    return made_global(op, out) if crossing or (key and crosses(key, (0,))) else out


def recurrent(op: Op, given: Given) -> Field:
    """A recurrent network's outputs see the steps before theirs; in both directions the second half those behind."""
    _, field = given.first
    batch_first, both_ways = bool(op.args[-1]), bool(op.args[-2])
    if op.part or not isinstance(op.args[0], Ref) or len(op.args[0].shape) != 3:
        return everything(op, given)
    time, layers = 1 if batch_first else 0, int(op.args[-5])

    def rule(bound: Array) -> Array:
        low = mixed(bound, (2,))
        before = np.minimum.accumulate(low, axis=time)
        if not both_ways:
            return before
        if layers > 1:
            return mixed(low, (time,))
        behind = np.flip(np.minimum.accumulate(np.flip(low, time), axis=time), time)
        return compact(np.repeat(np.concatenate([before, behind], axis=2), op.shape[2] // 2, axis=2))

    out = replace(field, bounds=bounds_by(rule, field))
    return made_global(op, out) if crosses(field, (time, 2)) else out


TOKENS: dict[str, Rule] = {
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head_attention,
    **dict.fromkeys(RECURRENT, recurrent),
}
