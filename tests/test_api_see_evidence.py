"""The views of evidence: figures that follow from a network made by hand, the command, what is refused."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import rankdata, spearmanr
from torch import nn

from door import neocog, refused
from neocog import see
from neocog.api.see.evidence.answered import class_of, mean_colour
from neocog.api.see.evidence.cam import cam
from neocog.api.see.evidence.deconv import deconv
from neocog.api.see.evidence.occlusion import occlusion
from neocog.api.see.evidence.saliency import flat, saliency
from neocog.api.see.opened import as_input, opened
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.inside.back.rectifiers import NoMeaning
from neocog.inside.evidence.sanity import randomised
from neocog.progress import Silent

PLAIN = Preprocess(size=(16, 16), mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 0.5))
PICTURE = np.random.default_rng(4).integers(0, 256, (16, 16, 3), dtype=np.uint8)
CLASSES = ("left", "right", "even")
MEAN_COLOUR = np.rint(np.array([0.5, 0.25, 0]) * 255)


class Halves(nn.Module):
    """Logits: how bright the left half is, how bright the right one, and 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x[..., :8].mean((1, 2, 3)), x[..., 8:].mean((1, 2, 3))
        return torch.stack([left, right, left * 0], 1)


def given(pixels: Any = PICTURE) -> np.ndarray:
    """As preprocessing makes them the network's input."""
    mean, std = np.array([0.5, 0.25, 0.0]), 0.5
    return np.asarray(((pixels / 255 - mean) / std).transpose(2, 0, 1))


def probabilities(pixels: Any) -> np.ndarray:
    x = given(pixels)
    powers = np.exp([x[..., :8].mean(), x[..., 8:].mean(), 0])
    return np.asarray(powers / powers.sum())


def test_views_are_functions_though_their_files_are_imported() -> None:
    assert (see.cam, see.deconv, see.occlusion, see.saliency) == (cam, deconv, occlusion, saliency)


