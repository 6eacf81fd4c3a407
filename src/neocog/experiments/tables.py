"""The lecture's tables, cell by cell: each is recomputed from the networks, nothing is remembered."""

from __future__ import annotations

from functools import partial

from neocog.experiments import alexnet, depths, lenet, resnet, vgg, vit
from neocog.experiments.claims import Sheet
from neocog.experiments.networks import Networks
from neocog.experiments.printed import sheet

# printed/NAME.csv and what recomputes it, in the order of the lecture
TABLES = {
    "lenet5": lenet.layers,
    "alexnet_statements": alexnet.statements,
    "alexnet_layers": alexnet.layers,
    "alexnet_fields": alexnet.fields,
    "alexnet_costs": alexnet.costs,
    "vgg_layers": vgg.layers,
    "vgg_params": vgg.params,
    "vgg_stacks": vgg.stacks,
    "resnet_bottleneck": resnet.bottleneck,
    "resnet_layers": resnet.layers,
    "resnet_flops": resnet.flops,
    "depths": depths.depths,
    "vit_sizes": vit.sizes,
    "vit_compared": vit.compared,
}


def tables(networks: Networks | None = None) -> tuple[Sheet, ...]:
    """All printed tables, to be recomputed from `networks`."""
    networks = networks or Networks()
    return tuple(sheet(name, partial(recompute, networks)) for name, recompute in TABLES.items())
