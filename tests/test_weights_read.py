"""Weight files of every kind, and files that only look like one."""

import argparse
import json
import os
import re
import sys
import zipfile
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.torch import save_file
from torch import nn

from neocog.errors import UserError
from neocog.weights.read import read_weights

onnx = pytest.importorskip("onnx")
VALUES = {"conv1.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bn1.count": np.array(5, np.int64)}


def tensors() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in VALUES.items()}


def equal(read: dict[str, Any], wanted: dict[str, Any] = VALUES) -> bool:
    return set(read) == set(wanted) and all(
        read[name].dtype == wanted[name].dtype and np.array_equal(read[name], wanted[name]) for name in wanted
    )


def legacy(path: Path) -> None:
    torch.save(tensors(), path, _use_new_zipfile_serialization=False)


KINDS = {
    "a.safetensors": lambda path: save_file(tensors(), path),
    "a.pth": lambda path: torch.save(tensors(), path),
    "old.pth": legacy,
    "a.bin": lambda path: torch.save(tensors(), path),
    "a.npz": lambda path: np.savez(path, **VALUES),
    "compressed.npz": lambda path: np.savez_compressed(path, **VALUES),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_tensors_that_were_written(tmp_path: Path, name: str) -> None:
    KINDS[name](tmp_path / name)
    assert equal(read_weights(tmp_path / name))
    assert equal(read_weights(str(tmp_path / name)))


@pytest.mark.parametrize("name", KINDS)
def test_what_a_file_is_its_content_says_and_not_its_name(tmp_path: Path, name: str) -> None:
    KINDS[name](tmp_path / name)
    (tmp_path / name).rename(tmp_path / "pytorch_model")
    assert equal(read_weights(tmp_path / "pytorch_model"))


@given(values=arrays_of.arrays(np.float32, arrays_of.array_shapes(min_dims=0), elements=st.floats(width=32)))
def test_any_array_comes_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    torch.save({"a": torch.from_numpy(values)}, folder / "any.pth")
    save_file({"a": torch.from_numpy(values).contiguous()}, folder / "any.safetensors")
    np.savez(folder / "any.npz", a=values)
    for suffix in ("pth", "safetensors", "npz"):
        (back,) = read_weights(folder / f"any.{suffix}").values()
        assert back.shape == values.shape
        assert back.tobytes() == values.tobytes()


def test_a_network_from_onnx_has_its_layers_order_and_torchs_shapes(tmp_path: Path) -> None:
    """Stored backwards; of the two linear maps one is stored as (out, in), one as (in, out)."""
    rng = np.random.default_rng(0)
    kernel, first, second, bias = (
        rng.random(shape, np.float32) for shape in ((4, 1, 3, 3), (8, 4), (8, 2), 2)
    )
    make, stored = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        make("Conv", ["x", "k"], ["a"]),
        make("Reshape", ["a", "shape"], ["b"]),
        make("Gemm", ["b", "first"], ["c"], transB=1),
        make("MatMul", ["c", "second"], ["d"]),
        make("Add", ["d", "bias"], ["e"]),
    ]
    shape = np.array([1, -1], np.int64)
    named = {"bias": bias, "second": second, "first": first, "shape": shape, "k": kernel}
    graph = onnx.helper.make_graph(nodes, "g", [], [], [stored(array, name) for name, array in named.items()])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    read = read_weights(tmp_path / "net.onnx")
    assert list(read) == ["k", "first", "second", "bias"]
    assert equal(read, {"k": kernel, "first": first, "second": second.T, "bias": bias})


def test_weights_in_constant_nodes_are_weights_too(tmp_path: Path) -> None:
    """Of a graph in which a kernel is stored flat, and its shape and a bias are constants beside the nodes."""
    kernel, bias, factor = np.arange(8, dtype=np.float32), np.ones(2, np.float32), np.array([3.0], np.float32)
    make, stored = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        make("Constant", [], ["shape"], value=stored(np.array([2, 1, 2, 2], np.int64), "s")),
        make("Constant", [], ["bias"], value=stored(bias, "b")),
        make("Constant", [], ["factor"], value=stored(factor, "f")),
        make("Reshape", ["kernel", "shape"], ["r"]),
        make("Conv", ["x", "r", "bias"], ["y"]),
        make("Mul", ["y", "factor"], ["z"]),  # what normalises the picture is no weight
    ]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], [stored(kernel, "kernel")])),
        tmp_path / "n.onnx",
    )
    assert equal(read_weights(tmp_path / "n.onnx"), {"kernel": kernel.reshape(2, 1, 2, 2), "bias": bias})


