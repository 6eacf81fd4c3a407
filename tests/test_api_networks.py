"""Any network in every verb: the user's own file, weights from files, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import neocog
from neocog import UserError
from neocog.api import names
from neocog.bundle import read_bundle
from neocog.data.builtin import whole_photographs

FACTORY = """
import torch
from torch import nn

def linear():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 4))

def headless():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU())

def breaks():
    raise RuntimeError("out of luck")

def number():
    return 3

class Picky(nn.Module):
    def forward(self, x):
        raise ValueError("only on Sundays")

def picky():
    return Picky()
"""


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    return path


@pytest.fixture
def pictures() -> list[str]:
    samples = whole_photographs()
    return [samples.name(i) for i in range(len(samples))]


@pytest.mark.parametrize("function", ["linear", "headless"])
@pytest.mark.parametrize("recipe", ["probe", "scratch"])
def test_any_module_trains_and_comes_back_from_its_bundle(
    factory: Path, function: str, recipe: str, tmp_path: Path, pictures: list[str]
) -> None:
    """The reloaded torch module, run by hand, gives the probabilities that `predict` gives."""
    epochs = 1 if recipe == "scratch" else None
    run = neocog.train(
        "builtin/photos",
        f"{factory}:{function}",
        recipe=recipe,
        img_size=32,
        epochs=epochs,
        output=tmp_path / "r",
    )
    classifier = run.load()
    pixels = np.stack([classifier.preprocess(Path(path).read_bytes()) for path in pictures])
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in (classifier.preprocess.mean, classifier.preprocess.std)
    )
    with torch.no_grad():
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
        byhand = classifier.module()(x).softmax(1).numpy()
    assert byhand.shape == (6, 12)
    assert classifier.probabilities(pictures) == pytest.approx(byhand, abs=1e-4)  # the engines' tolerance
    assert neocog.verify(run.folder).ok


def test_a_changed_file_is_not_run(factory: Path, tmp_path: Path, pictures: list[str]) -> None:
    run = neocog.train(
        "builtin/photos", f"{factory}:linear", recipe="probe", img_size=32, output=tmp_path / "r"
    )
    factory.write_text(FACTORY + "\nimport os\nos.makedirs('owned')\n")
    with pytest.raises(UserError, match=r"mine\.py was changed since the run was trained"):
        neocog.load(run.folder, engine="torch").predict(pictures)


def test_changed_code_with_the_same_weights_gives_new_features(tmp_path: Path, pictures: list[str]) -> None:
    """Nothing of an older state of the file is taken from the cache."""
    path = tmp_path / "mine.py"
    found = []
    for pooling in ("Avg", "Max"):
        path.write_text(
            "from torch import nn\n"
            f"def net(): return nn.Sequential(nn.Adaptive{pooling}Pool2d(2), nn.Flatten())\n"
        )
        found.append(neocog.ImageEmbedder(f"{path}:net", img_size=16).fit_transform(pictures))
    assert np.abs(found[0] - found[1]).max() > 0.05


def test_another_user_must_name_the_file_before_a_bundle_runs_it(
    factory: Path, tmp_path: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = neocog.train(
        "builtin/photos", f"{factory}:linear", recipe="probe", img_size=32, output=tmp_path / "r"
    )
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(UserError, match="if you trust it, pass -m"):
        neocog.load(run.folder).predict(pictures)
    trusted = neocog.load(run.folder, model=f"{factory}:linear").predict(pictures, topk=1)
    assert len(trusted) == 6
    assert neocog.load(run.folder).predict(pictures, topk=1) == trusted  # remembered from now on


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine.py", "needs the name of a function"),
        ("mine.py:nothing", "unknown function of mine.py 'nothing'"),
        ("mine.py:breaks", "it raised RuntimeError: out of luck"),
        ("mine.py:number", "must return a torch.nn.Module, it returned int"),
        ("mine.py:picky", "it raised ValueError: only on Sundays"),
        ("nowhere.py:net", "does not exist"),
        ("timm:", "needs a model's name"),
        ("lenet", "did you mean lenet5"),
    ],
)
def test_a_network_that_cannot_be_had_is_explained(
    factory: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(factory.parent)
    with pytest.raises(UserError, match=words):
        neocog.train("builtin/photos", name, recipe="probe", img_size=32)
    assert not any((factory.parent / "runs").glob("*/model.json"))


def test_other_channels_are_for_the_function_of_the_file_to_make(factory: Path) -> None:
    with pytest.raises(
        UserError, match=r"first convolution of .*mine\.py:linear reads, 3, got 5; change the"
    ):
        neocog.create_model(f"{factory}:linear", in_chans=5)
    with pytest.raises(UserError, match=r"mine\.py:picky has none, got in_chans=5; leave in_chans out"):
        neocog.create_model(f"{factory}:picky", in_chans=5)
    with pytest.raises(UserError, match="in_chans must be at least 1, got 0"):
        neocog.create_model(f"{factory}:linear", in_chans=0)
    net = neocog.create_model(f"{factory}:linear", in_chans=3, num_classes=7)
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    factory.write_text(FACTORY.replace("Conv2d(3", "Conv2d(5"))
    net = neocog.create_model(f"{factory}:linear", in_chans=5, num_classes=7)
    assert net(torch.zeros(2, 5, 32, 32)).shape == (2, 7)
    assert neocog.create_model(f"{factory}:linear")(torch.zeros(2, 5, 32, 32)).shape == (2, 4)


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights_come_from_a_file(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    given = neocog.create_model("lenet5_modern")
    path = tmp_path / f"weights.{kind}"
    if kind == "pth":
        torch.save({"state_dict": given.state_dict()}, path)
    else:
        save_file(given.state_dict(), path)
    loaded = neocog.create_model("lenet5_modern", weights=str(path))
    x = torch.rand(2, 1, 32, 32)
    assert torch.equal(loaded(x), given(x))
    run = neocog.train("builtin/digits", "lenet5_modern", weights=path, output=tmp_path / "run")
    assert run.figures["recipe"] == "probe"
    kept = read_bundle(run.folder).tensors
    assert all(np.array_equal(kept[k], v.numpy()) for k, v in given.state_dict().items() if "fc5" not in k)


def test_a_weights_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    code = (
        "import os, torch\n"
        "class Evil:\n    def __reduce__(self): return os.mkdir, ('owned',)\n"
        "torch.save({'conv1.weight': Evil()}, 'evil.pth')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with pytest.raises(UserError, match="holds objects .posix.mkdir. beside tensors, and neocog never runs"):
        neocog.create_model("lenet5_modern", weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "owned").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="does not fit lenet5_modern: 9 of its 10 tensors are missing"):
        neocog.create_model("lenet5_modern", weights=str(tmp_path / "other.safetensors"))


def test_another_number_of_classes_changes_the_last_layer_only() -> None:
    whole = neocog.create_model("efficientnet_lite0", pretrained=True).state_dict()
    five = neocog.create_model("efficientnet_lite0", pretrained=True, num_classes=5).state_dict()
    assert {k for k in whole if not torch.equal(whole[k], five[k])} == {
        "classifier.weight",
        "classifier.bias",
    }
    assert five["classifier.weight"].shape == (5, 1280)


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18"])
def test_other_libraries_models_work_or_say_what_to_install(name: str) -> None:
    kind = name.partition(":")[0]
    try:
        __import__(kind)
    except (ImportError, RuntimeError):
        with pytest.raises(UserError, match=f"pip install {kind}"):
            names.build_module(names.parse(name), 3)
    else:
        assert names.build_module(names.parse(name), 3)(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_the_card_says_what_the_weights_are(tmp_path: Path) -> None:
    run = neocog.train("builtin/photos", output=tmp_path / "run")
    card = json.loads((run.folder / "model.json").read_text())
    assert card["license"] == "Apache-2.0"
    assert card["classes"] == run.figures["classes"]
    assert card["metrics"]["top1"] == run.figures["top1"]
    assert card["preprocess"]["size"] == [224, 224]
    assert card["preprocess"]["mean"] == [127 / 255] * 3
    assert set(card["sha256"]) == {"model.safetensors", "golden.safetensors"}
