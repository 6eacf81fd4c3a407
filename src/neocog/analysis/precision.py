"""What torch.autocast does to a call: on the meta device torch itself does nothing, though the context is on."""

from __future__ import annotations

from typing import Any

import torch

from neocog.analysis.call import replaced
from neocog.analysis.kinds import CONVOLUTIONS, RECURRENT, TRANSPOSED

PRODUCTS = {
    "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "addbmm", "einsum", "tensordot", "inner", "prelu",
    "scaled_dot_product_attention", "multi_head_attention_forward", *CONVOLUTIONS, *TRANSPOSED,
}  # fmt: skip
LOWER = {"cpu": PRODUCTS | {"lstm"}, "cuda": PRODUCTS | RECURRENT | {"mv", "addmv"}}
"""calls whose floating-point arguments become the context's type"""
FULL = {
    "cpu": {
        "avg_pool3d", "adaptive_avg_pool3d", "prod", "cdist", "grid_sample", "local_response_norm", "quantile",
        "pad_reflect", "pad_replicate",
    },
    "cuda": {
        "pow", "rpow", "exp", "expm1", "log", "log1p", "log2", "log10", "cumsum", "cumprod", "sum", "prod", "softmax",
        "log_softmax", "softmin", "layer_norm", "group_norm", "norm", "normalize", "softplus", "sinh", "cosh", "tan",
        "acos", "asin", "reciprocal", "rsqrt", "cdist", "dist",
    },
}  # fmt: skip
"""calls whose 16-bit arguments become float32"""
# torch's documentation, "Automatic Mixed Precision", autocast op reference; for the CPU what torch 2.13 was seen to do
HALVES = (torch.float16, torch.bfloat16)


def autocast(kind: str, given: tuple[Any, Any], in_place: bool) -> tuple[Any, Any]:
    """The arguments in the types that the call gets within torch.autocast; as they are outside of it."""
    device = next((device for device in LOWER if torch.is_autocast_enabled(device)), None)
    if device is None or in_place:
        return given
    args, kwargs = given
    if kind == "pad":
        kind = f"pad_{args[2] if len(args) > 2 else kwargs.get('mode', 'constant')}"
    kinds: tuple[torch.dtype, ...]
    if kind in LOWER[device]:
        kinds, wanted = (torch.float32, *HALVES), torch.get_autocast_dtype(device)
    elif kind in FULL[device]:
        kinds, wanted = HALVES, torch.float32
    else:
        return given
    args, kwargs = replaced(given, lambda tensor: tensor.to(wanted) if tensor.dtype in kinds else tensor)
    return args, kwargs
