"""`see filters`: the tiles on the page are the weights, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from torch import nn

import neocog
from door import neocog as command
from door import refused
from glimpses import make_world, tiles_of
from neocog.api.see.units.filters import filters
from neocog.errors import UserError
from neocog.weights.shipped import SHIPPED
from pages import Page, definitions, section


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots") / "run"
    neocog.train("builtin/digits", "lenet5_modern", output=folder, epochs=3, snapshots=3)
    return folder


def around_grey(kernel: np.ndarray, most: float) -> np.ndarray:
    """(channels, height, width) as a picture: 0 is middle grey, `most` white."""
    return np.clip(255 * (0.5 + kernel.transpose(1, 2, 0) / (2 * most)), 0, 255)


def test_without_a_model_the_filters_of_the_one_that_comes_along(tmp_path: Path) -> None:
    done = command("see", "filters", cwd=tmp_path)
    weight = load_file(SHIPPED["edge_net"] / "model.safetensors")["conv1.weight"].astype(np.float32)
    folder = tmp_path / "seen" / "filters"
    shown = tiles_of(folder / "filters.svg")
    assert len(shown) == len(weight) == 64
    lengths = np.sqrt((weight**2).sum(axis=(1, 2, 3)))
    for i, (tile, label) in enumerate(shown):
        assert np.abs(tile - around_grey(weight[i], np.abs(weight[i]).max())).max() <= 0.51
        assert label == f"{i}{' faint' if lengths[i] <= 0.02 * lengths.max() else ''}"
    root = Page((folder / "index.html").read_text("utf-8")).root
    assert definitions(root)["filters"] == "64 of 3 × 11 × 11, stride 4, padding 0"
    assert "each filter on its own" in section(root, "Filters").text()
    assert done.stdout.splitlines()[-1] == f"page  {Path('seen') / 'filters' / 'index.html'}"
    assert "weights                  weights that come with neocog" in done.stdout
    (title,) = (heading.text() for heading in root.all("h1"))
    assert title == "edge_net" and str(SHIPPED["edge_net"]) not in (folder / "index.html").read_text("utf-8")


def test_figures_are_json_and_no_file_is_written(world: Path, tmp_path: Path) -> None:
    done = command("see", "filters", f"{world / 'net.py'}:small", "--img-size", 32, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["layer"], found["shape"], found["stride"], found["padding"]) == (
        "0",
        [6, 3, 5, 5],
        [2, 2],
        [1, 1],
    )
    assert not list(tmp_path.iterdir())


def test_one_scale_for_all_and_a_layer_of_many_channels(world: Path) -> None:
    model = f"{world / 'net.py'}:small"
    joint = filters(model, scale="joint", top=4, img_size=32)
    most = np.abs(joint.kernels).max()
    (plate,) = joint.gallery.plates()
    shown = tiles_of(plate.drawing)
    assert len(shown) == 4
    for i, (tile, _) in enumerate(shown):
        assert np.abs(tile - around_grey(joint.kernels[i], most)).max() <= 0.51
    other = filters(model, layer="4", img_size=32)
    assert other.kernels.shape == (8, 3, 3, 3)  # two groups of three channels each
    assert other.gallery.facts[3] == ("filters", "8 of 3 × 3 × 3, stride 1, padding 1")


def test_a_vits_filters_come_with_their_components() -> None:
    seen = filters("vit_tiny_patch16_224", top=8)
    assert seen.components is not None and seen.components.shape == (28, 3, 16, 16)
    assert [room.title for room in seen.gallery.rooms] == ["Principal components", "Filters"]
    shown = tiles_of(next(seen.gallery.plates()).drawing)
    for (tile, label), component in zip(shown, seen.components, strict=True):
        assert np.abs(tile - around_grey(component, np.abs(component).max())).max() <= 0.51
        assert label.endswith(" %")
    shares = seen.figures["component_shares"]
    assert [label for _, label in shown] == [f"{100 * share:.1f} %" for share in shares]
    assert "28 principal components" in seen._repr_html_()


def test_a_runs_filters_are_shown_over_its_epochs(run: Path, tmp_path: Path) -> None:
    done = command("see", "filters", run, "--json", "-o", tmp_path / "page", cwd=tmp_path)
    assert json.loads(done.stdout)["epochs"] == [1, 2, 3]
    kept = [load_file(path)["conv1.weight"] for path in sorted((run / "snapshots").iterdir())]
    shown = tiles_of(tmp_path / "page" / "epochs.svg")
    assert len(shown) == 6 * 3  # filters, epochs
    for i in range(6):
        most = max(np.abs(weight[i]).max() for weight in kept)
        for n in range(3):
            truth = around_grey(kept[n][i], most).repeat(3, axis=2)
            assert np.abs(shown[3 * i + n][0] - truth).max() <= 0.51
    assert [label for _, label in shown[:3]] == ["0", "epoch 2", "epoch 3"]


def test_one_epochs_filters_are_those_of_its_snapshot(run: Path) -> None:
    (path,) = (run / "snapshots").glob("epoch-0002-*")
    seen = filters(f"{run}@2")
    assert seen.to_json()["weights"] == f"the run {run}@2" and f"{run}@2" in seen.gallery.title
    assert np.array_equal(seen.kernels, load_file(path)["conv1.weight"])
    assert not seen.epochs


def test_what_load_gives_is_looked_into_like_the_run(run: Path) -> None:
    weight = load_file(run / "model.safetensors")["conv1.weight"]
    assert np.array_equal(filters(neocog.load(run)).kernels, weight)
    with pytest.raises(UserError, match="weights is not for a classifier, which brings its own weights"):
        filters(neocog.load(run), weights="other.pth")
    with pytest.raises(UserError, match=r"or a torch\.nn\.Module, got int"):
        filters(3)


def test_what_is_wrong_is_said_in_one_line(world: Path, tmp_path: Path) -> None:
    net = world / "net.py"
    small = ("see", "filters", f"{net}:small", "--img-size", 32)
    assert "needs a convolution" in refused("see", "filters", f"{net}:dense", "--img-size", 32, cwd=tmp_path)
    assert refused(*small, "--layer", "conv9", cwd=tmp_path).startswith("unknown layer 'conv9'")
    with pytest.raises(
        UserError, match=r"filters are those of a convolution, 8 is none; Sequential has 0, 4$"
    ):
        filters(f"{net}:small", layer="8", img_size=32)
    with pytest.raises(UserError, match="unknown scale 'joined'; did you mean joint"):
        filters(f"{net}:small", scale="joined", img_size=32)
    with pytest.raises(UserError, match="top must be 1 or more filters, got 0"):
        filters(f"{net}:small", top=0, img_size=32)
    with pytest.raises(TypeError, match=r"see filters\(\) has no argument 'imgsize'; did you mean img_size"):
        filters(f"{net}:small", imgsize=32)  # type: ignore[call-arg]
    assert not list(tmp_path.iterdir())


def test_of_a_later_layer_nothing_is_said_that_is_true_of_the_first_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 4, 3, groups=2))
    first, later = (filters(net, layer=name, img_size=32) for name in ("0", "3"))
    assert "coloured, oriented" in str(first) and "colour" not in str(later)
    assert later.kernels.shape[1] == 3 and later.figures["colour"] is None
    (room,) = (room for room in later.gallery.rooms if room.title == "Filters")
    assert "the picture" not in room.words and "3" in room.words
    assert "Each reads 3 channels" in room.plates[0].caption
    assert not any("colour" in note or "picture" in note for note in later.gallery.notes)


def test_of_grey_filters_nothing_is_said_of_colours() -> None:
    grey = neocog.Preprocess(size=(16, 16), channels=1, mean=(0.5,), std=(0.5,))
    seen = filters(nn.Sequential(nn.Conv2d(1, 4, 5)), preprocess=grey)
    assert not any("colour" in note for note in seen.gallery.notes)
    assert any("picture" in note for note in seen.gallery.notes)
