"""GoogLeNet: convolutions of several sizes side by side, 22 layers deep with a twelfth of AlexNet's parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.caffe import ceil_pool, response_norm
from neocog.layers.chain import chain
from neocog.layers.first_weights import normal
from neocog.models.classifier import Classifier, classifier

Block = Callable[..., nn.Sequential]

# Table 1 of the paper: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY = {"inception4a": "aux1", "inception4d": "aux2"}  # the maps that each auxiliary head reads


class Inception(nn.Module):
    """1x1, 3x3, 5x5 and pooled branches side by side (figure 2b)."""

    def __init__(self, conv: Block, cin: int, widths: tuple[int, ...], kernel5: int):
        super().__init__()
        c1, r3, c3, r5, c5, cp = widths
        self.branch1 = conv(cin, c1, 1)
        self.branch2 = nn.Sequential(conv(cin, r3, 1), conv(r3, c3, 3))
        self.branch3 = nn.Sequential(conv(cin, r5, 1), conv(r5, c5, kernel5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(cin, cp, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


def googlenet(
    num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.2, aux: bool = False
) -> Classifier:
    """GoogLeNet as its weights are in circulation: torchvision's names and torchvision's deviations from the paper.

    Szegedy et al., "Going Deeper with Convolutions" (2015), but with batch norm (eps 1e-3) instead of biases and
    response normalisation, 3x3 convolutions where the paper has 5x5 (pytorch/vision issue 906, kept for the weights),
    a 2x2 pool before 5a, dropout 0.2. 6,624,904 parameters, 13,004,888 with the two auxiliary heads that `aux` adds
    for training (`forward_auxiliary`). `googlenet_2014` is the paper's. First weights: N(0, 0.01), none beyond 0.02.
    """
    net = classifier(
        min_size=15,
        max_size=None,
        conv1=_conv_bn(in_chans, 64, 7, 2),
        maxpool1=ceil_pool(),
        conv2=_conv_bn(64, 64, 1),
        conv3=_conv_bn(64, 192, 3),
        maxpool2=ceil_pool(),
        **_stages(_conv_bn, kernel5=3, pool4=2),
        **(_heads(_conv_bn, nn.AdaptiveAvgPool2d(4), num_classes) if aux else {}),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout),
        fc=nn.Linear(1024, num_classes),
    )
    net.aside = tuple(AUXILIARY.values()) if aux else ()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            normal(layer.weight, 0.01, cut=2)
    return net


def googlenet_2014(
    num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.4, aux: bool = False
) -> Classifier:
    """GoogLeNet as in the paper (Szegedy et al. 2015, table 1), with the details that Caffe's `bvlc_googlenet` settles.

    5x5 convolutions, biases, response normalisation (alpha divided by n, k = 1) around conv2 and conv3, pools that
    round up: maps of 112, 56, 28, 14 and 7 positions on 224 pixels. 6,998,552 parameters, 13,378,280 with the two
    auxiliary heads of `aux`. The table's own counts are inexact (conv1 "2.7K", 5a "1072K"). First weights are Caffe's:
    uniform within sqrt(3 / fan-in), biases 0.2, 0 in the classifiers.
    """
    net = classifier(
        min_size=31,
        max_size=None,
        conv1=_conv(in_chans, 64, 7, 2),
        maxpool1=ceil_pool(),
        norm1=response_norm(k=1.0),
        conv2=_conv(64, 64, 1),
        conv3=_conv(64, 192, 3),
        norm2=response_norm(k=1.0),
        maxpool2=ceil_pool(),
        **_stages(_conv, kernel5=5, pool4=3),
        **(_heads(_conv, nn.AvgPool2d(5, 3), num_classes) if aux else {}),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout),
        fc=nn.Linear(1024, num_classes),
    )
    net.aside = tuple(AUXILIARY.values()) if aux else ()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = (3 / layer.weight[0].numel()) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.constant_(layer.bias, 0.2 if isinstance(layer, nn.Conv2d) else 0.0)  # type: ignore[arg-type]
    return net


class Auxiliary(nn.Module):
    """A small classifier on maps from the middle of the net, for training only (section 5): (batch, classes)."""

    def __init__(self, conv: Block, pool: nn.Module, cin: int, num_classes: int):
        super().__init__()
        self.pool = pool
        self.conv = conv(cin, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(x)
        if pooled.shape[-2:] != (4, 4):
            raise UserError(
                f"an auxiliary head reads 4x4 positions, which pictures of 224x224 pixels give, "
                f"got {pooled.shape[-2]}x{pooled.shape[-1]}; leave the auxiliary heads out, or give that size"
            )
        x = self.conv(pooled).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))  # type: ignore[no-any-return]


def forward_auxiliary(net: Classifier, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of a GoogLeNet with `aux=True`: its own, and those of the heads on 4a and on 4d.

    The paper's loss is that of the first plus 0.3 times those of the other two; at test time only the first counts.
    """
    if not net.aside:
        raise UserError("this GoogLeNet has no auxiliary heads; build it with aux=True")
    net.check_size(x)
    if min(x.shape[-2:]) < 193:  # smaller ones leave less than the 5x5 positions that a head averages
        raise UserError(
            f"auxiliary heads need pictures of at least 193x193 pixels, got {tuple(x.shape[-2:])}"
        )
    sides = []
    for name, layer in net.path():
        x = layer(x)
        if name in AUXILIARY:
            sides.append(net.get_submodule(AUXILIARY[name])(x))
    return x, sides[0], sides[1]


def _stages(conv: Block, kernel5: int, pool4: int) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    cin = 192
    for name, widths in INCEPTIONS.items():
        if name in ("4a", "5a"):
            layers[f"maxpool{int(name[0]) - 1}"] = ceil_pool(pool4 if name == "5a" else 3)
        layers[f"inception{name}"] = Inception(conv, cin, widths, kernel5)
        c1, _, c3, _, c5, cp = widths
        cin = c1 + c3 + c5 + cp
    return layers


def _heads(conv: Block, pool: nn.Module, num_classes: int) -> dict[str, nn.Module]:
    return {
        "aux1": Auxiliary(conv, pool, 512, num_classes),
        "aux2": Auxiliary(conv, pool, 528, num_classes),
    }


def _conv_bn(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return chain(
        conv=nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False),
        bn=nn.BatchNorm2d(cout, eps=1e-3),
        relu=nn.ReLU(inplace=True),
    )


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return chain(conv=nn.Conv2d(cin, cout, kernel, stride, kernel // 2), relu=nn.ReLU(inplace=True))
