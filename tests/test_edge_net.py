"""The network that comes with the package: it is whole, it does what it says, and its first layer is worth a look."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from door import neocog
from neocog.api.embedding.embed import embed
from neocog.api.evaluating.calibrate import calibrate
from neocog.api.networks import load_classifier, module_of
from neocog.api.see.opened import opened
from neocog.bundle import read_bundle
from neocog.data.builtin import whole_photographs
from neocog.errors import UserError
from neocog.inside.kernels.orientation import tuning
from neocog.models import build
from neocog.progress import Silent
from neocog.weights.shipped import SHIPPED, default_model

FOLDER = SHIPPED["edge_net"]
LICENCES = {
    "CC0",
    "CC BY 2.0",
    "public domain",
    "public domain (released in 2015)",
    "no known copyright restrictions",
}


@cache
def trained() -> nn.Module:
    return module_of(load_classifier("edge_net"))


def kernels(net: nn.Module) -> NDArray[np.float64]:
    return net.get_submodule("conv1").weight.detach().double().numpy()


@cache
def drawn() -> nn.Module:
    torch.manual_seed(0)
    return build("edge_net").eval()


def coherence(kernel: NDArray[np.float64]) -> float:
    """How much the brightness changes in one direction only, 0 to 1, by the structure tensor of its middle."""
    down, right = np.gradient(kernel, axis=(1, 2))
    tensor = np.array([[(down**2).sum(), (down * right).sum()], [(down * right).sum(), (right**2).sum()]])
    low, high = np.linalg.eigvalsh(tensor)
    return float((high - low) / (high + low))


def smoothness(kernel: NDArray[np.float64]) -> float:
    """Correlation of each weight with its right and its lower neighbour."""
    centred = kernel - kernel.mean((1, 2), keepdims=True)
    beside = (centred[:, :, 1:] * centred[:, :, :-1]).sum() + (centred[:, 1:] * centred[:, :-1]).sum()
    return float(beside / (2 * (centred**2).sum()))


def test_it_is_small_and_verifies_by_name(tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 5_000_000
    assert (
        "edge_net still computes the same: 6 photographs" in neocog("verify", "edge_net", cwd=tmp_path).stdout
    )
    assert read_bundle(FOLDER).card.model == default_model() == "edge_net"


def test_it_is_looked_into_by_name_with_what_it_learned() -> None:
    network = opened("edge_net", Silent(), {})
    assert network.title == "edge_net" and network.warnings == ()
    assert [layer.name for layer in network.layers] == ["conv1", "conv2", "conv3", "conv4", "fc"]
    assert torch.equal(network.net.get_submodule("conv1").weight, trained().get_submodule("conv1").weight)


def test_its_features_are_those_of_the_weights(tmp_path: Path) -> None:
    photographs = whole_photographs()
    embed("edge_net", Path(photographs.name(0)).parent, output=tmp_path / "f.npz")
    given = np.load(tmp_path / "f.npz")["features"]
    pixels = load_classifier("edge_net").network.preprocess(photographs.read(0))
    normal = (torch.tensor(pixels.copy()).float() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    with torch.no_grad():
        vector = trained().forward_head(
            trained().forward_features(normal.permute(2, 0, 1)[None]), pre_logits=True
        )
    np.testing.assert_allclose(given[:1], vector, rtol=1e-3, atol=1e-4)


def test_the_package_is_not_changed_by_calibrating_it() -> None:
    with pytest.raises(UserError, match="edge_net came with neocog, which is not changed; copy its folder"):
        calibrate("edge_net", "builtin/photos")


def test_most_kernels_of_the_first_layer_are_smooth_and_have_a_direction() -> None:
    """By the structure tensor and by the correlation of neighbours, which are not what it was chosen by."""
    learned, random = kernels(trained()), kernels(drawn())
    smooth = [np.mean([smoothness(k) > 0.5 for k in group]) for group in (learned, random)]
    directed = [
        np.mean([smoothness(k) > 0.5 and coherence(k) > 0.5 for k in group]) for group in (learned, random)
    ]
    assert smooth[0] > 0.9 and smooth[1] == 0
    assert directed[0] > 0.6 and directed[1] == 0
    found = tuning(learned)
    assert found.oriented.mean() > 0.6 and tuning(random).oriented.mean() == 0
    assert 0.15 < found.coloured.mean() < 0.4
    assert (found.colour < 0.2).mean() > 0.4


def test_units_answer_to_gratings_of_the_direction_that_their_kernels_have() -> None:
    """As Hubel and Wiesel asked: which of many gratings, at its best phase and period, excites a unit most?"""
    found = tuning(kernels(trained()))
    angles = np.arange(0, 180, 7.5)
    y, x = np.mgrid[:11, :11] - 5
    responses = []
    for angle in np.radians(angles):
        across = x * np.sin(angle) + y * np.cos(angle)
        waves = [
            np.sin(2 * np.pi * across / p + f)
            for p in (4, 5, 6, 8, 11, 16)
            for f in np.arange(0, 2 * np.pi, 0.4)
        ]
        grey = np.stack(waves)[:, None]
        colours = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        stimuli = torch.tensor(grey * colours[:, None, :, None, None].repeat(len(grey), 1)).reshape(
            -1, 3, 11, 11
        )
        stimuli = stimuli / stimuli.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        answers = nn.functional.conv2d(stimuli, torch.tensor(kernels(trained())))[:, :, 0, 0]
        responses.append(answers.max(0).values.numpy())
    best = angles[np.argmax(responses, 0)][found.oriented]
    off = np.abs(best - found.direction[found.oriented]) % 180
    assert np.mean(np.minimum(off, 180 - off) <= 15) > 0.9


def test_no_unit_of_the_first_layer_is_silent_on_photographs() -> None:
    samples, preprocess = whole_photographs(), load_classifier("edge_net").network.preprocess
    pixels = np.stack([preprocess(samples.read(i)) for i in range(len(samples))])
    mean, std = (torch.tensor(v) for v in (preprocess.mean, preprocess.std))
    x = ((torch.tensor(pixels).float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = nn.functional.relu(trained().get_submodule("conv1")(x))
    assert (maps.amax((0, 2, 3)) > 0).all()


def test_it_knows_the_places_that_its_classes_name() -> None:
    """A class says where to cut: a photograph, column and row of its middle, and how much smaller it is looked at."""
    folder = Path(str(pytest.importorskip("sklearn.datasets").__file__)).parent / "images"
    classes, net, right = read_bundle(FOLDER).card.classes, trained(), []
    for index, title in enumerate(classes):
        match = re.fullmatch(r"(china|flower) (\d+),(\d+)(?: 1:(\d))?", title)
        if match is None:
            continue
        factor = int(match[4] or 1)
        photograph = Image.open(folder / f"{match[1]}.jpg").convert("RGB")
        small = photograph.resize(
            (photograph.width // factor, photograph.height // factor), Image.Resampling.LANCZOS
        )
        left, top = int(match[2]) // factor - 25, int(match[3]) // factor - 25
        patch = np.asarray(small.crop((left, top, left + 51, top + 51)), np.float32) / 255
        x = (patch - np.float32((0.485, 0.456, 0.406))) / np.float32((0.229, 0.224, 0.225))
        with torch.no_grad():
            right.append(int(net(torch.tensor(x.transpose(2, 0, 1)[None])).argmax()) == index)
    assert len(right) > 50
    assert np.mean(right) > 0.95


def test_every_photograph_that_taught_it_is_named_with_its_author_and_licence() -> None:
    facts = json.loads((FOLDER / "model.json").read_text("utf-8"))["data"]["photographs"]
    assert {row["licence"] for row in facts} <= LICENCES
    assert all(
        row["author"] and row["source"].startswith("http") and len(row["sha256"]) == 64 for row in facts
    )
    assert {name.partition(" ")[0] for name in read_bundle(FOLDER).card.classes} <= {
        row["name"] for row in facts
    }
