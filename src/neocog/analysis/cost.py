"""What an operation costs: multiply-adds in closed form, element-wise work, and the counts that others print."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt, prod

from neocog.analysis.call import Ref, tensors_in
from neocog.analysis.kinds import (
    ADAPTIVE_POOLS,
    CONSTANT,
    CONVOLUTIONS,
    IDENTITIES,
    MOVING,
    NORMS,
    PICKING,
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
    "flop": "exactly 2 for each multiply-add, no biases, as torch's flop counter",
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
    if count is None or op.part or convention == "mac":
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
    weighted = op.kind == "linear" or any(ref.name for ref in op.tensors)
    return count if weighted or op.kind not in PRODUCTS else 0


def _fvcore(op: Op, count: int) -> int:
    """The counters of fvcore 0.1.5, `flop_count.py` and `jit_handles.py`; its own table, not what would be right.

    nn.MultiheadAttention is as with gradients enabled, fvcore's default; without, torch takes one kernel unseen by it.
    """
    made = prod(op.shape)
    if op.kind == "multi_head_attention_forward":
        return count if op.arg(15, "need_weights", True) else count - _attended(op)
    if op.kind in UNSEEN_BY_FVCORE:
        return 0
    if op.kind == "batch_norm":
        return made * (2 if isinstance(op.arg(3, "weight"), Ref) else 1)
    if op.kind in ("layer_norm", "group_norm", "instance_norm"):
        weight = op.arg(3 if op.kind == "instance_norm" else 2, "weight")
        return made * (5 if isinstance(weight, Ref) else 4)
    if op.kind == "adaptive_avg_pool2d":
        return prod(op.tensors[0].shape)
    if op.kind in ("interpolate", "upsample") and len(op.shape) == 4:
        return made * {"nearest": 1, "bilinear": 4}.get(op.arg(3, "mode", "nearest"), 0)
    return 4 * made if op.kind == "grid_sample" else count


def _convolution(op: Op) -> int:
    return int(prod(op.shape) * prod(op.arg(1, "weight").shape[1:]))


def _transposed(op: Op) -> int:
    return int(prod(op.arg(0, "input").shape) * prod(op.arg(1, "weight").shape[1:]))


def _linear(op: Op) -> int:
    return prod(op.shape) * int(op.arg(1, "weight").shape[1])


def _matmul(op: Op) -> int:
    factors = [leaf for leaf in op.tensors if leaf.shape][-2:]
    return prod(op.shape) * factors[0].shape[-1]


def _addbmm(op: Op) -> int:
    left, right = op.tensors[-2:]
    return prod(left.shape) * right.shape[-1]


def _contracted(op: Op) -> int:
    """Of two tensors without a common batch: left * right = out * contracted^2, where each is a count of numbers."""
    left, right = op.tensors[:2]
    return isqrt(prod(left.shape) * prod(right.shape) * prod(op.shape))


def _affine_grid(op: Op) -> int:
    """Each point, with a 1 behind it, times the matrix."""
    return prod(op.shape) * int(op.arg(0, "theta").shape[-1])


def _einsum(op: Op) -> int | None:
    """Operands are multiplied from left to right, as torch does; a letter of one operand alone is summed before.

    A product in which nothing is summed is element-wise.
    """
    equation, operands = op.args[0], op.tensors
    if not isinstance(equation, str):
        return None
    given, arrow, result = equation.replace(" ", "").partition("->")
    names = [_named(own, len(ref.shape)) for own, ref in zip(given.split(","), operands, strict=True)]
    letters = "".join(names)
    kept = (
        _named(result, len(op.shape))
        if arrow
        else {c for c in letters if letters.count(c) == 1 or c.isdigit()}
    )
    sizes: dict[str, int] = {}
    for own, ref in zip(names, operands, strict=True):
        for letter, side in zip(own, ref.shape, strict=True):
            sizes[letter] = max(side, sizes.get(letter, 1))
    total, left = 0, set(names[0])
    for i, own in enumerate(names[1:], 2):
        later = set(kept).union(*names[i:])
        left, right = left & (later | set(own)), set(own) & (later | left)
        if (left & right) - later:
            total += prod(sizes[letter] for letter in left | right)
        left = (left | right) & later
    return total


def _named(letters: str, rank: int) -> str:
    """An operand's letters, digits in the place of three dots; the last side of these is always 0."""
    before, dots, after = letters.partition("...")
    count = rank - len(before) - len(after)
    return before + "".join(map(str, reversed(range(count)))) + after if dots else letters


def _attention(op: Op) -> int:
    query, key, value = (op.arg(i, name) for i, name in enumerate(("query", "key", "value")))
    return int(prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _multi_head(op: Op) -> int:
    query, key, value = (op.arg(i, name).shape for i, name in enumerate(("query", "key", "value")))
    dim = query[-1]
    return int(prod(query) * dim * 2 + prod(key) * dim + prod(value) * dim) + _attended(op)


def _attended(op: Op) -> int:
    """The two products of attention; one key more for a bias of the keys, and for a key of zeros."""
    query, keys = op.arg(0, "query").shape, op.arg(1, "key").shape[0]
    keys += (op.arg(7, "bias_k") is not None) + bool(op.arg(9, "add_zero_attn", False))
    return int(2 * prod(query) * keys)


def _recurrent(op: Op) -> int:
    """Each weight matrix once a step."""
    weights = next(arg for arg in op.args[2:] if isinstance(arg, tuple | list) and tensors_in(arg))
    matrices = [ref for ref in tensors_in(weights) if len(ref.shape) == 2]
    return int(prod(op.args[0].shape[:-1]) * sum(prod(ref.shape) for ref in matrices))


_MACS: dict[str, Callable[[Op], int | None]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(TRANSPOSED, _transposed),
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm"), _matmul),
    "addbmm": _addbmm,
    **dict.fromkeys(("tensordot", "inner"), _contracted),
    "einsum": _einsum,
    "affine_grid": _affine_grid,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    **dict.fromkeys(RECURRENT, _recurrent),
}
UNSEEN_BY_FVCORE = {
    "scaled_dot_product_attention", "baddbmm", "addbmm", "addmv", "mv", "dot", "affine_grid", *RECURRENT,
}  # fmt: skip
FREE = {
    "input", "embedding", "glu", "interpolate", "upsample", "one_hot", "meshgrid", "bernoulli", "topk", "fold",
    "col2im", "grid_sample", "weight_norm", "cross", "dist",
    *IDENTITIES, *POINTWISE, *REDUCTIONS, *NORMS, *SPREADING, *RUNNING,
    *MOVING, *PICKING, *CONSTANT, *POOLS, *ADAPTIVE_POOLS,
}  # fmt: skip
"""what multiplies no weight with a number, or numbers without summing them"""
