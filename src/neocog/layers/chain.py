"""Layers one after another, each under its own name."""

from collections import OrderedDict

from torch import nn


def chain(**layers: nn.Module) -> nn.Sequential:
    """The layers applied in the order written; the names are those of the state dict."""
    return nn.Sequential(OrderedDict(layers))
