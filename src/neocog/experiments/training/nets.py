"""A small convolutional network in AlexNet's manner, of which the experiments change one thing at a time."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from neocog.layers.first_weights import he_normal
from neocog.models.classifier import Classifier, classifier

Layer = Callable[[], nn.Module]
PerMaps = Callable[[int], nn.Module]


def convnet(
    width: int,
    *,
    act: Layer = nn.ReLU,
    pool: Layer = lambda: nn.MaxPool2d(2),
    norm: PerMaps = lambda maps: nn.Identity(),
    head: PerMaps | None = None,
) -> Classifier:
    """Three convolutions and a classifier for 28x28 grey pictures; `width` maps, then twice as many.

    `norm` stands behind the activation, where AlexNet has its LRN; `pool` halves 28 to 14 and 14 to 7; `head` makes
    logits of 2 * width maps of 7x7, by default one linear layer.
    """
    net = classifier(
        conv1=nn.Conv2d(1, width, 5, padding=2),
        act1=act(),
        norm1=norm(width),
        pool1=pool(),
        conv2=nn.Conv2d(width, 2 * width, 3, padding=1),
        act2=act(),
        norm2=norm(2 * width),
        pool2=pool(),
        conv3=nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        act3=act(),
        head=head(2 * width) if head else flat_head(2 * width),
    )
    return he(net)


def flat_head(maps: int) -> nn.Sequential:
    """All values of the 7x7 maps into one linear layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(maps * 49, 10))


def he(net: Classifier) -> Classifier:
    """Convolutions start with He's normal weights and without bias."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            he_normal(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net
