"""Networks of `MODELS` without values, and with all values drawn."""

from typing import Any

import torch
from torch import nn

from neocog.models import build


def on_meta(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def draw(net: nn.Module) -> nn.Module:
    """`net` on the processor, in evaluation, all its tensors drawn so that units differ and most are active."""
    net.to_empty(device="cpu").eval()
    for tensor in net.state_dict().values():
        if tensor.dim() > 1:
            bound = (6 / tensor[0].numel()) ** 0.5  # He's
            tensor.uniform_(-bound, bound)
        elif tensor.is_floating_point():  # biases, scales, running statistics
            tensor.uniform_(0.5, 1)
        else:
            tensor.zero_()
    return net
