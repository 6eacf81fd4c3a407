"""`neocog see patches`: planted patterns are found, crops give their activations back, and what it says is so."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

from door import neocog, refused
from neocog import Preprocess, create_model
from neocog.api.see.strongest.patches import patches, standing_for
from neocog.api.see.strongest.sheets import sheet
from neocog.errors import UserError
from neocog.weights.shipped import SHIPPED

SIDE = 32
# grey 128 becomes 0, what torch pads with
CENTRED = Preprocess(size=(SIDE, SIDE), mean=(128 / 255,) * 3, std=(0.25,) * 3)
NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2),
    )

def smooth():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


def disc(pixels: np.ndarray, at: tuple[int, int], colour: tuple[int, int, int], radius: int = 4) -> None:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    pixels[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= radius**2] = colour


def with_discs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures with green and blue discs on noise, and in every third a red one; where; whether."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 160, (n, SIDE, SIDE, 3), dtype=np.uint8)
    at, red = rng.integers(5, SIDE - 5, (n, 2)), np.arange(n) % 3 == 0
    for i in range(n):
        for colour in ((30, 200, 40), (40, 60, 220)):
            y, x = rng.integers(5, SIDE - 5, 2)
            disc(pixels[i], (int(y), int(x)), colour)
        if red[i]:
            disc(pixels[i], (int(at[i, 0]), int(at[i, 1])), (220, 30, 30))
    return pixels, at, red


def plain() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip


def as_tensor(pixels: np.ndarray) -> Tensor:
    """What `CENTRED` makes of pixels of its size."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 128) / (0.25 * 255)


@pytest.fixture(scope="module")
def trained() -> nn.Sequential:
    """Tells pictures with a red disc from others."""
    net = plain()
    pixels, _, red = with_discs(100, 0)
    x, y = as_tensor(pixels), torch.from_numpy(red).long()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval()


