"""CIFAR-style plain and residual networks of any width, for grey pictures of 14x14, and how strong their layers "
"respond."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from neocog.experiments.training.fit import evaluating
from neocog.experiments.training.nets import he
from neocog.models.classifier import Classifier, classifier
from neocog.models.resnet import BasicBlock, Shortcut, conv, stage


def deep(depth: int, width: int, shortcut: Shortcut, zero_last: bool = False) -> Classifier:
    """He et al. 2016, section 4.2: 6n + 2 layers, stages of 1, 2 and 4 times `width` maps; plain if shortcut "none".

    `zero_last` starts each block as its shortcut (Goyal et al. 2017, section 5.1).
    """
    n = (depth - 2) // 6
    assert depth == 6 * n + 2 and n >= 1, depth
    net = he(
        classifier(
            conv1=conv(1, width, 3),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
            layer1=stage(BasicBlock, (width, width), n, 1, shortcut),
            layer2=stage(BasicBlock, (width, 2 * width), n, 2, shortcut),
            layer3=stage(BasicBlock, (2 * width, 4 * width), n, 2, shortcut),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(4 * width, 10),
        )
    )
    for block in net.modules():
        if isinstance(block, BasicBlock) and zero_last:
            nn.init.zeros_(block.bn2.weight)
    return net


def responses(net: nn.Module, inputs: Tensor) -> list[float]:
    """Standard deviation of each batch norm's output, in the order of the layers, in evaluation mode.

    The paper's figure 7: what a 3x3 layer puts out, behind its batch norm and before the ReLU or the sum.
    """
    found: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda module, given, out: found.append(out.std().item()))
        for layer in net.modules()
        if isinstance(layer, nn.BatchNorm2d)
    ]
    try:
        with evaluating(net):
            net(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def with_identities(net: Classifier, count: int) -> Classifier:
    """A copy of a plain `net` with `count` more blocks at the end of each stage, all set to the identity.

    The lecture's "solution by construction": a block's input is not negative, since a ReLU stands before it, so a
    convolution that copies each map, a batch norm that does nothing and a ReLU give it back to the last bit.
    """
    return Classifier(OrderedDict((name, _lengthened(layer, count)) for name, layer in net.named_children()))


def _lengthened(layer: nn.Module, count: int) -> nn.Module:
    if not isinstance(layer, nn.Sequential):
        return layer
    last = layer[-1]
    assert isinstance(last, BasicBlock) and last.downsample is None, (
        "only plain nets have blocks without shortcuts"
    )
    maps = last.conv2.out_channels
    return nn.Sequential(*layer, *(identity_block(maps) for _ in range(count)))


def identity_block(maps: int) -> BasicBlock:
    """A plain block that gives back what it reads, as long as nothing is negative and it is not trained on."""
    block = BasicBlock(maps, maps, 1, "none", "v1.5")
    for convolution, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
        nn.init.dirac_(convolution.weight)
        norm.eps = 0.0  # with torch's 1e-5 the factor would be 0.999995
    return block.eval()
