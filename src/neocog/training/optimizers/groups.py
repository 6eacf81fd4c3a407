"""Which parameters are decayed, and which learn at a smaller rate: the groups an optimizer is given."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from neocog.errors import UserError, unknown
from neocog.training.recipes.recipe import Recipe

LISTS = (nn.Sequential, nn.ModuleList)
NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
TOKENS = ("*_token", "*pos_embed*", "*position_embedding*", "relative_position_bias_table")
"""what Transformers learn beside weights (ViT's class token and positions), by last name; not decayed, as in timm"""


def parameter_groups(net: nn.Module, recipe: Recipe, head: str = "") -> list[dict[str, Any]]:
    """Trainable parameters by (weight decay, scale of the rate), in the order in which the network names them.

    Each group has `params`, `weight_decay`, `scale` (factor of the learning rate) and `lr`. Not decayed are biases,
    anything with fewer than two axes, norms and `TOKENS`, unless `recipe.decay_all`. With `recipe.layer_decay` d, block
    i of n (see `layer_blocks`) has the scale d^(n - i), the head 1; BEiT (Bao et al. 2022), as in timm's
    `param_groups_layer_decay`. `recipe.head_lr` multiplies the head's scale. With `recipe.l2sp` the head alone is
    decayed: all else is pulled to where it began. UserError if nothing is trainable or `head`, the name of the last
    layer such as "fc", is not there.
    """
    scales = _scales(net, recipe, head)
    decayed = {name for name, _ in net.named_parameters()} if recipe.decay_all else _weights(net)
    if recipe.l2sp:
        decayed &= {name for block in layer_blocks(net, head)[-1:] for name in block}
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = recipe.weight_decay if name in decayed else 0.0
        scale = scales[name]
        group = {"params": [], "weight_decay": decay, "scale": scale, "lr": recipe.lr * scale}
        groups.setdefault((decay, scale), group)["params"].append(parameter)
    if not groups:
        raise UserError(
            "a network needs parameters to train, got none that is not frozen; freeze fewer, such as all but the head"
        )
    return list(groups.values())


def layer_blocks(net: nn.Module, head: str = "") -> list[list[str]]:
    """Names of all parameters, block by block from the input to the head, which is the last block.

    A block is a layer or module of the network; an `nn.Sequential` or `nn.ModuleList`, or a wrapper with more than half
    of all parameters, is as many blocks as it has children. What has no tensor with two axes (a norm), and parameters
    that belong to no layer (a class token), go with the block before them, at the start with the first. Auxiliary
    heads go with the head, which is the last layer where no name is given. For ViT and ResNet these are timm's blocks:
    the stem, each block, the head.
    """
    heads = (head, *getattr(net, "aside", ()))
    blocks: list[list[str]] = [[]]
    last: list[str] = []
    begun = False
    for names, opens in _pieces(net, "", sum(p.numel() for p in net.parameters()) / 2):
        body = [name for name in names if not any(_inside(name, place) for place in heads)]
        last += [name for name in names if name not in body]
        if body and opens and begun:
            blocks.append([])
        blocks[-1] += body
        begun = begun or (opens and bool(body))
    return [block for block in (*blocks, last) if block]


def _pieces(module: nn.Module, prefix: str, half: float) -> Iterator[tuple[list[str], bool]]:
    """Parameters that stay together, and whether they open a block, in the module's own order."""
    own = dict(module.named_parameters(prefix.removesuffix("."), recurse=False))
    if own:
        yield list(own), _is_layer(module)
    listed = isinstance(module, LISTS)
    for name, child in module.named_children():
        tensors = dict(child.named_parameters(f"{prefix}{name}"))
        wraps = not listed and not _is_layer(child) and sum(p.numel() for p in tensors.values()) > half
        if tensors and (wraps or isinstance(child, LISTS)):
            yield from _pieces(child, f"{prefix}{name}.", half)
        elif tensors:
            yield list(tensors), any(p.dim() > 1 for p in tensors.values())


def _is_layer(module: nn.Module) -> bool:
    """Whether it has a weight with two axes, and nothing inside."""
    inside = any(True for _ in module.children())
    return not inside and any(p.dim() > 1 for p in module.parameters())


def _inside(name: str, place: str) -> bool:
    return bool(place) and name.startswith(f"{place}.")


def _scales(net: nn.Module, recipe: Recipe, head: str) -> dict[str, float]:
    """Factor of the learning rate of each parameter."""
    names = [name for name, _ in net.named_parameters()]
    if head and not any(_inside(name, head) for name in names):
        raise unknown("last layer", head, [name for name, _ in net.named_modules() if name])
    blocks = layer_blocks(net, head)
    scales = {
        name: recipe.layer_decay ** (len(blocks) - i)
        for i, block in enumerate(blocks, start=1)
        for name in block
    }
    return scales | {name: recipe.head_lr * scales[name] for name in (blocks or [[]])[-1]}


def _weights(net: nn.Module) -> set[str]:
    """Names of the parameters that weight decay is for."""
    norms = [
        f"{name}.{own}"
        for name, layer in net.named_modules()
        if isinstance(layer, NORMS)
        for own, _ in layer.named_parameters(recurse=False)
    ]
    stated: set[str] = getattr(net, "no_weight_decay", set)()  # timm's networks say what else is not decayed
    return {
        name
        for name, parameter in net.named_parameters()
        if parameter.dim() > 1 and name not in norms and name not in stated and not _bias_or_token(name)
    }


def _bias_or_token(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last == "bias" or any(fnmatch(last, pattern) for pattern in TOKENS)
