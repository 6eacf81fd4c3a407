"""ZFNet: AlexNet seen through its deconvnet and mended: smaller first kernels, smaller first stride."""

from __future__ import annotations

import torch
from torch import nn

from neocog.layers.caffe import ceil_pool, response_norm
from neocog.layers.first_weights import normal
from neocog.models.classifier import Classifier, classifier


def zfnet(
    num_classes: int = 1000,
    in_chans: int = 3,
    dropout: float = 0.5,
    widths: tuple[int, int, int] = (384, 384, 256),
) -> Classifier:
    """ZFNet (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014, figure 3).

    conv1 7x7 with stride 2, conv2 5x5 with stride 2, no groups; `widths` are the maps of conv3, conv4 and conv5:
    384, 384, 256 in the figure, 512, 1024, 512 in the larger net of section 5.1 (`zfnet_512`). Maps of 110, 55, 26,
    13 and 6 positions on 224 pixels, which needs a conv1 padded by 1 and pools that round up: the paper says
    neither. Contrast normalisation across maps is AlexNet's with alpha divided by n, as in Caffe. First weights
    N(0, 0.01), biases 0. `renormalise_filters` is the paper's constraint during training.
    """
    conv3, conv4, conv5 = widths
    net = classifier(
        min_size=207,
        max_size=238,
        conv1=nn.Conv2d(in_chans, 96, 7, stride=2, padding=1),
        relu1=nn.ReLU(inplace=True),
        pool1=ceil_pool(),
        norm1=response_norm(),
        conv2=nn.Conv2d(96, 256, 5, stride=2),
        relu2=nn.ReLU(inplace=True),
        pool2=ceil_pool(),
        norm2=response_norm(),
        conv3=nn.Conv2d(256, conv3, 3, padding=1),
        relu3=nn.ReLU(inplace=True),
        conv4=nn.Conv2d(conv3, conv4, 3, padding=1),
        relu4=nn.ReLU(inplace=True),
        conv5=nn.Conv2d(conv4, conv5, 3, padding=1),
        relu5=nn.ReLU(inplace=True),
        pool5=ceil_pool(),
        flatten=nn.Flatten(),
        fc6=nn.Linear(conv5 * 6 * 6, 4096),
        relu6=nn.ReLU(inplace=True),
        drop6=nn.Dropout(dropout),
        fc7=nn.Linear(4096, 4096),
        relu7=nn.ReLU(inplace=True),
        drop7=nn.Dropout(dropout),
        fc8=nn.Linear(4096, num_classes),
    )
    return _first_weights(net)


@torch.no_grad()
def renormalise_filters(net: nn.Module, radius: float = 0.1) -> None:
    """Scale each convolution's filters whose root mean square exceeds `radius` back to it (the paper's section 3).

    Called after each step: it keeps a few filters of conv1 from dominating. The paper's 0.1 goes with pixels from
    -128 to 128.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            rms = layer.weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            layer.weight.mul_((radius / rms).clamp(max=1))


def _first_weights(net: Classifier) -> Classifier:
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            normal(layer.weight, 0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net
