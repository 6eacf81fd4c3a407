import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from neocog.layers.conv import Conv2dCeil, Conv2dSame, same_padding

Floats = NDArray[np.float64]


def zeros_around(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after as TensorFlow's documentation of SAME gives them (tf.nn, "Notes on padding")."""
    extent = (kernel - 1) * dilation + 1
    total = max(extent - (size % stride or stride), 0)
    return total // 2, total - total // 2


def convolve(x: Floats, weight: Floats, stride: int, dilation: int, groups: int) -> Floats:
    """Cross-correlation with SAME padding, number by number: x (cin, h, w), weight (cout, cin / groups, k, k)."""
    cout, cin, kernel, _ = weight.shape
    margins = [zeros_around(size, kernel, stride, dilation) for size in x.shape[1:]]
    x = np.pad(x, [(0, 0), *margins])
    rows, cols = ((size - (kernel - 1) * dilation - 1) // stride + 1 for size in x.shape[1:])
    out = np.zeros((cout, rows, cols))
    for o, i, j in np.ndindex(*out.shape):
        first = o // (cout // groups) * cin  # this group's input channels
        for c, p, q in np.ndindex(cin, kernel, kernel):
            out[o, i, j] += (
                weight[o, c, p, q] * x[first + c, i * stride + p * dilation, j * stride + q * dilation]
            )
    return out


SIZES, KERNELS, STRIDES, DILATIONS = (
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 2),
)


@given(SIZES, SIZES, KERNELS, STRIDES, DILATIONS, st.sampled_from((1, 2)))
def test_it_is_a_literal_convolution_padded_as_tensorflow_pads(
    height: int, width: int, kernel: int, stride: int, dilation: int, groups: int
) -> None:
    layer = Conv2dSame(2, 4, kernel, stride, dilation=dilation, groups=groups, bias=False).double()
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    expected = convolve(x[0].numpy(), layer.weight.detach().numpy(), stride, dilation, groups)
    got = layer(x)[0].detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)  # double precision, at most 100 terms


def test_the_bias_is_added_in_both_ways_of_padding() -> None:
    for stride in (1, 2):
        layer = Conv2dSame(1, 2, 3, stride)
        torch.nn.init.zeros_(layer.weight)
        assert (layer(torch.ones(1, 1, 4, 4)) == layer.bias[:, None, None]).all()


@given(st.integers(1, 500), st.integers(1, 11), st.integers(1, 5), st.integers(1, 3))
def test_the_padding_is_tensorflows(size: int, kernel: int, stride: int, dilation: int) -> None:
    assert same_padding(size, kernel, stride, dilation) == zeros_around(size, kernel, stride, dilation)


def test_with_stride_two_on_an_even_size_the_odd_zero_comes_last() -> None:
    assert same_padding(224, 3, 2) == (0, 1)  # torch's padding=1 would put it first


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(5, 20), st.integers(5, 20))
def test_a_convolution_that_rounds_up_has_cuda_convnets_size_and_reads_zeros_beyond_the_edge(
    kernel: int, stride: int, padding: int, rows: int, cols: int
) -> None:
    """1 + ceil((2 padding + size - kernel) / stride) positions, as in cuda-convnet2's layer.py."""
    conv = Conv2dCeil(2, 3, kernel, stride, padding=min(padding, kernel // 2))
    p = conv.padding[0]
    sizes = [1 + -(-(2 * p + size - kernel) // stride) for size in (rows, cols)]
    x = torch.randn(1, 2, rows, cols)
    wide = F.pad(x, (p, p + 40, p, p + 40))  # zeros without end below and to the right
    expected = F.conv2d(wide, conv.weight, conv.bias, stride)[..., : sizes[0], : sizes[1]]
    torch.testing.assert_close(conv(x), expected, rtol=1e-4, atol=1e-5)