def test_without_the_package_onnx_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=re.escape('run: pip install "neocog[onnx]"')):
        read_weights(tmp_path / "net.onnx")


# Types


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_half_precision_comes_as_single_with_the_same_values(
    tmp_path: Path, kind: torch.dtype, suffix: str
) -> None:
    half = torch.tensor([1.0, -0.375, 65280.0, 2**-14], dtype=kind)
    path = tmp_path / f"half.{suffix}"
    torch.save({"a": half}, path) if suffix == "pth" else save_file({"a": half}, path)
    assert equal(read_weights(path), {"a": np.array(half.tolist(), np.float32)})


def test_bfloat16_in_an_npz_is_what_jax_meant_by_it(tmp_path: Path) -> None:
    """numpy has no such type and writes the bytes as void: the upper half of a float32."""
    exact = np.array([1.0, -2.5, 3.0e38, 0.0078125], np.float32)
    upper = (exact.view(np.uint32) >> 16).astype(np.uint16)
    np.savez(tmp_path / "a.npz", a=upper.view("V2"), b=np.ones(2, np.float16))
    read = read_weights(tmp_path / "a.npz")
    wanted = (upper.astype(np.uint32) << 16).view(np.float32)
    assert equal(read, {"a": wanted, "b": np.ones(2, np.float32)})
    assert abs(wanted - exact).max() / exact.max() < 2**-8


# Prefixes and checkpoints


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module._orig_mod."]
)
def test_wrappers_prefixes_are_taken_off(tmp_path: Path, prefix: str) -> None:
    torch.save({prefix + name: tensor for name, tensor in tensors().items()}, tmp_path / "a.pth")
    assert equal(read_weights(tmp_path / "a.pth"))


