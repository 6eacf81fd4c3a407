"""LeNet-5: convolution and subsampling in turn, for digits of 32x32 pixels."""

from torch import nn

from neocog.layers.chain import chain


def lenet5_modern(num_classes: int = 10, in_chans: int = 1) -> nn.Sequential:
    """LeNet-5 as it is usually built today: C3 fully connected, tanh, average pooling, a linear output.

    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998), figure 2.
    Input (batch, 1, 32, 32). 61,706 parameters; the paper's own net, with its connection table, trainable
    subsampling and RBF output, has 60,000.
    """
    return chain(
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
