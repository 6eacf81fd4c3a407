"""Convolution with TensorFlow's SAME padding."""

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
