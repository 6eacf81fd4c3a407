import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.data.preprocess import Preprocess
from neocog.inference.torch_engine import TorchEngine, folded
from neocog.layers.conv import Conv2dSame
from neocog.models.efficientnet import DepthwiseSeparable, InvertedResidual, Style

CPU = torch.device("cpu")
LITE = Style(same=True, eps=1e-3, lite=True)


class NormThenReLU(nn.BatchNorm2d):
    """A batch norm with its activation inside, as timm builds it: folding it away would lose the activation."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Custom(nn.Module):
    """Layers by name, and how they are applied."""

    def __init__(self, apply: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module):
        super().__init__()
        self.apply_ = apply
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_(self, x)


def norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def drawn(net: nn.Module) -> nn.Module:
    """`net` in evaluation mode, its norms as if trained: statistics that differ from channel to channel."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            tensors = [module.weight, module.bias, module.running_mean, module.running_var]
            for tensor, low in zip(tensors, (0.5, -0.5, -0.5, 0.5), strict=True):
                if tensor is not None:
                    tensor.data.uniform_(low, low + 1, generator=generator)
    return net.eval()


def conv(cin: int = 3, cout: int = 4, **options: int | bool) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 3, **options)  # type: ignore[arg-type]


def bn(channels: int = 4, **options: bool) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, **options)


def weight_normed() -> nn.Module:
    return nn.Sequential(torch.nn.utils.parametrizations.weight_norm(conv()), bn())


def shared_conv() -> nn.Module:
    same = conv(4, 4, padding=1)
    return nn.Sequential(conv(), bn(), same, bn(), same, bn())


def shared_norm() -> nn.Module:
    same = bn()
    return nn.Sequential(conv(), same, conv(4, 4), same)


def two_names() -> nn.Module:
    same = conv()
    return Custom(lambda net, x: net.n(net.b(x)), a=same, b=same, n=bn())


def behind_a_stem(net: nn.Module) -> nn.Module:
    """`net` behind a convolution with a norm that can be folded."""
    return drawn(nn.Sequential(conv(3, 3, padding=1), bn(3), nn.ReLU(), net))


# The network, and how many norms stay of its own and the stem's.
NETS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "conv, norm, relu": (lambda: nn.Sequential(conv(bias=False), bn(), nn.ReLU(), conv(4, 5), bn(5)), 0),
    "a functional pad before the convolution": (
        lambda: nn.Sequential(Conv2dSame(3, 4, 3, 2, bias=False), bn(), nn.ReLU6(), conv(4, 4), bn()),
        0,
    ),
    "functions between the layers": (
        lambda: Custom(lambda n, x: F.relu(n.norm(n.conv(F.pad(x, (1, 2, 0, 1))))), conv=conv(), norm=bn()),
        0,
    ),
    "depthwise and residual": (
        lambda: nn.Sequential(
            DepthwiseSeparable(LITE, 3, 8, 3, 2, drop_path=0.0),
            InvertedResidual(LITE, 8, 8, 5, 1, drop_path=0.0),
        ),
        0,
    ),
    "two branches, written in another order than they run": (
        lambda: Custom(lambda n, x: n.nb(n.b(x)) + n.na(n.a(x)), a=conv(), b=conv(), na=bn(), nb=bn()),
        0,
    ),
    "a norm without scale": (lambda: nn.Sequential(conv(), bn(affine=False)), 0),
    "a network in a network": (lambda: nn.Sequential(nn.Sequential(conv()), nn.Sequential(bn())), 0),
    "no norm at all": (lambda: nn.Sequential(conv(), nn.ReLU(), conv(4, 2)), 0),
    "an activation between convolution and norm": (lambda: nn.Sequential(conv(), nn.ReLU(), bn()), 1),
    "an activation inside the norm": (lambda: nn.Sequential(conv(), NormThenReLU(4)), 1),
    "a norm before the convolution": (lambda: nn.Sequential(nn.ReLU(), bn(3), conv()), 1),
    "a norm that runs twice": (shared_norm, 1),
    "a norm that keeps no statistics": (lambda: nn.Sequential(conv(), bn(track_running_stats=False)), 1),
    "a norm called by keyword": (
        lambda: Custom(lambda n, x: n.norm(input=n.conv(x)), conv=conv(), norm=bn()),
        1,
    ),
    "a convolution that runs twice": (shared_conv, 2),
    "a convolution read by two norms": (
        lambda: Custom(lambda n, x: n.a(y := n.conv(x)) + n.b(y), conv=conv(), a=bn(), b=bn()),
        2,
    ),
    "a convolution with normed weights": (weight_normed, 1),
    # Seen only by the wrong outputs, after which the stem's stays as well:
    "a convolution read by a norm and by a sum": (
        lambda: Custom(lambda n, x: (y := n.conv(x)) + n.norm(y), conv=conv(), norm=bn()),
        2,
    ),
    "an activation in place between them": (lambda: nn.Sequential(conv(), nn.ReLU(inplace=True), bn()), 2),
    "a convolution under two names": (two_names, 2),
}


