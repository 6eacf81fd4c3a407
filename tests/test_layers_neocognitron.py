from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neocog.errors import UserError
from neocog.layers.neocognitron import (
    APART,
    ORIENTED,
    C,
    CLayer,
    JoinedCLayer,
    Photoreceptors,
    S,
    SLayer,
    VLayer,
    falling,
    saturated,
)
from reference import neocognitron as cells

Made = TypeVar("Made")
PLANES, AREAS, SIZES = st.integers(1, 4), st.integers(1, 5), st.integers(7, 9)
MARGINS, DECAYS, SEEDS = st.integers(-1, 2), st.floats(0.05, 1), st.integers(0, 99)


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """The layers are too small to share."""
    torch.set_num_threads(1)


def double(make: Callable[[], Made]) -> Made:
    """Made in double precision from the start: masks made in single precision would stay rounded."""
    torch.set_default_dtype(torch.float64)
    try:
        return make()
    finally:
        torch.set_default_dtype(torch.float32)


def random(*shape: int, seed: int) -> Tensor:
    """0 to 1, half of it silent."""
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.relu(2 * x - 1)


def s_spec(
    planes: int = 2,
    area: int = 3,
    margin: int = 1,
    r: float = 1.5,
    decay: float = 0.8,
    first: float = 0.1,
) -> S:
    return S(planes, area, margin, r, q=1.0, column=area, decay=decay, first=first)


def learned(layer: SLayer, seed: int) -> SLayer:
    """With synapses of a size at which cells answer, are inhibited, or both."""
    layer.a.copy_(3 * random(*layer.a.shape, seed=seed))
    layer.b.copy_(3 * random(*layer.b.shape, seed=seed + 1))
    return layer


@settings(max_examples=30)
@given(PLANES, AREAS, SIZES, DECAYS, SEEDS)
def test_v_cells_are_equation_3(planes: int, area: int, size: int, decay: float, seed: int) -> None:
    u = random(planes, size, size, seed=seed)
    got = double(lambda: VLayer(planes, area, decay))(u[None])[0, 0]
    expected = np.zeros(got.shape)
    for place in np.ndindex(*expected.shape):
        expected[place] = cells.v_c_cell(u.numpy(), cells.c_synapses(planes, area, decay), *place)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


@settings(max_examples=30)
@given(PLANES, PLANES, AREAS, SIZES, MARGINS, st.floats(0.3, 6), DECAYS, SEEDS)
def test_s_cells_are_equation_1(
    before: int, planes: int, area: int, size: int, margin: int, r: float, decay: float, seed: int
) -> None:
    layer = learned(double(lambda: SLayer(before, s_spec(planes, area, margin, r, decay))), seed)
    u = random(before, size, size, seed=seed)
    c = cells.c_synapses(before, area, decay)
    expected = cells.s_layer(u.numpy(), layer.a.numpy(), layer.b.numpy(), c, r, margin)
    np.testing.assert_allclose(layer(u[None])[0], expected, rtol=1e-12, atol=1e-13)


@settings(max_examples=30)
@given(PLANES, AREAS, SIZES, MARGINS, st.floats(0.05, 3), DECAYS, SEEDS)
def test_c_cells_are_equation_4(
    planes: int, area: int, size: int, margin: int, peak: float, decay: float, seed: int
) -> None:
    u, alpha = random(planes, size, size, seed=seed), 0.5
    layer = double(lambda: CLayer(C(area, margin, peak, decay), alpha))
    expected = cells.c_layer(u.numpy(), peak * cells.falling(area, decay), alpha, margin)
    np.testing.assert_allclose(layer(u[None])[0], expected, rtol=1e-11, atol=1e-13)


@settings(max_examples=30)
@given(st.permutations([0, 1, 1, 2, 0]), AREAS, SIZES, MARGINS, st.integers(1, 2), DECAYS, SEEDS)
def test_c_cells_of_1988_read_the_planes_that_are_joined(
    joined: list[int], area: int, size: int, margin: int, stride: int, decay: float, seed: int
) -> None:
    u = random(len(joined), size, size, seed=seed)
    layer = double(lambda: JoinedCLayer(C(area, margin, 2.0, decay, stride), joined))
    d = 2 * cells.falling(area, decay)
    expected = cells.joined_c_layer(u.numpy(), joined, d, margin, stride)
    np.testing.assert_allclose(layer(u[None])[0], expected, rtol=1e-12, atol=1e-13)


