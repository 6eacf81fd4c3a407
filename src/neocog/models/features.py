"""What any layers of any network put out for a batch, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from neocog.errors import UserError, unknown


class FeatureExtractor(nn.Module):
    """A network that gives the outputs of its named layers: (batch, ...) -> {key: tensor}.

    A layer that is called several times gives its last output. The outputs are copies, since a later layer may
    write into the original (a ReLU in its place does).
    """

    def __init__(self, net: nn.Module, nodes: Mapping[str, str]):
        super().__init__()
        self.net, self.nodes = net, dict(nodes)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        handles = [
            self.net.get_submodule(name).register_forward_hook(_keeper(outputs, name)) for name in self.nodes
        ]
        try:
            self.net(x)
        finally:
            for handle in handles:
                handle.remove()
        return {key: outputs[name] for name, key in self.nodes.items()}


def create_feature_extractor(
    net: nn.Module, return_nodes: Iterable[str] | Mapping[str, str]
) -> FeatureExtractor:
    """`net` as a module that returns the outputs of the layers named, as torchvision's function of this name.

    `return_nodes` are names of `net.named_modules()`, or a dictionary from them to the keys of the result. The network
    is the given one, not a copy, and is not traced.
    """
    nodes = dict(return_nodes) if isinstance(return_nodes, Mapping) else {name: name for name in return_nodes}
    known = dict(net.named_modules())
    for name in nodes:
        if name not in known:
            raise unknown("layer", name, [key for key in known if key])
    return FeatureExtractor(net, nodes)


def _keeper(outputs: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def keep(_: nn.Module, __: object, output: object) -> None:
        if not isinstance(output, Tensor):
            raise UserError(f"the layer {name} must give one tensor, it gave {type(output).__name__}")
        outputs[name] = output.clone()

    return keep
