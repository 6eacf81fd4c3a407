"""Batch norm over several processes beside torch's own over the whole batch in one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import ToldElsewhere, UserError
from neocog.layers.batch_norm import BatchNorm2d
from neocog.layers.sync_batch_norm import synchronised, unsynchronised
from neocog.training.processes.distributed import World
from worlds import in_world

LAYERS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "1d": (nn.BatchNorm1d, ()),
    "1d with positions": (nn.BatchNorm1d, (5,)),
    "2d": (nn.BatchNorm2d, (3, 4)),
    "3d": (nn.BatchNorm3d, (2, 3, 2)),
}
CASES: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    *((name, torch.float64, {}) for name in LAYERS),
    ("2d", torch.float32, {}),
    ("2d", torch.float64, {"momentum": None}),
    ("2d", torch.float64, {"affine": False, "eps": 0.1}),
    ("2d", torch.float64, {"track_running_stats": False}),
]
SHARES = {
    2: (0, 4, 7),
    3: (0, 5, 7, 7),
}  # where each process's pictures begin and end: unequal, and one has none
CHANNELS = 3


class Activated(nn.BatchNorm2d):
    """As timm's BatchNormAct2d: a subclass whose forward does more."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


def random(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def passes(layer: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, rows: slice) -> dict[str, Tensor]:
    """Two training passes on the rows and one evaluation, with everything that comes of them."""
    layer = layer.to(dtype)
    for i, parameter in enumerate(layer.parameters()):
        parameter.data.copy_(random(CHANNELS, seed=90 + i))
    found = {}
    for number in range(2):
        # far from zero, where squares lose their digits; no channel like another
        x = (7 * random(7, CHANNELS, *shape, seed=number, dtype=dtype) + 100)[rows].requires_grad_()
        y = layer(x)
        (y * random(7, CHANNELS, *shape, seed=number + 7, dtype=dtype)[rows] * (y + 1)).sum().backward()
        assert x.grad is not None
        found |= {f"output {number}": y.detach(), f"gradient {number}": x.grad}
    found |= {f"gradient of {name}": tensor.grad for name, tensor in layer.named_parameters()}
    found |= {f"state {name}": tensor.clone() for name, tensor in layer.state_dict().items()}
    found["evaluated"] = layer.eval()(random(2, CHANNELS, *shape, seed=5, dtype=dtype)).detach()
    return found


def all_cases(world: World) -> list[dict[str, Tensor]]:
    bounds = SHARES.get(world.size, (0, 7))
    rows = slice(bounds[world.rank], bounds[world.rank + 1])
    found = []
    for name, dtype, told in CASES:
        kind, shape = LAYERS[name]
        found.append(passes(synchronised(kind(CHANNELS, **told)), shape, dtype, rows))
    found.append(passes(synchronised(Activated(CHANNELS)), (3, 4), torch.float64, rows))
    return found


@pytest.mark.parametrize("size", SHARES)
def test_outputs_gradients_and_statistics_are_those_of_one_process_with_the_whole_batch(size: int) -> None:
    of_ranks = in_world(size, all_cases)
    expected = [
        passes(LAYERS[name][0](CHANNELS, **told), LAYERS[name][1], dtype, slice(None))
        for name, dtype, told in CASES
    ] + [passes(Activated(CHANNELS), (3, 4), torch.float64, slice(None))]
    for number, whole in enumerate(expected):
        shares = [found[number] for found in of_ranks]
        assert [set(share) for share in shares] == [set(whole)] * size
        exact = whole["output 0"].dtype == torch.float64
        for what, value in whole.items():
            parts = [share[what] for share in shares]
            if what.startswith(("output", "gradient 0", "gradient 1")):
                joined = torch.cat(parts)
            elif what.startswith("gradient of"):
                joined = sum(parts[1:], parts[0])
            else:
                assert all(part.equal(parts[0]) for part in parts), "other bits in another process"
                joined = parts[0]
            near = 1e-12 if exact else 2e-6
            torch.testing.assert_close(joined, value, rtol=near, atol=near * float(value.abs().max()))


def too_few(world: World) -> Tensor:
    x = torch.ones(1 - world.rank, 3, 1, 1)
    y: Tensor = synchronised(nn.BatchNorm2d(3))(x)
    return y


def evaluated(world: World) -> Tensor:
    """Only the first process evaluates: nobody waits for the other."""
    layer = synchronised(nn.BatchNorm2d(3, track_running_stats=False)).double().eval()
    return layer(random(4, 3, 2, 2, seed=1)).detach() if world.first else torch.zeros(0)


def test_one_number_in_a_channel_over_all_processes_is_refused_in_each() -> None:
    errors = in_world(2, too_few)
    assert len(errors) == 2 and all(isinstance(error, UserError) for error in errors)
    [told] = [str(error) for error in errors if not isinstance(error, ToldElsewhere)]
    assert "two numbers or more in a channel over all processes, got 1" in told


def test_evaluation_asks_no_other_process() -> None:
    found = in_world(2, evaluated)[0]
    torch.testing.assert_close(found, F.batch_norm(random(4, 3, 2, 2, seed=1), None, None, training=True))


def test_a_net_stays_what_it_was_but_for_its_batch_norms_and_back() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), Activated(3), nn.Sequential(nn.BatchNorm2d(3)))
    layers, before = list(net.modules()), {name: id(tensor) for name, tensor in net.named_parameters()}
    x = random(2, 1, 5, 5, seed=3, dtype=torch.float32)
    expected = net(x)
    assert synchronised(net) is net
    assert list(net.modules()) == layers
    assert {name: id(tensor) for name, tensor in net.named_parameters()} == before
    copied = copy.deepcopy(net)
    copied[1].weight.data.fill_(0)  # a copy's forward is the copy's
    assert copied[1](copied[0](x)).abs().max() == 0
    assert net(x).equal(expected)
    assert "forward" in vars(net[1])
    unsynchronised(net)
    assert all("forward" not in vars(module) for module in net.modules())


def test_the_lectures_own_layer_is_refused() -> None:
    with pytest.raises(UserError, match=r"knows one process alone; use torch.nn.BatchNorm2d"):
        synchronised(nn.Sequential(BatchNorm2d(3)))
