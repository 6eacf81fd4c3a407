"""Weight files as plain arrays: safetensors, PyTorch's, NumPy's .npz and ONNX. Nothing in a file is ever executed."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, NDArray[np.generic]]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz", ".onnx")
KINDS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
# where training scripts put the weights beside the optimiser's state; averaged weights come first, as in timm
AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
WRAPPERS = (
    *AVERAGED,
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights"),
)
NO_WEIGHT = "n_averaged"  # torch.optim.swa_utils' counter


class Graph(Tensors):
    """Tensors of an ONNX graph in the order in which its nodes use them."""


def read_weights(path: str | Path) -> Tensors:
    """The tensors of a weight file by name; half precision comes as single. What it is, its content says.

    The prefixes that DataParallel and torch.compile put before each name are taken off. Of a training checkpoint it
    takes the network's state dict, the averaged one (EMA) where there are two. UserError for anything else.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the weight file {_inside(path)}")
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a weight file: {KINDS}")
    try:
        return without_wrappers(_reader(path)(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; give another weight file") from error


def without_wrappers(tensors: Tensors) -> Tensors:
    """`tensors` without the `module.` and `_orig_mod.` before their names, in any order and number."""
    bare = {bare_name(name): tensor for name, tensor in tensors.items()}
    if len(bare) < len(tensors):
        return tensors  # two would have one name: here the prefixes tell something apart
    return type(tensors)(bare)


def bare_name(name: str) -> str:
    """A tensor's name without DistributedDataParallel's and torch.compile's prefixes."""
    while name.startswith(("module.", "_orig_mod.")):
        name = name.partition(".")[2]
    return name.replace("._orig_mod.", ".")  # of a compiled part


def as_arrays(tensors: Mapping[str, Any], where: str = "the weights") -> Tensors:
    """Torch's or numpy's tensors as arrays that numpy can compute with."""
    arrays = Graph() if isinstance(tensors, Graph) else Tensors()
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
            raise UserError(
                f"{where} must be tensors by name, got {type(tensor).__name__} for {name!r}; "
                "give a network's state_dict()"
            )
        convert = _from_numpy if isinstance(tensor, np.ndarray) else _from_torch
        arrays[name] = convert(tensor, f"{name} in {where}")
    return arrays


def _reader(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(256)
    length = int.from_bytes(start[:8], "little")
    if start[:4] == b"PK\x03\x04":
        return _read_zip
    if len(start) > 8 and start[8:9] == b"{" and (path.suffix == ".safetensors" or length < 1 << 32):
        return _read_safetensors
    if start[:1] == b"\x80":  # a pickle: torch before 1.6
        return _read_torch
    if path.suffix == ".onnx" or (start[:1] == b"\x08" and path.suffix in ("", ".pb")):
        return _read_onnx
    raise UserError(f"{path} is {_what(start, path)}, not a weight file; give one: {KINDS}")


def _what(start: bytes, path: Path) -> str:
    """What a file that holds no weights seems to be."""
    text = start.lstrip().lower()
    if not start:
        return "empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page (the download went wrong)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (run: git lfs pull)"
    if start.startswith(b"\x89HDF"):
        return "an HDF5 file of Keras (save it as .npz or .safetensors there)"
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive (unpack it)"
    if path.suffix in SUFFIXES:
        return f"damaged or no {path.suffix} file"
    return "something else"


def _inside(folder: Path) -> str:
    found = sorted(file.name for file in folder.iterdir() if file.suffix in SUFFIXES)
    return f"in it, such as {found[0]}" if found else f"itself ({KINDS}), of which it holds none"


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return as_arrays(load_file(path), str(path))
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); restore it from a copy"
        ) from error


def _read_zip(path: Path) -> Tensors:
    """PyTorch's files since 1.6 and numpy's .npz are both zip archives."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is damaged or was not copied to its end ({error}); copy it again") from error
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return _read_torch(path)
    if names and all(name.endswith(".npy") for name in names):
        return _read_npz(path)
    raise UserError(f"{path} is a zip archive without weights; unpack it and give the file: {KINDS}")


def _read_npz(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return as_arrays({name: archive[name] for name in archive.files}, str(path))
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} must hold arrays of numbers only, it cannot be read safely ({error})"
        ) from error


def _read_torch(path: Path) -> Tensors:
    import torch

    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle has no common exception for "not mine"
        raise UserError(f"{path} {_why_not(error)}") from error
    state = _unwrapped(stored)
    if not isinstance(state, Mapping) or not state:
        raise UserError(
            f"{path} must hold a state dict of tensors, got {type(state).__name__}; "
            "save net.state_dict() there"
        )
    kept = {
        name: value for name, value in state.items() if isinstance(value, torch.Tensor) and name != NO_WEIGHT
    }
    if not kept:
        raise UserError(f"{path} holds no tensors by name, only {', '.join(map(str, list(state)[:5]))}")
    return as_arrays(kept, str(path))


def _why_not(error: Exception) -> str:
    text = str(error)
    if found := re.search(r"unsupported (?:class|global):? (?:GLOBAL )?([\w.]+)", text, re.IGNORECASE):
        return (
            f"holds objects ({found[1]}) beside tensors, and neocog never runs what a file brings along; "
            "where it was made, save net.state_dict() alone"
        )
    if "TorchScript" in text:
        return "is a TorchScript program; where it was made, save net.state_dict() instead"
    reason = text.partition("WeightsUnpickler error: ")[2] or text or type(error).__name__
    return f"is damaged or no PyTorch file of tensors ({reason.strip().splitlines()[0][:120]}); copy it again"


def _unwrapped(stored: Any) -> Any:
    """The state dict inside a checkpoint, however deep."""
    while isinstance(stored, Mapping):
        inner = next((stored[key] for key in WRAPPERS if isinstance(stored.get(key), Mapping)), None)
        if not inner:
            break
        stored = inner
    return stored


def _read_onnx(path: Path) -> Tensors:
    from neocog.weights.onnx_graph import read_graph

    return read_graph(path)


def _from_torch(tensor: Tensor, what: str) -> NDArray[np.generic]:
    """As it is; half precision as single, since numpy has no bfloat16."""
    tensor = tensor.detach().cpu()
    if tensor.is_quantized or str(tensor.layout) != "torch.strided" or tensor.is_complex():
        raise UserError(
            f"{what} must be dense real numbers, not quantised; save it with .dequantize() or .to_dense()"
        )
    half = tensor.is_floating_point() and tensor.element_size() < 4
    array: NDArray[Any] = (tensor.float() if half else tensor).contiguous().numpy()
    return array


def _from_numpy(array: NDArray[Any], what: str) -> NDArray[np.generic]:
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:  # numpy's spelling of a stored bfloat16
        return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind not in "fiub":
        raise UserError(f"{what} must be numbers, got {array.dtype}; save it as float32")
    return array.astype(np.float32) if array.dtype == np.float16 else array
