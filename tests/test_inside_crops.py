"""What a unit sees: the crop through the same layers without padding gives the unit's own activation."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.capture import Place, capture
from neocog.draw.tiles import cut
from neocog.inside.patches.crops import alike, window_of
from neocog.inside.units import Layer, Window, layer_of, layers_of
from neocog.models import build

SIZE = (3, 47, 53)


def padded() -> nn.Sequential:
    """Strides, overlapping pools and paddings in every layer."""
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 5, 5, stride=2, padding=3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(5, 4, 3, padding=1),
        nn.ReLU(),
    ).eval()


def without_padding(net: nn.Sequential) -> nn.Sequential:
    bare = deepcopy(net)
    for module in bare:
        if hasattr(module, "padding"):
            module.padding = 0 if isinstance(module, nn.MaxPool2d) else (0, 0)
    return bare


def crop(x: Tensor, window: Window) -> Tensor:
    """(1, channels, r, r), zeros beyond the picture: written here with torch's padding."""
    height, width = x.shape[2:]
    sides = (-window.left, window.right - width, -window.top, window.bottom - height)
    wide = F.pad(x, [max(side, 0) for side in sides])
    top, left = window.top + max(-window.top, 0), window.left + max(-window.left, 0)
    return wide[..., top : top + window.bottom - window.top, left : left + window.right - window.left]


def test_the_crop_of_an_interior_unit_gives_its_activation() -> None:
    net = padded()
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(0))
    layer = layers_of(net, "net", SIZE)[1]
    bare, inside = without_padding(net), 0
    with torch.no_grad():
        maps = net(x)[0]
        for row in range(layer.shape[1]):
            for column in range(layer.shape[2]):
                window = window_of(layer, (row, column))
                assert (window.bottom - window.top, window.right - window.left) == (17, 17)
                if window != window.within(SIZE[1:]):
                    continue
                inside += 1
                one = bare(crop(x, window))[0]
                assert one.shape == (4, 1, 1)
                torch.testing.assert_close(one[:, 0, 0], maps[:, row, column], rtol=1e-5, atol=1e-6)
    # unit i sees the 17 pixels from 4 i - 9 on
    rows, columns = ([i for i in range(14) if 4 * i - 9 >= 0 and 4 * i + 8 <= side] for side in SIZE[1:])
    assert inside == len(rows) * len(columns)


def test_the_crop_of_any_unit_of_a_padded_first_layer_gives_its_activation() -> None:
    """At a corner what lies outside the picture is what the padding is: zero."""
    net = padded()[:2]
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(0))
    (layer,) = layers_of(net, "net", SIZE)
    bare = without_padding(net)
    with torch.no_grad():
        maps = net(x)[0]
        for at in [(0, 0), (0, layer.shape[2] - 1), (layer.shape[1] - 1, 0), (3, 7), (0, 9)]:
            one = bare(crop(x, window_of(layer, at)))[0, :, 0, 0]
            torch.testing.assert_close(one, maps[:, at[0], at[1]], rtol=1e-5, atol=1e-6)


def test_pixels_are_cut_like_the_crop_with_grey_outside() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    for window in (Window(-2, -3, 4, 3), Window(5, 4, 11, 10), Window(1, 2, 7, 6), Window(-4, -4, 13, 11)):
        ours = cut(pixels, window)
        centred = torch.from_numpy(pixels.astype(np.float32) - 128).permute(2, 0, 1)[None]
        wanted = crop(centred, window)[0].permute(1, 2, 0).numpy() + 128
        np.testing.assert_array_equal(ours, wanted)


def test_a_field_no_smaller_than_the_picture_shows_the_whole_picture() -> None:
    net = nn.Sequential(*[nn.Conv2d(3, 3, 7, padding=3) for _ in range(9)])  # 55 x 55 pixels
    layer = layers_of(net, "net", SIZE)[-1]
    assert layer.window((0, 0)) == (-27, -27, 28, 28)
    assert window_of(layer, (0, 0)) == (0, 0, *SIZE[1:])


def layer_of_tokens(tokens: int, height: int, width: int) -> Layer:
    return Layer("tokens", Place(""), (tokens, 8), (height, width))


def test_tokens_are_seen_in_the_whole_picture() -> None:
    assert window_of(layer_of_tokens(197, 224, 224), (5,)) == (0, 0, 224, 224)


def test_windows_of_several_sizes_are_grown_to_one() -> None:
    assert alike([Window(0, 0, 3, 5), Window(2, -1, 6, 1)]) == ((0, 0, 4, 5), (2, -1, 6, 4))


def test_the_crop_gives_the_activation_of_alexnets_conv5() -> None:
    """163 pixels every 16 from -66 on (the lecture's table as corrected): on 227 pixels 4 x 4 units see no edge."""
    torch.manual_seed(0)
    net, size = build("alexnet").eval(), (3, 227, 227)
    layer = layer_of(net, "alexnet", size, "conv5")
    features = net.get_submodule("features")
    assert isinstance(features, nn.Sequential) and layer.place.module == "features.11"
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    x = torch.randn(1, *size)
    with capture(net, [layer.place]) as seen, torch.no_grad():
        seen.run(x)
        maps = seen[layer.place][0]
    units = [(16 * i - 66, i) for i in range(layer.shape[1]) if 16 * i - 66 >= 0 and 16 * i - 66 + 163 <= 227]
    assert len(units) == 4
    crops, wanted = [], []
    for top, row in units:
        for left, column in units:
            assert window_of(layer, (row, column)) == (top, left, top + 163, left + 163)
            crops.append(x[0, :, top : top + 163, left : left + 163])
            wanted.append(maps[:, row, column])
    with torch.no_grad():
        found = without_padding(features[:12])(torch.stack(crops))
    assert found.shape == (16, 256, 1, 1)
    largest = float(maps.max())
    assert largest > 0
    torch.testing.assert_close(found[:, :, 0, 0], torch.stack(wanted), rtol=0, atol=1e-5 * largest)
