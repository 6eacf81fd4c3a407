"""Features of data by models, runs and files: what is asked for is what comes, and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from torch import nn

import neocog
from neocog import ImageEmbedder, UserError, load, read_features, train
from neocog.api.embedding.features import Embedded, embedded
from neocog.data.preprocess import Preprocess
from neocog.data.source import open_dataset
from neocog.progress import Silent
from neocog.weights.published import published_tensors

FACTORY = """
import torch
from torch import nn

def small():
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )

class Both(nn.Module):
    # a large layer, and a small one of which OpenVINO leaves the rounding out that torch does

    def __init__(self):
        super().__init__()
        self.large, self.small, self.pool, self.fc = Large(), Small(), nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)

    def forward(self, x):
        return self.fc((self.pool(self.large(x)) + self.pool(self.small(x))).flatten(1))

class Large(nn.Module):
    def forward(self, x):
        return x * 1e6

class Small(nn.Module):
    def forward(self, x):
        return (x + 1e6) - 1e6

def headless():
    torch.manual_seed(6)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3))

def burning():
    net = small()
    net[3].weight.data[:] = float("inf")
    return net
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of two classes, one more that is none, and networks."""
    root = tmp_path_factory.mktemp("embedding")
    rng = np.random.default_rng(0)
    for label in ("ant", "bee"):
        (root / "data" / label).mkdir(parents=True)
        for i in range(8):
            grey = rng.integers(0, 120, (12, 12, 3), dtype=np.uint8) + np.uint8(120 * (label == "bee"))
            Image.fromarray(grey).save(root / "data" / label / f"{i}.png")
    (root / "data" / "bee" / "broken.png").write_text("no picture")
    (root / "net.py").write_text(FACTORY)
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def got(place: Path, data: Any = None, **options: Any) -> Embedded:
    options = {"engine": "torch", "img_size": 12, **options}
    return embedded(
        f"{place / 'net.py'}:small", place / "data" if data is None else data, Silent(), **options
    )


def written(place: Path, output: Path, data: Any = None, **options: Any) -> Any:
    source = f"{place / 'net.py'}:small"
    options = {"engine": "torch", "img_size": 12, **options}
    return neocog.embed(source, place / "data" if data is None else data, output=output, **options)


def probed(place: Path, data: Path, output: Path) -> Path:
    """A run: logistic regression on what the network's last layer reads."""
    model = f"{place / 'net.py'}:small"
    made = train(data, model=model, recipe="probe", output=output, img_size=12, engine="torch")
    return made.folder


