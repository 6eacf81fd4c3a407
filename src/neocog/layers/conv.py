"""Convolutions that torch lacks: TensorFlow's SAME padding, cuda-convnet's rounding up."""

import torch.nn.functional as F
from torch import Tensor, nn


class Conv2dSame(nn.Conv2d):
    """Convolution whose output has ceil(size / stride) positions, as TensorFlow pads it.

    With stride 2 on an even size TensorFlow puts the odd row and column of zeros at the end, where
    `padding=kernel // 2` puts it at the start; weights trained one way are wrong the other way.
    """

    def forward(self, x: Tensor) -> Tensor:
        rows = same_padding(x.shape[-2], self.kernel_size[0], self.stride[0], self.dilation[0])
        cols = same_padding(x.shape[-1], self.kernel_size[1], self.stride[1], self.dilation[1])
        if rows[0] == rows[1] and cols[0] == cols[1]:
            padding = (rows[0], cols[0])
            return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        x = F.pad(x, (*cols, *rows))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after one axis, so that the output has ceil(size / stride) positions."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


class Conv2dCeil(nn.Conv2d):
    """Convolution with 1 + ceil((size + 2 padding - kernel) / stride) positions, as cuda-convnet counts them.

    The last window may reach over the lower and right edge, where it reads zeros; torch drops it. AlexNet of 2012
    has 55 positions on 224 pixels this way, on 227 pixels it has them without any rounding.
    """

    def forward(self, x: Tensor) -> Tensor:
        rows = _overhang(x.shape[-2], self.kernel_size[0], self.stride[0], int(self.padding[0]))
        cols = _overhang(x.shape[-1], self.kernel_size[1], self.stride[1], int(self.padding[1]))
        return super().forward(F.pad(x, (0, cols, 0, rows)) if rows or cols else x)


def _overhang(size: int, kernel: int, stride: int, padding: int) -> int:
    """Zeros that the last window needs behind the end of one axis."""
    return (kernel - size - 2 * padding) % stride if size + 2 * padding > kernel else 0
