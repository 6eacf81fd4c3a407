import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neocog.data.augment.draws import Draws
from neocog.data.augment.erase import Erasing, erased
from neocog.data.augment.mix import cutmix, cutmix_boxes, mixup, soft_targets
from reference.augment import cut_box

Pixels = NDArray[np.uint8]
N = 60
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 20, 30, 3), dtype=np.uint8)
TARGETS = np.random.default_rng(1).dirichlet(np.ones(5), N).astype(np.float32)
DRAWS = Draws(3, 1, np.arange(N))


def test_soft_targets_are_smoothed_ones() -> None:
    found = soft_targets(torch.tensor([2, 0]), 4, 0.1)
    assert found.tolist() == [
        pytest.approx([0.025, 0.025, 0.925, 0.025]),
        pytest.approx([0.925, 0.025, 0.025, 0.025]),
    ]
    assert soft_targets(torch.tensor([1]), 3).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mixup_is_its_papers_formula(dtype: torch.dtype) -> None:
    """x = l x_i + (1 - l) x_j and the same of y, with l of Beta(alpha, alpha); j is the picture before."""
    pixels, targets = mixup(torch.from_numpy(PIXELS).to(dtype), torch.from_numpy(TARGETS), DRAWS, 0.8)
    shares = DRAWS.beta("mixup", 0.8).tolist()
    assert pixels.dtype == torch.float32
    for i, share in enumerate(shares):
        mixed = share * PIXELS[i].astype(float) + (1 - share) * PIXELS[i - 1]
        assert np.abs(pixels[i].numpy() - mixed).max() < 1e-3
        assert np.abs(targets[i].numpy() - (share * TARGETS[i] + (1 - share) * TARGETS[i - 1])).max() < 1e-6


def test_cutmix_pastes_the_papers_box_and_mixes_targets_by_area() -> None:
    pixels, targets = cutmix(torch.from_numpy(PIXELS), torch.from_numpy(TARGETS), DRAWS, 1.0)
    shares, middles = DRAWS.beta("cutmix", 1.0).tolist(), DRAWS.uniform("cutmix.place", 2).tolist()
    areas = set()
    for i, (share, (y, x)) in enumerate(zip(shares, middles, strict=True)):
        top, low, left, right = cut_box((20, 30), share, (int(y * 20), int(x * 30)))
        expected = PIXELS[i].copy()
        expected[top:low, left:right] = PIXELS[i - 1][top:low, left:right]
        assert (pixels[i].numpy() == expected).all()
        kept = 1 - (low - top) * (right - left) / 600
        assert np.abs(targets[i].numpy() - (kept * TARGETS[i] + (1 - kept) * TARGETS[i - 1])).max() < 1e-6
        areas.add(round(kept, 2))
    assert len(areas) > 20
    assert pixels.dtype == torch.uint8


def test_cutmix_boxes_lie_inside() -> None:
    boxes = cutmix_boxes(Draws(0, 1, np.arange(3000)), (7, 50), 0.5)
    assert boxes.min() >= 0
    assert (boxes[:, 0] + boxes[:, 2]).max() == 7
    assert (boxes[:, 1] + boxes[:, 3]).max() == 50


def literal_box(draws: Draws, erasing: Erasing, row: int) -> tuple[int, int, int, int] | None:
    """Zhong et al. 2020, algorithm 1, with the logarithmic spread of ratios that torchvision and timm have."""
    areas, ratios = (
        draws.uniform("erase.area", 10)[row].tolist(),
        draws.uniform("erase.ratio", 10)[row].tolist(),
    )
    if float(draws.uniform("erase.chance")[row, 0]) >= erasing.probability:
        return None
    y, x = draws.uniform("erase.place", 2)[row].tolist()
    for a, r in zip(areas, ratios, strict=True):
        area = 600 * (erasing.area[0] + (erasing.area[1] - erasing.area[0]) * a)
        low, high = math.log(erasing.ratio[0]), math.log(erasing.ratio[1])
        ratio = math.exp(low + (high - low) * r)
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if tall < 20 and wide < 30:
            return int(y * (20 - tall + 1)), int(x * (30 - wide + 1)), tall, wide
    return None


@pytest.mark.parametrize(
    "erasing",
    [
        Erasing(),
        Erasing(1.0, (0.02, 1.0), noise=False),
        Erasing(0.8, (0.9, 1.0), (0.2, 0.3), noise=False),
        Erasing(0.0),
    ],
)
def test_erasing_paints_the_papers_rectangle(erasing: Erasing) -> None:
    planes = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    found = erased(planes, DRAWS, erasing).permute(0, 2, 3, 1).numpy()
    painted = 0
    for row in range(N):
        box, expected = literal_box(DRAWS, erasing, row), PIXELS[row].copy()
        if box:
            painted += 1
            top, left, tall, wide = box
            noise = DRAWS.octets("erase.noise", tall * wide * 3)[row].numpy().reshape(3, tall, wide)
            expected[top : top + tall, left : left + wide] = noise.transpose(1, 2, 0) if erasing.noise else 0
        assert (found[row] == expected).all()
    likely = {0.5: range(18, 43), 1.0: range(55, 61), 0.8: range(60), 0.0: range(1)}
    assert painted in likely[erasing.probability]
    assert (planes.permute(0, 2, 3, 1).numpy() == PIXELS).all()
