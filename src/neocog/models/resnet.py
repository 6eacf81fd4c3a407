"""ResNet: layers that learn what to add to their input; and the plain nets that fail where it does not."""

from __future__ import annotations

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError, unknown
from neocog.layers.first_weights import he_normal
from neocog.layers.stochastic_depth import StochasticDepth
from neocog.models.classifier import Classifier, classifier

Shortcut = Literal["A", "B", "C", "none"]
Version = Literal["v1", "v1.5"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (figure 5, left)."""

    expansion = 1

    def __init__(self, cin: int, width: int, stride: int, shortcut: Shortcut, version: Version):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = skip(cin, width, stride, shortcut)
        self.drop_path: StochasticDepth | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return joined(x, y, self.downsample, self.drop_path)


class Bottleneck(nn.Module):
    """1x1 to a quarter of the maps, 3x3, 1x1 back (figure 5, right)."""

    expansion = 4

    def __init__(self, cin: int, width: int, stride: int, shortcut: Shortcut, version: Version):
        super().__init__()
        first, second = (stride, 1) if version == "v1" else (1, stride)
        self.conv1, self.bn1 = conv(cin, width, 1, first), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, second), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.downsample = skip(cin, 4 * width, stride, shortcut)
        self.drop_path: StochasticDepth | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return joined(x, y, self.downsample, self.drop_path)


def joined(x: Tensor, y: Tensor, shortcut: nn.Module | None, drop_path: StochasticDepth | None) -> Tensor:
    """A block's output: the branch `y`, which may be left out while training, and the shortcut of `x`."""
    if shortcut is None:
        return F.relu(y, inplace=True)
    branch = y if drop_path is None else drop_path(y)
    return F.relu(branch.add_(shortcut(x)), inplace=True)


class PadShortcut(nn.Module):
    """Option A: every `stride`-th position, and zero maps for the new ones, half before and half behind the old.

    The paper does not say where the zero maps stand. Torch's ResNets put all behind; the weights in circulation for
    CIFAR (github.com/akamaster/pytorch_resnet_cifar10) have them like this.
    """

    def __init__(self, extra: int, stride: int):
        super().__init__()
        self.extra, self.stride = extra, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))


# Table 1 of the paper: the blocks of conv2_x to conv5_x
DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def resnet(
    depth: int,
    num_classes: int = 1000,
    in_chans: int = 3,
    shortcut: Shortcut = "B",
    version: Version = "v1.5",
    zero_last: bool = False,
) -> Classifier:
    """ResNet for ImageNet (He, Zhang, Ren, Sun, "Deep Residual Learning", 2016, table 1); torchvision's weight names.

    `shortcut` where the shape changes: A pads with zero maps, B projects, C projects in every block, "none" leaves all
    shortcuts out: the paper's plain nets. `version` v1 strides in the first 1x1 of a bottleneck, as the paper does
    and the lecture counts (3.8, 7.6, 11.3 G); v1.5 in its 3x3, as the weights in circulation do (4.1, 7.8, 11.5 G).
    Basic blocks are the same in both. First weights are He's normal (fan out); `zero_last` starts each block as
    its shortcut, with a last scale of 0 (Goyal et al. 2017).
    """
    if depth not in DEPTHS:
        raise UserError(f"depth must be one of {', '.join(map(str, DEPTHS))}, got {depth}")
    _check(shortcut, version)
    block, (d1, d2, d3, d4) = DEPTHS[depth]
    e = block.expansion
    net = classifier(
        conv1=conv(in_chans, 64, 7, 2),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, 2, padding=1),
        layer1=stage(block, (64, 64), d1, 1, shortcut, version),
        layer2=stage(block, (64 * e, 128), d2, 2, shortcut, version),
        layer3=stage(block, (128 * e, 256), d3, 2, shortcut, version),
        layer4=stage(block, (256 * e, 512), d4, 2, shortcut, version),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(512 * e, num_classes),
    )
    return _first_weights(net, zero_last)


def resnet_cifar(
    depth: int,
    num_classes: int = 10,
    in_chans: int = 3,
    shortcut: Shortcut = "A",
    zero_last: bool = False,
) -> Classifier:
    """ResNet for 32x32 pictures (section 4.2): 6n + 2 layers in three stages of 16, 32 and 64 maps, shortcuts A.

    `shortcut="none"` is the plain net. Option B is what several collections of CIFAR weights have instead.
    """
    if depth < 8 or (depth - 2) % 6:
        raise UserError(
            f"depth must be 6n + 2 with n of at least 1, got {depth}; the paper has 20, 32, 44, 56, 110"
        )
    _check(shortcut, "v1.5")
    n = (depth - 2) // 6
    net = classifier(
        conv1=conv(in_chans, 16, 3),
        bn1=nn.BatchNorm2d(16),
        relu=nn.ReLU(inplace=True),
        layer1=stage(BasicBlock, (16, 16), n, 1, shortcut),
        layer2=stage(BasicBlock, (16, 32), n, 2, shortcut),
        layer3=stage(BasicBlock, (32, 64), n, 2, shortcut),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(64, num_classes),
    )
    return _first_weights(net, zero_last)


def conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=False)


def skip(cin: int, cout: int, stride: int, shortcut: Shortcut) -> nn.Module | None:
    """The way around a block (section 3.3): the identity where shapes agree, else by option; None in a plain net."""
    if shortcut == "none":
        return None
    if shortcut == "C" or (shortcut == "B" and (cin != cout or stride != 1)):
        return nn.Sequential(conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))
    return nn.Identity() if cin == cout and stride == 1 else PadShortcut(cout - cin, stride)


def stage(
    block: type[BasicBlock | Bottleneck],
    maps: tuple[int, int],
    depth: int,
    stride: int,
    shortcut: Shortcut,
    version: Version = "v1.5",
) -> nn.Sequential:
    """`depth` blocks from `maps[0]` maps to `maps[1]` times the block's expansion; the first changes the size."""
    cin, width = maps
    cout = width * block.expansion
    first = block(cin, width, stride, shortcut, version)
    return nn.Sequential(first, *(block(cout, width, 1, shortcut, version) for _ in range(depth - 1)))


def _check(shortcut: str, version: str) -> None:
    if shortcut not in get_args(Shortcut):
        raise unknown("shortcut", shortcut, get_args(Shortcut))
    if version not in get_args(Version):
        raise unknown("version", version, get_args(Version))


def _first_weights(net: Classifier, zero_last: bool) -> Classifier:
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            he_normal(layer.weight)
        elif isinstance(layer, BasicBlock | Bottleneck) and zero_last:
            nn.init.zeros_(layer.bn2.weight if isinstance(layer, BasicBlock) else layer.bn3.weight)
    return net
