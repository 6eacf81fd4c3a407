"""Every number of every operation sees what two probes that run the network find, and the probes can be failed."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

from neocog.analysis.probe import WITNESSES, batch_sides, check, confront
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.thin import neutral, thinned
from neocog.analysis.trace import trace
from neocog.models import MODELS
from neocog.models.vit import vit
from networks import NETWORKS

# one network of each family, at a size that keeps every layer
FAMILIES = {
    "lenet5": 32,
    "alexnet": 67,
    "vgg11": 32,
    "googlenet": 40,
    "resnet50": 40,
    "resnet50_v1": 40,
    "resnetv2_50x1_bit": 40,
    "efficientnet_lite0": 32,
    "neocognitron": 16,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_both_probes_find_the_intervals_of(name: str) -> None:
    net, size = NETWORKS[name]
    found = check(net, size)
    assert found.faults == []
    assert found.probes == ("NaN", "gradient")
    assert not found.skipped
    assert all(field.exact for field in receptive_fields(trace(net, size)) if field)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_probes_find_the_intervals_of_the_family_of(name: str) -> None:
    model = MODELS[name]
    with torch.device("cpu" if name in ("lenet5", "neocognitron") else "meta"):
        net = model.build()
    found = check(net, (model.input_size[0], FAMILIES[name], FAMILIES[name]))
    assert found.faults == []
    assert found.probes == ("NaN", "gradient")


def test_both_probes_find_the_intervals_of_a_vision_transformer() -> None:
    found = check(vit("tiny", 16, 48), (3, 48, 33))
    assert found.faults == []
    assert found.probes == ("NaN", "gradient")


def test_pixels_that_the_first_pool_of_alexnet_drops_reach_nothing_behind_it() -> None:
    """227 = 4 * 56 + 3 leaves 56 positions of conv1, of which pool1's windows read 55."""
    with torch.device("meta"):
        net = MODELS["alexnet"].build()
    thin = thinned(net, (3, 227, 227))
    ops = trace(thin, (3, 227, 227))
    live, nan = neutral(thin, thin), WITNESSES[0]
    count, wrong = confront(nan, live, ops, 1, batch_sides(live, (3, 227, 227), ops))
    assert count > 30_000
    assert wrong == []


def test_a_wrong_interval_is_found_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is broken on purpose: a stride of 2 is read as 1."""
    from neocog.analysis import window
    from neocog.analysis.flow import windows

    def broken(op: object) -> tuple[window.Window, ...]:
        return tuple(replace(w, stride=1) for w in window.windows_of(op))  # type: ignore[arg-type]

    monkeypatch.setattr(windows, "windows_of", broken)
    found = check(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, 2)), (1, 9, 9))
    assert not found.ok
    first = found.mismatches[0]
    assert (first.layer, first.kind, first.axis) == ("1", "conv2d", 0)
    assert (first.index, first.expected, first.found) == ((0, 0, 1, 0), (1, 5), (2, 6))
    assert str(first).startswith(
        "1 (conv2d)[0, 0, 1, 0] sees lines 1 to 5 along axis 0, but the NaN probe finds"
    )


def test_what_was_found_prints_and_is_json() -> None:
    found = check(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 9))
    assert "proven" in str(found)
    assert "NaN and gradient" in str(found)
    data = json.loads(json.dumps(found.to_json()))
    assert data["ok"] is True
    assert data["macs"] == data["macs_of_torch"] == 4 * 6 * 7 * 27


def test_what_no_probe_sees_is_said() -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(3)[0]

    found = check(Sorted(), (3, 4, 5))
    assert any("sort" in line for line in found.skipped)


@pytest.mark.parametrize(
    "name", ["vgg16_bn", "resnet50", "efficientnet_b0", "vit_tiny_patch16_224", "googlenet"]
)
def test_a_thinned_network_has_less_than_a_twentieth_of_the_weights(name: str) -> None:
    model = MODELS[name]
    with torch.device("meta"):
        net = model.build()
    before = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    thin = thinned(net, model.input_size)
    count = partial(sum, start=0)
    assert 20 * count(p.numel() for p in thin.parameters()) < count(p.numel() for p in net.parameters())
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == before


def test_a_network_that_cannot_be_thinned_is_probed_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 7, 3))
    assert thinned(net, (3, 8, 8)) is net


def test_weights_that_are_computed_are_thinned_with_their_layer() -> None:
    net, size = NETWORKS["computed weights"]
    assert isinstance(net, nn.Sequential)
    net = net[:-1]  # the last one reads positions
    thin = thinned(net, size)
    assert 2 * sum(p.numel() for p in thin.parameters()) < sum(p.numel() for p in net.parameters())


def test_what_is_thinned_runs_with_values() -> None:
    """Of an orthogonal weight the layer's bias alone would be cut, which torch's meta device lets pass."""
    net = nn.Sequential(orthogonal(nn.Conv2d(3, 8, 3)), nn.ReLU(), orthogonal(nn.Linear(10, 4)))
    assert thinned(net, (3, 12, 12))(torch.rand(1, 3, 12, 12)).shape[2:] == (10, 4)
