"""Output sizes against torch itself, on the meta device, for random layers."""

import random

import pytest
import torch
import torch.nn.functional as F

from neocog.analysis.sizes import broadcast, conv_size, pool_size, transposed_size

LAYERS = 5_000  # of each kind


def torch_size(call: object, *args: object, **kwargs: object) -> int:
    """The last side of what torch makes; 0 where it refuses."""
    try:
        return int(call(*args, **kwargs).shape[-1])  # type: ignore[operator]
    except RuntimeError:
        return 0


def picture(size: int) -> torch.Tensor:
    return torch.empty(1, 1, 1, size, device="meta")


def test_sizes_of_convolutions_are_torchs() -> None:
    dice = random.Random(1)
    for _ in range(LAYERS):
        n, k, s, p, d = (dice.randint(*r) for r in ((1, 40), (1, 9), (1, 6), (0, 6), (1, 4)))
        weight = torch.empty(1, 1, 1, k, device="meta")
        real = torch_size(F.conv2d, picture(n), weight, None, (1, s), (0, p), (1, d))
        assert max(conv_size(n, k, s, p, d), 0) == real, (n, k, s, p, d)


@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_of_max_pools_are_torchs(ceil: bool) -> None:
    dice = random.Random(2 + ceil)
    for _ in range(LAYERS):
        n, k, s, d = (dice.randint(*r) for r in ((1, 40), (1, 9), (1, 6), (1, 4)))
        p = dice.randint(0, k // 2)
        real = torch_size(F.max_pool2d, picture(n), (1, k), (1, s), (0, p), (1, d), ceil)
        assert max(pool_size(n, k, s, p, d, ceil), 0) == real, (n, k, s, p, d, ceil)


@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_of_average_pools_are_torchs(ceil: bool) -> None:
    dice = random.Random(4 + ceil)
    for _ in range(LAYERS // 2):
        n, k, s = (dice.randint(*r) for r in ((1, 40), (1, 9), (1, 6)))
        p = dice.randint(0, k // 2)
        real = torch_size(F.avg_pool2d, picture(n), (1, k), (1, s), (0, p), ceil)
        assert max(pool_size(n, k, s, p, 1, ceil), 0) == real, (n, k, s, p, ceil)


def test_sizes_of_transposed_convolutions_are_torchs() -> None:
    dice = random.Random(6)
    for _ in range(LAYERS):
        n, k, s, p, d = (dice.randint(*r) for r in ((1, 40), (1, 9), (1, 6), (0, 6), (1, 4)))
        extra = dice.randint(0, max(s, d) - 1)
        weight = torch.empty(1, 1, 1, k, device="meta")
        x = picture(n)
        real = torch_size(F.conv_transpose2d, x, weight, None, (1, s), (0, p), (0, extra), 1, (1, d))
        assert max(transposed_size(n, k, s, p, d, extra), 0) == real, (n, k, s, p, d, extra)


def test_shapes_of_sums_are_torchs() -> None:
    dice = random.Random(7)
    for _ in range(1_000):
        shapes = [[dice.choice((1, 1, 2, 3)) for _ in range(dice.randint(0, 4))] for _ in range(2)]
        try:
            real = tuple(torch.broadcast_shapes(*shapes))
        except RuntimeError:
            real = None
        assert broadcast(*shapes) == real
