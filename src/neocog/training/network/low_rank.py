"""LoRA in a network that is built already: which layers it stands beside, and how it becomes part of them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial

import torch
from torch import Tensor, nn

from neocog.errors import UserError, unknown
from neocog.layers.lora import LowRank
from neocog.models.head import run_once
from neocog.training.recipes.recipe import Recipe

QUERIES_AND_VALUES = ("*.q_proj", "*.v_proj", "*.query", "*.value", "*.q", "*.v")
"""separate linear layers, as other libraries name them"""
JOINED = "qkv"
"""name of one layer with the rows of query, key and value, as in timm and here"""
READERS = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""torch's own, which read the weights of their linear layers: always, or in evaluation mode unless a hook looks on"""


Size = tuple[int, int, int]


def add_low_rank(net: nn.Module, recipe: Recipe, head: str, input_size: Size) -> list[str]:
    """Put LoRA beside layers of `net`, whose names are returned; it and the last layer `head` learn, nothing else.

    The layers are those that the patterns of `lora_layers` name; without any the queries and values of all attention,
    as Hu et al. (2021, section 7.1) found best for a given number of parameters. Draws from torch's generator. The
    network is run once on a picture of `input_size` (channels, height, width). UserError where there is no such layer.
    """
    if not recipe.lora:
        return []
    layers = _called(net, head, input_size)
    chosen = _chosen(layers, recipe.lora_layers)
    net.requires_grad_(False)
    net.get_submodule(head).requires_grad_(True)
    for name in chosen:
        parts = (3, (0, 2)) if _joins(name, layers[name]) else (1, (0,))
        alpha = recipe.lora if recipe.lora_alpha is None else recipe.lora_alpha
        _put(net, name, LowRank(layers[name], recipe.lora, alpha, *parts))
    return chosen


def merge_low_rank(net: nn.Module) -> None:
    """Make one linear layer of each that has LoRA beside it: the network is again as it was built. Changes `net`."""
    for name, layer in list(net.named_modules()):
        if isinstance(layer, LowRank):
            _put(net, name, layer.merged())


def merged_state(net: nn.Module) -> dict[str, Tensor]:
    """The state dict that `net` has once LoRA is merged; `net` stays as it is."""
    state = dict(net.state_dict())
    for name, layer in net.named_modules():
        if isinstance(layer, LowRank):
            del state[f"{name}.lora_a"], state[f"{name}.lora_b"]
            state[f"{name}.weight"] = layer.merged().weight.detach()
    return state


def _called(net: nn.Module, head: str, input_size: Size) -> dict[str, nn.Linear]:
    """The linear layers but the last that compute themselves: some modules read the weights of theirs instead."""
    inside = tuple(f"{name}." for name, module in net.named_modules() if isinstance(module, READERS))
    layers = {
        name: layer
        for name, layer in net.named_modules()
        if type(layer) is nn.Linear and name not in ("", head) and not name.startswith(inside or "\n")
    }
    seen = set[str]()
    hooks = [layer.register_forward_hook(partial(_note, seen, name)) for name, layer in layers.items()]
    try:
        run_once(net, torch.zeros(1, *input_size, device=next(net.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: layer for name, layer in layers.items() if name in seen}


def _note(seen: set[str], name: str, *_: object) -> None:
    seen.add(name)


def _chosen(layers: dict[str, nn.Linear], patterns: tuple[str, ...]) -> list[str]:
    for pattern in patterns:
        if layers and not any(fnmatchcase(name, pattern) for name in layers):
            raise unknown("linear layers for LoRA", pattern, _patterns(layers))
    usual = () if patterns else QUERIES_AND_VALUES
    chosen = [
        name
        for name, layer in layers.items()
        if any(fnmatchcase(name, pattern) for pattern in (*patterns, *usual))
        or (not patterns and _joins(name, layer))
    ]
    if not layers:
        raise UserError(
            "LoRA stands beside linear layers, the network has none but the last; leave --lora out: all weights learn "
            "then, or those that --freeze leaves"
        )
    if not chosen:
        raise UserError(
            "LoRA stands beside attention's queries and values, the network has none that are linear layers of their "
            f"own; name others by --lora-layers: {', '.join(_patterns(layers)[:8])}"
        )
    return chosen


def _joins(name: str, layer: nn.Linear) -> bool:
    return name.rpartition(".")[2] == JOINED and layer.out_features == 3 * layer.in_features


def _patterns(layers: dict[str, nn.Linear]) -> list[str]:
    """All of a kind of module, then by the last parts of their names, the same in every block; then the names."""
    kinds = dict.fromkeys(f"*.{name.split('.')[-2]}.*" for name in layers if name.count(".") > 1)
    ends = dict.fromkeys(_end(name) for name in layers)
    return [*kinds, *ends, *layers]


def _end(name: str) -> str:
    *before, last = name.split(".")
    kept = [part for part in before if not part.isdigit()][-1:]
    return "*" + ".".join([*kept, last]) if kept else name


def _put(net: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, layer)
