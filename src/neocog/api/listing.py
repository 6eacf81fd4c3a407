"""The verb `models`, and models by name for the user's own code."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from neocog.api import names
from neocog.api.networks import load_tensors, read_weights
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.weights.published import PUBLISHED, published_tensors

if TYPE_CHECKING:
    from torch import nn


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Names of the models that match `pattern`, oldest first; with `pretrained` only those with weights at hand."""
    from neocog.models import MODELS

    there = {name for name, entry in PUBLISHED.items() if entry.installed()}
    return [name for name in MODELS if fnmatch(name, pattern) and (name in there or not pretrained)]


def models_table(pattern: str = "*", *, pretrained: bool = False) -> Table:
    """The models with year, input size, parameters, MACs, pretrained weights and paper."""
    from neocog.models import MODELS

    rows = []
    for name in list_models(pattern, pretrained=pretrained):
        model = MODELS[name]
        params, macs = _costs(name)
        size = "x".join(map(str, model.input_size))
        weights = (
            "-" if name not in PUBLISHED else "ImageNet" if PUBLISHED[name].installed() else "to install"
        )
        rows.append((name, str(model.year), size, params, macs, weights, model.paper))
    if not rows:
        raise UserError(f"no model matches {pattern!r}; `neocog models` lists all")
    return Table(("model", "year", "input", "parameters", "MACs", "weights", "paper"), tuple(rows))


def create_model(
    name: str,
    *,
    pretrained: bool = False,
    num_classes: int | None = None,
    in_chans: int | None = None,
    weights: str | None = None,
) -> nn.Module:
    """A network as a plain torch module in training mode, with drawn weights unless it is told otherwise.

    `pretrained` takes the published weights, `weights` a file of them. Another `num_classes` then changes the last
    layer only. Maps (batch, channels, height, width), normalised as the weights' preprocessing says, to logits.
    """
    from neocog.models import MODELS, build
    from neocog.models.head import find_head, with_head

    reference = names.parse(name)
    trained = pretrained or weights is not None
    if reference.kind == "ours" and not trained:
        return build(name, num_classes, in_chans)
    if pretrained and (reference.kind != "ours" or name not in PUBLISHED):
        raise UserError(f"{name} has no published weights here; pretrained are {', '.join(PUBLISHED)}")
    net = names.build_module(
        reference, in_chans or (MODELS[name].input_size[0] if reference.kind == "ours" else 3)
    )
    if trained:
        load_tensors(net, read_weights(Path(weights)) if weights else published_tensors(name))
    if num_classes is None:
        return net
    preprocess = names.default_preprocess(reference)
    head = find_head(net, (preprocess.channels, *preprocess.size))
    if head is None:
        raise UserError(f"{name} does not end in a linear layer, so num_classes cannot change it")
    features = net.get_submodule(head).in_features
    if features == 0 or num_classes < 1:
        raise UserError(f"num_classes must be at least 1, got {num_classes}")
    if net.get_submodule(head).out_features == num_classes:
        return net
    return with_head(net, head, num_classes, False, int(features))  # type: ignore[arg-type]


def _costs(name: str) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of one picture, counted by torch on the meta device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from neocog.models import MODELS, build

    with torch.device("meta"):
        net = build(name).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, *MODELS[name].input_size))
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2