def net_and_inputs(place: Path) -> tuple[nn.Sequential, torch.Tensor]:
    """The network as the file makes it, and what its input is, resized by nobody: the pictures have its size."""
    space: dict[str, Any] = {}
    exec(FACTORY, space)
    paths = [place / "data" / label / f"{i}.png" for label in ("ant", "bee") for i in range(8)]
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths]) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy(((pixels - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    return space["small"]().eval(), x


@torch.no_grad()
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_layers_are_those_of_the_network_itself(place: Path, engine: str) -> None:
    net, x = net_and_inputs(place)
    found = got(place, layers=["4", "0", "7"], pooling="flat", engine=engine, resize_mode="squash")
    wanted = {"4": net[:5](x), "0": net[0](x), "7": net(x)}
    assert list(found.features) == ["4", "0", "7"]
    for layer, output in wanted.items():
        np.testing.assert_allclose(found.features[layer], output.flatten(1).numpy(), rtol=1e-4, atol=1e-4)
        assert found.features[layer].dtype == np.float32
    assert [Path(found.dataset.samples.name(i)).name for i in range(3)] == ["0.png", "1.png", "2.png"]
    assert [Path(name).name for name, _ in found.skipped] == ["broken.png"]
    assert len(found.dataset) == len(found.hashes) == 16
    assert found.dataset.labels.tolist() == [0] * 8 + [1] * 8
    assert found.origin.layers == ("4", "0", "7") and found.origin.pooling == "flat"


@pytest.mark.parametrize(
    ("layers", "engine"), [(["large"], "openvino"), (["small"], "torch"), (["large", "small"], "torch")]
)
def test_an_engine_must_be_right_about_each_layer_by_itself(
    place: Path, layers: list[str], engine: str
) -> None:
    asked: Any = {"layers": layers, "img_size": 12, "cache": False}
    assert embedded(f"{place / 'net.py'}:Both", place / "data", Silent(), **asked).engine == engine


@torch.no_grad()
def test_without_a_layer_they_are_what_the_last_one_reads(place: Path) -> None:
    net, x = net_and_inputs(place)
    found = got(place, resize_mode="squash")
    np.testing.assert_allclose(found.features["features"], net[:7](x).numpy(), rtol=1e-4, atol=1e-5)
    assert found.origin.layers == ("features",)
    with pytest.raises(UserError, match="pooling is for layers"):
        got(place, pooling="gem")


@torch.no_grad()
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_what_the_last_layer_reads_is_a_layer_among_others(place: Path, engine: str) -> None:
    """Whatever pooling is asked for the others, beside the last layer's own output, and found alone afterwards."""
    net, x = net_and_inputs(place)
    asked: Any = {"engine": engine, "resize_mode": "squash"}
    found = got(place, layers=["4", "features", "7"], pooling="max", **asked)
    assert list(found.features) == ["4", "features", "7"]
    np.testing.assert_allclose(found.features["features"], net[:7](x).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features["4"], net[:5](x).amax((2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features["7"], net(x).numpy(), rtol=1e-4, atol=1e-5)
    alone = got(place, layers=["features"], **asked)
    assert alone.cached == 16 and alone.origin == got(place, **asked).origin
    assert np.array_equal(alone.features["features"], found.features["features"])


@pytest.mark.parametrize("model", ["efficientnet_lite0", "run", "headless"])
def test_features_beside_a_layer_are_those_alone(place: Path, tmp_path: Path, model: str) -> None:
    """Of a published network, of a run, and of a network without a linear layer at its end."""
    sources = {
        "efficientnet_lite0": lambda: "efficientnet_lite0",
        "run": lambda: probed(place, place / "data", tmp_path / "run"),
        "headless": lambda: f"{place / 'net.py'}:headless",
    }
    layer = {"efficientnet_lite0": "blocks.0", "run": "2", "headless": "1"}[model]
    source, asked = sources[model](), {"engine": "torch", "img_size": 32, "cache": False}
    both: Any = embedded(source, place / "data", Silent(), layers=[layer, "features"], **asked)  # type: ignore[arg-type]
    alone: Any = embedded(source, place / "data", Silent(), **asked)  # type: ignore[arg-type]
    assert both.features["features"].std() > 0
    np.testing.assert_allclose(both.features["features"], alone.features["features"], rtol=1e-4, atol=1e-5)


def test_layer_pooling_and_views_are_kept_apart_in_the_cache(place: Path) -> None:
    asked: list[dict[str, Any]] = [
        {"layers": ["4"]},
        {"layers": ["4"], "pooling": "max"},
        {"layers": ["4"], "views": "flip"},
        {"layers": ["3"]},
        {"layers": ["4"], "resize_mode": "squash"},
        {"layers": ["4"], "img_size": 10},
        {},
        {"views": "flip"},
    ]
    first = [got(place, **one) for one in asked]
    assert [one.cached for one in first] == [0] * len(asked)
    again = [got(place, **one) for one in asked]
    assert [one.cached for one in again] == [16] * len(asked)
    assert len({one.origin.key() for one in first}) == len(asked)
    for one, other in zip(first, again, strict=True):
        (a,), (b,) = one.features.values(), other.features.values()
        assert a.tobytes() == b.tobytes() and one.origin == other.origin
    assert got(place, layers=["4"], cache=False).cached == 0


def test_what_the_cache_has_of_several_layers_it_has_of_each(place: Path) -> None:
    both = got(place, layers=["2", "4"])
    one = got(place, layers=["4"])
    assert one.cached == 16
    assert np.array_equal(one.features["4"], both.features["4"])


def test_a_layer_that_holds_the_last_one_depends_on_its_weights(place: Path, tmp_path: Path) -> None:
    """Two runs on one backbone share what lies below the last layer, and nothing else."""
    for new, old in (("ant", "bee"), ("bee", "ant")):
        shutil.copytree(place / "data" / old, tmp_path / "swapped" / new)
    runs = [
        probed(place, data, tmp_path / f"run-{data.name}") for data in (place / "data", tmp_path / "swapped")
    ]

    def of(run: Path, layer: str) -> Embedded:
        return embedded(run, place / "data", Silent(), layers=[layer], engine="torch")

    below = [of(run, "4") for run in runs]
    assert [one.cached for one in below] == [0, 16]
    above = [of(run, "7") for run in runs]
    assert [one.cached for one in above] == [0, 0]
    assert below[0].origin.key() == below[1].origin.key()
    assert above[0].origin.key() != above[1].origin.key()
    logits = load(runs[1], engine="torch").probabilities([str(place / "data" / "ant" / "0.png")])
    powers = np.exp(above[1].features["7"][0] - above[1].features["7"][0].max())
    np.testing.assert_allclose(powers / powers.sum(), logits[0], rtol=1e-3, atol=1e-5)


def test_a_runs_features_are_those_that_its_classifier_gives(place: Path, tmp_path: Path) -> None:
    run = train(
        place / "data",
        model=f"{place / 'net.py'}:small",
        output=tmp_path / "run",
        img_size=12,
        engine="torch",
    ).folder
    found = embedded(run, place / "data", Silent(), engine="torch")
    classifier = load(run, engine="torch")
    paths = [found.dataset.samples.name(i) for i in range(16)]
    assert np.array_equal(classifier.embed(paths), found.features["features"])
    layer = embedded(run, place / "data", Silent(), engine="torch", layers=["4"], pooling="max", views="flip")
    assert np.array_equal(
        classifier.embed(paths, layer="4", pooling="max", views="flip"), layer.features["4"]
    )
    assert str(run) in found.origin.source
    with pytest.raises(UserError, match="a run brings its own, got weights"):
        embedded(run, place / "data", Silent(), weights="x.pth")


def test_a_run_may_look_at_pictures_of_another_size(place: Path, tmp_path: Path) -> None:
    run = probed(place, place / "data", tmp_path / "run")
    found = embedded(run, place / "data", Silent(), engine="torch", img_size=10, resize_mode="pad")
    assert found.origin.preprocess["size"] == [10, 10] and found.origin.preprocess["resize_mode"] == "pad"
    same = got(place, img_size=10, resize_mode="pad", cache=False)
    np.testing.assert_allclose(found.features["features"], same.features["features"], rtol=1e-5)


@torch.no_grad()
def test_a_last_layer_is_the_weights_own_or_refused(place: Path, tmp_path: Path) -> None:
    """One for another number of classes would be drawn at random."""
    net, x = net_and_inputs(place)
    for tensor in net.state_dict().values():
        tensor += 1
    for name, classes in (("five", 5), ("seven", 7)):
        net[7] = nn.Linear(6, classes)
        torch.save(net.state_dict(), tmp_path / f"{name}.pth")
        asked: Any = {"weights": tmp_path / f"{name}.pth", "resize_mode": "squash"}
        below = got(place, layers=["4"], **asked)
        np.testing.assert_allclose(below.features["4"], net[:5](x).mean((2, 3)).numpy(), rtol=1e-4, atol=1e-4)
        if classes == 5:
            found = got(place, layers=["7"], **asked)
            np.testing.assert_allclose(found.features["7"], net(x).numpy(), rtol=1e-4, atol=1e-4)
        else:
            with pytest.raises(UserError, match=r"seven\.pth has no last layer for the classes"):
                got(place, layers=["7"], **asked)


def test_halves_are_rounded(place: Path) -> None:
    whole, half = got(place, layers=["4"]), got(place, layers=["4"], dtype="float16", cache=False)
    assert np.array_equal(whole.features["4"].astype(np.float16).astype(np.float32), half.features["4"])
    assert half.features["4"].dtype == np.float32
    with pytest.raises(UserError, match="dtype must be one of float32, float16, got 'int8'"):
        got(place, dtype="int8")


def test_the_published_network_gives_layers_that_its_tensors_explain() -> None:
    """The stem of EfficientNet-Lite0 recomputed: convolution, batch norm, ReLU6."""
    samples = open_dataset("builtin/photos").samples
    photos = [samples.name(0), samples.name(60)], ["one", "other"]
    asked: Any = {"layers": ["bn1", "conv_stem"], "pooling": "flat", "engine": "torch"}
    found = embedded("efficientnet_lite0", photos, Silent(), **asked)
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in published_tensors("efficientnet_lite0").items()}
    preprocess = Preprocess.from_json(found.origin.preprocess)
    x = (
        torch.from_numpy(preprocess(found.dataset.samples.read(0)).astype(np.float32)).permute(2, 0, 1)[None]
        / 255
    )
    x = (x - torch.tensor(preprocess.mean)[:, None, None]) / torch.tensor(preprocess.std)[:, None, None]
    conv = nn.functional.conv2d(nn.functional.pad(x, (0, 1, 0, 1)), tensors["conv_stem.weight"], stride=2)
    norm = nn.functional.batch_norm(
        conv, *(tensors[f"bn1.{k}"] for k in ("running_mean", "running_var", "weight", "bias")), eps=1e-3
    )
    np.testing.assert_allclose(found.features["conv_stem"][0], conv.flatten().numpy(), atol=2e-4)
    row = torch.from_numpy(found.features["bn1"][0])
    assert torch.allclose(row, norm.flatten(), atol=2e-3)


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".safetensors"])
def test_a_file_gives_what_went_into_it(place: Path, tmp_path: Path, suffix: str) -> None:
    made = written(place, tmp_path / f"f{suffix}", layers=["4", "2"])
    wanted = got(place, layers=["4", "2"])
    for found in (
        read_features(tmp_path / f"f{suffix}"),
        made.read(),
        embedded(tmp_path / f"f{suffix}", None, Silent()),
    ):
        assert found.origin == wanted.origin
        assert {k: v.tobytes() for k, v in found.features.items()} == {
            k: v.tobytes() for k, v in wanted.features.items()
        }
        assert np.array_equal(found.hashes, wanted.hashes)
        assert found.dataset.labels.tolist() == wanted.dataset.labels.tolist()
        assert found.dataset.classes == ("ant", "bee")
        assert [found.dataset.short_name(i) for i in (0, 15)] == ["ant/0.png", "bee/7.png"]
        assert found.dataset.samples.read(3) == wanted.dataset.samples.read(3)
    assert (made.rows, made.widths, len(made.skipped)) == (16, {"4": 6, "2": 4}, 1)


@pytest.fixture
def kept(place: Path, tmp_path: Path) -> Path:
    written(place, tmp_path / "kept.npz", layers=["4", "2"])
    return tmp_path / "kept.npz"


def test_a_files_features_are_found_by_content_under_any_name(
    place: Path, kept: Path, tmp_path: Path
) -> None:
    for new, (label, i) in {"x/1.png": ("bee", 3), "x/2.png": ("ant", 5), "y/3.png": ("bee", 0)}.items():
        (tmp_path / "moved" / new).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "moved" / new).write_bytes((place / "data" / label / f"{i}.png").read_bytes())
    found = embedded(kept, tmp_path / "moved", Silent(), layers=["2"])
    whole = read_features(kept)
    assert np.array_equal(found.features["2"], whole.features["2"][[8 + 3, 5, 8]])
    assert list(found.features) == ["2"]
    assert found.dataset.classes == ("x", "y")
    assert found.origin.layers == ("2",)


def test_a_file_that_lacks_a_picture_or_has_other_features_is_refused(
    place: Path, kept: Path, tmp_path: Path
) -> None:
    (tmp_path / "new" / "a").mkdir(parents=True)
    Image.new("RGB", (5, 5)).save(tmp_path / "new" / "a" / "b.png")
    with pytest.raises(UserError, match=r"lacks 1 of 1 pictures of new \(a/b\.png\)"):
        embedded(kept, tmp_path / "new", Silent())
    with pytest.raises(UserError, match="unknown layer of .*kept.npz '5'; there are 4, 2"):
        embedded(kept, None, Silent(), layers=["5"])
    with pytest.raises(UserError, match="are of pooling mean, got pooling gem"):
        embedded(kept, None, Silent(), pooling="gem")
    with pytest.raises(UserError, match="are computed already, got img_size 99"):
        embedded(kept, None, Silent(), img_size=99)
    with pytest.raises(UserError, match="is a file of features already"):
        neocog.embed(kept, place / "data", output=tmp_path / "again.npz")
    with pytest.raises(UserError, match="gone.npz does not exist"):
        read_features(tmp_path / "gone.npz")


def test_features_of_another_network_or_preprocessing_are_not_comparable(place: Path) -> None:
    one, other = got(place).origin, got(place, img_size=10).origin
    one.demand_like(replace(one, source="elsewhere"), "f.npz")
    with pytest.raises(UserError, match=r"f\.npz is of preprocessing size \[10, 10\], not size \[12, 12\]"):
        one.demand_like(other, "f.npz")
    with pytest.raises(UserError, match=r"f\.npz is of model other"):
        one.demand_like(replace(one, model="other"), "f.npz")


def test_one_part_is_taken_where_that_is_asked_for(place: Path, tmp_path: Path) -> None:
    for part, label in (("train", "ant"), ("test", "bee")):
        (tmp_path / "parts" / part / label).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "parts" / part / label / f"{i}.png").write_bytes(
                (place / "data" / label / f"{i}.png").read_bytes()
            )
    assert len(got(place, tmp_path / "parts").hashes) == 6
    assert got(place, tmp_path / "parts", part="test").dataset.labels.tolist() == [1] * 3
    written(place, tmp_path / "f.npz", tmp_path / "parts")
    assert read_features(tmp_path / "f.npz").dataset.parts.tolist() == ["train"] * 3 + ["test"] * 3
    found = embedded(tmp_path / "f.npz", None, Silent(), part="test")
    assert found.dataset.labels.tolist() == [1] * 3
    assert np.array_equal(
        found.features["features"], read_features(tmp_path / "f.npz").features["features"][3:]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "avg"}, "unknown pooling 'avg'"),
        ({"part": "train"}, "data has no parts, got --part train; leave it out to take all of it"),
        (
            {"layers": ["conv9"]},
            "unknown layer 'conv9' of .*: any module is one; here there are 0, 3, features",
        ),
        ({"layers": ["4"], "pooling": "gen"}, "unknown pooling 'gen'; did you mean gem"),
        ({"layers": ["4"], "pooling": "token"}, "token pooling needs tokens"),
        ({"views": "11-crop"}, "unknown views '11-crop'; did you mean"),
        ({"img_size": 3}, r"the network must accept a batch|pictures|size"),
        ({"model": "x.py:f"}, "model is for a run"),
        ({"strict": True}, "every picture must be readable"),
    ],
)
def test_what_cannot_be_is_refused(place: Path, options: dict[str, Any], message: str) -> None:
    options = {"layers": ["3"], **options} if options.get("img_size") == 3 else options
    with pytest.raises(UserError, match=message):
        got(place, **options)