def test_saliency_of_a_linear_network() -> None:
    seen = saliency(Halves(), PICTURE, target="RIGHT", baseline="mean", preprocess=PLAIN, classes=CLASSES)
    slope = np.zeros((3, 16, 16))
    slope[..., 8:] = 1 / (3 * 16 * 8)
    assert seen.target == 1 and set(seen.evidence) == {"gradient", "guided", "integrated", "smoothgrad"}
    np.testing.assert_allclose(seen.evidence["gradient"], slope, atol=1e-9)
    np.testing.assert_allclose(seen.evidence["smoothgrad"], slope, atol=1e-9)
    np.testing.assert_allclose(seen.evidence["integrated"], slope * given(), atol=1e-8)
    assert seen.figures["probability"] == pytest.approx(probabilities(PICTURE)[1], abs=1e-6)
    black = saliency(Halves(), PICTURE, target=0, methods=["integrated"], preprocess=PLAIN, classes=CLASSES)
    way = given() - given(np.zeros((16, 16, 3)))
    np.testing.assert_allclose(black.evidence["integrated"], slope[..., ::-1] * way, atol=1e-8)
    with pytest.raises(UserError, match="unknown method 'gradients'; did you mean gradient"):
        saliency(Halves(), PICTURE, methods="gradients", preprocess=PLAIN)  # type: ignore[arg-type]
    both = saliency(Halves(), PICTURE, methods=["gradient", "gradient"], preprocess=PLAIN)
    alone = saliency(Halves(), PICTURE, methods="gradient", preprocess=PLAIN)
    assert list(both.evidence) == list(alone.evidence) == list(both.figures["methods"]) == ["gradient"]
    assert len(both.lines) == 1
    blurred = saliency(
        Halves(),
        np.full((16, 16, 3), 90, np.uint8),
        methods=["integrated"],
        baseline="blurred",
        preprocess=PLAIN,
    )
    np.testing.assert_allclose(blurred.evidence["integrated"], 0, atol=1e-9)  # nothing can be blurred there


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("rihgt", "unknown class 'rihgt'; did you mean right"),
        ("--5", "unknown class '--5'"),
        (-1, "a number from 0 to 2, got -1"),
        ("3", "a number from 0 to 2, got 3"),
    ],
)
def test_classes_that_there_are_not(given: str | int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        saliency(Halves(), PICTURE, target=given, preprocess=PLAIN, classes=CLASSES)


def test_classes_by_name_and_number() -> None:
    known = replace(
        opened(Halves(), Silent(), {"preprocess": PLAIN}), classes=("7", "Ape", "ape", "Cow", "0")
    )
    wanted = {"7": 0, "ape": 2, "Ape": 1, "cow": 3, "0": 4, "1": 1, 2: 2, None: 3}
    shares = np.array([0.1, 0.2, 0.2, 0.4, 0.1], np.float32)
    for name, place in wanted.items():
        assert class_of(known, shares, name) == place
    with pytest.raises(UserError, match="unknown class 'APE'"):
        class_of(known, shares, "APE")  # either of two


def area_by_hand(picture: np.ndarray, order: list[tuple[int, int]], target: int) -> float:
    """Under the probability of a class as pixels go in this order, eight at a time."""
    curve, changed = [probabilities(picture)[target]], picture.astype(float)
    for i, place in enumerate(order, 1):
        changed[place] = MEAN_COLOUR
        if i % 8 == 0:
            curve.append(probabilities(changed)[target])
    return float(sum((a + b) / 2 for a, b in zip(curve, curve[1:], strict=False)) / 32)


def test_deletion_of_one_half() -> None:
    """The gradient of one half orders its cells first; by hand the curve is the probability as columns go."""
    picture = np.full((16, 16, 3), 255, np.uint8)
    seen = saliency(
        Halves(), picture, target=0, methods=["gradient"], baseline="mean", preprocess=PLAIN, classes=CLASSES
    )
    order = [(row, column) for columns in (range(8), range(8, 16)) for row in range(16) for column in columns]
    method = seen.figures["methods"]["gradient"]
    assert method["deletion_area"] == pytest.approx(area_by_hand(picture, order, 0), abs=1e-5)
    assert method["deletion_area"] < seen.figures["random_deletion_area"]
    assert method["rank_correlation_with_random_weights"] == pytest.approx(1)  # it has no weights


def test_colours_add_up_where_they_explain_the_logit() -> None:
    evidence = np.array([[[3.0, -1.0]], [[-4.0, -1.0]], [[0.0, 0.5]]])
    for method in ("gradient", "guided", "deconvnet", "smoothgrad"):
        np.testing.assert_array_equal(flat(method, evidence), [[4, 1]])
    np.testing.assert_array_equal(flat("integrated", evidence), [[-1, -1.5]])


def test_occlusion_of_one_half() -> None:
    seen = occlusion(Halves(), PICTURE, square=4, stride=4, preprocess=PLAIN, classes=CLASSES)
    assert seen.target == int(probabilities(PICTURE).argmax()) and seen.probability.shape == (4, 4)
    worth = np.zeros((16, 16))
    for i, j in np.ndindex(4, 4):
        changed = PICTURE.copy()
        changed[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = MEAN_COLOUR
        wanted = probabilities(changed)
        assert seen.probability[i, j] == pytest.approx(wanted[seen.target], abs=1e-6)
        assert seen.winner[i, j] == wanted.argmax()
        assert seen.figures["winners"][i][j] == CLASSES[wanted.argmax()]
        worth[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = -wanted[seen.target]
    order = [divmod(int(i), 16) for i in np.argsort(-worth.ravel(), kind="stable")]
    areas = seen.figures["deletion_areas"]
    assert set(areas) == {"occlusion", "gradient"}  # it has no maps for Grad-CAM
    assert areas["occlusion"] == pytest.approx(area_by_hand(PICTURE, order, seen.target), abs=1e-5)
    assert seen.figures["rank_correlation_with_random_weights"] == pytest.approx(1)  # it has no weights
    assert seen.activity is None and seen.figures["strongest_map"] is None
    assert any(note.startswith("No feature map is followed") for note in seen.gallery.notes)


class Decides(Halves):
    """Its path depends on the picture, so it cannot be traced; and it has no gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if x.sum() > 0 else x * 1).detach()


def test_occlusion_asks_for_nothing_but_answers() -> None:
    seen = occlusion(Decides(), PICTURE, square=8, stride=8, preprocess=PLAIN)
    assert seen.activity is None and set(seen.figures["deletion_areas"]) == {"occlusion"}
    with pytest.raises(UserError, match="use `neocog see occlusion`"):
        saliency(Decides(), PICTURE, preprocess=PLAIN)


def small_net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 3)
        ).eval()
        nn.init.normal_(net[4].weight)
    return net


def test_occlusion_follows_the_strongest_map_and_a_network_with_other_weights() -> None:
    net = small_net()
    seen = occlusion(net, PICTURE, target=2, square=4, stride=2, seed=3, preprocess=PLAIN)

    def logits(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(given(pixels)[None]).float())[0].numpy(), np.float64)

    def probability(net: nn.Module, pixels: np.ndarray) -> float:
        powers = np.exp(logits(net, pixels))
        return float(powers[2] / powers.sum())

    channel = int(logits(net[:2], PICTURE).mean(axis=(1, 2)).argmax())
    twin, falls = randomised(net, 3), []
    for i, j in np.ndindex(7, 7):
        changed = PICTURE.copy()
        changed[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] = MEAN_COLOUR
        assert seen.probability[i, j] == pytest.approx(probability(net, changed), abs=1e-6)
        assert seen.activity is not None
        assert seen.activity[i, j] == pytest.approx(logits(net[:2], changed)[channel].mean(), abs=1e-6)
        falls.append([abs(probability(one, PICTURE) - probability(one, changed)) for one in (net, twin)])
    ranks = [rankdata(np.float32(column)) for column in np.transpose(falls)]
    found = seen.figures["rank_correlation_with_random_weights"]
    assert found == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=0.01)  # single precision may change places
    strongest = seen.figures["strongest_map"]
    assert (strongest["layer"], strongest["channel"]) == ("1", channel)
    assert strongest["mean"] == pytest.approx(logits(net[:2], PICTURE)[channel].mean(), abs=1e-6)
    areas = seen.figures["deletion_areas"]
    assert set(areas) == {"occlusion", "gradient", "Grad-CAM"}
    other = saliency(net, PICTURE, target=2, methods="gradient", baseline="mean", seed=3, preprocess=PLAIN)
    assert areas["gradient"] == pytest.approx(other.figures["methods"]["gradient"]["deletion_area"], abs=1e-6)
    assert seen.figures["random_deletion_area"] == pytest.approx(
        other.figures["random_deletion_area"], abs=1e-6
    )
    (of_class,) = cam(net, PICTURE, target=2, seed=3, preprocess=PLAIN).figures["classes"]
    assert areas["Grad-CAM"] == pytest.approx(of_class["maps"]["Grad-CAM"]["deletion_area"], abs=1e-6)
    plates = {plate.name: plate for plate in seen.gallery.plates()}
    assert "by the deconvnet rule" not in plates["map_answers_to"].caption  # the pool is behind it
    assert "by the guided rule" in plates["map_answers_to"].caption


def test_by_name_the_maps_are_followed_by_the_fast_engine() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    seen = occlusion("lenet_caffe", picture, square=14, stride=7)
    network = opened("lenet_caffe", Silent(), {})
    place = network.net.get_submodule(seen.figures["strongest_map"]["layer"])
    maps: list[np.ndarray] = []
    hook = place.register_forward_hook(lambda _, __, out: maps.append(out[0].numpy().copy()))
    try:
        with torch.no_grad():
            for i, j in np.ndindex(3, 3):
                changed = picture.copy()
                changed[7 * i : 7 * i + 14, 7 * j : 7 * j + 14] = mean_colour(network)
                network.net(as_input(network, changed[None]))
            network.net(as_input(network, picture[None]))
    finally:
        hook.remove()
    channel = int(maps[-1].mean(axis=(1, 2)).argmax())
    assert seen.figures["strongest_map"]["channel"] == channel
    assert seen.activity is not None
    np.testing.assert_allclose(
        seen.activity.ravel(), [one[channel].mean() for one in maps[:-1]], rtol=1e-4, atol=1e-6
    )


def test_deconv_of_the_strongest_unit() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.ReLU())
    seen = deconv(net, PICTURE, layer="0", preprocess=PLAIN)
    with torch.no_grad():
        maps = net[:2](torch.from_numpy(given()[None]).float())[0].numpy()
    order = np.argsort(-maps.max((1, 2)), kind="stable")
    assert [unit.channel for unit in seen.units] == [c for c in order if maps[c].max() > 0]
    for unit in seen.units:
        row, column = np.unravel_index(maps[unit.channel].argmax(), (14, 14))
        assert unit.at == (row, column) and unit.window == (row, column, row + 3, column + 3)
        assert unit.activation == pytest.approx(float(maps[unit.channel].max()), rel=1e-5)
        assert unit.answer == pytest.approx(unit.activation, rel=1e-5) and "cut" not in unit.said
        wanted = np.zeros((3, 16, 16))
        wanted[:, row : row + 3, column : column + 3] = net[0].weight[unit.channel].detach() * unit.activation
        np.testing.assert_allclose(unit.reconstruction, wanted, atol=1e-5)
    cut = nn.Sequential(net[0], nn.Hardtanh(0, 0.1))
    unit = deconv(cut, PICTURE, layer="0", preprocess=PLAIN).units[0]
    assert unit.activation == pytest.approx(0.1) and unit.channel == order[0]
    assert unit.said == f"0.1, cut from {maps.max():.3g}"
    assert unit.answer == pytest.approx(float(maps.max()), rel=1e-5)
    last = nn.Sequential(net[0], nn.ReLU(), nn.Flatten(), nn.Linear(980, 2))
    vector = deconv(last, PICTURE, layer="3", channel=1, preprocess=PLAIN).units[0]
    assert (vector.at, vector.window) == ((), (0, 0, 16, 16)) and vector.reconstruction.any()
    one = deconv(net, PICTURE, layer="3", channel=2, at=(1, 4), rule="guided", preprocess=PLAIN)
    assert [(u.layer, u.channel, u.at) for u in one.units] == [("3", 2, (1, 4))]
    assert one.figures["rules"] == {"3": "guided"}
    for unit in seen.units:
        assert unit.support == pytest.approx(1)
    figures = seen.figures["units"][0]
    assert figures["share_on_what_it_depends_on"] == pytest.approx(1)
    assert figures["rank_correlation_with_random_weights"] == seen.units[0].rank
    whole = deconv(net, PICTURE, preprocess=PLAIN)
    assert {unit.layer for unit in whole.units} == {"0", "3"} and whole.figures["rules"] == {
        "0": "guided",
        "3": "deconvnet",
    }


def test_deconv_beside_random_weights_by_hand() -> None:
    """Of the first layer what comes back are kernels."""
    net = small_net()
    twin = randomised(net, 5)
    with torch.no_grad():
        there = twin[:2](torch.from_numpy(given()[None]).float())[0]
    units = deconv(net, PICTURE, layer="0", seed=5, preprocess=PLAIN).units
    assert any(unit.rank is not None for unit in units)
    for unit in units:
        active = [c for c in [*range(unit.channel, 5), *range(unit.channel)] if there[(c, *unit.at)] > 0]
        if not active:
            assert unit.rank is None
            continue
        away = np.hypot(*np.mgrid[-1:2, -1:2])[None].repeat(3, axis=0).ravel()
        kernels = (net[0].weight[unit.channel], twin[0].weight[active[0]])
        values = [np.abs(kernel.detach().numpy()).ravel() for kernel in kernels]
        ab, ac, bc = (spearmanr(*two).statistic for two in combinations([*values, away], 2))
        wanted = (ab - ac * bc) / ((1 - ac**2) * (1 - bc**2)) ** 0.5
        assert unit.rank == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("picture", [PICTURE, np.full((16, 16, 3), 200, np.uint8)])
def test_views_agree_on_the_strongest_unit(picture: np.ndarray) -> None:
    """Where all places of a channel are equal, it is the one in the middle."""
    net = small_net()
    found = deconv(net, picture, layer="0", preprocess=PLAIN).units[0]
    one = see.unit(net, picture, layer="0", preprocess=PLAIN)
    (maps,) = see.maps(net, picture, layers=["0"], preprocess=PLAIN).figures["layers"]
    assert (found.channel, found.at) == (one.channel, one.at)
    assert (found.channel, list(found.at)) == (maps["strongest"]["channel"], maps["strongest"]["at"])
    assert found.at == (3, 3) or picture is PICTURE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel": 1}, "a channel needs the layer"),
        ({"layer": "0", "at": (0, 0)}, "a place needs the channel"),
        ({"layer": "0", "channel": 5}, "0 has channels 0 to 4, got 5"),
        ({"layer": "0", "channel": 1, "at": (14, 0)}, "0 has 14x14 units a channel, row 14 is outside"),
        ({"layer": "5", "channel": 1, "at": (0, 0)}, "5 has no places, got 0,0"),
        ({"rule": "plain"}, "unknown rule 'plain'"),
    ],
)
def test_units_that_there_are_not(options: Any, words: str) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(245, 3)
    )
    with pytest.raises(UserError, match=words):
        deconv(net, PICTURE, preprocess=PLAIN, **options)


def test_what_has_no_meaning_is_left_out_or_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    seen = saliency(net, PICTURE, samples=2, preprocess=PLAIN)
    assert set(seen.evidence) == {"gradient", "integrated", "smoothgrad"}
    assert any(note.startswith("Left out: guided needs rectifiers") for note in seen.gallery.notes)
    with pytest.raises(NoMeaning, match="guided needs rectifiers"):
        saliency(net, PICTURE, methods=["guided"], preprocess=PLAIN)
    with pytest.raises(
        UserError, match="deconvnet needs rectifiers .* has gelu on the way to 0; use `neocog see saliency`"
    ):
        deconv(net, PICTURE, preprocess=PLAIN)
    unit = deconv(net, PICTURE, rule="gradient", preprocess=PLAIN).units[0]
    x = torch.from_numpy(given()[None]).float().requires_grad_()
    value = net[:2](x)[(0, unit.channel, *unit.at)]
    (wanted,) = torch.autograd.grad(value, x, value.detach())
    np.testing.assert_allclose(unit.reconstruction, wanted[0].numpy(), atol=1e-6)
    named = cam(net, PICTURE, layer="1", top=2, preprocess=PLAIN, classes=("a", "b"))
    assert named.maps["Grad-CAM"].shape == (2, 14, 14)
    assert cam(net, PICTURE, target=1, preprocess=PLAIN).targets == (1,)


def test_the_command_writes_a_page_for_each_view(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).resize((40, 30)).save(tmp_path / "it.png")
    done = neocog(
        "see", "saliency", "lenet_caffe", "it.png", "--samples", 3, "--json", "-o", "out", cwd=tmp_path
    )
    figures = json.loads(done.stdout)
    assert figures["picture"] == "it.png" and set(figures["methods"]) == {
        "gradient",
        "guided",
        "integrated",
        "smoothgrad",
    }
    assert figures["methods"]["integrated"]["completeness_gap"] <= 0.01
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "index.html", "seen.json", "picture.png", "gradient.png", "guided.png", "integrated.png", "smoothgrad.png",
        "deletion.svg",
    }  # fmt: skip
    done = neocog("see", "deconv", "lenet_caffe", "it.png", cwd=tmp_path)
    assert (
        "rule                     guided for conv1; deconvnet for conv2" in done.stdout
        and "drawn at random" in done.stdout
    )
    assert {p.name for p in (tmp_path / "seen/deconv").iterdir()} == {
        "index.html",
        "seen.json",
        "conv1.png",
        "conv2.png",
    }
    done = neocog("see", "cam", "lenet_caffe", "it.png", "--top", 2, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["grid"] == [8, 8] and len(found["classes"]) == 2 and not (tmp_path / "seen/cam").exists()
    for one in found["classes"]:
        assert set(one["maps"]) == {"Grad-CAM", "LayerCAM"}
    done = neocog("see", "occlusion", "lenet_caffe", "it.png", "--square", 7, "--stride", 7, cwd=tmp_path)
    assert "7 × 7 pixels, moved by 7: 16 places" in done.stdout and "strongest map" in done.stdout
    assert re.search(
        r"deletion 0\.\d+ \(random 0\.\d+\), correlation with random weights -?0\.\d+", done.stdout
    )
    assert "what each pixel is worth" in (tmp_path / "seen/occlusion/index.html").read_text("utf-8")


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    Image.fromarray(PICTURE).save(tmp_path / "it.png")
    assert "a number from 0 to 9, got 10" in refused(
        "see", "saliency", "lenet_caffe", "--class", 10, cwd=tmp_path
    )
    assert "give a number from 0 on" in refused("see", "cam", "lenet_caffe", "--class", "dog", cwd=tmp_path)
    words = refused("see", "cam", "lenet_caffe", "--layer", "conv3", cwd=tmp_path)
    assert "unknown layer 'conv3'; did you mean" in words and "conv2" in words
    words = refused("see", "deconv", "vit_ti_16", "it.png", "--img-size", 32, cwd=tmp_path)
    assert "has gelu on the way to head; use `neocog see saliency`, --rule gradient" in words
    words = refused("see", "saliency", "lenet5", "it.png", "--method", "guided", cwd=tmp_path)
    assert "guided needs rectifiers (ReLU, ReLU6)" in words and "use gradient" in words
    assert "no.png" in refused("see", "occlusion", "lenet_caffe", "no.png", cwd=tmp_path)
    words = refused("see", "occlusion", "lenet_caffe", "it.png", "--square", 29, cwd=tmp_path)
    assert "must fit into 28x28 pixels and move by at least 1, got 29 and 7" in words
    words = refused(
        "see", "deconv", "lenet_caffe", "--layer", "conv1", "--channel", 0, "--at", "1;2", cwd=tmp_path
    )
    assert words == "--at is a row and a column from 0 on, such as 12,30, or a token's number; got 1;2"
    assert "unknown method 'grad'; did you mean" in refused(
        "see", "saliency", "lenet_caffe", "--method", "grad", cwd=tmp_path
    )
    assert "unknown baseline 'white'" in refused(
        "see", "saliency", "lenet_caffe", "--baseline", "white", cwd=tmp_path
    )
