"""Steps that timm's RMSpropTF and Lamb take, and the scales that its layer-wise decay gives: the tests' golden figures.

    python benchmarks/peers/print_optimizers.py tests/golden

writes optimizers.csv and layer_decay.csv there; timm (1.0.31 when last run) has to be installed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.optim import Lamb, RMSpropTF, param_groups_layer_decay

Make = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "rmsprop-tf": lambda groups: RMSpropTF(groups, lr=0.1, alpha=0.9, eps=0.001, momentum=0.9),
    "lamb": lambda groups: Lamb(groups, lr=0.1, max_grad_norm=None),
    "lamb-all": lambda groups: Lamb(groups, lr=0.1, max_grad_norm=None, always_adapt=True),
}
RATES = (0.1, 0.1, 0.05, 0.2, 0.01, 0.01)
NETWORKS = {"resnet18": "resnet18", "vit_ti_16": "vit_tiny_patch16_224"}


def steps(make: Make) -> Iterator[tuple[int, list[float]]]:
    """(step, values of a 3x4 weight with decay 0.1 and of 4 biases without), whose gradients are cosines."""
    weight = torch.nn.Parameter(torch.from_numpy(np.sin(np.arange(1.0, 13)).reshape(3, 4)))
    bias = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = make([{"params": [weight], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0.0}])
    for step, rate in enumerate(RATES):
        for group in optimizer.param_groups:
            group["lr"] = rate
        weight.grad = torch.from_numpy(np.cos((step + 1) * np.arange(1.0, 13)).reshape(3, 4))
        bias.grad = torch.from_numpy(np.cos((step + 2) * np.arange(1.0, 5)))
        optimizer.step()
        yield step, [*weight.detach().flatten().tolist(), *bias.detach().tolist()]


def main(folder: Path) -> None:
    with (folder / "optimizers.csv").open("w", newline="") as file:
        file.write(f"# By benchmarks/peers/print_optimizers.py with timm {timm.__version__}, in float64.\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["optimizer", "step", "values"])
        for name, make in OPTIMIZERS.items():
            rows.writerows(
                [name, step, " ".join(f"{v:.12g}" for v in values)] for step, values in steps(make)
            )
    with (folder / "layer_decay.csv").open("w", newline="") as file:
        file.write(
            f"# param_groups_layer_decay of timm {timm.__version__}: layer_decay 0.75, weight_decay 0.05.\n"
        )
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["network", "parameter", "scale", "weight_decay"])
        for ours, theirs in NETWORKS.items():
            net = timm.create_model(theirs)
            names = {id(p): name for name, p in net.named_parameters()}
            stated = net.no_weight_decay() if hasattr(net, "no_weight_decay") else ()
            groups = param_groups_layer_decay(net, 0.05, stated, layer_decay=0.75)
            rows.writerows(
                [ours, names[id(p)], f"{group['lr_scale']:.12g}", group["weight_decay"]]
                for group in groups
                for p in group["params"]
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