def data_of(pixels: np.ndarray, red: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
    return list(pixels), ["red" if one else "other" for one in red]


def test_a_planted_pattern_is_found_by_the_channels_that_look_for_it(trained: nn.Sequential) -> None:
    pixels, at, red = with_discs(150, 7)
    with torch.no_grad():
        peaks = trained[:5](as_tensor(pixels)).amax((2, 3)).numpy()
    # the channels that tell red, by the pictures' own labels and nothing of ours
    telling = [c for c in range(8) if peaks[red, c].min() > peaks[~red, c].max() > -1]
    assert telling
    seen = patches(trained, data_of(pixels, red), layers="3", channel=telling, preprocess=CENTRED)
    for one in seen.channels:
        assert one.labels == (("red", 9),)
        assert one.rule == "deconvnet"
        for name, window, patch in zip(one.pictures, one.windows, one.patches, strict=True):
            i = int(name.strip("[]"))
            assert red[i]
            top, left, bottom, right = window
            assert top <= at[i, 0] < bottom and left <= at[i, 1] < right
            reddish = (patch[..., 0] == 220) & (patch[..., 1] == 30)
            assert reddish[at[i, 0] - top, at[i, 1] - left]
    caption = next(plate.caption for plate in seen.gallery.plates())
    assert caption.startswith("9 of 9 red; activations ")


def test_each_patch_of_a_padded_layer_gives_its_activation_back() -> None:
    """Grey beyond the picture is what the padding is, so units at corners and edges do so, too."""
    rng, net = np.random.default_rng(3), plain()
    pixels = rng.integers(118, 138, (40, SIDE, SIDE, 3), dtype=np.uint8)
    for i, one in enumerate(pixels):  # in turn at a corner, at an edge, inside
        row, column = ((0, 0), (SIDE - 2, SIDE - 2), (0, 14), (9, 20))[i % 4]
        one[row : row + 2, column : column + 2] = rng.integers(0, 256, (2, 2, 3))
    pixels.setflags(write=False)  # as those of some data sets in memory are
    seen = patches(net, data_of(pixels, np.zeros(40, bool)), layers="0", channels=8, preprocess=CENTRED)
    assert len(seen.channels) == 8
    conv: Any = net[0]
    for one in seen.channels:
        assert one.patches.shape == (9, 5, 5, 3)
        given = F.relu(F.conv2d(as_tensor(one.patches), conv.weight, conv.bias))[:, one.channel, 0, 0]
        np.testing.assert_allclose(given.detach().numpy(), one.stored, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.values, one.stored, rtol=1e-4, atol=1e-6)
        # of a first convolution what comes back is its kernel times the activation
        kernel = conv.weight[one.channel].detach().numpy().transpose(1, 2, 0)
        inside = [
            top >= 0 and left >= 0 and max(bottom, right) <= SIDE for top, left, bottom, right in one.windows
        ]
        for i in np.flatnonzero(inside):
            truth, scale = kernel * one.values[i], float(one.scales[i])
            assert scale == pytest.approx(np.quantile(np.abs(truth), 0.995), rel=1e-4)
            back = (one.reconstructions[i] / 127.5 - 1) * scale
            assert np.abs(back - truth.clip(-scale, scale)).max() <= 0.51 * scale / 127.5
    windows = [window for one in seen.channels for window in one.windows]
    assert any(top < 0 and left < 0 for top, left, _, _ in windows)
    assert any(bottom > SIDE and right > SIDE for _, _, bottom, right in windows)


def test_the_index_has_every_channel_of_every_layer(trained: nn.Sequential) -> None:
    pixels, _, red = with_discs(30, 4)
    seen = patches(trained, data_of(pixels, red), k=3, channels=1, preprocess=CENTRED)
    x = as_tensor(pixels)
    with torch.no_grad():
        wanted = {"0": trained[:2](x).amax((2, 3)), "3": trained[:5](x).amax((2, 3)), "7": trained(x)}
    assert list(seen.index.layers) == list(wanted)
    for name, values in wanted.items():
        found = seen.index.layers[name]
        for channel in range(values.shape[1]):
            column = values[:, channel].numpy()
            order = np.lexsort((np.arange(30), -column))[:3]
            np.testing.assert_allclose(found.values[channel], column[order], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(column[found.pictures[channel]], column[order], rtol=1e-4, atol=1e-5)


def test_a_named_layer_is_looked_at_once_under_any_of_its_names() -> None:
    """Also where one module is called for two layers; what is no layer of its own comes beside the others."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.act(self.two(self.act(self.one(x)))).mean((2, 3))
            return y

    torch.manual_seed(0)
    net, given = Twice(), data_of(with_discs(12, 8)[0], np.zeros(12, bool))
    for layer, wanted, shown in (("one", ["one", "two"], 4), ("act", ["one", "two"], 5)):
        seen = patches(net, given, layers=layer, channels=9, preprocess=CENTRED)
        assert list(seen.index.layers) == wanted
        assert len(seen.channels) == shown
    raw = patches(net, given, layers="module:one", channels=1, preprocess=CENTRED)
    assert list(raw.index.layers) == ["one", "two", "module:one"]
    negative = net.one(as_tensor(np.stack(given[0]))).amax((2, 3)).detach().numpy()
    np.testing.assert_allclose(raw.index.layers["module:one"].values[:, 0], negative.max(axis=0), rtol=1e-4)


def test_planted_dead_and_duplicate_channels_are_reported() -> None:
    net = plain()
    with torch.no_grad():
        conv: Any = net[0]
        conv.weight[3], conv.bias[3] = 0, -1
        conv.weight[6], conv.bias[6] = 2 * conv.weight[1], 2 * conv.bias[1]
    pixels, _, red = with_discs(40, 5)
    seen = patches(net, data_of(pixels, red), layers="0", channel=[1, 3, 6], preprocess=CENTRED)
    first, last = seen.figures["layers"][0], seen.figures["layers"][-1]
    assert first["dead"] == [3]
    assert first["duplicates"] == [[1, 6]]
    assert last["dead"] is None
    said = {plate.title: plate.caption for plate in seen.gallery.plates()}
    assert "the same as channel 6" in said["channel 1"]
    assert "dead: 0 in each of the pictures" in said["channel 3"]
    assert ("0", "8 × 32 × 32", "8", "1 (3)", "1 (1 = 6)") in seen.gallery.rooms[-1].rows
    assert dict(seen.gallery.facts)["duplicate channels"] == "1"
    assert (seen.channels[1].reconstructions == 128).all() and not seen.channels[1].scales.any()


def test_layers_that_are_shown_without_being_named() -> None:
    from neocog.analysis.capture import Place
    from neocog.inside.units import Layer

    def layers(*shapes: tuple[int, ...]) -> list[Layer]:
        return [Layer(str(i), Place(str(i)), shape, (64, 64)) for i, shape in enumerate(shapes)]

    def names(some: list[Layer]) -> str:
        return " ".join(layer.name for layer in standing_for(some))

    assert names(layers((8, 9, 9), (8, 5, 5), (10,))) == "0 1"
    assert names(layers((10,), (4,))) == "0 1"
    sizes = [(8, side, side) for side in (32, 32, 32, 16, 16, 16, 8, 8, 8)]
    assert names(layers(*sizes, (10,))) == "2 5 8"
    assert names(layers((8, 14, 14), *[(196, 32)] * 12)) == "0 1 7 12"


def test_a_rule_may_be_chosen_and_else_suits_the_layer(trained: nn.Sequential) -> None:
    """Before the first max pool there are no switches; behind a GELU the deconvnet has no meaning."""
    pixels, _, red = with_discs(20, 6)
    given = data_of(pixels, red)

    def rules(net: nn.Module, **options: Any) -> list[str]:
        seen = patches(net, given, channels=1, preprocess=CENTRED, **options)
        return [one.rule for one in seen.channels]

    smooth = nn.Sequential(nn.Conv2d(3, 4, 5), nn.GELU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    assert rules(trained) == ["guided", "deconvnet"]
    assert rules(trained, rule="gradient") == ["gradient", "gradient"]
    assert rules(smooth) == ["gradient", "gradient"]
    with pytest.raises(UserError, match="has gelu"):
        rules(smooth, rule="deconvnet")
    with pytest.raises(UserError, match="unknown rule 'deconv'; did you mean deconvnet"):
        rules(trained, rule="deconv")


def test_copies_among_the_pictures_are_said() -> None:
    """Two that are the same file tie, and both count."""
    pixels, _, red = with_discs(9, 8)
    pixels[4] = pixels[6] = pixels[1]
    seen = patches(plain(), data_of(pixels, red), layers="0", channels=1, preprocess=CENTRED)
    caption = next(plate.caption for plate in seen.gallery.plates())
    assert "; 2 of the pictures are copies of others" in caption
    assert [name for name in seen.channels[0].pictures if name in ("[1]", "[4]", "[6]")] == [
        "[1]",
        "[4]",
        "[6]",
    ]


def test_a_network_without_layers_is_refused_until_a_module_is_named() -> None:
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    given = data_of(with_discs(12, 8)[0], np.zeros(12, bool))
    with pytest.raises(UserError, match="Sequential has no convolution or linear layer"):
        patches(net, given, preprocess=CENTRED)
    seen = patches(net, given, layers="module:0", channels=3, preprocess=CENTRED)
    means = as_tensor(np.stack(given[0])).unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5)).amax((2, 3))
    np.testing.assert_allclose(seen.index.layers["module:0"].values[:, 0], means.amax(0).numpy(), rtol=1e-4)


def test_a_slope_that_is_infinite_leaves_grey() -> None:
    """As that of a root at zero: what comes back from there is no number."""

    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu().sqrt()

    torch.manual_seed(3)  # with most seeds nothing but zeros comes back
    net = nn.Sequential(nn.Conv2d(3, 2, 3), Root(), nn.Conv2d(2, 2, 1))
    given = data_of(with_discs(12, 8)[0], np.zeros(12, bool))
    seen = patches(net, given, layers="2", channels=2, preprocess=CENTRED)
    assert all(np.isfinite(one.scales).all() for one in seen.channels)
    assert any(np.ptp(one.reconstructions) > 200 for one in seen.channels)


def test_sheets_have_patches_left_and_reconstructions_right(trained: nn.Sequential) -> None:
    pixels, _, red = with_discs(20, 6)
    seen = patches(trained, data_of(pixels, red), layers="0", channel=2, k=4, preprocess=CENTRED)
    (one,) = seen.channels
    drawn = sheet(one)
    side = 5 * 15  # pixels that are squares of 15, up to at least 72
    assert drawn.shape == (2 * side + 2, 2 * (2 * side + 2) + 10, 3)
    np.testing.assert_array_equal(drawn[:side:15, :side:15], one.patches[0])
    np.testing.assert_array_equal(drawn[side + 2 :: 15, side + 2 : 2 * side + 2 : 15], one.patches[3])
    left = 2 * side + 2 + 10 + side + 2
    np.testing.assert_array_equal(drawn[:side:15, left::15], one.reconstructions[1])
    np.testing.assert_array_equal(next(seen.gallery.plates()).pixels, drawn)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A network in a file, and pictures of two classes of which one is damaged."""
    (tmp_path / "net.py").write_text(NETWORK)
    pixels, _, red = with_discs(14, 9)
    for i, one in enumerate(pixels):
        path = tmp_path / "data" / ("red" if red[i] else "other") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(path)
    (tmp_path / "data" / "other" / "odd.png").write_bytes(b"no picture")
    return tmp_path


WORDS = ("see", "patches", "net.py:small", "data", "--img-size", "32", "--engine", "torch")


def test_the_command_writes_page_sheets_and_index(place: Path) -> None:
    done = neocog(*WORDS, cwd=place)
    assert "skipped other/odd.png: " in done.stderr
    assert "14 of data, 1 unreadable left out" in done.stdout
    assert "page  seen/patches/index.html" in done.stdout
    folder = place / "seen" / "patches"
    assert sorted(path.suffix for path in folder.iterdir()) == [
        ".html",
        ".json",
        *[".png"] * 11,
        ".safetensors",
    ]
    page = (folder / "index.html").read_text()
    assert "other/odd.png" in page and "1 picture cannot be read and was left out" in page
    tensors = load_file(folder / "index.safetensors")
    assert tensors["0/values"].shape == (6, 9)
    assert tensors["labels"].tolist() == [0] * 10 + [1] * 5
    with Image.open(folder / "0-0.png") as sheet:
        assert sheet.mode == "RGB"


def test_a_later_look_takes_the_index_that_was_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(place / "cache"))
    words = (*WORDS, "--channel", "0,2", "--json")
    done = [neocog(*words, *more, cwd=place) for more in ((), ("-k", "4"), ("--engine", "openvino"))]
    first, again, other = (json.loads(one.stdout) for one in done)
    assert [one["cached"] for one in (first, again, other)] == [False, True, False]
    assert ["engine: " in one.stderr for one in done] == [True, False, True]  # said where a pass is made
    assert not (place / "seen").exists()
    for a, b, c in zip(first["layers"], again["layers"], other["layers"], strict=True):
        assert len(a["shown"]) == (0 if a["layer"] == "7" else 2)
        for one, fewer, same in zip(a["shown"], b["shown"], c["shown"], strict=True):
            assert fewer["pictures"] == one["pictures"][:4] and fewer["values"] == one["values"][:4]
            np.testing.assert_allclose(one["values"], same["values"], rtol=1e-4, atol=1e-5)
    (kept,) = (place / "cache" / "patches").glob("*-torch-auto/*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert json.loads(neocog(*words, cwd=place).stdout)["cached"] is False
    (place / "data" / "red" / "00.png").unlink()
    assert json.loads(neocog(*words, cwd=place).stdout)["pictures"] == 13


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*WORDS, "-k", "16"), "k must be at most the number of pictures, 15 in data, got 16"),
        (
            (*WORDS, "-k", "15"),
            "k must be at most the number of pictures, 14 in data that can be read, got 15",
        ),
        ((*WORDS, "-k", "0"), "k must be at least 1, got 0"),
        ((*WORDS, "--layer", "9"), "unknown layer '9' of .*net.py:small; there are 0, 3, 7"),
        ((*WORDS, "--layer", "3", "--channel", "5"), "channel must be 0 to 4 of 3, got 5"),
        ((*WORDS, "--strict"), "every picture must be readable with --strict, 1 of 15 are not"),
        ((*WORDS, "--channels", "0"), "channels must be at least 1, got 0"),
        ((*WORDS, "--channel", "a"), "channel must be whole numbers joined by commas, got 'a'"),
    ],
)
def test_what_is_refused(place: Path, words: tuple[str, ...], said: str) -> None:
    assert re.match(said, refused(*words, cwd=place))


