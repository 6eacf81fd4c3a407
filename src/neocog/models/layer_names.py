"""The papers' names of layers, and which module of a network gives what they mean."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from neocog.errors import UserError, nearest, unknown

LAST = "features"
"""what the last layer reads"""
MODULE = "module:"
"""in front of a module's name: its own output, whatever papers call so"""
DOUBLE = ("decaf",)
"""beginnings of names that stand for a layer of another name, too"""
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
# He et al. 2016, table 1; the stem's convolution behind its ReLU
RESNET = {"conv1": "relu", **{f"conv{i}_x": f"layer{i - 1}" for i in range(2, 6)}}
TABLES: dict[str, dict[str, str]] = {
    "alexnet": ONE_TOWER,
    **dict.fromkeys(("alexnet_2012", "caffenet", "zfnet", "zfnet_512"), TWO_TOWERS),
    "lenet5": LENET5,
    "lenet5_modern": LENET5_MODERN,
    "lenet_caffe": LENET_CAFFE,
    "edge_net": {f"conv{i}": f"relu{i}" for i in range(1, 5)},
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

    UserError with the nearest names where there is none, and with those networks of which a paper's name is known.
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
        raise _unknown(net, model, layer, [LAST, *papers, *modules])
    return Place(layer)


def stages(net: nn.Module, model: str) -> tuple[str, ...]:
    """What a paper calls the network's layers, else the parts that it is built of: in order, without the last layer."""
    papers = paper_names(model, net)
    found = [name for name in papers if not name.startswith(DOUBLE)]
    if not found:
        return tuple(name for name, _ in _parts(net))[:-1]
    return tuple(found[:-1] if isinstance(net.get_submodule(papers[found[-1]]), nn.Linear) else found)


def _unknown(net: nn.Module, model: str, layer: str, known: list[str]) -> UserError:
    elsewhere = [name for name in (*TABLES, "vgg16", "resnet50") if layer in _names_of(name)]
    near = nearest(layer, known)
    if elsewhere:
        words = f"{layer} is one of {', '.join(elsewhere)}"
    elif near:
        return unknown("layer", layer, known)
    else:
        words = "any module is one"
    return UserError(
        f"unknown layer {layer!r} of {model}: {words}; here there are {', '.join((*stages(net, model), LAST))}"
    )


def _parts(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children with weights; those of a chain or list of several in its place."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in net.named_children():
        inner = [(f"{name}.{key}", part) for key, part in child.named_children() if _has_weights(part)]
        if isinstance(child, nn.Sequential | nn.ModuleList) and len(inner) > 1:
            found += inner
        elif _has_weights(child):
            found.append((name, child))
    return found


def _has_weights(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _names_of(model: str) -> dict[str, str]:
    """Papers' names in a network of ours."""
    if model in TABLES:
        return TABLES[model]
    from neocog.models import build

    with torch.device("meta"):
        return paper_names(model, build(model))


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