def test_a_network_that_gives_no_numbers_is_refused_in_the_pictures_name(place: Path) -> None:
    with pytest.raises(UserError, match=r"ant/0\.png: a feature that the network gives is no finite number"):
        embedded(f"{place / 'net.py'}:burning", place / "data", Silent(), engine="torch", img_size=12)


def test_names_that_are_nothing_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown model 'alexnett'; did you mean alexnet"):
        embedded("alexnett", place / "data", Silent())
    with pytest.raises(UserError, match=r"^nothere\.npz does not exist; give a file that neocog embed wrote"):
        embedded("nothere.npz", None, Silent())
    with pytest.raises(UserError, match=r"^nothere\.npz does not exist"):
        embedded("nothere.npz", place / "data", Silent())
    with pytest.raises(UserError, match="hog is no network .* did you mean classical:hog"):
        embedded("hog", place / "data", Silent())
    with pytest.raises(UserError, match="is not a run"):
        embedded(tmp_path / "no" / "run", place / "data", Silent())
    with pytest.raises(UserError, match="is no file of features; give DATA"):
        embedded("efficientnet_lite0", None, Silent())


def test_the_report_says_what_there_is(place: Path) -> None:
    report = neocog.embed(
        f"{place / 'net.py'}:small", place / "data", layers=["4"], engine="torch", img_size=12
    )
    text = str(report)
    assert text.startswith("16 pictures in ") and "0 from the cache, 16 computed, 1 skipped" in text
    assert "pooling mean, views center, engine torch, float32" in text
    shown = report._repr_html_()
    assert "<table>" in shown and "<td>4</td><td>6</td>" in shown
    assert json.loads(json.dumps(report.to_json()))["widths"] == {"4": 6}
    assert repr(report) == "Embedding(16 pictures, 4: 6)"
    assert np.array_equal(report.read().features["4"], got(place, layers=["4"]).features["4"])


