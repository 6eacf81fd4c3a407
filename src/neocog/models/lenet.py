"""LeNet-5: convolution and subsampling in turn, for digits; as in the paper, as built today, and as in Caffe."""

from __future__ import annotations

from torch import nn

from neocog.errors import UserError
from neocog.layers.activations import ScaledTanh
from neocog.layers.rbf import RBF
from neocog.layers.subsampling import Subsampling, TableConv2d
from neocog.models.classifier import Classifier, classifier
from neocog.models.lenet_bitmaps import digit_codes

# Table 1 of the paper: the maps of S2 that each map of C3 reads.
C3 = [
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
]


def lenet5(num_classes: int = 10, in_chans: int = 1) -> Classifier:
    """LeNet-5 exactly as in the paper (LeCun, Bottou, Bengio, Haffner 1998, section II.B). Input (batch, 1, 32, 32).

    C3 connected by table 1 (1,516 parameters), trainable subsampling, f(a) = 1.7159 tanh(2a/3), and an output of
    distances to one drawn 7x12 bitmap per digit; 60,000 trainable parameters, 340,908 connections. Its logits are
    minus the paper's penalties; `rbf_map_loss` and `rbf_mse_loss` are its losses. The paper's pictures have -0.1 for
    the ground and 1.175 for the ink. First weights uniform within 2.4 / fan-in. The bitmaps are ours, in the
    manner of figure 3, so there are ten classes and no others.
    """
    if num_classes != 10:
        raise UserError(
            f"lenet5 has one drawn bitmap for each of 10 digits, got num_classes={num_classes}; "
            "lenet5_modern takes any number"
        )
    net = classifier(
        min_size=32,
        max_size=35,
        c1=nn.Conv2d(in_chans, 6, 5),
        f1=ScaledTanh(),
        s2=Subsampling(6),
        f2=ScaledTanh(),
        c3=TableConv2d(C3, 5),
        f3=ScaledTanh(),
        s4=Subsampling(16),
        f4=ScaledTanh(),
        c5=nn.Conv2d(16, 120, 5),
        f5=ScaledTanh(),
        flatten=nn.Flatten(),
        f6=nn.Linear(120, 84),
        f7=ScaledTanh(),
        rbf=RBF(digit_codes()),
    )
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 2.4 / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)  # type: ignore[arg-type]
    return net


def lenet5_modern(num_classes: int = 10, in_chans: int = 1) -> Classifier:
    """LeNet-5 as it is usually built today: C3 fully connected, tanh, average pooling, a linear output.

    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998), figure 2.
    Input (batch, 1, 32, 32). 61,706 parameters; the paper's own net (`lenet5`), with its connection table, trainable
    subsampling and RBF output, has 60,000.
    """
    return classifier(
        min_size=32,
        max_size=35,
        conv1=nn.Conv2d(in_chans, 6, 5),
        act1=nn.Tanh(),
        pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        act2=nn.Tanh(),
        pool2=nn.AvgPool2d(2),
        conv3=nn.Conv2d(16, 120, 5),
        act3=nn.Tanh(),
        flatten=nn.Flatten(),
        fc4=nn.Linear(120, 84),
        act4=nn.Tanh(),
        fc5=nn.Linear(84, num_classes),
    )


def lenet_caffe(num_classes: int = 10, in_chans: int = 1) -> Classifier:
    """The LeNet of Caffe's MNIST example (Jia et al. 2014): 431,080 parameters, a relative of LeNet-5 in name only.

    20 and 50 maps, max pooling, one ReLU, behind fc1. Input (batch, 1, 28, 28) with values from 0 to 1. First weights
    are Caffe's `xavier`: uniform within sqrt(3 / fan-in).
    """
    net = classifier(
        min_size=28,
        max_size=31,
        conv1=nn.Conv2d(in_chans, 20, 5),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(20, 50, 5),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(50 * 4 * 4, 500),
        relu1=nn.ReLU(inplace=True),
        fc2=nn.Linear(500, num_classes),
    )
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = (3 / layer.weight[0].numel()) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net