def test_digits_by_a_network_of_ours(tmp_path: Path) -> None:
    """Grey pictures of the size that LeNet-5 takes, so that nothing but its first layer lies between."""
    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images[:60].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    for i, (picture, label) in enumerate(zip(pixels, labels, strict=False)):
        (tmp_path / "digits" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "digits" / str(label) / f"{i:02}.png")
    done = neocog("see", "patches", "lenet5", "digits", "--layer", "C1", "-o", "out", "--json", cwd=tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net: Any = create_model("lenet5")
    x = (
        -0.1 + 1.275 * torch.from_numpy(pixels)[:, None] / 255
    )  # LeCun et al. 1998: from -0.1, the ground, to 1.175
    with torch.no_grad():
        peaks = 1.7159 * np.tanh(2 / 3 * F.conv2d(x, net.c1.weight, net.c1.bias).amax((2, 3)).numpy())
    shown = json.loads(done.stdout)["layers"][0]["shown"]
    assert sorted(one["channel"] for one in shown) == list(range(6))
    for one in shown:
        best = np.sort(peaks[:, one["channel"]])[::-1][:9]
        np.testing.assert_allclose(one["values"], best, rtol=1e-4)
        places = [int(Path(name).stem) for name in one["pictures"]]
        np.testing.assert_allclose(peaks[places, one["channel"]], best, rtol=1e-4)
        assert one["classes"] == dict(Counter(str(labels[place]) for place in places).most_common())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", "seen.json", "index.safetensors", *(f"C1-{i}.png" for i in range(6)),
    }  # fmt: skip
    neocog("see", "filters", "lenet5", "-o", "out", cwd=tmp_path)  # whose page takes the place of this one
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"index.html", "seen.json", "filters.svg"}


def test_a_channel_and_a_layer_alone_stand_for_themselves() -> None:
    net, given = plain(), data_of(with_discs(12, 8)[0], np.zeros(12, bool))
    net[3] = nn.Conv2d(8, 14, 3)
    seen = patches(net[:5], given, layers="3", channel=12, preprocess=CENTRED)
    assert [(one.layer, one.channel) for one in seen.channels] == [("3", 12)]
    with pytest.raises(TypeError, match=r"see patches\(\) has no argument 'layer'; did you mean layers"):
        patches(net, given, layer="3", preprocess=CENTRED)  # type: ignore[call-arg]


@pytest.mark.parametrize("forgotten", ["runs/last", "edge_net", "lenet5"])
def test_a_network_is_not_taken_for_pictures(tmp_path: Path, forgotten: str) -> None:
    if forgotten == "runs/last":
        shutil.copytree(SHIPPED["edge_net"], tmp_path / "runs" / "last")
    said = refused("see", "patches", forgotten, cwd=tmp_path)
    assert said == f"DATA are pictures, {forgotten} is a network; name them behind it: {forgotten} DATA"
