"""torch's functions sorted by what they do with positions. What is in no set has no rule and is reported."""

IDENTITIES = {
    "contiguous", "clone", "to", "float", "half", "double", "bfloat16", "type", "type_as", "detach", "requires_grad",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "feature_dropout",
    "data", "real", "as_subclass", "alias", "identity", "positive", "cpu", "cuda", "lift_fresh",
    "pin_memory", "long", "int", "as_tensor",
}  # fmt: skip
"""the same numbers again, in evaluation"""

ACTIVATIONS = {
    "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "hardshrink", "leaky_relu", "prelu", "rrelu", "elu",
    "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "softshrink", "tanhshrink", "threshold", "sigmoid",
    "logsigmoid", "tanh", "clamp", "clamp_min", "clamp_max", "clip",
}  # fmt: skip

POINTWISE = ACTIVATIONS | {
    "add", "sub", "rsub", "mul", "div", "rtruediv", "rdiv", "neg", "negative", "pow", "rpow", "square", "sqrt",
    "rsqrt", "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "logit", "abs", "absolute", "sign", "sin",
    "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "erfc", "reciprocal", "floor", "ceil", "round",
    "trunc", "frac", "maximum", "minimum", "fmax", "fmin", "where", "masked_fill", "lerp", "addcmul", "addcdiv",
    "nan_to_num", "floordiv", "floor_divide", "mod", "remainder", "fmod", "atan2", "hypot", "copysign", "xlogy",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "and", "or", "xor", "invert",
    "isnan", "isinf", "isfinite", "heaviside", "copy", "fill", "zero", "bool", "sinc", "polar", "complex", "conj",
    "imag", "deg2rad", "rad2deg",
}  # fmt: skip
"""each number from the numbers at its own place"""

REDUCTIONS = {
    "mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "var_mean", "std_mean", "logsumexp", "norm",
    "vector_norm", "linalg_vector_norm", "argmax", "argmin", "any", "all", "median", "nanmean", "nansum", "aminmax",
    "mode", "quantile", "count_nonzero",
}  # fmt: skip
"""one number from all along some sides"""

NORMS = {"batch_norm", "layer_norm", "rms_norm", "group_norm", "instance_norm", "local_response_norm"}
SPREADING = {"softmax", "log_softmax", "softmin", "normalize", "sort", "argsort", "standardize"}
"""each number from all along one side"""
RUNNING = {"cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"}
"""each number from those before it along one side"""

RESHAPING = {
    "flatten", "reshape", "view", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as", "ravel", "expand",
    "expand_as", "broadcast_to", "atleast_1d", "atleast_2d", "atleast_3d",
}  # fmt: skip
PERMUTING = {
    "permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "T", "mT", "H", "mH", "adjoint",
}  # fmt: skip
SPLITTING = {"chunk", "split", "split_with_sizes", "tensor_split", "unbind"}
CUTTING = SPLITTING | {
    "select", "narrow", "flip", "fliplr", "flipud",
    "roll", "repeat", "tile", "repeat_interleave", "unfold", "diagonal", "rot90", "hsplit", "vsplit",
    "dsplit", "tril", "triu", "diag_embed",
}  # fmt: skip
PICKING = {"index_select", "take_along_dim", "gather", "scatter", "index_put"}
"""numbers at places that are values themselves: no rule for what they see"""
SHUFFLING = {"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"}
MOVING = RESHAPING | PERMUTING | CUTTING | SHUFFLING | {
    "getitem", "setitem", "cat", "concat", "concatenate", "stack", "hstack", "vstack", "pad",
    "written_through_a_view",
}  # fmt: skip
"""numbers at other places, none computed"""

PRODUCTS = {
    "linear", "bilinear", "matmul", "mm", "bmm", "mv", "dot", "addmm", "baddbmm", "addbmm", "einsum", "cdist", "inner",
    "outer", "tensordot", "scaled_dot_product_attention", "multi_head_attention_forward",
}  # fmt: skip
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
CONSTANT = {
    "empty", "zeros", "ones", "full", "arange", "linspace", "eye", "tensor", "rand", "randn", "randint",
    "randperm", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros",
    "new_ones", "new_empty", "new_full", "new_tensor", "uniform", "normal", "scalar_tensor",
    "logspace", "from_numpy", "shape_as_tensor",
}  # fmt: skip
"""numbers that do not depend on the picture, though its type or shape may be an argument"""

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
TRANSPOSED = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
MAX_POOLS = {f"max_pool{n}d{indices}": n for n in (1, 2, 3) for indices in ("", "_with_indices")}
AVERAGE_POOLS = {f"avg_pool{n}d": n for n in (1, 2, 3)}
POWER_POOLS = {f"lp_pool{n}d": n for n in (1, 2, 3)}
ADAPTIVE_POOLS = {
    f"adaptive_{how}_pool{n}d{indices}": n
    for how in ("avg", "max")
    for n in (1, 2, 3)
    for indices in ("", "_with_indices")
}
POOLS = {**MAX_POOLS, **AVERAGE_POOLS, **POWER_POOLS}
