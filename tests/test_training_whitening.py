"""Whitening against its definition: what comes out has mean 0, variance 1 and no correlation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.network.whitening import EPS, whiten_first


def pictures(n: int = 600, channels: int = 2, side: int = 9) -> Tensor:
    """Smooth random pictures, so that neighbours are correlated, with a mean far from 0."""
    noise = torch.randn(n, channels, side + 2, side + 2, generator=torch.Generator().manual_seed(3))
    mixed = F.avg_pool2d(noise, 3, 1) * 3 + 0.5
    mixed[:, 0] += 0.7 * mixed[:, -1]
    return mixed


def patches_of(pixels: Tensor, kernel: int) -> np.ndarray:
    """(patches, channels * kernel * kernel) by numpy's windows."""
    windows = sliding_window_view(pixels.double().numpy(), (kernel, kernel), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, pixels.shape[1] * kernel * kernel)


@pytest.mark.parametrize("bias", [True, False])
def test_what_comes_out_is_white(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neocog.training.network.whitening.AT_ONCE", 100_000)  # 68 pictures at a time
    pixels = pictures()
    conv = nn.Conv2d(2, 36, 3, bias=bias)
    whiten_first(nn.Sequential(nn.Identity(), conv), pixels)
    maps = conv(pixels).detach().double().transpose(0, 1).flatten(1).numpy()
    values = np.linalg.eigvalsh(np.cov(patches_of(pixels, 3).T, bias=True))[::-1]
    covariance = np.cov(maps[:18], bias=True)
    np.testing.assert_allclose(covariance, np.diag(values / (values + EPS)), atol=1e-4)
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.03)
    np.testing.assert_allclose(maps[18:], -maps[:18], atol=1e-5)
    if bias:
        np.testing.assert_allclose(maps.mean(1), 0, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in conv.parameters())


def test_filters_are_numpys_leading_eigenvectors_and_the_rest_stays_as_drawn() -> None:
    pixels = pictures(channels=1)
    few, many = nn.Conv2d(1, 5, 3), nn.Conv2d(1, 21, 3, stride=2, padding=1)
    drawn = many.weight.detach().clone()
    whiten_first(few, pixels)
    whiten_first(many, pixels)
    values, vectors = np.linalg.eigh(np.cov(patches_of(pixels, 3).T, bias=True))
    expected = (vectors / np.sqrt(values + EPS)).T[::-1]
    for conv, pairs in ((few, 2), (many, 9)):
        found = conv.weight.detach().double().flatten(1).numpy()
        signs = np.sign((found[:pairs] * expected[:pairs]).sum(1, keepdims=True))
        np.testing.assert_allclose(found[:pairs], signs * expected[:pairs], rtol=1e-4, atol=1e-4)
    assert torch.equal(many.weight[18:], drawn[18:])


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nn.Linear(4, 2), "has none"),
        (nn.Conv2d(3, 8, 3), "all 1 channels of a picture, got one over 3"),
        (nn.Conv2d(1, 8, 5, dilation=3), "at least 13x13 pixels"),
    ],
)
def test_what_cannot_be_whitened_is_said(net: nn.Module, words: str) -> None:
    with pytest.raises(UserError, match=words):
        whiten_first(net, torch.zeros(4, 1, 12, 12))


def test_no_pictures_are_refused() -> None:
    with pytest.raises(UserError, match="got none"):
        whiten_first(nn.Conv2d(1, 8, 3), torch.zeros(0, 1, 12, 12))
