from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, stats

from neocog.errors import UserError
from neocog.layers.positions import learned_positions, resize_positions, sincos_1d, sincos_2d
from reference import loops

SIDES = st.integers(1, 6)
ONE_ULP = 6e-8  # of numbers up to 1 in single precision


def table(side: int, prefix: int = 1, dim: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side)
    return torch.randn(1, prefix + side * side, dim, dtype=torch.float64, generator=generator)


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 8).map(lambda i: 2 * i))
def test_positions_in_a_row(tokens: int, dim: int) -> None:
    got = sincos_1d(tokens, dim)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), loops.sincos_1d(tokens, dim), rtol=0, atol=ONE_ULP)


def test_positions_in_a_row_are_exact_far_out() -> None:
    np.testing.assert_allclose(
        sincos_1d(5000, 4)[-1].numpy(), loops.sincos_1d(5000, 4)[-1], rtol=0, atol=ONE_ULP
    )


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4).map(lambda i: 4 * i))
def test_positions_in_a_grid(rows: int, cols: int, dim: int) -> None:
    got = sincos_2d(rows, cols, dim).numpy()
    np.testing.assert_allclose(got, loops.sincos_2d(rows, cols, dim), rtol=0, atol=ONE_ULP)


def test_the_order_in_a_grid_is_timms() -> None:
    """Typed from timm's build_sincos2d_pos_embed((2, 3), dim=8): token (row 1, column 2) is the last one."""
    expected = [0.841471, 0.0099998, 0.909297, 0.0199987, 0.540302, 0.99995, -0.416147, 0.9998]
    np.testing.assert_allclose(sincos_2d(2, 3, 8)[-1].numpy(), expected, rtol=0, atol=1e-6)


def test_learned_positions_start_as_noise_of_deviation_two_hundredths() -> None:
    positions = learned_positions(50, 200, torch.Generator().manual_seed(0))
    assert positions.requires_grad
    assert positions.shape == (1, 50, 200)
    assert stats.kstest(positions.detach().numpy().ravel(), stats.norm(scale=0.02).cdf).pvalue > 0.001
    assert torch.equal(learned_positions(50, 200, torch.Generator().manual_seed(0)), positions)


def split(out: torch.Tensor, grid: tuple[int, int], prefix: int) -> tuple[loops.Floats, loops.Floats]:
    """The class tokens (prefix, dim) and the grid (rows, columns, dim)."""
    assert out.shape[:2] == (1, prefix + grid[0] * grid[1])
    return out[0, :prefix].numpy(), out[0, prefix:].numpy().reshape(*grid, -1)


WEIGHTS = {  # of one axis, from size to wanted
    "google": lambda size, wanted: loops.between_corners(size, wanted, a=None),
    "torchvision": lambda size, wanted: loops.between_corners(size, wanted, a=-0.75),
    "timm": lambda size, wanted: loops.by_areas(size, wanted, a=-0.5),
}


@pytest.mark.parametrize("rule", WEIGHTS)
@pytest.mark.parametrize("side", range(1, 6))
def test_each_rule_number_by_number(side: int, rule: str) -> None:
    """Every grid up to 5 x 5, those of one row or one column among them."""
    prefix, weights = side % 3, WEIGHTS[rule]
    positions = table(side, prefix)
    old = positions[0, prefix:].numpy().reshape(side, side, -1)
    for rows, cols in product(range(1, 6), repeat=2):
        first, resized = split(resize_positions(positions, (rows, cols), rule, prefix), (rows, cols), prefix)
        assert (first == positions[0, :prefix].numpy()).all()
        expected = loops.resize(old, weights(side, rows), weights(side, cols))
        np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-12, err_msg=f"{rows} x {cols}")


@pytest.mark.parametrize("grid", [(3, 5), (14, 9), (24, 24), (1, 4), (4, 1)])
def test_googles_rule_is_scipys_zoom(grid: tuple[int, int]) -> None:
    positions = table(7)
    old = positions[0, 1:].numpy().reshape(7, 7, -1)
    expected = ndimage.zoom(old, (grid[0] / 7, grid[1] / 7, 1), order=1)
    _, resized = split(resize_positions(positions, grid), grid, 1)
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("grid", [(3, 5), (14, 9), (24, 24), (1, 4), (4, 1)])
def test_timms_rule_is_pillows_bicubic(grid: tuple[int, int]) -> None:
    positions = table(7)
    _, resized = split(resize_positions(positions, grid, "timm"), grid, 1)
    for d in range(3):
        old = Image.fromarray(positions[0, 1:, d].numpy().reshape(7, 7).astype(np.float32))
        expected = np.asarray(old.resize(grid[::-1], Image.Resampling.BICUBIC))
        np.testing.assert_allclose(
            resized[..., d], expected, rtol=0, atol=2e-6
        )  # Pillow has single precision


@settings(max_examples=30)
@given(SIDES, st.sampled_from(sorted(WEIGHTS)), st.integers(0, 2))
def test_the_same_grid_keeps_every_position(side: int, rule: str, prefix: int) -> None:
    positions = table(side, prefix)
    torch.testing.assert_close(
        resize_positions(positions, (side, side), rule, prefix), positions, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype: torch.dtype) -> None:
    positions = table(4).to(dtype)
    got = resize_positions(positions, (7, 5), "timm")
    assert torch.equal(got, resize_positions(positions.float(), (7, 5), "timm").to(dtype))


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        (
            (1, 8, 2),
            {},
            "behind the prefix must fill a square, got 7 of them; prefix is the number of class tokens",
        ),
        (
            (9, 2),
            {},
            r"positions must be \(1, tokens, dim\) .* got \(9, 2\); a table .* needs positions\[None\]",
        ),
        ((2, 5, 2), {}, r"got \(2, 5, 2\)"),
        ((1, 1, 2), {}, r"more tokens than the prefix of 1, got \(1, 1, 2\)"),
        ((1, 5, 2), {"prefix": -1}, "more tokens than the prefix of -1"),
        ((1, 5, 2), {"rule": "tim"}, "unknown rule 'tim'; did you mean timm"),
        ((1, 5, 2), {"grid": (0, 3)}, r"a row and a column or more, got \(0, 3\)"),
    ],
)
def test_what_cannot_be_resized_is_refused_in_words(
    shape: tuple[int, ...], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resize_positions(torch.zeros(shape), **{"grid": (3, 3), **arguments})


def test_waves_need_pairs_and_quadruples_of_dimensions() -> None:
    with pytest.raises(UserError, match="an even dim, got 3 and 5; the next dim is 6"):
        sincos_1d(3, 5)
    with pytest.raises(UserError, match="a multiple of 4, got 2, 3 and 6; the next dim is 8"):
        sincos_2d(2, 3, 6)
