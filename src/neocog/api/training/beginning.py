"""The network at the beginning of a run: its architecture, its first weights, its new last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neocog.api import names
from neocog.api.training.plan import Plan
from neocog.inference.network import Head

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.training.recipes.recipe import Recipe


def fresh(plan: Plan, recipe: Recipe) -> tuple[nn.Module, str, bool]:
    """A network with drawn or given weights and a last layer for the classes; that layer's name, and was it added.

    Where the recipe has LoRA, it stands in the network already.
    """
    import torch

    from neocog.models.head import Flat, find_head, run_once, width, with_head
    from neocog.training.network.low_rank import add_low_rank
    from neocog.training.network.noise import set_noise
    from neocog.training.network.progressive import initialise_from
    from neocog.weights.load import load_weights

    shape = (plan.preprocess.channels, *plan.preprocess.size)
    classes = len(plan.dataset.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        net = names.build_module(plan.reference, plan.preprocess.channels, aux=recipe.aux_weight > 0)
        shallower = _shallower(net, plan)
        if plan.weights and not shallower:
            load_weights(net, plan.weights, name=str(plan.reference), head="fresh")
        head = find_head(net, shape)
        if head:
            net = with_head(net, head, classes, False, width(net.get_submodule(head)))
        else:
            features = Flat()(run_once(net, torch.zeros(1, *shape))).shape[1]
            net = with_head(net, "classifier", classes, True, features)
        if shallower:
            initialise_from(net, shallower)
        add_low_rank(net, recipe, head or "classifier", shape)
    set_noise(net, recipe)
    return net, head or "classifier", head is None


def _shallower(net: nn.Module, plan: Plan) -> dict[str, Tensor]:
    """Tensors of the shallower VGG that this one begins with; none where the weights are to be taken as they are."""
    if plan.weights is None or plan.recipe_name != "vgg-2014":
        return {}
    import torch

    from neocog.training.network.progressive import is_shallower
    from neocog.weights.read import read_weights

    tensors = {name: torch.from_numpy(np.array(array)) for name, array in read_weights(plan.weights).items()}
    return tensors if is_shallower(net, tensors) else {}


def put_in_head(net: nn.Module, head: str, found: Head) -> None:
    """Give the last layer the weights of a linear classifier on what it reads. Changes `net`."""
    import torch

    layer = net.get_submodule(head)
    with torch.no_grad():
        layer.get_parameter("weight").copy_(torch.from_numpy(found.weight))
        layer.get_parameter("bias").copy_(torch.from_numpy(found.bias))
