"""EdgeNet: AlexNet's first layers, narrowed until they fit into this package, made for looking into."""

from __future__ import annotations

from torch import nn

from neocog.models.classifier import Classifier, classifier


def edge_net(num_classes: int = 1000, in_chans: int = 3, dropout: float = 0.3) -> Classifier:
    """AlexNet's first layer, three narrow convolutions, the mean over positions. Input (batch, 3, 224, 224).

    conv1 is that of Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012): 11x11
    with stride 4 and no padding; so are conv2's 5x5, the ReLUs and the overlapping pools of 3x3 with stride 2. Ours:
    64 kernels in place of 96, narrow layers behind them, one convolution less, no hidden linear layers. The 1,000
    classes are places on photographs, as in Dosovitskiy et al., "Discriminative unsupervised feature learning with
    exemplar convolutional neural networks" (2014); `neocog.weights.shipped` has the weights. 706,952 parameters.
    """
    return classifier(
        min_size=35,
        conv1=nn.Conv2d(in_chans, 64, 11, stride=4),
        relu1=nn.ReLU(inplace=True),
        pool1=nn.MaxPool2d(3, 2),
        conv2=nn.Conv2d(64, 96, 5, padding=2),
        relu2=nn.ReLU(inplace=True),
        pool2=nn.MaxPool2d(3, 2),
        conv3=nn.Conv2d(96, 160, 3, padding=1),
        relu3=nn.ReLU(inplace=True),
        conv4=nn.Conv2d(160, 160, 3, padding=1),
        relu4=nn.ReLU(inplace=True),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        drop=nn.Dropout(dropout),
        fc=nn.Linear(160, num_classes),
    )
