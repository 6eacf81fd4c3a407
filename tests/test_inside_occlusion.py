"""A grey square and a literal loop; deletion curves by hand; networks that learned nothing."""

import copy
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.datasets import load_digits
from torch import nn

from neocog.errors import UserError
from neocog.inside.evidence.gradients import gradient, magnitude
from neocog.inside.evidence.occlusion import Square, coarser, slid
from neocog.inside.evidence.sanity import (
    cells,
    deletion,
    in_random_order,
    order_of,
    partial_rank_correlation,
    randomised,
    rank_correlation,
)

GREY = np.array([100, 110, 120], np.uint8)
PICTURE = np.random.default_rng(0).integers(0, 256, (11, 14, 3), dtype=np.uint8)


def answer(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Three classes: how bright the upper left corner is, how red all is, and the rest."""
    corner = pixels[:, :4, :5].mean((1, 2, 3)) / 512
    red = pixels[..., 0].mean((1, 2)) / 512
    return np.stack([corner, red, 1 - corner - red], 1).astype(np.float32)


@pytest.mark.parametrize(("side", "stride"), [(3, 2), (5, 1), (4, 4), (11, 3)])
def test_the_square_slides_as_in_a_literal_loop(side: int, stride: int) -> None:
    found = slid(answer, PICTURE, Square(side, stride, GREY)).of(1)
    tops = sorted({*range(0, 11 - side + 1, stride), 11 - side})
    lefts = sorted({*range(0, 14 - side + 1, stride), 14 - side})
    assert (found.tops.tolist(), found.lefts.tolist()) == (tops, lefts)
    sums, counts = np.zeros((11, 14)), np.zeros((11, 14))
    whole = float(answer(PICTURE[None])[0, 1])
    for (i, top), (j, left) in product(enumerate(tops), enumerate(lefts)):
        picture = PICTURE.copy()
        for y in range(top, top + side):
            for x in range(left, left + side):
                picture[y, x] = GREY
        wanted = answer(picture[None])[0]
        assert found.probability[i, j] == pytest.approx(float(wanted[1]), abs=1e-7)
        assert found.winner[i, j] == wanted.argmax()
        sums[top : top + side, left : left + side] += whole - float(wanted[1])
        counts[top : top + side, left : left + side] += 1
    np.testing.assert_allclose(
        found.fall(11, 14), np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0), atol=1e-7
    )
    row, column = np.unravel_index(found.probability.argmin(), found.probability.shape)
    assert found.worst == (tops[row], lefts[column])
    assert (found.whole, found.winner_of_the_whole) == (whole, int(answer(PICTURE[None])[0].argmax()))


@pytest.mark.parametrize(("side", "stride"), [(0, 1), (12, 1), (3, 0)])
def test_a_square_that_does_not_fit(side: int, stride: int) -> None:
    with pytest.raises(
        UserError, match=f"must fit into 11x14 pixels and move by at least 1, got {side} and {stride}"
    ):
        slid(answer, PICTURE, Square(side, stride, GREY))


def test_captum_slides_the_same_square() -> None:
    """Captum lets the last square hang over the edge, so it is right where none does."""
    attr = pytest.importorskip("captum.attr")

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(answer(x.permute(0, 2, 3, 1).numpy().astype(np.uint8)))

    x = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float()
    grey = torch.from_numpy(GREY).float().view(1, 3, 1, 1).expand_as(x)
    wanted = attr.Occlusion(forward).attribute(x, (3, 5, 5), (3, 3, 3), baselines=grey, target=1)
    found = slid(answer, PICTURE, Square(5, 3, GREY)).of(1).fall(11, 14)
    np.testing.assert_allclose(found, wanted[0, 0].numpy(), atol=1e-6)


def test_numbers_behind_the_classes_are_no_classes() -> None:
    def more(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        blue = pixels[..., 2].mean((1, 2))[:, None]
        return np.concatenate([answer(pixels), blue], axis=1).astype(np.float32)

    square = Square(5, 3, GREY)
    found, plain = slid(more, PICTURE, square), slid(answer, PICTURE, square).of(0)
    assert np.array_equal(found.of(0, 3).winner, plain.winner) and found.of(0, 3).winner_of_the_whole < 3
    assert np.array_equal(found.of(0, 3).probability, plain.probability)
    means, whole = found.number(3)
    assert whole == pytest.approx(PICTURE[..., 2].mean(), rel=1e-6)
    for (i, top), (j, left) in product(enumerate(found.tops), enumerate(found.lefts)):
        picture = PICTURE.copy()
        picture[top : top + 5, left : left + 5] = GREY
        assert means[i, j] == pytest.approx(picture[..., 2].mean(), rel=1e-6)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(20, 90), st.integers(20, 90))
@settings(max_examples=60, deadline=None)
def test_longer_steps_lead_to_some_of_the_same_places(
    side: int, stride: int, height: int, width: int
) -> None:
    side = min(side, height, width)

    def number(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """By the place of the square alone: its first row and column."""
        rows, columns = pixels[..., 0].any(axis=2).argmax(axis=1), pixels[..., 0].any(axis=1).argmax(axis=1)
        return np.stack([rows * 1000 + columns], 1).astype(np.float32)

    black, square = np.zeros((height, width, 1), np.uint8), Square(side, stride, np.array([9], np.uint8))
    fine = slid(number, black, square).of(0)
    fewer = slid(number, black, coarser(square, max(fine.probability.shape))).of(0)
    assert min(max(fine.probability.shape), 5) <= max(fewer.probability.shape) <= 9
    wanted = [[-(top * 1000 + left) for left in fewer.lefts] for top in fewer.tops]
    assert fine.at(fewer.tops, fewer.lefts).tolist() == fewer.at(fewer.tops, fewer.lefts).tolist() == wanted


def test_cells_cover_the_picture() -> None:
    number = cells(5, 7, across=3)  # cells of 3 pixels
    wanted = [[0, 0, 0, 1, 1, 1, 2]] * 3 + [[3, 3, 3, 4, 4, 4, 5]] * 2
    np.testing.assert_array_equal(number, wanted)
    assert len(np.unique(cells(224, 224))) == 256
    assert len(np.unique(cells(8, 8))) == 64
    evidence = np.where(number == 4, 2.0, np.where(number == 0, 3.0, -1.0))
    evidence[0, 0] = -6  # the mean of cell 0 falls to 2, which comes first as it is numbered first
    np.testing.assert_array_equal(order_of(evidence, number), [0, 4, 1, 2, 3, 5])


def test_deletion_by_hand() -> None:
    number = cells(11, 14, across=4)  # 3 x 4 cells of 4 pixels
    order = np.random.default_rng(1).permutation(12)
    found = deletion(answer, PICTURE, order, number, 0, GREY)
    picture, wanted = PICTURE.copy(), [float(answer(PICTURE[None])[0, 0])]
    for cell in order:
        row, column = divmod(int(cell), 4)
        picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = GREY
        wanted.append(float(answer(picture[None])[0, 0]))
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-7)
    np.testing.assert_allclose(found.shares, np.arange(13) / 12)
    area = sum((wanted[i] + wanted[i + 1]) / 2 for i in range(12)) / 12
    assert found.area == pytest.approx(area, abs=1e-7)


def test_large_pictures_are_covered_in_32_steps() -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    number = cells(64, 64)
    found = deletion(answer, picture, np.arange(256), number, 1, np.zeros(3, np.uint8))
    np.testing.assert_allclose(found.shares, np.arange(33) / 32)
    np.testing.assert_allclose(found.probabilities, (1 - np.arange(33) / 32) * 255 / 512, atol=1e-6)


def test_true_evidence_beats_random_orders() -> None:
    picture = np.full((16, 16, 3), 255, np.uint8)
    number, black = cells(16, 16), np.zeros(3, np.uint8)
    corner = np.zeros((16, 16))
    corner[:4, :5] = 1
    best = deletion(answer, picture, order_of(corner, number), number, 0, black).area
    random = in_random_order(answer, picture, number, 0, black, np.random.default_rng(0))
    assert len({one.area for one in random}) == 5
    assert best < 0.25 * min(one.area for one in random)


def test_rank_correlation_is_pearson_of_ranks() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(6, 5)).round(1), rng.normal(size=(6, 5)).round(1)
    ranks = [rankdata(np.abs(values).ravel()) for values in (one, other)]
    assert rank_correlation(one, other) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert rank_correlation(one, -3 * one) == pytest.approx(1)
    assert rank_correlation(one, np.zeros((6, 5))) is None
    assert rank_correlation(one[0, :2], other[0, :2]) is None


def test_what_two_maps_share_with_a_third_is_taken_out() -> None:
    """The correlation of what is left of the ranks after a straight line through the third's ranks."""
    rng = np.random.default_rng(8)
    shared = rng.normal(size=(9, 7))
    one, other = (5 + shared.clip(-2, 2) + 0.7 * rng.normal(size=(9, 7)) for _ in range(2))
    ranks = [rankdata(np.abs(values).ravel()) for values in (one, other, shared)]
    design = np.stack([np.ones(63), ranks[2]], 1)
    left = [values - design @ np.linalg.lstsq(design, values)[0] for values in ranks[:2]]
    assert partial_rank_correlation(one, other, shared) == pytest.approx(np.corrcoef(*left)[0, 1])
    assert partial_rank_correlation(one, other, np.ones((9, 7))) == rank_correlation(one, other)
    assert partial_rank_correlation(one, shared, shared) is None
    assert partial_rank_correlation(one, one * 0, shared) is None


@pytest.fixture(scope="module")
def learned() -> nn.Module:
    """A small network that knows handwritten digits."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.from_numpy(images / 16).float().view(-1, 1, 8, 8), torch.from_numpy(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for step in range(60):
            rows = torch.arange(step * 128, (step + 1) * 128) % 1500
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            assert (net(x[1500:]).argmax(1) == y[1500:]).float().mean() > 0.85
    return net


def test_a_map_of_a_network_that_learned_nothing_is_another(learned: nn.Module) -> None:
    images, labels = load_digits(return_X_y=True)
    state, random = copy.deepcopy(learned.state_dict()), torch.get_rng_state()
    other, found = randomised(learned, 1), []
    for i in range(1500, 1510):
        x = torch.from_numpy(images[i] / 16).float().view(1, 1, 8, 8)
        maps = [magnitude(gradient(net, x, int(labels[i]))) for net in (learned, other)]
        correlation = rank_correlation(*maps)
        assert correlation is not None and rank_correlation(maps[0], maps[0]) == pytest.approx(1)
        found.append(correlation)
    assert abs(np.mean(found)) < 0.5
    assert all(torch.equal(tensor, state[name]) for name, tensor in learned.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_what_is_drawn_anew(learned: nn.Module) -> None:
    def tensors(net: nn.Module) -> dict[str, Any]:
        return dict(net.state_dict())

    one, same, other = (tensors(randomised(learned, seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])
    assert float(one["4.weight"].std()) == pytest.approx((16 * 9) ** -0.5, rel=0.05)
    assert float(one["7.weight"].std()) == pytest.approx(512**-0.5, rel=0.05)
    assert torch.equal(one["1.running_var"], torch.ones(16)) and torch.equal(one["1.weight"], torch.ones(16))
