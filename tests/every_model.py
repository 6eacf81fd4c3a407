"""Networks of every kind with drawn weights, pictures for them, and what hooks of our own see in a forward."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drawn_networks import draw, on_meta
from neocog.api.see.opened import opened
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.inside.units import Layer
from neocog.models import MODELS, build
from neocog.progress import Silent
from own_networks import OWN
from test_inside_units import outputs

# Networks that differ in depth and width alone are shown by the smallest; the first test says that these are all.
SMALLEST = (
    *("neocognitron", "neocognitron_1988", "lenet5", "lenet5_modern", "lenet_caffe", "alexnet_2012", "caffenet"),
    *("alexnet", "zfnet", "vgg11", "vgg11_bn", "vgg11_lrn", "vgg11_lrn_bn", "googlenet", "googlenet_2014"),
    *("resnet18", "resnet18_a", "resnet50", "plain18", "resnet20_cifar", "plain20_cifar", "resnetv2_50x1_bit"),
    *("efficientnet_b0", "efficientnet_lite0", "tf_efficientnet_b0", "efficientnet_l2", "resnet18_c"),
    *("vit_tiny_patch16_224", "edge_net", "quick_convnet"),
)  # fmt: skip
HUGE = {"efficientnet_l2": "tf_efficientnet_b0"}
"""480 million parameters are too many to run here; what is built of the same modules stands for it"""
EVERY = bool(os.environ.get("NEOCOG_EVERY_MODEL"))
EACH = (*(name for name in (MODELS if EVERY else SMALLEST) if name not in HUGE), *OWN)
FEW = (
    *("neocognitron", "lenet5", "lenet_caffe", "alexnet", "vgg11_lrn", "googlenet", "resnet18", "resnetv2_50x1_bit"),
    *("efficientnet_b0", "efficientnet_lite0", "vit_tiny_patch16_224", "edge_net", "quick_convnet", *OWN),
)  # fmt: skip
"""on which views that run a network a hundred times are tried, unless all networks are"""
SIDE = 32
LARGE, NARROW = 50_000_000, 16
"""parameters of a network from which on its hidden linear layers get so few units: they alone make it large"""
MEAN, STD = 0.45, 0.25
SMOOTH = (nn.GELU, nn.SiLU, nn.Tanh, nn.LeakyReLU, nn.MultiheadAttention)
HELPS = re.compile(r"`neocog see|--layer|\b(use|name|take|give) ")


@dataclass(frozen=True, eq=False)
class Case:
    """A network with drawn weights, three pictures, and what hooks of our own see in a forward of each."""

    name: str
    net: nn.Module
    pictures: NDArray[np.uint8]
    """(3, height, width, channels)"""
    x: Tensor
    """(3, channels, height, width): the network's input"""
    preprocess: Preprocess
    truth: dict[str, list[Tensor]]
    """module -> what each of its calls gave"""
    layers: dict[str, Layer]

    def see(self, view: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """The view, after its figures have been found to be sound JSON and its words some."""
        seen = view(self.net, *given, preprocess=self.preprocess, **options)
        json.dumps(seen.to_json(), allow_nan=False)
        assert "input" in str(seen)
        return seen

    def refused(self, view: Callable[..., Any], **options: Any) -> str:
        """The line in which it is."""
        with pytest.raises(UserError) as refusal:
            view(self.net, self.pictures[0], preprocess=self.preprocess, **options)
        words = str(refusal.value)
        assert "\n" not in words and HELPS.search(words), words
        return words

    def own(self, name: str) -> Tensor:
        """What the layer called `name` gave for all pictures."""
        place = self.layers[name].place
        return self.truth[place.module][place.call]

    def slopes(self, place: Any, of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Derivatives of `of(what the module gives)` by the first picture; by hooks and autograd alone."""
        return derivatives(self.net, self.x[:1], place.module, place.call, of)

    @property
    def logits(self) -> Tensor:
        return self.truth[""][0]

    @property
    def smooth(self) -> bool:
        """Whether something between picture and classes is no rectifier."""
        kinds = any(isinstance(module, SMOOTH) for module in self.net.modules())
        return kinds or self.name in ("lenet5", "Shrinking", "SelfAttentive")

    @property
    def attends(self) -> bool:
        return self.name.startswith("vit") or self.name in ("Hybrid", "Shrinking", "SelfAttentive")


def derivatives(
    net: nn.Module, x: Tensor, module: str, call: int, of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """What the call of the module gave, and the derivative of a number of it with respect to the picture."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, out: Tensor) -> Tensor:
        kept.append(out)
        return out.clone()

    handle = net.get_submodule(module).register_forward_hook(keep)
    pixels = x.clone().requires_grad_()
    net(pixels.clone())
    handle.remove()
    (found,) = torch.autograd.grad(of(kept[call]), pixels)
    return kept[call].detach(), found[0]


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def own(name: str) -> tuple[nn.Module, int, int]:
    """A network of people's own with weights as torch draws them, its channels and the side of its pictures."""
    torch.manual_seed(0)
    make, side = OWN[name]
    return make().eval(), 3, side


def drawn(name: str) -> tuple[nn.Module, int, int]:
    """A network with all its tensors drawn, so that its units differ and most are active; channels and side."""
    torch.manual_seed(0)
    net = on_meta(name) if MODELS[name].gradient else build(name).eval()
    channels, own_side, _ = MODELS[name].input_size
    side = max(net.min_size, min(own_side, SIDE))
    if not MODELS[name].gradient:
        return net, channels, side
    if count(net) > LARGE and not name.startswith(("vit", "resnet", "efficientnet", "tf")):
        narrow(net)
    return draw(net), channels, side


def narrow(net: nn.Module) -> None:
    """Hidden linear layers of a few units, on a network without values."""
    linear = [name for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    reads = net.get_submodule(linear[0]).in_features
    for name in linear:
        with torch.device("meta"):
            net.set_submodule(name, nn.Linear(reads, NARROW))
        reads = NARROW


def pictures_of(side: int, channels: int) -> NDArray[np.uint8]:
    """Three pictures with coarse and fine structure."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (3, -(-side // 8), -(-side // 8), channels))
    fine = rng.integers(0, 56, (3, side, side, channels))
    return np.asarray(coarse.repeat(8, 1).repeat(8, 2)[:, :side, :side] + fine, np.uint8)


def case_of(name: str) -> Case:
    net, channels, side = own(name) if name in OWN else drawn(name)
    pictures = pictures_of(side, channels)
    x = ((torch.from_numpy(pictures).float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()
    preprocess = Preprocess(
        size=(side, side), channels=channels, mean=(MEAN,) * channels, std=(STD,) * channels
    )
    network = opened(net, Silent(), {"preprocess": preprocess})
    layers = {layer.name: layer for layer in network.layers}
    return Case(name, net, pictures, x, preprocess, outputs(net, x.clone()), layers)


def close(found: Any, expected: Any, share: float = 1e-5) -> None:
    """Equal up to rounding of the largest number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * max(1.0, float(np.abs(expected).max())))


def picked(layers: list[Layer], number: int = 5) -> list[Layer]:
    return [layers[i] for i in np.unique(np.linspace(0, len(layers) - 1, number).round().astype(int))]
