"""Filters are the weights as they meet the picture; what is said about them is what numpy says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inside.kernels.filters import (
    bank_of,
    faint,
    norms,
    pairs,
    principal,
    resemblance,
    similarity,
)
from neocog.models import MODELS, build


@pytest.mark.parametrize(
    ("model", "module", "stride", "padding"),
    [
        ("alexnet", "features.0", (4, 4), (2, 2)),
        ("zfnet", "conv1", (2, 2), (1, 1)),
        ("efficientnet_lite0", "conv_stem", (2, 2), (0, 0)),
        ("lenet5_modern", "conv1", (1, 1), (0, 0)),
        ("vit_tiny_patch16_224", "patch_embed.proj", (16, 16), (0, 0)),
    ],
)
def test_the_first_filters_are_the_weights(
    model: str, module: str, stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    net = build(model)
    bank = bank_of(net, MODELS[model].input_size)
    weight = net.get_submodule(module).weight
    assert bank.layer == module
    assert isinstance(weight, Tensor)
    assert np.array_equal(bank.kernels, weight.detach().numpy())
    assert (bank.stride, bank.padding, bank.dilation, bank.groups) == (stride, padding, (1, 1), 1)
    assert bank.embeds_patches == model.startswith("vit")


def test_standardised_weights_are_shown_as_they_are_used() -> None:
    """Big Transfer's convolutions take off each filter's mean and divide by its deviation."""
    net = build("resnetv2_50x1_bit")
    weight = net.get_submodule("stem.conv").weight
    assert isinstance(weight, Tensor)
    flat = weight.detach().double().numpy().reshape(len(weight), -1)
    standard = (flat - flat.mean(axis=1, keepdims=True)) / np.sqrt(flat.var(axis=1, keepdims=True) + 1e-10)
    found = bank_of(net, (3, 64, 64)).kernels
    assert np.allclose(found.reshape(len(found), -1), standard, atol=1e-4)


def test_of_first_convolutions_side_by_side_that_with_the_most_filters() -> None:
    """The Neocognitron's S-cells are excited by 24 kernels and held back by one mask over the same picture."""
    assert bank_of(build("neocognitron"), (1, 16, 16)).kernels.shape == (24, 1, 5, 5)


def test_a_named_layer_and_a_block_that_holds_one() -> None:
    net = build("resnet20_cifar")
    weight = net.get_submodule("layer2.0.conv2").weight
    assert isinstance(weight, Tensor)
    found = bank_of(net, (3, 32, 32), "layer2.0.conv2")
    assert np.array_equal(found.kernels, weight.detach().numpy())
    assert bank_of(net, (3, 32, 32), "layer2.0").layer == "layer2.0.conv1"


def test_what_is_no_convolution_is_refused_with_those_that_are() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(UserError, match=r"2 is none; Sequential has 0$"):
        bank_of(net, (3, 8, 8), "2")
    with pytest.raises(UserError, match="a convolution, Sequential has none"):
        bank_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), (3, 8, 8))


kernels_of = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).standard_normal((9, 3, 4, 2)).astype(np.float32)
)


@given(kernels_of)
@settings(max_examples=20)
def test_principal_components_are_those_of_the_covariance(kernels: np.ndarray) -> None:
    """By hand: eigenvectors of the covariance; numpy's eigh has nothing in common with an SVD's code path."""
    flat = kernels.reshape(9, -1).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    found = principal(kernels, 5)
    assert found.kernels.shape == (5, 3, 4, 2)
    assert np.allclose(found.shares, values[::-1][:5] / values.sum(), atol=1e-9)
    for i, component in enumerate(found.kernels.reshape(5, -1)):
        assert abs(component @ vectors[:, -1 - i]) == pytest.approx(1, abs=1e-4)
        assert component[np.abs(component).argmax()] > 0


@given(kernels_of)
@settings(max_examples=20)
def test_cosines_and_lengths_are_numpys(kernels: np.ndarray) -> None:
    flat = kernels.reshape(9, -1).astype(np.float64)
    assert np.allclose(norms(kernels), [np.linalg.norm(row) for row in flat])
    for i in range(9):
        for j in range(9):
            cosine = flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j])
            assert similarity(kernels)[i, j] == pytest.approx(cosine)
    later = kernels[::-1]
    assert np.allclose(resemblance(kernels, later), np.diag(similarity(kernels)[:, ::-1]))


def test_planted_copies_and_faint_filters_are_found() -> None:
    kernels = np.random.default_rng(0).standard_normal((6, 3, 5, 5)).astype(np.float32)
    kernels[3] = -2 * kernels[1]
    kernels[4] = kernels[0] * 0.5
    kernels[5] = kernels[2] * 1e-3  # alike, but faint
    found = pairs(kernels)
    assert {pair[:2] for pair in found} == {(0, 4), (1, 3)}
    assert {pair[:2]: round(pair[2], 5) for pair in found} == {(0, 4): 1.0, (1, 3): -1.0}
    assert faint(kernels).tolist() == [False] * 5 + [True]
    assert not similarity(np.zeros((2, 1, 3, 3), np.float32)).any()
