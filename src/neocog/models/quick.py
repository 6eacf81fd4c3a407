"""A small convolutional network made to learn small pictures in seconds on a processor."""

from __future__ import annotations

from torch import Tensor, nn

from neocog.models.classifier import Classifier, classifier


class Scale(nn.Module):
    """A fixed factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def quick_convnet(num_classes: int = 10, in_chans: int = 1) -> Classifier:
    """A first layer made for whitening, three blocks, the maximum over positions. Input (batch, 1, 28, 28).

    From Page, "How to train your ResNet" (2018), parts 4 and 8, and Jordan, "94% on CIFAR-10 in 3.29 seconds on a
    single GPU" (2024): a small first convolution for filters that whiten patches and do not learn: here the 16
    directions of a 4x4 patch of one channel and their negatives (the recipe's `whiten` sets them; without it they are
    drawn and learn), blocks of convolution, pooling, batch norm and
    non-linearity, maxima over positions, and small logits. Ours, for a processor: that convolution has a stride of 2,
    so that nothing is computed at full size and nothing before it on the way back; one convolution a block; ReLU,
    which costs least. The features, in place of the logits, are multiplied by 0.2. 103,658 parameters.
    """
    return classifier(
        min_size=16,
        conv1=nn.Conv2d(in_chans, 32, 4, stride=2, padding=1),
        relu1=nn.ReLU(inplace=True),
        conv2=nn.Conv2d(32, 32, 3, padding=1, bias=False),
        pool2=nn.MaxPool2d(2),
        bn2=nn.BatchNorm2d(32),
        relu2=nn.ReLU(inplace=True),
        conv3=nn.Conv2d(32, 64, 3, padding=1, bias=False),
        pool3=nn.MaxPool2d(2),
        bn3=nn.BatchNorm2d(64),
        relu3=nn.ReLU(inplace=True),
        conv4=nn.Conv2d(64, 128, 3, padding=1, bias=False),
        pool4=nn.MaxPool2d(2),
        bn4=nn.BatchNorm2d(128),
        relu4=nn.ReLU(inplace=True),
        global_pool=nn.AdaptiveMaxPool2d(1),
        scale=Scale(0.2),
        flatten=nn.Flatten(),
        fc=nn.Linear(128, num_classes),
    )