@given(st.floats(0.1, 2), st.floats(0, 5))
def test_equation_5_as_printed_and_as_read_are_one_above_its_pole(alpha: float, above: float) -> None:
    x = above + 1e-6 - alpha
    got = float(saturated(torch.tensor(x, dtype=torch.float64), alpha))
    assert got == pytest.approx(cells.psi_as_printed(x, alpha), rel=1e-12)
    assert 0 <= got < 1


def test_a_cell_inhibited_beyond_the_pole_of_equation_5_is_silent() -> None:
    """One of four planes answers: v_S = 25 / 4, so the others have x = -0.86, where psi as printed is 2.4."""
    u = torch.zeros(1, 4, 1, 1)
    u[0, 0] = 25
    got = CLayer(C(area=1, margin=0, peak=1, decay=1.0), alpha=0.5)(u).flatten()
    assert cells.psi_as_printed(1 / (1 + 25 / 4) - 1, 0.5) == pytest.approx(2.38, abs=0.01)
    x = 26 / (1 + 25 / 4) - 1
    assert got.tolist() == pytest.approx([x / (0.5 + x), 0, 0, 0])


def test_the_cells_leave_what_they_read_as_it_was() -> None:
    """A known trap: V-cells that square their input in place, after which S-cells see squares."""
    u = random(2, 2, 6, 6, seed=0)
    before = u.clone()
    layer = learned(double(lambda: SLayer(2, s_spec())), 0)
    layer.v(u)
    layer(u)
    double(lambda: CLayer(C(3, 1, 1.0, 0.5), 0.5))(u)
    assert torch.equal(u, before)


@pytest.mark.parametrize("r", [4.0, 1.5, 1.0])
@pytest.mark.parametrize("angle", [0.0, 0.2, 0.5, 0.64, 0.65, 0.92, 0.94, 1.3])
def test_the_threshold_of_an_s_cell_is_r_over_1_plus_r(r: float, angle: float) -> None:
    """A cell that has learned a lot of one feature answers (1 + r) s - r to a stimulus of similarity s: 0 below .8 for
    r = 4 and below .6 for r = 1.5, 1 at s = 1. The similarity is the cosine, weighted with c.
    """
    layer = double(lambda: SLayer(2, s_spec(planes=1, area=1, margin=0, r=r)))
    feature = torch.tensor([1.0, 0.0], dtype=torch.float64)
    stimulus = torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float64)
    q = 1e12
    c = 1 / 2  # two planes, one cell each
    layer.a.copy_((q * c * feature)[None, :, None, None])
    layer.b.fill_(q / 2 * np.sqrt(c * 1))
    got = float(layer(stimulus[None, :, None, None]))
    s = np.cos(angle)
    assert got == pytest.approx(max((1 + r) * s - r, 0), abs=1e-9)
    assert (got > 0) == (s > r / (1 + r))


def test_the_thresholds_of_the_paper() -> None:
    assert [r / (1 + r) for r in (4.0, 1.5)] == [0.8, 0.6]


@given(AREAS, DECAYS, st.integers(1, 30))
def test_c_sums_to_one_and_falls_with_the_distance(area: int, decay: float, planes: int) -> None:
    c = double(lambda: VLayer(planes, area, decay)).c[0]
    assert float(c.sum()) == pytest.approx(1, rel=1e-12)
    middle = (area - 1) / 2
    order = sorted(
        ((i - middle) ** 2 + (j - middle) ** 2, float(c[0, i, j])) for i in range(area) for j in range(area)
    )
    assert all(far[1] <= near[1] * (1 + 1e-12) for near, far in zip(order, order[1:], strict=False))
    assert torch.equal(c[0].expand_as(c), c)


