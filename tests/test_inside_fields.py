"""Receptive fields of the middle units: papers' figures, and the gradient."""

import numpy as np
import pytest
import torch
from torch import nn

from neocog.errors import UserError
from neocog.inside.fields import in_effect, sight
from neocog.inside.tokens import patches_of
from neocog.inside.units import Window, layer_of, layers_of
from neocog.models import build

# (size, stride, padding): AlexNet's by the lecture's table as corrected, VGG-16's and ResNet's of Araujo et al. 2019
GOLDEN = [
    ("alexnet", 224, "conv1", (11, 4, 2)),
    ("alexnet", 224, "conv2", (51, 8, 18)),
    ("alexnet", 224, "conv3", (99, 16, 34)),
    ("alexnet", 224, "conv4", (131, 16, 50)),
    ("alexnet", 224, "conv5", (163, 16, 66)),
    ("vgg16", 224, "pool5", (212, 32, 90)),
    ("resnet18", 224, "conv5_x", (435, 32, 217)),
    ("resnet50_v1", 224, "conv5_x", (483, 32, 241)),
]


@pytest.mark.parametrize(("model", "side", "name", "triple"), GOLDEN)
def test_size_stride_and_padding_are_the_published_ones(
    model: str, side: int, name: str, triple: tuple[int, int, int]
) -> None:
    with torch.device("meta"):
        net = build(model)
    layer = layer_of(net, model, (3, side, side), name)
    seen = sight(layer)
    assert seen.triple is not None
    assert [(axis.size, axis.stride, axis.padding) for axis in seen.triple] == [triple] * 2
    size, stride, padding = triple
    middle = layer.shape[1] // 2
    first = middle * stride - padding
    assert seen.at == (middle, middle)
    assert seen.window == Window(first, first, first + size, first + size)
    assert seen.inside == Window(
        max(first, 0), max(first, 0), min(first + size, side), min(first + size, side)
    )


def test_what_a_pool_rounded_off_is_seen_by_nobody() -> None:
    """AlexNet on 227 pixels: the last unit of conv2 sees 190 to 224, though its window would reach further."""
    with torch.device("meta"):
        net = build("alexnet")
    layer = layer_of(net, "alexnet", (3, 227, 227), "conv2")
    last = layer.shape[1] - 1
    at_deck = layer.reads((last, last))
    assert (at_deck.bottom, at_deck.right) == (225, 225)
    assert layer.window((last, last)).within((227, 227)).bottom == 227


def test_the_effective_field_is_the_gradients_and_lies_inside() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3, 2, 1), nn.ReLU(inplace=True)
    )
    pictures = torch.randn(3, 3, 26, 31)
    seen = in_effect(net, pictures, sight(layer_of(net, "mine", (3, 26, 31), "2")))
    x = pictures.clone().requires_grad_()
    row, column = seen.at
    net(x)[:, :, row, column].sum().backward()
    assert x.grad is not None and seen.effective is not None
    by_hand = x.grad.abs().mean(dim=(0, 1)).double().numpy()
    assert np.allclose(seen.effective.influence, by_hand, atol=1e-7)
    inside = seen.inside
    by_hand[inside.top : inside.bottom, inside.left : inside.right] = 0
    assert not by_hand.any()
    falling = np.sort(seen.effective.influence.ravel())[::-1]
    fewest = int((np.cumsum(falling) < 0.95 * falling.sum()).sum()) + 1
    assert seen.effective_side == pytest.approx(fewest**0.5)


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv(self.conv(x))
        return out


def test_each_call_of_a_reused_layer_has_its_own_field() -> None:
    torch.manual_seed(1)
    net = Doubled()
    first, second = layers_of(net, "mine", (2, 11, 11))
    pictures = torch.randn(1, 2, 11, 11)
    for layer, side in ((first, 3), (second, 5)):
        seen = in_effect(net, pictures, sight(layer))
        assert seen.effective is not None
        rows = np.flatnonzero(seen.effective.influence.any(axis=1))
        assert (rows[0], rows[-1]) == (5 - side // 2, 5 + side // 2)
        assert seen.size == (side, side)


def test_tokens_stand_for_patches_and_see_everything() -> None:
    net = build("vit_tiny_patch16_224").eval()
    layers = layers_of(net, "vit_tiny_patch16_224", (3, 224, 224))
    tokens = [layer for layer in layers if layer.kind == "tokens"]
    patches = patches_of(net, (3, 224, 224), 197)
    assert patches is not None and patches.grid == (14, 14)
    seen = sight(tokens[-1], patches)
    assert seen.at == (1 + 7 * 14 + 7,)
    assert seen.inside == Window(0, 0, 224, 224) and seen.triple is None and seen.cause
    found = in_effect(net, torch.randn(1, 3, 224, 224), sight(tokens[0], patches))
    assert found.effective is not None and found.effective.influence.all()


def test_a_unit_that_nothing_moves_is_said() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3))
    nn.init.zeros_(net[0].weight)  # type: ignore[arg-type]
    layer = layer_of(net, "mine", (1, 9, 9), "0")
    with pytest.raises(UserError, match="no pixel of these pictures moves the middle of 0"):
        in_effect(net, torch.randn(1, 1, 9, 9), sight(layer))


def test_the_effective_field_of_a_vector_is_that_of_all_its_numbers() -> None:
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 5 * 4, 4))
    layer = layers_of(net, "mine", (2, 7, 6))[-1]
    assert layer.kind == "vector"
    pictures = torch.randn(2, 2, 7, 6)
    found = in_effect(net, pictures, sight(layer)).effective
    x = pictures.clone().requires_grad_()
    net(x).sum().backward()
    assert x.grad is not None and found is not None
    np.testing.assert_allclose(found.influence, x.grad.abs().mean(dim=(0, 1)).double().numpy(), rtol=1e-5)
