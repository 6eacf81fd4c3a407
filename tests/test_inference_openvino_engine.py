import copy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog import runtime
from neocog.data.preprocess import Preprocess
from neocog.inference.network import Network
from neocog.inference.openvino_engine import OpenVinoEngine, compile_network, fingerprint, load
from neocog.layers.conv import Conv2dSame

Floats = NDArray[np.float64]
SIZE = (13, 17)


class Attention(nn.Module):
    """Patches as tokens, a class token, attention with torch's own layer, as in a ViT."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], dim=1))
        mixed: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return F.gelu(tokens + mixed)[:, 0]


class ScaledDotProduct(nn.Module):
    """Attention as timm writes it, with the function instead of the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 5, 5)
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        b, n, d = tokens.shape
        q, k, v = self.qkv(tokens).reshape(b, n, 3, 4, d // 4).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d).mean(1)


def behind_conv(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), *layers, nn.Flatten())


NETS: dict[str, Callable[[], nn.Module]] = {
    "TensorFlow's SAME padding, odd by one": lambda: nn.Sequential(
        Conv2dSame(3, 8, 3, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        Conv2dSame(8, 4, 5, 3),
        nn.Flatten(),
    ),
    "adaptive pooling to sizes that do not divide": lambda: behind_conv(nn.AdaptiveAvgPool2d((4, 6))),
    "adaptive pooling to one": lambda: behind_conv(nn.AdaptiveAvgPool2d(1)),
    "maximum of a window that ends outside": lambda: behind_conv(nn.MaxPool2d(3, 2, ceil_mode=True)),
    "mean of a window that ends outside": lambda: behind_conv(nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
    "mean without the padding": lambda: behind_conv(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "local response normalisation": lambda: behind_conv(nn.LocalResponseNorm(5, 1e-2, 0.75, 2)),
    "torch's attention": Attention,
    "the attention function": ScaledDotProduct,
    "groups and dilation": lambda: behind_conv(nn.Conv2d(12, 6, 3, groups=3, dilation=2), nn.SiLU()),
}


def made(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return NETS[name]().eval()


def network(net: nn.Module, channels: int = 3) -> Network:
    mean, std = ((0.3,), (0.25,)) if channels == 1 else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return Network("a test", Preprocess(size=SIZE, channels=channels, mean=mean, std=std), "", lambda: net)


def pictures(n: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (n, *SIZE, channels), dtype=np.uint8)


def by_definition(net: nn.Module, preprocess: Preprocess, pixels: NDArray[np.uint8]) -> Floats:
    """torch's features of the normalised pixels in double precision."""
    normalised = (pixels / 255 - np.array(preprocess.mean)) / np.array(preprocess.std)
    with torch.no_grad():
        features: Floats = (
            copy.deepcopy(net).double()(torch.from_numpy(normalised).permute(0, 3, 1, 2)).numpy()
        )
    return features


@pytest.fixture(scope="module")
def simple() -> tuple[nn.Module, OpenVinoEngine]:
    net = made("adaptive pooling to one")
    return net, compile_network(network(net))


@pytest.mark.parametrize("name", NETS)
def test_features_are_those_of_torch_in_double_precision(name: str) -> None:
    net, pixels = made(name), pictures(5)
    expected = by_definition(net, network(net).preprocess, pixels)
    given = compile_network(network(net))(pixels)
    assert given.dtype == np.float32
    # single precision; with the bfloat16 that OpenVINO would choose itself it is 1e-2
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()


def test_grey_pictures_have_one_channel() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.Tanh(), nn.Flatten()).eval()
    expected = by_definition(net, network(net, 1).preprocess, pictures(3, 1))
    given = compile_network(network(net, 1))(pictures(3, 1))
    assert np.abs(given - expected).max() <= 1e-5  # single precision of a tanh, which is at most 1


@given(n=st.integers(1, 40))
@settings(max_examples=15)
def test_a_batch_of_any_size_is_taken(simple: tuple[nn.Module, OpenVinoEngine], n: int) -> None:
    net, engine = simple
    expected = by_definition(net, network(net).preprocess, pictures(n))
    found = engine(pictures(n))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()  # single precision


def test_an_engine_loaded_from_its_blob_computes_the_same_bits(
    simple: tuple[nn.Module, OpenVinoEngine],
) -> None:
    blob = simple[1].blob()
    assert (load(blob)(pictures(7)) == simple[1](pictures(7))).all()


def test_an_engine_loaded_from_its_blob_still_computes_in_single_precision() -> None:
    net = made("torch's attention")
    expected = by_definition(net, network(net).preprocess, pictures(5))
    given = load(compile_network(network(net)).blob())(pictures(5))
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()


def test_threads_that_call_at_once_get_the_rows_of_their_own_pictures(
    simple: tuple[nn.Module, OpenVinoEngine],
) -> None:
    net, engine = simple
    batches = [pictures(1 + i % 5) + np.uint8(i) for i in range(64)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(engine, batches))
    for pixels, features in zip(batches, found, strict=True):
        expected = by_definition(net, network(net).preprocess, pixels)
        assert np.abs(features - expected).max() <= 1e-5 * np.abs(expected).max()  # single precision


def test_earlier_features_stay_when_the_same_thread_calls_again(
    simple: tuple[nn.Module, OpenVinoEngine],
) -> None:
    """OpenVINO hands out its own buffer, which the next call overwrites."""
    net, engine = simple
    first = engine(pictures(4))
    engine(255 - pictures(4))
    expected = by_definition(net, network(net).preprocess, pictures(4))
    assert np.abs(first - expected).max() <= 1e-5 * np.abs(expected).max()  # single precision


def test_pixels_may_lie_in_memory_in_any_way(simple: tuple[nn.Module, OpenVinoEngine]) -> None:
    net, engine = simple
    turned = pictures(4)[::-1, :, ::-1]
    expected = by_definition(net, network(net).preprocess, turned.copy())
    assert np.abs(engine(turned) - expected).max() <= 1e-5 * np.abs(expected).max()  # single precision


def test_no_telemetry_is_imported(simple: tuple[nn.Module, OpenVinoEngine]) -> None:
    assert sys.modules["openvino_telemetry"] is None


def test_a_compiled_network_is_bound_to_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are compiled in: a network compiled for two would not use the others of eight."""
    found = set()
    for threads in (1, 2, 8):
        monkeypatch.setattr(runtime, "threads", lambda threads=threads: threads)
        found.add(fingerprint())
    assert len(found) == 3
