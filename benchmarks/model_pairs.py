"""Networks that neocog and torchvision or timm both have, with one set of random weights for the two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from neocog.models import ALIASES, MODELS, build

OTHER_NAMES = {  # timm's, where it calls another network by ours
    **{f"efficientnet_lite{n}": f"tf_efficientnet_lite{n}" for n in range(5)},
    "efficientnet_l2": "tf_efficientnet_l2",
}
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("torchvision", "googlenet"): {"aux_logits": False, "init_weights": False},
    **{
        ("timm", f"efficientnet_b{n}"): {"bn_eps": 1e-3} for n in (5, 6, 7)
    },  # torchvision's, and ours; timm's is 1e-5
}
RENAMED = {
    ("torchvision", "vit"): (
        (r"^class_token", "cls_token"),
        (r"^conv_proj", "patch_embed.proj"),
        (r"^encoder\.pos_embedding", "pos_embed"),
        (r"^encoder\.layers\.encoder_layer_", "blocks."),
        (r"^encoder\.ln", "norm"),
        (r"\.ln_", ".norm"),
        (r"\.self_attention\.in_proj_", ".attn.qkv."),
        (r"\.self_attention\.out_proj", ".attn.proj"),
        (r"\.mlp\.0", ".mlp.fc1"),
        (r"\.mlp\.3", ".mlp.fc2"),
        (r"^heads\.head", "head"),
    ),
    ("timm", "vgg"): (  # its classifier consists of convolutions
        (r"^pre_logits\.fc1", "classifier.0"),
        (r"^pre_logits\.fc2", "classifier.3"),
        (r"^head\.fc", "classifier.6"),
    ),
}


@dataclass(frozen=True)
class Pair:
    """One network, in neocog and in another library."""

    ours: str
    library: str
    theirs: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """what the other library must be told to build the same"""

    @property
    def name(self) -> str:
        told = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.ours} beside {self.library}'s {self.theirs}{told}"

    def build_theirs(self) -> nn.Module:
        if self.library == "torchvision":
            return torchvision.models.get_model(self.theirs, weights=None, **self.options)  # type: ignore[no-any-return]
        return timm.create_model(self.theirs, num_classes=1000, **self.options)  # type: ignore[no-any-return]


def pairs() -> Iterator[Pair]:
    """All networks of ours that the libraries have, in the order of our list."""
    shorts = {name: alias for alias, name in ALIASES.items() if alias.startswith("vit_")}
    has_torchvision = set(torchvision.models.list_models())
    for ours in MODELS:
        places = {"torchvision": shorts.get(ours, ours), "timm": OTHER_NAMES.get(ours, ours)}
        for library, theirs in places.items():
            if theirs in has_torchvision if library == "torchvision" else timm.is_model(theirs):
                yield Pair(ours, library, theirs, OPTIONS.get((library, theirs), {}))


def twins(pair: Pair, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """Our network and theirs, in evaluation mode, on the same tensors in memory; `x` are pictures for them."""
    with torch.device("meta"):
        ours, theirs = build(pair.ours), pair.build_theirs()
    theirs.to_empty(device="cpu").eval()
    draw_weights(theirs, x)
    ours.load_state_dict(as_ours(pair, theirs.state_dict(), ours.state_dict()), strict=True, assign=True)
    return ours.eval(), theirs


@torch.no_grad()
def draw_weights(net: nn.Module, x: Tensor, seed: int = 0) -> None:
    """Random tensors that keep the scale of what passes. Batch norm's statistics are those of `x`, shaken."""
    draw = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.dim() in (2, 4):  # weights of linear layers and convolutions
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=draw)
        elif tensor.dim() == 3:  # class token and positions
            tensor.normal_(generator=draw)
        elif name.endswith("weight"):
            tensor.uniform_(0.5, 1.25, generator=draw)
        else:
            tensor.normal_(std=0.1, generator=draw)
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    if norms:
        take_statistics(net, norms, x)
    for norm in norms:
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None and var is not None
        mean += 0.2 * var.sqrt() * torch.randn(len(mean), generator=draw)
        var *= torch.empty_like(var).uniform_(0.7, 1.5, generator=draw)


def take_statistics(net: nn.Module, norms: Sequence[nn.BatchNorm2d], x: Tensor) -> None:
    """Each norm keeps the means and variances that it sees while `net` reads `x`."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    net(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum


def as_ours(pair: Pair, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors under our names. torchvision's EfficientNets have their own names but our order."""
    family = pair.theirs.partition("_")[0].rstrip("0123456789")
    if pair.library == "torchvision" and family == "efficientnet":
        found = dict(zip(ours, theirs.values(), strict=True))
    else:
        found = {}
        for name, tensor in theirs.items():
            for pattern, ourselves in RENAMED.get((pair.library, family), ()):
                name = re.sub(pattern, ourselves, name)
            found[name] = tensor
    if pair.library == "timm" and family == "vgg":
        return {name: tensor.reshape(ours[name].shape) for name, tensor in found.items()}
    return found


def pictures(count: int, size: tuple[int, int, int]) -> Tensor:
    """Large coloured patches under noise, about as bright as normalised photographs: (count, *size)."""
    draw = torch.Generator().manual_seed(1)
    patches = torch.randn(count, size[0], 4, 4, generator=draw)
    smooth = nn.functional.interpolate(patches, size=size[1:], mode="bilinear")
    return smooth + torch.randn(count, *size, generator=draw) / 2
