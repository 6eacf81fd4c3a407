"""What fvcore, torchinfo, ptflops and torch's counter print for our networks: rows of tests/golden/printed_counts.csv.

Attention is spelled three ways: by two matrix products, by torch's fused function, by nn.MultiheadAttention, which
gives its weights back or not. All but torch's counter are called as their readmes do, with gradients enabled.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.layers.attention import Attention
from neocog.models import build

NETWORKS = {
    "alexnet": ("alexnet", 227, ""),
    "resnet18": ("resnet18", 224, ""),
    "resnet50_v1": ("resnet50_v1", 224, ""),
    "resnet50": ("resnet50", 224, ""),
    "vit_base_patch16_224 matmul": ("vit_base_patch16_224", 224, "matmul"),
    "vit_base_patch16_224 fused": ("vit_base_patch16_224", 224, ""),
    "vit_base_patch16_224 module": ("vit_base_patch16_224", 224, "module"),
    "vit_base_patch16_224 weighted": ("vit_base_patch16_224", 224, "weighted"),
}


class Matmul(Attention):
    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self._heads(x)
        likeness = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        joined: Tensor = self.proj((likeness.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return joined


class Module(nn.Module):
    weights = False

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=self.weights)[0]
        return out


class Weighted(Module):
    weights = True


SPELLINGS = {"matmul": Matmul, "module": Module, "weighted": Weighted}


def spelled(net: nn.Module, how: str) -> nn.Module:
    """`net` with its attention in another spelling."""
    for name, module in list(net.named_modules()):
        if how and type(module) is Attention:
            parent, _, own = name.rpartition(".")
            setattr(net.get_submodule(parent), own, SPELLINGS[how](module.proj.in_features, module.heads))
    return net.eval()


def fvcore(net: nn.Module, x: Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    return int(
        FlopCountAnalysis(net, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
    )


def torchinfo(net: nn.Module, x: Tensor) -> int:
    from torchinfo import summary

    return int(summary(net, input_data=x, verbose=0).total_mult_adds)


def ptflops(net: nn.Module, x: Tensor, backend: str) -> int:
    from ptflops import get_model_complexity_info

    shape = tuple(x.shape[1:])
    return int(
        get_model_complexity_info(
            net, shape, as_strings=False, print_per_layer_stat=False, backend=backend, verbose=False
        )[0]
    )


def torch_flops(net: nn.Module, x: Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(x)
    return counter.get_total_flops()


def on_meta(net: nn.Module, x: Tensor) -> int:
    return torch_flops(net.to("meta"), x.to("meta"))


COUNTERS: dict[str, tuple[str, Callable[[nn.Module, Tensor], int]]] = {
    "fvcore": ("fvcore", fvcore),
    "torchinfo": ("torchinfo", torchinfo),
    "ptflops pytorch": ("ptflops", lambda net, x: ptflops(net, x, "pytorch")),
    "ptflops aten": ("ptflops", lambda net, x: ptflops(net, x, "aten")),
    "torch cpu": ("torch", torch_flops),
    "torch meta": ("torch", on_meta),
}


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sys.stdout.write("network,size,counter,version,printed\n")
    for label, (name, size, how) in NETWORKS.items():
        for counter, (package, count) in COUNTERS.items():
            net, x = spelled(build(name), how), torch.zeros(1, 3, size, size)
            with contextlib.redirect_stdout(io.StringIO()):
                printed = count(net, x)
            version = importlib.metadata.version(package).partition("+")[0]
            sys.stdout.write(f"{label},{size},{counter},{version},{printed}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
