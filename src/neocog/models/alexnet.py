"""AlexNet: the net of the lecture's tables, and the one that won ILSVRC 2012 on two GPUs."""

from __future__ import annotations

import torch
from torch import nn

from neocog.layers.caffe import ceil_pool, response_norm
from neocog.layers.conv import Conv2dCeil
from neocog.layers.first_weights import normal
from neocog.models.classifier import Classifier, classifier


def alexnet(num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.5) -> Classifier:
    """AlexNet in one tower, the net of the lecture's tables and of the weights in circulation (torchvision's names).

    Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014), without its response
    normalisation, as in torchvision. 61,100,840 parameters. It is not the net of 2012 (`alexnet_2012`): fewer maps
    (64, 192, 384, 256, 256), no groups, conv1 padded by 2, dropout before fc6 and fc7 instead of behind them.
    """
    return classifier(
        min_size=63,
        features=nn.Sequential(
            nn.Conv2d(in_chans, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        ),
        avgpool=nn.AdaptiveAvgPool2d(6),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        ),
    )


def alexnet_2012(
    num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.5, lrn_k: float = 2.0
) -> Classifier:
    """AlexNet as it won ILSVRC 2012: two towers that meet in conv3 and in the fully connected layers.

    Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012),
    section 3.5. The towers are the two groups of conv2, conv4 and conv5; `alexnet_towers.TwoTowers` puts each on a
    GPU of its own. Response normalisation divides alpha by n = 5, as the authors' code, Caffe and torch do and the
    paper's formula does not; `lrn_k` is the paper's 2, Caffe has 1. 60,965,224 parameters.

    The paper's 224 pixels give its 55 positions only with cuda-convnet's rounding up (`Conv2dCeil`); 227 pixels give
    them as they are. Both work here. First weights: N(0, 0.01), biases 1 in conv2, conv4, conv5, fc6, fc7.
    """
    net = classifier(
        min_size=196,
        max_size=227,
        conv1=Conv2dCeil(in_chans, 96, 11, stride=4),
        relu1=nn.ReLU(inplace=True),
        norm1=response_norm(lrn_k),
        pool1=ceil_pool(),
        conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2),
        relu2=nn.ReLU(inplace=True),
        norm2=response_norm(lrn_k),
        pool2=ceil_pool(),
        **_upper(256, num_classes, dropout),
    )
    return _first_weights(net)


def caffenet(num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.5) -> Classifier:
    """CaffeNet: the net of 2012 with pooling before response normalisation, whose k is 1 (Jia et al., "Caffe", 2014).

    The order of BVLC's reference model, whose file name differs from AlexNet's in that alone; less memory, about
    the same error. Parameters as `alexnet_2012`. First biases are 0.1 where those of 2012 are 1.
    """
    net = classifier(
        min_size=196,
        max_size=227,
        conv1=Conv2dCeil(in_chans, 96, 11, stride=4),
        relu1=nn.ReLU(inplace=True),
        pool1=ceil_pool(),
        norm1=response_norm(1.0),
        conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2),
        relu2=nn.ReLU(inplace=True),
        pool2=ceil_pool(),
        norm2=response_norm(1.0),
        **_upper(256, num_classes, dropout),
    )
    return _first_weights(net, bias=0.1)


def _upper(cin: int, num_classes: int, dropout: float) -> dict[str, nn.Module]:
    return {
        "conv3": nn.Conv2d(cin, 384, 3, padding=1),
        "relu3": nn.ReLU(inplace=True),
        "conv4": nn.Conv2d(384, 384, 3, padding=1, groups=2),
        "relu4": nn.ReLU(inplace=True),
        "conv5": nn.Conv2d(384, 256, 3, padding=1, groups=2),
        "relu5": nn.ReLU(inplace=True),
        "pool5": ceil_pool(),
        "flatten": nn.Flatten(),
        "fc6": nn.Linear(256 * 6 * 6, 4096),
        "relu6": nn.ReLU(inplace=True),
        "drop6": nn.Dropout(dropout),
        "fc7": nn.Linear(4096, 4096),
        "relu7": nn.ReLU(inplace=True),
        "drop7": nn.Dropout(dropout),
        "fc8": nn.Linear(4096, num_classes),
    }


@torch.no_grad()
def _first_weights(net: Classifier, bias: float = 1.0) -> Classifier:
    """The paper's section 5: weights from N(0, 0.01), some biases positive so that their ReLUs start awake."""
    for name, layer in net.named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            normal(layer.weight, 0.01)
            awake = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
            nn.init.constant_(layer.bias, bias if awake else 0.0)  # type: ignore[arg-type]
    return net
