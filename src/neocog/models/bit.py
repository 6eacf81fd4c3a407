"""BiT: a wide ResNet V2 without batch norm, trained on hundreds of millions of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from neocog.layers.chain import chain
from neocog.layers.first_weights import he_normal, normal
from neocog.layers.standardised_conv import StdConv2d
from neocog.models.classifier import Classifier, classifier

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
EPS = 1e-8  # of weight standardisation: timm's; Google's code has 1e-10, which changes outputs by less than 1e-6


class GroupNormRelu(nn.GroupNorm):
    """Normalise in 32 groups of channels, then ReLU."""

    def __init__(self, channels: int):
        super().__init__(32, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x), inplace=True)


class PreActBottleneck(nn.Module):
    """Norm and ReLU before each convolution (He et al. 2016, "Identity Mappings"); the stride is in the 3x3."""

    def __init__(self, cin: int, cout: int, stride: int):
        super().__init__()
        mid = cout // 4
        self.downsample = chain(conv=_conv(cin, cout, 1, stride)) if cin != cout or stride != 1 else None
        self.norm1, self.conv1 = GroupNormRelu(cin), _conv(cin, mid, 1)
        self.norm2, self.conv2 = GroupNormRelu(mid), _conv(mid, mid, 3, stride)
        self.norm3, self.conv3 = GroupNormRelu(mid), _conv(mid, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        way_around = x if self.downsample is None else self.downsample(y)
        y = self.conv2(self.norm2(self.conv1(y)))
        return self.conv3(self.norm3(y)).add_(way_around)  # type: ignore[no-any-return]


def bit(depth: int, factor: int, num_classes: int = 1000, in_chans: int = 3) -> Classifier:
    """BiT's ResNet-`depth` x `factor` (Kolesnikov et al., "Big Transfer", 2020, section 3.1); timm's weight names.

    Pre-activation bottlenecks with `factor` times the maps, group norm, standardised weights. The stem pads its
    max pool with zeros, not with minus infinity. The classifier is a 1x1 convolution on the pooled maps. R152x4 has
    936,533,224 parameters with 1,000 classes; the paper's "928 million" leave the classifier out. First weights are
    He's normal (fan out); the classifier starts at N(0, 0.01) where the paper, for transfer, starts it at 0.
    """
    cin = 64 * factor
    stages = nn.Sequential()
    for i, blocks in enumerate(DEPTHS[depth]):
        cout = 256 * factor * 2**i
        strides = [1 if i == 0 else 2, *[1] * (blocks - 1)]
        stages.append(chain(blocks=_stage(cin, cout, strides)))
        cin = cout
    net = classifier(
        stem=chain(
            conv=_conv(in_chans, 64 * factor, 7, 2),
            pad=nn.ConstantPad2d(1, 0.0),
            pool=nn.MaxPool2d(3, 2),
        ),
        stages=stages,
        norm=GroupNormRelu(cin),
        avgpool=nn.AdaptiveAvgPool2d(1),
        head=chain(fc=nn.Conv2d(cin, num_classes, 1)),
        flatten=nn.Flatten(),
    )
    for layer in net.modules():
        if isinstance(layer, StdConv2d):
            he_normal(layer.weight)
        elif isinstance(layer, nn.Conv2d):
            normal(layer.weight, 0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net


def _stage(cin: int, cout: int, strides: Sequence[int]) -> nn.Sequential:
    blocks = nn.Sequential()
    for stride in strides:
        blocks.append(PreActBottleneck(cin, cout, stride))
        cin = cout
    return blocks


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> StdConv2d:
    return StdConv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=False, eps=EPS)
