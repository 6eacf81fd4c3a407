"""EfficientNet-Lite: MobileNet's inverted bottlenecks, scaled in width and depth together."""

from math import ceil

from torch import Tensor, nn

from neocog.layers.chain import chain
from neocog.layers.conv import Conv2dSame

# Tan and Le, "EfficientNet" (2019), table 1: kernel, stride, expansion, width, depth of each stage.
STAGES = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]

# width factor, depth factor, input size, dropout before the classifier
LITE = {
    "efficientnet_lite0": (1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": (1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": (1.1, 1.2, 260, 0.3),
}

EPS = 1e-3  # TensorFlow's batch norm; torch's own 1e-5 changes the outputs of these weights


class DepthwiseSeparable(nn.Module):
    """A convolution per channel, then a 1x1 convolution across the channels (the first stage)."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int):
        super().__init__()
        self.conv_dw = Conv2dSame(cin, cin, kernel, stride, groups=cin, bias=False)
        self.bn1 = nn.BatchNorm2d(cin, EPS)
        self.conv_pw = nn.Conv2d(cin, cout, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout, EPS)
        self.act = nn.ReLU6()
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return x + y if self.residual else y


class InvertedResidual(nn.Module):
    """MBConv: widen by 1x1, convolve per channel, narrow by 1x1 without non-linearity (Sandler et al. 2018)."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = cin * expansion
        self.conv_pw = nn.Conv2d(cin, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide, EPS)
        self.conv_dw = Conv2dSame(wide, wide, kernel, stride, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide, EPS)
        self.conv_pwl = nn.Conv2d(wide, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout, EPS)
        self.act = nn.ReLU6()
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn1(self.conv_pw(x)))
        y = self.act(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.residual else y


def efficientnet_lite(name: str, num_classes: int = 1000, in_chans: int = 3) -> nn.Sequential:
    """EfficientNet-Lite `name` of `LITE`: no squeeze-and-excitation, ReLU6, a stem and head of fixed width.

    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in the form
    that the authors published for phones in 2020. timm's weight names (`tf_efficientnet_lite*`).
    """
    width, depth, _, dropout = LITE[name]
    stages, cin = nn.Sequential(), 32
    for i, (kernel, stride, expansion, base, repeats) in enumerate(STAGES):
        cout = round_channels(base * width)
        fixed = i in (0, len(STAGES) - 1)  # Lite keeps the depth of the first and the last stage
        repeats = repeats if fixed else ceil(repeats * depth)
        stage = nn.Sequential()
        for n in range(repeats):
            step = stride if n == 0 else 1
            if expansion == 1:
                stage.append(DepthwiseSeparable(cin, cout, kernel, step))
            else:
                stage.append(InvertedResidual(cin, cout, kernel, step, expansion))
            cin = cout
        stages.append(stage)
    return chain(
        conv_stem=Conv2dSame(in_chans, 32, 3, 2, bias=False),
        bn1=nn.BatchNorm2d(32, EPS),
        act1=nn.ReLU6(),
        blocks=stages,
        conv_head=nn.Conv2d(cin, 1280, 1, bias=False),
        bn2=nn.BatchNorm2d(1280, EPS),
        act2=nn.ReLU6(),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout),
        classifier=nn.Linear(1280, num_classes),
    )


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, never more than 10 % below it."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
