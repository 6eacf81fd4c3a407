"""`see unit`: what stands on the page adds up to what the network has, by the real command."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from door import neocog as command
from door import refused
from glimpses import make_world, number, tiles_of
from neocog import see
from neocog.api.see.opened import opened, picture
from neocog.api.see.units.maps import maps
from neocog.api.see.units.unit import unit
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.progress import Silent
from pages import Page, definitions, rows, section


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def small(world: Path) -> tuple[Any, Tensor]:
    """The network of the file, in evaluation, and the picture as its input."""
    net = runpy.run_path(str(world / "net.py"))["small"]().eval()
    network = opened(f"{world / 'net.py'}:small", Silent(), {"img_size": 32})
    return net, picture(network, world / "cat.png").x


def model(world: Path, name: str = "small") -> str:
    return f"{world / 'net.py'}:{name}"


def test_the_page_adds_up(world: Path, small: tuple[Any, Tensor], tmp_path: Path) -> None:
    net, x = small
    arguments = ("--img-size", 32, "--layer", "0", "--channel", 4, "--at", "7,0")
    done = command("see", "unit", model(world), world / "cat.png", *arguments, cwd=tmp_path)
    root = Page((tmp_path / "seen" / "unit" / "index.html").read_text("utf-8")).root
    table = {name: number(value) for name, value in rows(section(root, "The sum").all("table")[0])}
    with torch.no_grad():
        summed, normed = net[0](x), net[1](net[0](x))
    truth = summed[0, 4, 7, 0].item()
    assert sum(table[name] for name in ("red", "green", "blue", "bias")) == pytest.approx(
        table["sum"], abs=4e-6
    )
    assert table["sum"] == pytest.approx(truth, abs=1e-5)
    assert table["in the network"] == pytest.approx(truth, rel=1e-5)
    assert table["difference"] <= 1e-5
    steps = rows(section(root, "From the sum to the unit").all("table")[0])
    assert [step[0] for step in steps] == ["sum", "batch_norm", "relu"]
    assert [number(step[2]) for step in steps] == pytest.approx(
        [truth, normed[0, 4, 7, 0].item(), max(normed[0, 4, 7, 0].item(), 0)], abs=1e-5
    )
    assert "what lies outside the picture is padding" in definitions(root)["sees"]
    assert "unit                     channel 4 of 0 at row 7, column 0" in done.stdout
    for name in ("picture.png", "window.png", "bank.svg", "maps.svg", "products.svg", "pool.svg"):
        assert (tmp_path / "seen" / "unit" / name).is_file()


def test_figures_hold_the_window_and_the_kernel(
    world: Path, small: tuple[Any, Tensor], tmp_path: Path
) -> None:
    net, x = small
    arguments = ("--img-size", 32, "--layer", "4", "--channel", 5, "--at", "0,3", "--json")
    done = command("see", "unit", model(world), world / "cat.png", *arguments, cwd=tmp_path)
    found = json.loads(done.stdout)["arithmetic"]
    with torch.no_grad():
        given = net[3](torch.relu(net[1](net[0](x))))[0]
    padded = nn.functional.pad(given, (1, 1, 1, 1))[3:6, 0:3, 3:6]  # the second group's channels
    assert np.allclose(found["window"], padded, atol=1e-6)
    assert np.allclose(found["kernel"], net[4].weight[5].detach(), atol=1e-7)
    assert found["channels"] == [3, 4, 5] and found["first"] == [-1, 2]
    total = (np.array(found["window"]) * np.array(found["kernel"])).sum() + found["bias"]
    assert total == pytest.approx(found["sum"], abs=1e-9)
    assert found["steps"][0]["formula"] == "min(max(0, x), 6)"


def test_without_a_layer_or_place_the_strongest_unit_of_the_first_convolution(
    world: Path, small: tuple[Any, Tensor]
) -> None:
    net, x = small
    with torch.no_grad():
        values = torch.relu(net[1](net[0](x)))[0]
    seen = unit(model(world), world / "cat.png", img_size=32)
    assert seen.layer == "0"
    assert values[(seen.channel, *seen.at)].item() == values.max().item()
    assert seen.arithmetic.unit == pytest.approx(values.max().item(), abs=1e-6)
    of_channel = unit(model(world), world / "cat.png", channel=2, img_size=32)
    assert of_channel.arithmetic.unit == pytest.approx(values[2].max().item(), abs=1e-6)
    at_place = unit(model(world), world / "cat.png", at=(3, 9), img_size=32)
    assert at_place.channel == int(values[:, 3, 9].argmax())


def test_the_winner_of_the_pool_is_framed(world: Path, small: tuple[Any, Tensor]) -> None:
    net, x = small
    seen = unit(model(world), world / "cat.png", layer="3", channel=1, at=(2, 2), img_size=32)
    with torch.no_grad():
        window = torch.relu(net[1](net[0](x)))[0, 1, 4:7, 4:7]
    assert seen.arithmetic.kernel is None
    assert seen.arithmetic.winner == tuple(divmod(int(window.argmax()), 3))
    assert seen.gallery.rooms[2].title == "The maximum"


def test_a_vector_and_a_network_without_convolutions(world: Path, small: tuple[Any, Tensor]) -> None:
    net, x = small
    with torch.no_grad():
        out = net(x)[0]
    seen = unit(model(world), world / "cat.png", layer="8", channel=3, img_size=32)
    assert seen.at == () and seen.arithmetic.window.shape == (8, 2, 2)
    assert seen.arithmetic.total == pytest.approx(out[3].item(), abs=1e-5)
    dense = unit(model(world, "dense"), world / "cat.png", img_size=32)
    assert dense.layer == "1" and dense.arithmetic.difference < 1e-5


def test_a_token_by_its_patch_or_its_number() -> None:
    named: dict[str, Any] = {"layer": "blocks.0.mlp.fc1", "channel": 9}
    both = [unit("vit_tiny_patch16_224", at=at, **named) for at in ((2, 3), (32,))]
    assert [seen.at for seen in both] == [(1 + 2 * 14 + 3,)] * 2
    (back,) = see.deconv("vit_tiny_patch16_224", at=(2, 3), rule="gradient", **named).units
    assert back.at == both[0].at and back.activation == pytest.approx(both[0].arithmetic.unit, abs=1e-5)
    assert both[0].arithmetic.total == both[1].arithmetic.total
    assert both[0].arithmetic.difference < 1e-5


def test_the_bank_shows_the_units_own_filter(world: Path) -> None:
    seen = unit(model(world), world / "cat.png", channel=2, img_size=32)
    plates = {plate.name: plate for plate in seen.gallery.plates()}
    assert [label for _, label in tiles_of(plates["bank"].drawing)] == [str(i) for i in range(6)]
    assert plates["bank"].drawing.count('class="marked"') == 1


def test_what_is_wrong_is_said_in_one_line(world: Path, tmp_path: Path) -> None:
    small = ("see", "unit", model(world))
    cat, size = world / "cat.png", ("--img-size", 32)
    said = refused(*small, cat, *size, "--at", "99,0", cwd=tmp_path)
    assert said == "0 has 15x15 units a channel, row 99 is outside; take 0 to 14"
    assert "--at is a row and a column" in refused(*small, cat, *size, "--at", "1;2", cwd=tmp_path)
    assert "broken.png" in refused(*small, world / "broken.png", *size, cwd=tmp_path)
    assert "missing.png" in refused(*small, world / "missing.png", *size, cwd=tmp_path)
    with pytest.raises(UserError, match="0 has channels 0 to 5, got 6"):
        unit(model(world), cat, channel=6, img_size=32)
    with pytest.raises(UserError, match=r"unknown layer 'conv1' of .*; there are 0, 4, 8"):
        unit(model(world), cat, layer="conv1", img_size=32)
    with pytest.raises(UserError, match="8 has no places, got 1,2"):
        unit(model(world), cat, layer="8", at=(1, 2), img_size=32)
    with pytest.raises(UserError, match="32"):  # pixels that LeNet-5 needs at least
        unit("lenet5_modern", cat, img_size=8)
    assert not list(tmp_path.iterdir())


class LastToken(nn.Module):
    """Sixteen patches of 4 x 4 in a row, and the class token behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.one = nn.Conv2d(3, 6, 4, 4), nn.Parameter(torch.zeros(1, 1, 6))
        self.up, self.act, self.head = nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([self.patch(x).flatten(2).transpose(1, 2), self.one], 1)
        y: Tensor = self.head(self.act(self.up(tokens)).mean(1))
        return y


def test_a_patch_is_found_wherever_the_class_token_stands() -> None:
    net, image = LastToken().eval(), np.full((16, 16, 3), 90, np.uint8)
    image[4:8, 8:12] = 250  # the patch in row 1, column 2
    given = {"preprocess": Preprocess(size=(16, 16)), "layer": "up"}
    assert unit(net, image, at=(1, 2), **given).at == (6,)  # type: ignore[arg-type]
    shown = maps(net, image, layers="up", preprocess=Preprocess(size=(16, 16))).maps["up"]
    assert shown.shape == (8, 4, 4)
    apart = np.abs(shown - shown[:, :1, :1]).max(axis=0)
    assert apart[1, 2] > 1e-3 and np.delete(apart.ravel(), 6).max() < 1e-6
