"""EfficientNet: MobileNet's inverted bottlenecks, scaled in width, depth and size together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

import torch
from torch import Tensor, nn

from neocog.errors import unknown
from neocog.layers.conv import Conv2dSame
from neocog.layers.first_weights import normal
from neocog.layers.stochastic_depth import StochasticDepth
from neocog.models.classifier import Classifier, classifier

# Tan and Le 2019, table 1: kernel, stride, expansion, width, depth of each stage
STAGES = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]

# width factor, depth factor, input size, dropout before the classifier
SCALES = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
    "l2": (4.3, 5.3, 800, 0.5),
    "lite0": (1.0, 1.0, 224, 0.2),
    "lite1": (1.0, 1.1, 240, 0.2),
    "lite2": (1.1, 1.2, 260, 0.3),
    "lite3": (1.2, 1.4, 280, 0.3),
    "lite4": (1.4, 1.8, 300, 0.3),
}


@dataclass(frozen=True)
class Style:
    """What the published forms of EfficientNet differ in beside their scale."""

    same: bool
    """pad as TensorFlow does: more zeros at the end than at the start where the number is odd"""
    eps: float
    """of batch norm; weights trained with one are wrong with another"""
    momentum: float = 0.1
    """of batch norm, as torch counts it"""
    lite: bool = False
    """no squeeze-and-excitation, ReLU6, stem, head and the depth of the outer stages not scaled"""

    def conv(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
        if self.same:
            return Conv2dSame(cin, cout, kernel, stride, groups=groups, bias=False)
        return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)

    def norm(self, channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, self.eps, self.momentum)

    def act(self) -> nn.Module:
        return nn.ReLU6(inplace=True) if self.lite else nn.SiLU(inplace=True)

    def excite(self, channels: int, block_input: int) -> nn.Module:
        return nn.Identity() if self.lite else SqueezeExcite(channels, block_input // 4)


class SqueezeExcite(nn.Module):
    """Each map times a number between 0 and 1 that all maps' means decide (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = nn.SiLU(inplace=True)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)  # batch, channels, 1, 1
        gate: Tensor = self.conv_expand(self.act(self.conv_reduce(means)))
        return x * gate.sigmoid()


class DepthwiseSeparable(nn.Module):
    """A convolution per channel, then a 1x1 convolution across the channels (the first stage)."""

    def __init__(self, style: Style, cin: int, cout: int, kernel: int, stride: int, drop_path: float):
        super().__init__()
        self.conv_dw = style.conv(cin, cin, kernel, stride, groups=cin)
        self.bn1 = style.norm(cin)
        self.act = style.act()
        self.se = style.excite(cin, cin)
        self.conv_pw = style.conv(cin, cout, 1)
        self.bn2 = style.norm(cout)
        self.drop_path = StochasticDepth(drop_path) if stride == 1 and cin == cout else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.se(self.act(self.bn1(self.conv_dw(x))))
        y = self.bn2(self.conv_pw(y))
        return y if self.drop_path is None else x + self.drop_path(y)