@pytest.mark.parametrize("views", ["center", "flip"])
def test_the_estimator_gives_a_layer_and_is_cloned_with_it(place: Path, views: str) -> None:
    wanted = got(place, layers=["4"], pooling="max", views=views)
    paths = [wanted.dataset.samples.name(i) for i in range(16)]
    weights = place / "weights.pth"
    net, _ = net_and_inputs(place)
    torch.save(net.state_dict(), weights)
    model = ImageEmbedder(
        f"{place / 'net.py'}:small",
        12,
        None,
        "torch",
        str(weights),
        layer="4",
        pooling="max",
        cache=False,
        views=views,
    )
    assert clone(model).get_params() == model.get_params()
    np.testing.assert_allclose(clone(model).fit(paths).transform(paths), wanted.features["4"], rtol=1e-5)
    model.set_params(layer="nothing")
    with pytest.raises(UserError, match="unknown layer 'nothing'"):
        model.fit(paths)


def peak(place: Path, tmp_path: Path, count: int) -> int:
    """Bytes of numpy and Python at most, while the 61 kB that a layer gives for each picture are written."""
    paths = sorted((place / "data").rglob("[0-9].png"))
    several = [paths[i % len(paths)] for i in range(count)]
    tracemalloc.start()
    try:
        data = several, ["one"] * count
        asked: Any = {"layers": ["0"], "pooling": "flat", "img_size": 64, "dtype": "float32"}
        made = written(place, tmp_path / f"{count}.safetensors", data, **asked)
        assert made.rows == count and made.widths == {"0": 4 * 62 * 62}
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_pictures(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7 and 30 MB of features."""
    monkeypatch.setattr("neocog.inference.feature_cache.BYTES", 1 << 20)
    monkeypatch.setattr("neocog.inference.tensor_file.BLOCK", 1 << 18)
    peak(place, tmp_path, 16)  # what is imported at the first use
    assert peak(place, tmp_path, 480) < peak(place, tmp_path, 120) + 2e6


def test_a_keyword_that_embed_does_not_have_is_named() -> None:
    with pytest.raises(TypeError, match=r"embed\(\) has no argument 'layr'; did you mean layers"):
        neocog.embed("lenet5_modern", "builtin/digits", layr=["F6"])  # type: ignore[call-arg]
