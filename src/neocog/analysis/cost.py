"""What an operation costs: multiply-adds in closed form, element-wise work, and the counts that others print."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from neocog.analysis.call import Ref
from neocog.analysis.kinds import (
    ADAPTIVE_POOLS,
    CONSTANT,
    CONVOLUTIONS,
    IDENTITIES,
    MOVING,
    NORMS,
    POINTWISE,
    POOLS,
    PRODUCTS,
    RECURRENT,
    REDUCTIONS,
    RUNNING,
    SPREADING,
    TRANSPOSED,
)
from neocog.analysis.op import Op
from neocog.analysis.window import windows_of
from neocog.errors import unknown

CONVENTIONS = {
    "mac": "multiply-adds of convolutions, linear layers and attention, without biases",
    "flop": "2 for each multiply-add, as torch's flop counter",
    "paper": "multiply-adds of layers with weights only, without attention's products, called FLOPs in most papers",
    "fvcore": "fvcore's flops: multiply-adds, norms and average pools; none for the attention it cannot see",
}


def macs(op: Op) -> int | None:
    """Multiply-adds without biases; 0 for operations that multiply nothing, None where no rule is known."""
    if op.part:
        return 0
    if op.kind in _MACS:
        return _MACS[op.kind](op)
    return 0 if op.kind in FREE else None


def counted(op: Op, convention: str) -> int | None:
    """The operation's count in one of `CONVENTIONS`; None where no rule is known."""
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    count = macs(op)
    if count is None or convention == "mac":
        return count
    if convention == "flop":
        return 2 * count
    return _paper(op, count) if convention == "paper" else _fvcore(op, count)


def work(op: Op) -> int:
    """Element-wise operations beside the multiply-adds: activations, norms, comparisons of a pool, added biases.

    One for each number made, for pools one for each number read; a norm takes 2 where its statistics are stored and 5
    where it computes them, a softmax 3.
    """
    made = prod(op.shape)
    if op.kind in POOLS:
        return made * prod(window.kernel for window in windows_of(op))
    if op.kind in ADAPTIVE_POOLS or op.kind in REDUCTIONS:
        return prod(op.tensors[0].shape) if op.tensors else 0
    if op.kind in NORMS:
        return made * (2 if op.kind == "batch_norm" and not op.arg(5, "training", False) else 5)
    if op.kind in CONVOLUTIONS or op.kind in TRANSPOSED or op.kind == "linear":
        return made if isinstance(op.arg(2, "bias"), Ref) else 0
    if op.kind in SPREADING:
        return 3 * made
    return made if op.kind in POINTWISE or op.kind in RUNNING else 0


def _paper(op: Op, count: int) -> int:
    if op.kind == "multi_head_attention_forward":
        return count - _attended(op)
    weighted = any(ref.name for ref in op.tensors)
    return count if weighted or op.kind not in PRODUCTS else 0


def _fvcore(op: Op, count: int) -> int:
    if op.kind in ("scaled_dot_product_attention", *RECURRENT):
        return 0
    if op.kind == "multi_head_attention_forward":
        return 0
    made = prod(op.shape)
    if op.kind == "batch_norm":
        return 2 * made if isinstance(op.arg(3, "weight"), Ref) else made
    if op.kind in ("layer_norm", "group_norm", "instance_norm"):
        weight = op.arg(3 if op.kind == "instance_norm" else 2, "weight")
        return made * (5 if isinstance(weight, Ref) else 4)
    if op.kind.startswith("adaptive_avg_pool"):
        return prod(op.tensors[0].shape)
    return count


def _convolution(op: Op) -> int:
    return int(prod(op.shape) * prod(op.arg(1, "weight").shape[1:]))


def _transposed(op: Op) -> int:
    return int(prod(op.arg(0, "input").shape) * prod(op.arg(1, "weight").shape[1:]))


def _linear(op: Op) -> int:
    return prod(op.shape) * int(op.arg(1, "weight").shape[1])


def _matmul(op: Op) -> int:
    factors = [leaf for leaf in op.tensors if leaf.shape][-2:]
    return prod(op.shape) * factors[0].shape[-1]


def _einsum(op: Op) -> int | None:
    equation, operands = op.args[0], op.tensors
    if not isinstance(equation, str) or "." in equation or len(operands) != 2:
        return None
    letters = equation.replace(" ", "").partition("->")[0].split(",")
    sizes = {
        c: n for own, ref in zip(letters, operands, strict=True) for c, n in zip(own, ref.shape, strict=True)
    }
    return prod(sizes.values())


def _attention(op: Op) -> int:
    query, key, value = (op.arg(i, name) for i, name in enumerate(("query", "key", "value")))
    return int(prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _multi_head(op: Op) -> int:
    query, key, value = (op.arg(i, name).shape for i, name in enumerate(("query", "key", "value")))
    dim = query[-1]
    return int(prod(query) * dim * 2 + prod(key) * dim + prod(value) * dim) + _attended(op)


def _attended(op: Op) -> int:
    (steps, batch, dim), keys = op.arg(0, "query").shape, op.arg(1, "key").shape[0]
    return int(2 * batch * steps * keys * dim)


def _recurrent(op: Op) -> int:
    """Each weight matrix once a step."""
    data = op.args[0]
    matrices = [ref for ref in op.tensors if ref.name and len(ref.shape) == 2]
    return int(prod(data.shape[:-1]) * sum(prod(ref.shape) for ref in matrices))


_MACS: dict[str, Callable[[Op], int | None]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(TRANSPOSED, _transposed),
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "addmm", "baddbmm"), _matmul),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    **dict.fromkeys(RECURRENT, _recurrent),
}
FREE = (
    {"input", "embedding", "glu", "interpolate", "upsample", "one_hot"}
    | IDENTITIES
    | POINTWISE
    | REDUCTIONS
    | NORMS
    | SPREADING
    | RUNNING
    | MOVING
    | CONSTANT
    | set(POOLS)
    | set(ADAPTIVE_POOLS)
)
"""what multiplies no weight with a number, or numbers without summing them"""
