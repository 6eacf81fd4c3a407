"""`see maps`: the maps are the layer's, in the order that is said, by the real command."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
import torch
from torch import Tensor

import neocog
from door import neocog as command
from door import refused
from glimpses import SVG, make_world, tiles_of
from neocog.api.see.opened import opened, picture
from neocog.api.see.units.maps import maps
from neocog.errors import UserError
from neocog.progress import Silent
from pages import Page, rows, section


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def truth(world: Path) -> dict[str, Tensor]:
    """By the layers themselves: behind norm and non-linearity."""
    net: Any = runpy.run_path(str(world / "net.py"))["small"]().eval()
    network = opened(f"{world / 'net.py'}:small", Silent(), {"img_size": 32})
    x = picture(network, world / "cat.png").x
    with torch.no_grad():
        first = torch.relu(net[1](net[0](x)))
        second = net[5](net[4](net[3](first)))
    return {"0": first[0], "4": second[0]}


def model(world: Path, name: str = "small") -> str:
    return f"{world / 'net.py'}:{name}"


def test_maps_and_peaks_are_those_of_a_forward(world: Path, truth: dict[str, Tensor], tmp_path: Path) -> None:
    done = command("see", "maps", model(world), world / "cat.png", "--img-size", 32, cwd=tmp_path)
    assert "layers                   0, 4" in done.stdout
    folder = tmp_path / "seen" / "maps"
    root = Page((folder / "index.html").read_text("utf-8")).root
    for name, values in truth.items():
        peaks = values.amax(dim=(1, 2))
        order = sorted(range(len(values)), key=lambda i: (-float(peaks[i]), -float(values[i].mean())))
        shown = tiles_of(folder / f"maps-{name}.svg")
        assert [label for _, label in shown] == [f"{i}: {float(peaks[i]):.3g}" for i in order]
        for (tile, _), i in zip(shown, order, strict=True):
            brightness = tile.astype(float) @ [0.3, 0.59, 0.11]
            assert tile.shape[:2] == tuple(values.shape[1:])
            rising = brightness.ravel()[np.argsort(values[i].numpy().ravel())]
            assert (np.diff(rising) >= -2).all()  # rounding of three colours
            assert np.ptp(rising) > 200 or not values[i].any()
        table = rows(section(root, name).all("table")[0])
        assert [int(row[0]) for row in table] == order[:8]
        for row in table:
            own = values[int(row[0])]
            at = tuple(int(n) for n in row[2].split(", "))
            assert own[at].item() == own.max().item()
            share, sign = row[3].split()
            assert (
                float(share) == pytest.approx(100 * (own > 0).float().mean().item(), abs=0.051)
                and sign == "%"
            )


def test_the_arrays_are_all_channels_in_their_own_order(world: Path, truth: dict[str, Tensor]) -> None:
    seen = maps(model(world), world / "cat.png", layers=("4", "0", "4"), top=2, order="number", img_size=32)
    assert list(seen.maps) == ["4", "0"]
    for name, values in seen.maps.items():
        assert np.allclose(values, truth[name], atol=1e-5)
    assert [found["channels"] for found in seen.figures["layers"]] == [[0, 1], [0, 1]]


def test_the_strongest_unit_and_its_window(world: Path, truth: dict[str, Tensor], tmp_path: Path) -> None:
    arguments = ("--layer", "4", "--img-size", 32, "--json")
    done = command("see", "maps", model(world), world / "cat.png", *arguments, cwd=tmp_path)
    (found,) = json.loads(done.stdout)["layers"]
    values, best = truth["4"], found["strongest"]
    assert values[best["channel"], best["at"][0], best["at"][1]].item() == values.max().item()
    top, left, bottom, right = best["window"]
    # 3x3 with padding 1 over a pool of 3 by 2 over 5x5 by 2 with padding 1: 17 pixels, 4 apart, the first from -5 on
    assert (bottom - top, right - left) == (17, 17)
    assert (top, left) == (4 * best["at"][0] - 5, 4 * best["at"][1] - 5)
    assert found["silent"] == int((values.amax(dim=(1, 2)) <= 0).sum())


# kernel, stride and padding of the whole way to each layer: 3x3 over a pool of 3 by 2 over 5x5 by 2, all by hand
FIELDS = {"0": (5, 2, 1), "4": (17, 4, 5)}


def test_every_map_has_the_field_of_its_own_peak_on_the_picture(
    world: Path, truth: dict[str, Tensor], tmp_path: Path
) -> None:
    command("see", "maps", model(world), world / "cat.png", "--img-size", 32, cwd=tmp_path)
    folder = tmp_path / "seen" / "maps"
    root = Page((folder / "index.html").read_text("utf-8")).root
    for name, values in truth.items():
        size, stride, padding = FIELDS[name]
        wanted = []
        shown = tiles_of(folder / f"maps-{name}.svg")
        for _, label in shown:
            own = values[int(label.split(":")[0])]
            middle = (torch.tensor(own.shape) - 1) / 2
            equal = (own == own.max()).nonzero()
            at = equal[(equal - middle).square().sum(dim=1).argmin()].tolist()
            low = [max(place * stride - padding, 0) for place in at]
            high = [min(place * stride - padding + size, 32) for place in at]
            wanted.append(f"M{low[1]} {low[0]}H{high[1]}V{high[0]}H{low[1]}z")
        insets = [
            inset for inset in Xml.parse(folder / f"maps-{name}.svg").getroot() if inset.tag == f"{SVG}svg"
        ]
        drawn = [inset.findall(f"{SVG}path") for inset in insets]
        assert [paths[-1].attrib["d"].partition("zM")[0].rstrip("z") + "z" for paths in drawn] == wanted
        pieces = section(root, name).all("svg", " nctile ")
        assert [piece.all("path")[-1].attributes["d"] for piece in pieces] == [
            paths[-1].attrib["d"] for paths in drawn
        ]
        for row, frame in zip(rows(section(root, name).all("table")[0]), wanted, strict=False):
            left, top, right, bottom = map(int, re.findall(r"\d+", frame)[:4])
            assert row[4:] == [f"{top} to {bottom - 1}", f"{left} to {right - 1}"]


def test_tokens_lie_where_their_patches_do() -> None:
    network = opened("vit_tiny_patch16_224", Silent(), {})
    x = picture(network).x
    outs: list[Tensor] = []
    handle = network.net.get_submodule("blocks.0.mlp.act").register_forward_hook(
        lambda _, __, out: outs.append(out)
    )
    with torch.no_grad():
        network.net(x)
    handle.remove()
    seen = maps("vit_tiny_patch16_224", layers="blocks.0.mlp.fc1")
    found = seen.maps["blocks.0.mlp.fc1"]
    assert found.shape == (768, 14, 14)
    for row, column in ((0, 0), (3, 11), (13, 13)):
        assert np.allclose(found[:, row, column], outs[0][0, 1 + 14 * row + column], atol=1e-5)
    (layer,) = seen.figures["layers"]
    for channel, box in zip(layer["channels"], layer["framed"], strict=True):
        row, column = divmod(int(outs[0][0, 1:, channel].argmax()), 14)
        assert box == [16 * row, 16 * column, 16 * row + 16, 16 * column + 16]


def test_of_a_map_that_is_the_same_everywhere_no_peak_is_claimed() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for dead in ([], [2], [0, 2]):
        with torch.no_grad():
            net[0].bias.fill_(9)
            net[0].bias[dead] = -99
        caption = (
            maps(net, pixels, preprocess=neocog.Preprocess(size=(16, 16))).gallery.rooms[0].plates[0].caption
        )
        said = {1: " 1 map is the same everywhere", 2: " 2 maps are the same everywhere"}.get(len(dead), "")
        assert said in caption and ("no peak" in caption) == bool(dead)


def test_layers_stand_for_the_whole_network_where_none_is_named() -> None:
    seen = maps("efficientnet_lite0", top=4)
    assert [values.shape[1] for values in seen.maps.values()] == [112, 56, 28, 14, 7]
    assert list(seen.maps)[-1] == "conv_head"


def test_what_is_wrong_is_said_in_one_line(world: Path, tmp_path: Path) -> None:
    cat, size = world / "cat.png", ("--img-size", 32)
    said = refused("see", "maps", model(world, "dense"), cat, *size, cwd=tmp_path)
    assert "needs a convolution" in said
    said = refused("see", "maps", model(world), cat, *size, "--layer", "8", cwd=tmp_path)
    assert (
        said
        == "maps are of layers with places, 8 is a vector of 5; `neocog see unit` shows one of its numbers"
    )
    with pytest.raises(UserError, match="unknown order 'strong'; did you mean strongest"):
        maps(model(world), cat, order="strong", img_size=32)
    with pytest.raises(UserError, match="top must be 1 or more maps, got 0"):
        maps(model(world), cat, top=0, img_size=32)
    with pytest.raises(UserError, match="unknown layer '44'"):
        maps(model(world), cat, layers="44", img_size=32)
    assert not list(tmp_path.iterdir())


def test_a_view_is_its_function_also_where_its_file_was_imported() -> None:
    assert neocog.see.maps is maps
    assert dir(neocog.see) == sorted(neocog.see.__all__)
    assert set(neocog.see.__all__) >= {"filters", "unit", "maps", "receptive_field"}
    assert all(callable(getattr(neocog.see, name)) for name in neocog.see.__all__)
    with pytest.raises(AttributeError, match="has no view 'mops'"):
        assert neocog.see.mops