class InvertedResidual(nn.Module):
    """MBConv: widen by 1x1, convolve per channel, narrow by 1x1 without non-linearity (Sandler et al. 2018)."""

    def __init__(self, style: Style, cin: int, cout: int, kernel: int, stride: int, drop_path: float):
        super().__init__()
        wide = cin * 6
        self.conv_pw = style.conv(cin, wide, 1)
        self.bn1 = style.norm(wide)
        self.conv_dw = style.conv(wide, wide, kernel, stride, groups=wide)
        self.bn2 = style.norm(wide)
        self.act = style.act()
        self.se = style.excite(wide, cin)
        self.conv_pwl = style.conv(wide, cout, 1)
        self.bn3 = style.norm(cout)
        self.drop_path = StochasticDepth(drop_path) if stride == 1 and cin == cout else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn1(self.conv_pw(x)))
        y = self.se(self.act(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return y if self.drop_path is None else x + self.drop_path(y)


def efficientnet(
    scale: str, num_classes: int = 1000, in_chans: int = 3, drop_path: float = 0.0, *, style: Style
) -> Classifier:
    """EfficientNet `scale` of `SCALES` (Tan and Le, "EfficientNet: Rethinking Model Scaling", 2019); timm's names.

    B0 to B7 multiply width, depth and size; L2 is Noisy Student's (Xie et al. 2020); Lite is the authors' form for
    phones (2020). `efficientnet_b*` pad symmetrically with torchvision's eps (1e-5, from B5 on 1e-3; timm has 1e-5
    throughout). `tf_efficientnet_b*`, `efficientnet_l2` and `efficientnet_lite*` pad as TensorFlow does with eps 1e-3,
    as their weights were trained; timm's `efficientnet_lite*` without `tf_` do neither. `drop_path` is the
    probability of being skipped in training that blocks approach with depth, from 0 at the first (the paper's 0.2).
    """
    if scale not in SCALES:
        raise unknown("scale of EfficientNet", scale, SCALES)
    width, depth, _, dropout = SCALES[scale]
    stem, last = (32, 1280) if style.lite else (round_channels(32 * width), round_channels(1280 * width))
    blocks, cin = _blocks(style, stem, (width, depth), drop_path)
    net = classifier(
        conv_stem=style.conv(in_chans, stem, 3, 2),
        bn1=style.norm(stem),
        act1=style.act(),
        blocks=blocks,
        conv_head=style.conv(cin, last, 1),
        bn2=style.norm(last),
        act2=style.act(),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout),
        classifier=nn.Linear(last, num_classes),
    )
    return _first_weights(net)


def _blocks(
    style: Style, cin: int, factors: tuple[float, float], drop_path: float
) -> tuple[nn.Sequential, int]:
    """The seven stages, and the maps that leave them."""
    width, depth = factors
    repeats = [
        d if style.lite and i in (0, len(STAGES) - 1) else ceil(d * depth) for i, (*_, d) in enumerate(STAGES)
    ]
    stages, total = nn.Sequential(), sum(repeats)
    for (kernel, stride, expansion, base, _), count in zip(STAGES, repeats, strict=True):
        cout, stage = round_channels(base * width), nn.Sequential()
        block = DepthwiseSeparable if expansion == 1 else InvertedResidual
        for n in range(count):
            p = drop_path * sum(map(len, [*stages, stage])) / total
            stage.append(block(style, cin, cout, kernel, stride if n == 0 else 1, p))
            cin = cout
        stages.append(stage)
    return stages, cin


@torch.no_grad()
def _first_weights(net: Classifier) -> Classifier:
    """The authors': He's normal by fan out, each channel of a depthwise convolution by itself; a small classifier."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
            normal(layer.weight, (2 / fan_out) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            bound = layer.out_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
    return net


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, never more than 10 % below it."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


TORCHVISION = Style(same=False, eps=1e-5)
TORCHVISION_LARGE = Style(same=False, eps=1e-3, momentum=0.01)  # B5 to B7
TENSORFLOW = Style(same=True, eps=1e-3, momentum=0.01)
LITE = Style(same=True, eps=1e-3, momentum=0.01, lite=True)

EFFICIENTNETS: dict[str, Callable[..., Classifier]] = {
    **{f"efficientnet_b{n}": partial(efficientnet, f"b{n}", style=TORCHVISION) for n in range(5)},
    **{f"efficientnet_b{n}": partial(efficientnet, f"b{n}", style=TORCHVISION_LARGE) for n in (5, 6, 7)},
    **{f"tf_efficientnet_b{n}": partial(efficientnet, f"b{n}", style=TENSORFLOW) for n in range(8)},
    "efficientnet_l2": partial(efficientnet, "l2", style=TENSORFLOW),
    **{f"efficientnet_lite{n}": partial(efficientnet, f"lite{n}", style=LITE) for n in range(5)},
}
