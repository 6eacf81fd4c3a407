"""VGG: nothing but 3x3 convolutions, in ever deeper stacks."""

from __future__ import annotations

from torch import nn

from neocog.errors import unknown
from neocog.layers.caffe import response_norm
from neocog.layers.first_weights import he_normal, normal
from neocog.models.classifier import Classifier, classifier

# Table 1 of the paper, column by column: the kernels of each stage, L for response normalisation. Each stage ends in
# a 2x2 max pool.
COLUMNS = {
    "A": ("3", "3", "33", "33", "33"),
    "A-LRN": ("3L", "3", "33", "33", "33"),
    "B": ("33", "33", "33", "33", "33"),
    "C": ("33", "33", "331", "331", "331"),
    "D": ("33", "33", "333", "333", "333"),
    "E": ("33", "33", "3333", "3333", "3333"),
}


def vgg(
    column: str,
    num_classes: int = 1000,
    in_chans: int = 3,
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> Classifier:
    """VGG, a column of table 1 (Simonyan and Zisserman, "Very Deep Convolutional Networks", 2015).

    A to E have 11, 13, 16, 16 and 19 layers; C has 1x1 convolutions where D has its third 3x3; A-LRN adds AlexNet's
    response normalisation (k = 2, alpha divided by n) after the first convolution. torchvision's weight names, and
    its adaptive pooling in front of the classifier, which does nothing on 224 pixels. `batch_norm` puts batch norm
    behind each convolution, which the paper of 2014 could not: torchvision's `vgg*_bn`. First weights are
    torchvision's (He's normal, fan out); the paper started the deeper nets from the trained A. For pictures of any
    size (section 3.2) `neocog.inference.dense.dense` makes the classifier a convolution.
    """
    if column not in COLUMNS:
        raise unknown("column of VGG's table 1", column, COLUMNS)
    features, cin = nn.Sequential(), in_chans
    for kernels, cout in zip(COLUMNS[column], (64, 128, 256, 512, 512), strict=True):
        for kernel in kernels:
            if kernel == "L":
                features.append(response_norm())
                continue
            features.append(nn.Conv2d(cin, cout, int(kernel), padding=int(kernel) // 2))
            if batch_norm:
                features.append(nn.BatchNorm2d(cout))
            features.append(nn.ReLU(inplace=True))
            cin = cout
        features.append(nn.MaxPool2d(2))
    net = classifier(
        min_size=32,
        features=features,
        avgpool=nn.AdaptiveAvgPool2d(7),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        ),
    )
    return _first_weights(net)


def _first_weights(net: Classifier) -> Classifier:
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            he_normal(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        elif isinstance(layer, nn.Linear):
            normal(layer.weight, 0.01)
            nn.init.zeros_(layer.bias)
    return net
