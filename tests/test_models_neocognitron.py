from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.neocognitron import CLayer, JoinedCLayer, SLayer
from neocog.models.neocognitron import ALPHA, neocognitron, neocognitron_1988

BUILD = {"1980": (neocognitron, 16), "1988": (neocognitron_1988, 19)}
Build = Callable[..., nn.Module]

# Fukushima 1980, section 5: cells of each layer as planes x rows x columns
SIZES_1980 = {
    "us1": (24, 16, 16),
    "uc1": (24, 10, 10),
    "us2": (24, 8, 8),
    "uc2": (24, 6, 6),
    "us3": (24, 2, 2),
    "uc3": (24, 1, 1),
}
# Rows of the S-layers, of the C-layers, and S-planes: github.com/lcpo/neocognitron, src/initStruct.py, in a comment
SIZES_1988 = {"us1": 19, "uc1": 21, "us2": 21, "uc2": 13, "us3": 13, "uc3": 7, "us4": 3, "uc4": 1}
PLANES_1988 = {"us1": 12, "us2": 38, "us3": 35}


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """The layers are too small to share."""
    torch.set_num_threads(1)


@pytest.fixture(params=BUILD)
def made(request: pytest.FixtureRequest) -> tuple[Build, int]:
    return BUILD[request.param]


