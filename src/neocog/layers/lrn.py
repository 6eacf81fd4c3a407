"""Local response normalisation, as AlexNet's paper prints it and as its authors' code computes it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from neocog.errors import UserError


def local_response_norm(
    x: Tensor,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    divide_by_size: bool = False,
) -> Tensor:
    """Each channel over (k + alpha * sum of the squares of its neighbour channels at the same position)^beta.

    Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012), section
    3.3. Input and output are (batch, channels, ...). For channel i of N there are two conventions:

    - `divide_by_size=False`, the printed formula: the sum runs over the channels from max(0, i - size/2) to
      min(N - 1, i + size/2), halves rounded down, which for an even `size` are size + 1 channels;
    - `divide_by_size=True`, what the authors' cuda-convnet, Caffe and torch compute: alpha / size in place of alpha,
      and exactly `size` channels, from i - size/2 on.

    For an odd `size` the printed formula is thus torch's with alpha * size. Caffe's and ONNX's AlexNet have k = 1.
    UserError if `size` is less than 1.
    """
    if has_torch_function_unary(x):  # whoever watches torch's functions sees one call, as of torch's own
        given = (size, alpha, beta, k, divide_by_size)
        out: Tensor = handle_torch_function(local_response_norm, (x,), x, *given)
        return out
    if size < 1:
        raise UserError(f"size must be a channel or more, got {size}; AlexNet's is 5")
    before = size // 2
    after = size - 1 - before if divide_by_size else size // 2
    squares = F.pad(x.square(), (0, 0) * (x.dim() - 2) + (before, after))  # zeros around the channels
    sums = squares.unfold(1, before + 1 + after, 1).sum(-1)
    return x / (k + (alpha / size if divide_by_size else alpha) * sums) ** beta


class LocalResponseNorm(nn.Module):
    """`local_response_norm` as a layer, by default with AlexNet's numbers in the printed formula.

    LocalResponseNorm(n, alpha, beta, k) == torch.nn.LocalResponseNorm(n, n * alpha, beta, k) for an odd n, and
    LocalResponseNorm(n, alpha, beta, k, divide_by_size=True) == torch.nn.LocalResponseNorm(n, alpha, beta, k) for any.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        divide_by_size: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.divide_by_size = divide_by_size

    def forward(self, x: Tensor) -> Tensor:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k, self.divide_by_size)

    def extra_repr(self) -> str:
        alpha = f"{self.alpha} / {self.size}" if self.divide_by_size else f"{self.alpha}"
        return f"{self.size}, alpha={alpha}, beta={self.beta}, k={self.k}"
