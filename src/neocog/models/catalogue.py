"""The table of all networks: name, function, input, year and paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from neocog.models.alexnet import alexnet, alexnet_2012, caffenet
from neocog.models.bit import bit
from neocog.models.edge_net import edge_net
from neocog.models.efficientnet import EFFICIENTNETS, SCALES
from neocog.models.googlenet import googlenet, googlenet_2014
from neocog.models.lenet import lenet5, lenet5_modern, lenet_caffe
from neocog.models.neocognitron import neocognitron, neocognitron_1988
from neocog.models.quick import quick_convnet
from neocog.models.resnet import resnet, resnet_cifar
from neocog.models.vgg import vgg
from neocog.models.vit import vit
from neocog.models.zfnet import zfnet


@dataclass(frozen=True)
class Model:
    """A network: how it is built, and what it was made for."""

    build: Callable[..., nn.Module]
    """(num_classes, in_chans, its own options) -> module that maps (batch, channels, height, width) to logits"""
    input_size: tuple[int, int, int]
    """channels, height, width"""
    num_classes: int
    year: int
    paper: str
    ground: float = -1.0
    """what black becomes at the input where no weights say otherwise"""
    ink: float = 1.0
    """what white becomes"""
    gradient: bool = True
    """whether it learns by gradient; the Neocognitron does not"""
    fixed_classes: bool = False
    """whether its number of classes cannot be chosen"""


RGB = (3, 224, 224)
COGNITRON = "Fukushima, Neocognitron"
LENET = "LeCun et al., Gradient-based learning"
ALEXNET = "Krizhevsky et al., ImageNet classification with deep CNNs"
TRICK = "Krizhevsky, One weird trick"
CAFFE = "Jia et al., Caffe"
ZF = "Zeiler and Fergus, Visualizing and understanding CNNs"
VGG = "Simonyan and Zisserman, Very deep convolutional networks"
INCEPTION = "Szegedy et al., Going deeper with convolutions"
RESIDUAL = "He et al., Deep residual learning"
BIT = "Kolesnikov et al., Big transfer"
EFFICIENT = "Tan and Le, EfficientNet"
LITE = "Tan and Le, EfficientNet (Lite form)"
NOISY = "Xie et al., Noisy student"
VIT = "Dosovitskiy et al., An image is worth 16x16 words"
DEIT = "Touvron et al., DeiT"
EXEMPLARS = "after Krizhevsky et al. and Dosovitskiy et al., Exemplar CNNs"
QUICK = "after Page, How to train your ResNet, and Jordan, 94% on CIFAR-10 in 3.29 seconds"

VGGS = {"11": "A", "11_lrn": "A-LRN", "13": "B", "16_c": "C", "16": "D", "19": "E"}
CIFAR_DEPTHS = (20, 32, 44, 56, 110)
BITS = ((50, 1), (50, 3), (101, 1), (101, 3), (152, 2), (152, 4))
# size, patch, picture: timm's, and the two of the paper's section 4.1 that timm lacks
VITS = (
    ("tiny", 16, 224), ("tiny", 16, 384),
    ("small", 32, 224), ("small", 32, 384), ("small", 16, 224), ("small", 16, 384), ("small", 8, 224),
    ("base", 32, 224), ("base", 32, 384), ("base", 16, 224), ("base", 16, 384), ("base", 8, 224),
    ("large", 32, 224), ("large", 32, 384), ("large", 16, 224), ("large", 16, 384), ("large", 16, 512),
    ("large", 14, 224), ("huge", 14, 224), ("huge", 14, 518),
)  # fmt: skip


def _year(size: str) -> tuple[int, str]:
    return (2021, DEIT) if size in ("tiny", "small") else (2020, VIT)


def _vgg(column: str, batch_norm: bool) -> Model:
    return Model(partial(vgg, column, batch_norm=batch_norm), RGB, 1000, 2014, VGG)


def _resnet(depth: int, **kind: Any) -> Model:
    return Model(partial(resnet, depth, **kind), RGB, 1000, 2015, RESIDUAL)


def _cifar(depth: int, **kind: Any) -> Model:
    return Model(partial(resnet_cifar, depth, **kind), (3, 32, 32), 10, 2015, RESIDUAL)


def _efficientnet(name: str) -> Model:
    scale = name.rpartition("_")[2]
    size = SCALES[scale][2]
    year, paper = (2020, NOISY) if scale == "l2" else (2019, LITE if "lite" in scale else EFFICIENT)
    return Model(EFFICIENTNETS[name], (3, size, size), 1000, year, paper)


MODELS = {
    "neocognitron": Model(neocognitron, (1, 16, 16), 24, 1980, COGNITRON, ground=0.0, gradient=False),
    "neocognitron_1988": Model(
        neocognitron_1988, (1, 19, 19), 10, 1988, COGNITRON, ground=0.0, gradient=False
    ),
    "lenet5": Model(lenet5, (1, 32, 32), 10, 1998, LENET, ground=-0.1, ink=1.175, fixed_classes=True),
    "lenet5_modern": Model(lenet5_modern, (1, 32, 32), 10, 1998, LENET),
    "lenet_caffe": Model(lenet_caffe, (1, 28, 28), 10, 2014, CAFFE, ground=0.0),
    "alexnet_2012": Model(alexnet_2012, (3, 227, 227), 1000, 2012, ALEXNET),
    "caffenet": Model(caffenet, (3, 227, 227), 1000, 2014, CAFFE),
    "alexnet": Model(alexnet, RGB, 1000, 2014, TRICK),
    "zfnet": Model(zfnet, RGB, 1000, 2013, ZF),
    "zfnet_512": Model(partial(zfnet, widths=(512, 1024, 512)), RGB, 1000, 2013, ZF),
    **{f"vgg{name}": _vgg(column, False) for name, column in VGGS.items()},
    **{f"vgg{name}_bn": _vgg(column, True) for name, column in VGGS.items()},
    "googlenet": Model(googlenet, RGB, 1000, 2014, INCEPTION),
    "googlenet_2014": Model(googlenet_2014, RGB, 1000, 2014, INCEPTION),
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}_v1": _resnet(depth, version="v1") for depth in (50, 101, 152)},
    **{f"resnet{depth}_a": _resnet(depth, shortcut="A") for depth in (18, 34)},
    **{f"resnet{depth}_c": _resnet(depth, shortcut="C") for depth in (18, 34)},
    **{f"plain{depth}": _resnet(depth, shortcut="none") for depth in (18, 34)},
    **{f"resnet{depth}_cifar": _cifar(depth) for depth in CIFAR_DEPTHS},
    **{f"plain{depth}_cifar": _cifar(depth, shortcut="none") for depth in CIFAR_DEPTHS},
    **{
        f"resnetv2_{depth}x{factor}_bit": Model(partial(bit, depth, factor), RGB, 1000, 2019, BIT)
        for depth, factor in BITS
    },
    **{name: _efficientnet(name) for name in EFFICIENTNETS},
    **{
        f"vit_{size}_patch{patch}_{img}": Model(
            partial(vit, size, patch, img), (3, img, img), 1000, *_year(size)
        )
        for size, patch, img in VITS
    },
    "edge_net": Model(edge_net, RGB, 1000, 2014, EXEMPLARS),
    "quick_convnet": Model(quick_convnet, (1, 28, 28), 10, 2024, QUICK),
}

# other names of the same networks: torchvision's, the papers' own
ALIASES = {
    **{f"vgg_{column.lower().replace('-', '_')}": f"vgg{name}" for name, column in VGGS.items()},
    **{
        f"vit_{size[0]}_{patch}": f"vit_{size}_patch{patch}_224"
        for size, patch in (("base", 16), ("base", 32), ("large", 16), ("large", 32), ("huge", 14))
    },
    **{f"vit_{short}_16": f"vit_{size}_patch16_224" for short, size in (("ti", "tiny"), ("s", "small"))},
    **{f"bit_r{depth}x{factor}": f"resnetv2_{depth}x{factor}_bit" for depth, factor in BITS},
    "inception_v1": "googlenet_2014",
    "lenet_5": "lenet5",
    "zfnet_a": "zfnet",
    "zfnet_b": "zfnet_512",
}
