"""Deeper VGGs begin with layers of a shallow one that was trained before (Simonyan and Zisserman 2015, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.first_weights import normal

STD = 0.1  # the paper's variance is 1e-2
FIRST_FOUR = ((1, 1), (2, 1), (3, 1), (3, 2))
"""Stage and place in it of net A's first four convolutions. B to E have a second convolution in the first two stages
already, so these are not their first four: they are the places where the shapes fit."""
SHAPES_OF_A = (
    (64, 3, 3),
    (128, 3, 3),
    (256, 3, 3),
    (256, 3, 3),
    (512, 3, 3),
    (512, 3, 3),
    (512, 3, 3),
    (512, 3, 3),
)
"""planes written, rows and columns of A's convolutions"""
LINEAR = ("classifier.0", "classifier.3", "classifier.6")


@torch.no_grad()
def initialise_from(
    net: nn.Module, shallower: Mapping[str, Tensor], generator: torch.Generator | None = None
) -> list[str]:
    """Start a VGG from `shallower`, the tensors of a trained net A under our or torchvision's names. Changes `net`.

    The first four convolutions and the three fully connected layers are copied, and the names of these layers of
    `net` returned; the last is left out where it is for another number of classes. All others are drawn: weights with
    mean 0 and variance 0.01, biases 0. Raises `UserError` unless `net` is a deeper VGG without batch norm, `shallower`
    a net A, and both read the same channels.
    """
    sources = _convolutions_of_a(shallower)
    places = _places(net)
    taken = {places[place]: name for place, name in zip(FIRST_FOUR, sources, strict=False)}
    taken |= {name: name for name in LINEAR if _fits(net, name, shallower)}
    for name, layer in net.named_modules():
        if name in taken:
            _copy(layer, name, shallower, taken[name])
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            normal(layer.weight, STD, generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return [name for name, _ in net.named_modules() if name in taken]


def is_shallower(net: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether `tensors` have fewer convolutions among their features than `net`, under torchvision's names."""
    given = [name for name, tensor in tensors.items() if name.startswith("features.") and tensor.ndim == 4]
    own = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    return 0 < len(given) < len(own)


def _convolutions_of_a(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of A's eight convolutions in their order."""
    numbers = sorted(
        int(found[1]) for key in tensors if (found := re.fullmatch(r"features\.(\d+)\.weight", key))
    )
    names = [f"features.{number}" for number in numbers]
    shapes = tuple((len(w), *w.shape[2:]) for w in (tensors[f"{name}.weight"] for name in names))
    if shapes != SHAPES_OF_A or not all(f"{name}.weight" in tensors for name in LINEAR):
        raise UserError(
            f"a deeper VGG begins with layers of a trained vgg11 (net A), got {len(names)} layers in features; "
            "train vgg11 first, or leave the weights out"
        )
    return names


def _places(net: nn.Module) -> dict[tuple[int, int], str]:
    """Name of the convolution at each (stage, place in it), counted from 1; a pool ends a stage."""
    features = dict(net.named_children()).get("features", nn.Sequential())
    kinds = {type(layer) for layer in features.modules()}
    found: dict[tuple[int, int], str] = {}
    stage, place = 1, 1
    for number, layer in features.named_children():
        if isinstance(layer, nn.Conv2d):
            found[stage, place] = f"features.{number}"
            place += 1
        elif isinstance(layer, nn.MaxPool2d):
            stage, place = stage + 1, 1
    if stage != 6 or nn.BatchNorm2d in kinds or not {(1, 2), (2, 2), (5, 2)} <= set(found):
        raise UserError(
            "only vgg13, vgg16_c, vgg16 and vgg19 (nets B to E) begin with layers of net A; with batch norm a VGG "
            "needs no such help, and other networks are of other shapes"
        )
    return found


def _fits(net: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the fully connected layer can be copied; only the last may be of another number of classes."""
    layer, given = net.get_submodule(name), tensors[f"{name}.weight"]
    return name != LINEAR[-1] or layer.weight.shape == given.shape


def _copy(layer: nn.Module, name: str, tensors: Mapping[str, Tensor], source: str) -> None:
    for kind, tensor in layer.named_parameters():
        given = tensors[f"{source}.{kind}"]
        if given.shape != tensor.shape:
            raise UserError(
                f"{name}.{kind} is of shape {tuple(tensor.shape)}, the trained net's {source}.{kind} of "
                f"{tuple(given.shape)}; train net A for the same channels"
            )
        tensor.copy_(given)
