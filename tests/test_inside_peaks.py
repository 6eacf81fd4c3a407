"""The largest activations of all layers in one forward, against hooks and numpy; and back from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.data.preprocess import Preprocess
from neocog.inference.engines import choose
from neocog.inference.network import Network
from neocog.inference.torch_engine import TorchEngine
from neocog.inside.back.rules import reconstruct
from neocog.inside.patches.peaks import Peaks, strongest_units
from neocog.inside.units import Layer, layers_of

SIZE = (3, 20, 20)


class Mixed(nn.Module):
    """Maps behind norms, a module that is called twice, an in-place ReLU, tokens and a vector."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 5, padding=2), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.up, self.act = nn.Linear(6, 8), nn.GELU()
        self.head = nn.Linear(8, 4)
        for norm in (self.bn1, self.bn2):
            nn.init.uniform_(norm.running_mean, -1, 1)  # type: ignore[arg-type]
            nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(norm.weight, -2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        x = self.bn2(self.conv2(x)) + x
        x = self.relu(x)
        tokens: Tensor = self.act(self.up(x.flatten(2).transpose(1, 2)))
        out: Tensor = self.head(tokens.mean(1))
        return out


def mixed() -> tuple[nn.Module, list[Layer]]:
    """The network with its layers, and a module that is called twice."""
    net = Mixed().eval()
    layers = list(layers_of(net, "mixed", SIZE))
    assert [layer.kind for layer in layers] == ["maps", "maps", "tokens", "vector"]
    twice = Layer("twice", Place("relu", 1), (6, 10, 10), (20, 20))
    last = Layer("last", Place("relu"), (6, 10, 10), (20, 20))
    return net, [*layers, twice, last]


def literal(x: Tensor) -> np.ndarray:
    """What the layers of `mixed` give, computed here, and reduced by numpy."""
    net = Mixed().eval()

    def norm(y: Tensor, bn: nn.BatchNorm2d) -> Tensor:
        mean, var = (v.view(-1, 1, 1) for v in (bn.running_mean, bn.running_var))  # type: ignore[union-attr]
        return (y - mean) / (var + bn.eps).sqrt() * bn.weight.view(-1, 1, 1) + bn.bias.view(-1, 1, 1)

    with torch.no_grad():
        first = F.relu(norm(F.conv2d(x, net.conv1.weight, net.conv1.bias, padding=2), net.bn1))
        pooled = F.max_pool2d(first, 2)
        second = norm(F.conv2d(pooled, net.conv2.weight, padding=1), net.bn2)
        third = F.relu(second + pooled)
        tokens = F.gelu(F.linear(third.flatten(2).transpose(1, 2), net.up.weight, net.up.bias))
        head = F.linear(tokens.mean(1), net.head.weight, net.head.bias)
    maps = [y.numpy().max(axis=(2, 3)) for y in (first, second, third)]
    return np.concatenate([*maps[:2], tokens.numpy().max(axis=1), head.numpy(), maps[2], maps[2]], axis=1)


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 20, 20, 3), dtype=np.uint8)


def normalised(batch: np.ndarray) -> Tensor:
    return (torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def test_peaks_are_the_largest_of_what_each_call_gives() -> None:
    net, layers = mixed()
    x = normalised(pictures(5))
    found = Peaks(net, layers)(x).detach().numpy()
    np.testing.assert_allclose(found, literal(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_any_engine_gives_the_same_from_several_threads(engine: str) -> None:
    """The torch engine folds norms into convolutions, whose layers are read all the same."""
    preprocess = Preprocess(size=(20, 20))

    def backbone() -> nn.Module:
        return Peaks(*mixed())

    chosen = choose(Network("mixed", preprocess, "0" * 64, backbone, engine), None, engine)
    assert chosen.engine.name == engine
    batch = pictures(12)
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(chosen.engine, np.split(batch, 4)))
    np.testing.assert_allclose(np.concatenate(parts), literal(normalised(batch)), rtol=1e-4, atol=1e-4)


def test_norms_that_are_read_are_folded() -> None:
    net, layers = mixed()
    engine = TorchEngine(Peaks(net, layers), Preprocess(size=(20, 20)), torch.device("cpu"))
    kinds = [type(module).__name__ for module in engine._net.modules()]
    assert kinds.count("BatchNorm2d") == 0
    assert kinds.count("Identity") == 2


def test_what_comes_behind_is_not_computed() -> None:
    net, layers = mixed()
    net.head.register_forward_hook(lambda *_: pytest.fail("it was computed"))  # type: ignore[union-attr]
    assert Peaks(net, layers[:3])(normalised(pictures(2))).shape == (2, 6 + 6 + 8)


def test_the_strongest_unit_is_found_and_traced_back() -> None:
    """Position and value by numpy; pixels by the rule for one unit, whose position is given."""
    net, layers = mixed()
    x = normalised(pictures(11))
    with torch.no_grad():
        first = F.relu(net.bn1(net.conv1(x))).numpy()  # type: ignore[operator]
    found = strongest_units(net, x, layers[0], 2, "deconvnet")
    wanted = [np.unravel_index(one.argmax(), one.shape) for one in first[:, 2]]
    assert list(found.at) == [(int(row), int(column)) for row, column in wanted]
    np.testing.assert_allclose(found.values, first[:, 2].max(axis=(1, 2)), rtol=1e-5)
    one_by_one = reconstruct(net, x, layers[0].place, 2, found.at, "deconvnet").pixels.numpy()
    np.testing.assert_allclose(found.back, one_by_one, rtol=1e-5, atol=1e-6)


def test_tokens_and_vectors_have_positions_of_their_own() -> None:
    net, layers = mixed()
    x = normalised(pictures(3))
    tokens = strongest_units(net, x, layers[2], 7, "gradient")
    vector = strongest_units(net, x, layers[3], 1, "gradient")
    assert [len(at) for at in tokens.at] == [1, 1, 1]
    assert vector.at == ((), (), ())
    np.testing.assert_allclose(tokens.values, literal(x)[:, 12 + 7], rtol=1e-4)
    np.testing.assert_allclose(vector.values, literal(x)[:, 20 + 1], rtol=1e-4)
