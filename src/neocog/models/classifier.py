"""A network that is one layer after another: most of those here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from neocog.models.head import Headed, head_name, reset_head

HEAD = ("avgpool", "flatten")  # the first layer of such a name starts the head: pooling, then the classifier


class Classifier(nn.Sequential, Headed):
    """Layers in the order written. Maps (batch, channels, height, width) to logits (batch, classes).

    A slice of it is one too: `net[:6]`. Layers are reached by name (`net.conv1`) as in any `nn.Sequential`.
    """

    aside: tuple[str, ...] = ()
    """layers off the way from picture to logits: auxiliary heads"""

    def __getitem__(self, index: Any) -> Any:
        """A layer by its number; a slice as a network whose only limit is that of its layers."""
        part: Any = super().__getitem__(index)
        if isinstance(index, slice):
            part.aside = self.aside
        return part

    def path(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and layers on the way from picture to logits."""
        return (
            (name, layer)
            for name, layer in self._modules.items()
            if layer is not None and name not in self.aside
        )

    def forward(self, x: Tensor) -> Tensor:
        self.check_size(x)
        for _, layer in self.path():
            x = layer(x)
        return x

    def forward_features(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> the last maps, before they are pooled or flattened."""
        self.check_size(x)
        for name, layer in self.path():
            if name in HEAD:
                break
            x = layer(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """What `forward_features` gave -> logits, or (batch, features) that the last layer reads."""
        for layer in self._head_layers(pre_logits):
            x = layer(x)
        return x.flatten(1) if pre_logits else x

    def reset_classifier(self, num_classes: int) -> None:
        """A freshly drawn last layer for `num_classes`, in auxiliary heads, too; with 0 the features themselves."""
        super().reset_classifier(num_classes)
        for name in self.aside:
            if num_classes:
                reset_head(self, f"{name}.{head_name(self.get_submodule(name))}", num_classes)

    def _head_layers(self, pre_logits: bool) -> Iterator[nn.Module]:
        last = self.get_classifier() if pre_logits else None
        inside = False
        for name, child in self.path():
            inside = inside or name in HEAD
            for layer in child if isinstance(child, nn.Sequential) else (child,):
                if layer is last:
                    return
                if inside:
                    yield layer


def drop_auxiliary(net: nn.Module) -> None:
    """Take the heads off that were only for training. Changes `net`; other networks stay as they are."""
    if isinstance(net, Classifier):
        for name in net.aside:
            delattr(net, name)
        net.aside = ()


def classifier(*, min_size: int = 1, max_size: int | None = None, **layers: nn.Module) -> Classifier:
    """The layers applied in the order written, for pictures of `min_size` to `max_size` pixels a side."""
    net = Classifier(OrderedDict(layers))
    net.min_size, net.max_size = min_size, max_size
    net.remember_head()
    return net
