"""Counts parameters and multiply-accumulates of every network and writes src/neocog/models/figures.csv.

A test counts them again. They stand in a file because counting all takes half a minute and `neocog models` should not.
"""

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from neocog.models import MODELS, build

TARGET = Path(__file__).parents[1] / "src" / "neocog" / "models" / "figures.csv"


def figures(name: str) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of one picture as torch counts them on the meta device."""
    with torch.device("meta"):
        net = build(name).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, *MODELS[name].input_size))
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2


if __name__ == "__main__":
    rows = [",".join(map(str, (name, *figures(name)))) for name in MODELS]
    TARGET.write_text("\n".join(["name,parameters,macs", *rows]) + "\n", "utf-8")
