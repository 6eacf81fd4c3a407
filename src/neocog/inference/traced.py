"""A network whose way through its layers is code, such as torchvision's: the layers behind its last maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from neocog.errors import UserError
from neocog.inference.chains import WHOLE, Layer, nowhere


def _mean(_: object, dim: Any = (), keepdim: bool = False) -> list[nn.Module]:
    if not isinstance(dim, tuple | list) or {axis % 4 for axis in dim} != {2, 3}:
        return []
    return [nn.AdaptiveAvgPool2d(1), *([] if keepdim else [nn.Flatten()])]


CALLS: dict[object, Callable[..., list[nn.Module]]] = {
    torch.flatten: lambda _, start_dim=0, end_dim=-1: [nn.Flatten(start_dim, end_dim)],
    "flatten": lambda _, start_dim=0, end_dim=-1: [nn.Flatten(start_dim, end_dim)],
    F.adaptive_avg_pool2d: lambda _, output_size: [nn.AdaptiveAvgPool2d(output_size)],
    torch.mean: _mean,
    "mean": _mean,
    F.relu: lambda _, inplace=False: [nn.ReLU()],
    F.dropout: lambda _, p=0.5, training=False, inplace=False: [nn.Identity()],
}
"""a function or the name of a method -> the layers that do the same, none where there are no such layers"""


def divided_code(net: nn.Module) -> tuple[nn.Module, list[Layer]]:
    """The network up to its last maps, and the layers behind. Changes `net`.

    Its forward is followed by torch.fx, from the output back as far as each step is a layer with one input.
    UserError where that is not possible.
    """
    followed = _followed(net)
    steps = list(_back(followed))[::-1]
    first = next((i for i, (_, layers) in enumerate(steps) if isinstance(layers[0], WHOLE)), None)
    if first is None:
        raise nowhere(net)
    graph, (*_, end) = followed.graph, followed.graph.nodes
    graph.erase_node(end)
    graph.output(steps[first][0].args[0])
    graph.eliminate_dead_code()
    head = [(str(node.target), layer) for node, layers in steps[first:] for layer in layers]
    return fx.GraphModule(followed, graph), head


def _followed(net: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(net.eval())
    except Exception as error:  # whatever a forward does with what is no tensor
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"a dense network is made from layers that can be followed, {type(net).__name__} decides in its code "
            f"({reason}); use a protocol of crops"
        ) from error


def _back(followed: fx.GraphModule) -> Iterator[tuple[fx.Node, list[nn.Module]]]:
    """The last steps, the very last one first, each with the layers that do the same."""
    *_, end = followed.graph.nodes
    node = end.args[0]
    while isinstance(node, fx.Node) and (layers := _same(followed, node)):
        yield node, layers
        node = node.args[0]  # its one input


def _same(followed: fx.GraphModule, node: fx.Node) -> list[nn.Module]:
    """Layers that do what a step does to its one input; none where there are no such layers."""
    if not node.args or node.all_input_nodes != [node.args[0]]:
        return []
    if node.op == "call_module":
        return [followed.get_submodule(str(node.target))]
    make = CALLS.get(node.target)
    return make(*node.args, **node.kwargs) if make else []