def test_prefixes_are_taken_off_parts_of_a_network_too(tmp_path: Path) -> None:
    """DataParallel around a network of which a part was compiled; torch's own names of both."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1)))
    plain = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    compiled = nn.Module()  # what torch.compile puts around a module, whose import takes ten seconds
    compiled._orig_mod = net[1]
    net[1] = compiled
    torch.save(nn.DataParallel(net).state_dict(), tmp_path / "a.pth")
    assert "module.1._orig_mod.0.weight" in torch.load(tmp_path / "a.pth", weights_only=True)
    assert equal(read_weights(tmp_path / "a.pth"), plain)


def test_a_prefix_that_tells_two_tensors_apart_stays(tmp_path: Path) -> None:
    both = {"module.a": torch.ones(1), "a": torch.zeros(1)}
    torch.save(both, tmp_path / "a.pth")
    assert equal(read_weights(tmp_path / "a.pth"), {name: tensor.numpy() for name, tensor in both.items()})


OTHER = {name: tensor + 1 for name, tensor in tensors().items()}
AVERAGED = {"n_averaged": torch.tensor(3), **{f"module.{name}": tensor for name, tensor in tensors().items()}}
CHECKPOINTS = {
    "imagenet example": {"epoch": 3, "arch": "resnet50", "state_dict": tensors(), "optimizer": {"lr": 0.1}},
    "timm": {"state_dict": OTHER, "state_dict_ema": tensors(), "version": 2},
    "torchvision": {"model": OTHER, "model_ema": AVERAGED, "optimizer": {}, "epoch": 1},
    "DeiT": {"model": tensors()},
    "tutorial": {"model_state_dict": tensors(), "loss": 0.5},
    "lightning": {"state_dict": tensors(), "pytorch-lightning_version": "2.5", "callbacks": {}},
    "nested": {"model": {"state_dict": tensors()}, "epoch": 1},
    "no average yet": {"state_dict": tensors(), "state_dict_ema": None},
    "cifar": {"net": tensors(), "acc": 93.1, "epoch": 5},
    "beside numbers": {**tensors(), "epoch": 5},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_networks_tensors_are_found_in_a_checkpoint(tmp_path: Path, name: str) -> None:
    """Where there are averaged weights (EMA), these are the ones that were evaluated."""
    torch.save(CHECKPOINTS[name], tmp_path / "a.pth")
    assert equal(read_weights(tmp_path / "a.pth"))


# What is no weight file


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch exploded",)


def refused(path: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_brings_code_is_refused_and_the_code_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for new in (True, False):
        torch.save({"a": torch.ones(1), "b": Bomb()}, "bomb.pth", _use_new_zipfile_serialization=new)
        refused(
            tmp_path / "bomb.pth", r"holds objects \((posix|nt).system\) beside tensors, .* never runs what"
        )
    np.savez("bomb.npz", a=np.array([Bomb()], object))
    refused(tmp_path / "bomb.npz", "must hold arrays of numbers only")
    assert not Path("exploded").exists()


def test_a_whole_network_or_its_arguments_are_objects_too(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "net.pth")
    refused(
        tmp_path / "net.pth", r"holds objects \(torch.nn.modules.linear.Linear\).* save net.state_dict\(\)"
    )
    torch.save({"model": tensors(), "args": argparse.Namespace(lr=1)}, tmp_path / "args.pth")
    refused(tmp_path / "args.pth", r"holds objects \(argparse.Namespace\)")


def test_a_program_is_no_weight_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save lays it out
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"script/{name}", b"")
    refused(tmp_path / "script.pt", "is damaged or no PyTorch file of tensors|is a TorchScript program")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("part", [0.02, 0.5, 0.97])
def test_a_file_that_was_not_copied_to_its_end_is_told_so(tmp_path: Path, name: str, part: float) -> None:
    path = tmp_path / name
    KINDS[name](path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    refused(path, "damaged|not copied to its end|not a readable|not a weight file|cannot be read safely")


CONTENTS = {
    "empty.pth": (b"", "is empty, not a weight file"),
    "page.pth": (b"<!DOCTYPE html><title>404", "is a web page"),
    "pointer.safetensors": (
        b"version https://git-lfs.github.com/spec/v1\noid",
        r"Git LFS pointer .run: git lfs pull",
    ),
    "keras.h5": (b"\x89HDF\r\n\x1a\n", "HDF5 file of Keras"),
    "a.pth.gz": (b"\x1f\x8b\x08", "gzip archive"),
    "text.pth": (
        b"just some words",
        "is damaged or no .pth file, not a weight file; give one: .safetensors, .pth",
    ),
    "text.txt": (b"just some words", "is something else, not a weight file"),
    "text.onnx": (b"just some words", "damaged or no ONNX file"),
    "nothing.onnx": (b"\x08\x07", "stores no weights"),
    "header.safetensors": (pack("<Q", 20) + b'{"a":{"dtype":"F32"}', "is not a readable safetensors file"),
    "huge.safetensors": (pack("<Q", 1 << 60) + b"{}", "is not a readable safetensors file"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, words = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, words)


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("cat.jpg", b"")
    refused(tmp_path / "photos.zip", "is a zip archive without weights")


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (torch.ones(3), "must hold a state dict of tensors, got Tensor"),
        ([torch.ones(3)], "must hold a state dict of tensors, got list"),
        ({}, "must hold a state dict of tensors, got dict"),
        ({"epoch": 1, "lr": 0.1}, "holds no tensors by name, only epoch, lr"),
        ({"a": torch.ones(3, 3).to_sparse()}, "a in .* must be dense real numbers, not quantised"),
        ({"a": torch.ones(3, dtype=torch.complex64)}, "a in .* must be dense real numbers, not quantised"),
    ],
)
def test_a_torch_file_without_a_state_dict_is_refused(tmp_path: Path, stored: Any, words: str) -> None:
    torch.save(stored, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", words)


def test_letters_are_no_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array(["cat"]))
    refused(tmp_path / "a.npz", "a in .* must be numbers, got <U3")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    refused(tmp_path / "none.pth", "does not exist; give a weight file: .safetensors")
    refused(tmp_path, r"is a folder; give the weight file itself \(.*\), of which it holds none")
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text(json.dumps({}))
    refused(tmp_path, "is a folder; give the weight file in it, such as model.safetensors")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    KINDS["a.pth"](tmp_path / "a.pth")
    (tmp_path / "a.pth").chmod(0)
    refused(tmp_path / "a.pth", "cannot read .*: Permission denied")