def outputs(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What every layer puts out, by name."""
    found: dict[str, Tensor] = {}
    handles = [
        layer.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
        for name, layer in net.named_children()
    ]
    net(x)
    for handle in handles:
        handle.remove()
    return found


def test_the_layers_of_1980_have_the_cells_of_section_5() -> None:
    seen = outputs(neocognitron(), torch.rand(1, 1, 16, 16))
    assert {
        name: tuple(u.shape[1:]) for name, u in seen.items() if name[0] == "u" and name != "u0"
    } == SIZES_1980
    assert list(seen) == ["u0", *SIZES_1980, "flatten"]


def test_the_layers_of_1980_have_the_synapses_of_section_5() -> None:
    """25 to a cell of the first layer, 25 x 24 to those of the others, and one inhibitory one; shared by a plane."""
    count = {key: tensor.numel() for key, tensor in neocognitron().state_dict().items()}
    assert count == {
        "us1.a": 25 * 24,
        "us1.b": 24,
        "us2.a": 25 * 24 * 24,
        "us2.b": 24,
        "us3.a": 25 * 24 * 24,
        "us3.b": 24,
    }
    assert sum(count.values()) == 29_400 + 72


def test_the_constants_of_1980_are_those_of_section_5() -> None:
    net = neocognitron()
    s = [layer.spec for layer in net if isinstance(layer, SLayer)]
    c = [layer for layer in net if isinstance(layer, CLayer)]
    assert [spec.r for spec in s] == [4.0, 1.5, 1.5]
    assert [spec.q for spec in s] == [1.0, 16.0, 16.0]
    assert [(spec.area, spec.column) for spec in s] == [(5, 5), (5, 5), (5, 2)]
    assert [layer.spec.area for layer in c] == [5, 5, 2]
    assert ALPHA == 0.5
    assert {layer.alpha for layer in c} == {0.5}
    assert all(0 < spec.decay < 1 for spec in s)
    assert all(0 < layer.spec.decay < 1 for layer in c)


def test_the_layers_of_1988_have_the_sizes_that_others_give() -> None:
    seen = outputs(neocognitron_1988(), torch.rand(1, 1, 19, 19))
    assert {name: u.shape[-1] for name, u in seen.items() if name in SIZES_1988} == SIZES_1988
    assert {name: seen[name].shape[1] for name in PLANES_1988} == PLANES_1988
    assert [seen[name].shape[1] for name in ("uc1", "uc2", "uc3", "us4", "uc4")] == [8, 19, 23, 11, 10]


def test_every_plane_of_1988_leads_to_one_and_every_c_plane_is_led_to() -> None:
    joins = [layer.joined for layer in neocognitron_1988() if isinstance(layer, JoinedCLayer)]
    assert [sorted(set(joined)) for joined in joins] == [list(range(n)) for n in (8, 19, 23, 10)]
    assert [len(joined) for joined in joins] == [12, 38, 35, 11]
    assert joins[0] == (0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7)  # eight directions, those between with two planes


def test_another_number_of_classes_changes_the_last_stage_alone(made: tuple[Build, int]) -> None:
    build, side = made
    before, after = build().state_dict(), build(num_classes=7).state_dict()
    changed = [key for key in after if after[key].shape != before[key].shape]
    assert changed == list(before)[-2:]
    assert build(num_classes=7)(torch.rand(2, 1, side, side)).shape == (2, 7)


def test_a_network_takes_colour_where_it_was_made_for_it(made: tuple[Build, int]) -> None:
    build, side = made
    net = build(in_chans=3)
    assert net(torch.rand(2, 3, side, side)).shape == build()(torch.rand(2, 1, side, side)).shape
    assert net.us1.a.shape[1] == 3
    with pytest.raises(UserError, match="the 3 channels that U0 was made for, got 1; .*in_chans=1"):
        net(torch.rand(2, 1, side, side))


@pytest.mark.parametrize("off", [(-1, 0), (0, 1), (1, 1)])
def test_a_picture_of_another_size_is_refused(made: tuple[Build, int], off: tuple[int, int]) -> None:
    build, side = made
    net = build()
    assert (net.min_size, net.max_size) == (side, side)
    rows, cols = side + off[0], side + off[1]
    with pytest.raises(UserError, match=f"at least {side}x{side} pixels.*got {rows}x{cols}; resize"):
        net(torch.rand(1, 1, rows, cols))
    with pytest.raises(UserError, match=r"as \(batch, channels, height, width\), got \(1, 16, 16\)"):
        net(torch.rand(1, 16, 16))


def test_a_fresh_network_is_the_same_each_time_whatever_the_seed(made: tuple[Build, int]) -> None:
    build, _ = made
    torch.manual_seed(0)
    one = build().state_dict()
    torch.manual_seed(1)
    other = build().state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_synapses_come_back_from_a_state_dict(made: tuple[Build, int]) -> None:
    build, side = made
    net, other, x = build(), build(), torch.rand(3, 1, side, side)
    for p in net.parameters():
        p.add_(torch.rand(p.shape))
    assert not torch.equal(net(x), other(x))
    other.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(net(x), other(x))
    assert {key.split(".")[1] for key in net.state_dict()} == {"a", "b"}  # the masks are not learned


def test_features_and_head_are_the_network_and_the_last_cells(made: tuple[Build, int]) -> None:
    build, side = made
    net, x = build(), torch.rand(3, 1, side, side)
    maps = net.forward_features(x)
    assert maps.shape == (3, net(x).shape[1], 1, 1)
    assert torch.equal(net.forward_head(maps), maps[..., 0, 0])
    assert torch.equal(net(x), maps[..., 0, 0])


def test_each_picture_stands_alone(made: tuple[Build, int]) -> None:
    build, side = made
    net, x = build().double(), torch.rand(4, 1, side, side, dtype=torch.float64)
    torch.testing.assert_close(torch.cat([net(one[None]) for one in x]), net(x), rtol=1e-9, atol=1e-12)


def test_it_is_built_and_runs_without_memory(made: tuple[Build, int]) -> None:
    build, side = made
    with torch.device("meta"):
        net = build()
        assert net(torch.empty(2, 1, side, side)).shape == (2, net(torch.empty(1, 1, side, side)).shape[1])


def test_what_has_no_ink_gets_no_answer(made: tuple[Build, int]) -> None:
    build, side = made
    assert not build()(torch.zeros(1, 1, side, side)).any()