@pytest.mark.parametrize("name", NETS)
def test_a_folded_network_computes_what_it_did(name: str) -> None:
    net = behind_a_stem(NETS[name][0]())
    x = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = copy.deepcopy(net).double()(x.double()).numpy()
        given = folded(net, torch.rand(2, 3, 12, 12))(x).numpy()
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()  # float32 through up to six layers


@pytest.mark.parametrize("name", NETS)
def test_every_norm_that_can_go_goes_and_no_other(name: str) -> None:
    make, stay = NETS[name]
    assert norms(folded(behind_a_stem(make()), torch.rand(2, 3, 12, 12))) == stay


def test_a_wrong_fold_is_undone_where_the_outputs_are_tiny() -> None:
    """A convolution that is read twice cannot be folded, which only the outputs show."""
    net = drawn(Custom(lambda n, x: 1e-6 * (n.norm(y := n.conv(x)) + y), conv=conv(), norm=bn()))
    assert norms(folded(net, torch.rand(2, 3, 8, 8))) == 1


def small_net(channels: int) -> nn.Module:
    return drawn(
        nn.Sequential(conv(channels, 6, bias=False), bn(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    )


def preprocess(channels: int) -> Preprocess:
    mean, std = ((0.4,), (0.2,)) if channels == 1 else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return Preprocess(size=(10, 14), channels=channels, mean=mean, std=std)


def pictures(n: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (n, 10, 14, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_those_of_normalised_pixels_in_double_precision(channels: int) -> None:
    net, about, pixels = small_net(channels), preprocess(channels), pictures(9, channels)
    normalised = (pixels / 255 - np.array(about.mean)) / np.array(about.std)
    with torch.no_grad():
        expected = copy.deepcopy(net).double()(torch.from_numpy(normalised).permute(0, 3, 1, 2)).numpy()
    given = TorchEngine(net, about, CPU)(pixels)
    assert given.dtype == np.float32
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()  # float32 through one convolution


@pytest.mark.parametrize(
    "net",
    [
        Custom(lambda m, x: m.l(m.c(x).view(len(x), -1)), c=conv(), l=nn.Linear(4 * 8 * 12, 5)),
        Custom(lambda m, x: m.l(x.view(len(x), -1)), l=nn.Linear(3 * 10 * 14, 5)),
    ],
)
def test_a_forward_may_call_view_on_its_maps(net: nn.Module) -> None:
    """Which torch refuses of maps with the channels last in memory."""
    pixels = pictures(6, 3)
    x = torch.from_numpy((pixels / 255 - preprocess(3).mean) / preprocess(3).std).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = copy.deepcopy(net).double()(x.contiguous()).numpy()
    assert np.abs(TorchEngine(net, preprocess(3), CPU)(pixels) - expected).max() <= 1e-5


def test_features_do_not_depend_on_how_the_pictures_are_batched() -> None:
    engine, pixels = TorchEngine(small_net(3), preprocess(3), CPU), pictures(11, 3)
    whole = engine(pixels)
    for size in (1, 3, 10):
        parts = [engine(pixels[i : i + size]) for i in range(0, 11, size)]
        assert np.abs(np.concatenate(parts) - whole).max() <= 1e-6 * np.abs(whole).max()  # order of a sum


def test_pixels_may_lie_in_memory_in_any_way() -> None:
    engine, pixels = TorchEngine(small_net(3), preprocess(3), CPU), pictures(4, 3)
    assert (engine(pixels[::-1, :, ::-1]) == engine(pixels[::-1, :, ::-1].copy())).all()


def test_the_engine_leaves_the_threads_of_its_caller_alone() -> None:
    torch.set_num_threads(2)
    TorchEngine(small_net(3), preprocess(3), CPU)(pictures(2, 3))
    assert torch.get_num_threads() == 2


def test_an_engine_is_made_without_drawing_from_the_random_numbers_of_others() -> None:
    net = small_net(3)
    before = torch.get_rng_state()
    TorchEngine(net, preprocess(3), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_in_training_mode_is_run_in_evaluation_mode() -> None:
    net = small_net(3)
    expected = TorchEngine(copy.deepcopy(net), preprocess(3), CPU)(pictures(5, 3))
    assert (TorchEngine(net.train(), preprocess(3), CPU)(pictures(5, 3)) == expected).all()
