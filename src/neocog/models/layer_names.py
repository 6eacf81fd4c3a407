"""The papers' names of layers, and which module of a network gives what they mean."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from neocog.errors import unknown

MODULE = "module:"
"""in front of a module's name: its own output, whatever papers call so"""
FLAT = ("decaf5",)
"""names that mean every number of a layer, never a mean over positions"""


class Place(NamedTuple):
    """Where the output that a name stands for is found."""

    module: str
    flat: bool = False
    """whether every number is meant, whatever pooling is asked for"""


# A paper's layer is its units' activations, which the next layer reads: behind the ReLU, before dropout. So are the
# blobs of Caffe, whose ReLUs write in place, and DeCAF's features (Donahue et al. 2014, section 3): the activations of
# the n-th hidden layer, the fifth one's after its pooling.
ONE_TOWER = {
    "conv1": "features.1",
    "pool1": "features.2",
    "conv2": "features.4",
    "pool2": "features.5",
    "conv3": "features.7",
    "conv4": "features.9",
    "conv5": "features.11",
    "pool5": "features.12",
    "fc6": "classifier.2",
    "fc7": "classifier.5",
    "fc8": "classifier.6",
    "decaf5": "features.12",
    "decaf6": "classifier.2",
    "decaf7": "classifier.5",
}
TWO_TOWERS = {
    **{f"conv{i}": f"relu{i}" for i in range(1, 6)},
    "pool5": "pool5",
    "fc6": "relu6",
    "fc7": "relu7",
    "fc8": "fc8",
    "decaf5": "pool5",
    "decaf6": "relu6",
    "decaf7": "relu7",
}
# LeCun et al. 1998, section II.B: a unit's state is its squashed sum
LENET5 = {"C1": "f1", "S2": "f2", "C3": "f3", "S4": "f4", "C5": "f5", "F6": "f7"}
LENET5_MODERN = {"C1": "act1", "S2": "pool1", "C3": "act2", "S4": "pool2", "C5": "act3", "F6": "act4"}
LENET_CAFFE = {"ip1": "relu1", "ip2": "fc2"}
RESNET = {f"conv{i}_x": f"layer{i - 1}" for i in range(2, 6)}  # He et al. 2016, table 1
TABLES: dict[str, dict[str, str]] = {
    "alexnet": ONE_TOWER,
    **dict.fromkeys(("alexnet_2012", "caffenet", "zfnet", "zfnet_512"), TWO_TOWERS),
    "lenet5": LENET5,
    "lenet5_modern": LENET5_MODERN,
    "lenet_caffe": LENET_CAFFE,
}


def paper_names(model: str, net: nn.Module) -> dict[str, str]:
    """Papers' names -> modules of `net`, which is the network called `model`; none of timm's and the user's own."""
    name = model.removeprefix("torchvision:")
    if ":" in name:
        return {}
    if name.startswith("vgg"):
        return _vgg(net)
    if name.startswith(("resnet", "plain")) and hasattr(net, "layer4"):
        return RESNET
    return TABLES.get(name, {})


def find_layer(net: nn.Module, model: str, layer: str) -> Place:
    """The module of `net` whose output `layer` names: a paper's name, a module's, or `module:` and a module's.

    UserError with the nearest names where there is none.
    """
    modules = [name for name, _ in net.named_modules() if name]
    papers = paper_names(model, net)
    if layer.startswith(MODULE):
        wanted = layer.removeprefix(MODULE)
        if wanted not in modules:
            raise unknown("module", wanted, modules)
        return Place(wanted)
    if layer in papers:
        return Place(papers[layer], layer in FLAT)
    if layer not in modules:
        raise unknown("layer", layer, [*papers, *(name for name in modules if name not in papers)])
    return Place(layer)


def _vgg(net: nn.Module) -> dict[str, str]:
    """conv1_1 to conv5_4 and pool1 to pool5, which stand at other numbers in each column of the paper's table 1."""
    names: dict[str, str] = {}
    stage, conv = 1, 0
    for place, layer in net.get_submodule("features").named_children():
        if isinstance(layer, nn.Conv2d):
            conv += 1
        elif isinstance(layer, nn.ReLU):
            names[f"conv{stage}_{conv}"] = f"features.{place}"
        elif isinstance(layer, nn.MaxPool2d):
            names[f"pool{stage}"] = f"features.{place}"
            stage, conv = stage + 1, 0
    return {**names, "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"}