def test_masks_of_an_even_area_fall_from_its_middle() -> None:
    np.testing.assert_allclose(falling(2, 0.5), np.full((2, 2), 0.5**0.5**0.5), rtol=1e-6)
    np.testing.assert_allclose(falling(3, 0.5)[1], [0.5, 1, 0.5], rtol=1e-6)


@pytest.mark.parametrize("layer", ["s", "c"])
def test_a_plane_shares_its_synapses_so_a_shifted_pattern_shifts_the_response(layer: str) -> None:
    net = {
        "s": lambda: learned(SLayer(3, s_spec(area=3, margin=1)), 5),
        "c": lambda: CLayer(C(3, 1, 0.3, 0.7), 0.5),
    }[layer]
    net, u = double(net), torch.zeros(1, 3, 12, 12, dtype=torch.float64)
    u[..., 2:6, 3:7] = random(3, 4, 4, seed=1)
    here, there = net(u), net(u.roll((4, 2), (2, 3)))
    assert here.any()
    torch.testing.assert_close(there, here.roll((4, 2), (2, 3)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("planes", "before", "area"), [(24, 1, 5), (5, 3, 3), (4, 6, 2)])
def test_first_synapses_are_a_function_of_place_and_planes(planes: int, before: int, area: int) -> None:
    layer = double(lambda: SLayer(before, s_spec(planes, area, decay=0.7, first=0.03)))
    expected = cells.first_synapses(planes, before, area, 0.7, 0.03, ORIENTED, APART)
    np.testing.assert_allclose(layer.a, expected, rtol=1e-12)
    assert not layer.b.any()


def test_first_synapses_are_small_positive_and_without_randomness() -> None:
    torch.manual_seed(0)
    one = SLayer(24, s_spec(24, 5, first=0.03)).a
    torch.manual_seed(1)
    other = SLayer(24, s_spec(24, 5, first=0.03)).a
    assert torch.equal(one, other)
    assert one.min() > 0
    assert one.sum((1, 2, 3)).max() <= 0.03


def test_the_planes_prefer_different_orientations_at_first() -> None:
    """Plane k of 24 prefers pi k / 24: level lines at k = 24, falling ones at 6, upright ones at 12, rising at 18."""
    a = double(lambda: SLayer(1, s_spec(24, 5)))
    lines = {"level": torch.zeros(5, 5), "falling": torch.eye(5)}
    lines["level"][2] = 1
    lines |= {"upright": lines["level"].T, "rising": lines["falling"].flip(0)}
    answers = {name: (a.a[:, 0] * line).sum((1, 2)) for name, line in lines.items()}
    angles = np.pi * np.arange(1, 25) / 24
    level, falling_ = np.cos(2 * angles).round(9), np.sin(2 * angles).round(9)
    np.testing.assert_array_equal((answers["level"] - answers["upright"]).numpy().round(12) > 0, level > 0)
    np.testing.assert_array_equal(
        (answers["falling"] - answers["rising"]).numpy().round(12) > 0, falling_ > 0
    )


def test_reset_goes_back_to_before_learning() -> None:
    layer, fresh = SLayer(2, s_spec()), SLayer(2, s_spec())
    learned(layer, 0).reset_parameters()
    assert torch.equal(layer.a, fresh.a)
    assert not layer.b.any()


def test_only_what_is_learned_is_saved_and_nothing_asks_for_a_gradient() -> None:
    layer = SLayer(2, s_spec())
    assert list(layer.state_dict()) == ["a", "b"]
    assert not list(CLayer(C(3, 1, 1.0, 0.5), 0.5).state_dict())
    assert not list(JoinedCLayer(C(3, 1, 1.0, 0.5), [0, 0]).state_dict())
    assert not any(p.requires_grad for p in layer.parameters())


def test_another_number_of_channels_is_refused() -> None:
    x = torch.zeros(2, 1, 5, 5)
    assert Photoreceptors(1)(x) is x
    with pytest.raises(UserError, match=r"the 3 channels that U0 was made for, got 1; .* in_chans=1"):
        Photoreceptors(3)(x)
