"""LeNet-5, whose last layer is drawn, in `neocog train`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from door import neocog
from neocog.api.networks import load_classifier
from neocog.bundle import Bundle, read_bundle, read_golden, write_bundle
from neocog.models import build


def test_the_papers_recipe_trains_the_papers_network(tmp_path: Path) -> None:
    """The ten drawn bitmaps give way to a linear layer on the 84 units; all else is the network of the paper."""
    words = ("-m", "lenet5", "--recipe", "lenet-1998", "--epochs", 1, "-b", 16, "-o", "run")
    done = neocog("train", "builtin/digits", *words, cwd=tmp_path)
    assert "a linear layer takes their place" in done.stderr
    tensors = load_file(tmp_path / "run" / "model.safetensors")
    assert tensors["rbf.weight"].shape == (10, 84) and tensors["rbf.bias"].shape == (10,)
    assert sum(tensor.size for tensor in tensors.values()) == 60_000 + 84 * 10 + 10
    neocog("verify", "run", cwd=tmp_path)


def test_the_frozen_network_is_read_before_its_distances(tmp_path: Path) -> None:
    neocog("train", "builtin/digits", "-m", "lenet5", "--recipe", "probe", "-o", "probe", cwd=tmp_path)
    card = json.loads((tmp_path / "probe" / "model.json").read_text())
    assert (card["head"], card["head_added"]) == ("rbf", False)
    assert load_file(tmp_path / "probe" / "model.safetensors")["rbf.weight"].shape == (10, 84)


def test_a_bundle_whose_linear_layer_stands_behind_the_distances_still_answers(tmp_path: Path) -> None:
    """Earlier versions wrote such ones: the ten distances were the features."""
    words = ("-m", "lenet5", "--recipe", "probe", "-o", "new")
    neocog("train", "builtin/digits", *words, cwd=tmp_path)
    new = read_bundle(tmp_path / "new")
    torch.manual_seed(3)
    net, linear = build("lenet5"), torch.nn.Linear(10, 10)
    tensors = {f"backbone.{name}": tensor.numpy() for name, tensor in net.state_dict().items()}
    last = {f"classifier.{name}": tensor.numpy() for name, tensor in linear.state_dict().items()}
    card = replace(new.card, head="classifier", head_added=True)
    write_bundle(tmp_path / "old", Bundle(card, tensors | last), read_golden(tmp_path / "new"))
    loaded = load_classifier(tmp_path / "old")
    x = torch.randn(4, 1, 32, 32)
    with torch.no_grad():
        found = loaded.head.probabilities(loaded.network.backbone()(x).numpy())
        expected = linear(net(x)).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
