"""What a name or a run stands for, ready for an engine: backbone, last layer, classes and preprocessing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.bundle import Bundle, is_bundle, read_bundle
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError, unknown
from neocog.inference.network import Head, Network
from neocog.weights.digest import digest
from neocog.weights.published import PUBLISHED, Tensors, imagenet_classes, published_tensors, read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Loaded:
    """A trained classifier in parts: everything that predicting takes."""

    network: Network
    head: Head
    classes: tuple[str, ...]
    bundle: Bundle | None
    folder: Path | None


@dataclass(frozen=True)
class Backbone:
    """A network without a classifier of its own for the task: what `probe` puts one behind."""

    network: Network
    tensors: Tensors
    """of the backbone"""
    head: str
    """name that the new last layer gets"""
    head_added: bool
    license: str
    source: str


def load_classifier(run: str | Path, model: str | None = None) -> Loaded:
    """A run's bundle, or a published model by name. `model` names the user's own file again where a run needs it."""
    folder = find_run(run)
    if folder is None:
        return _published_classifier(str(run))
    bundle = read_bundle(folder)
    card = bundle.card
    if model:
        names.trust(names.parse(model))
    tensors = bundle.backbone()

    def backbone() -> nn.Module:
        return rebuild(bundle, model, headless=True)

    version = names.code_version(card.model, card.source_sha256)
    network = Network(card.model, card.preprocess, digest(tensors), backbone, version)
    return Loaded(network, Head(*bundle.head()), card.classes, bundle, folder)


def find_run(run: str | Path) -> Path | None:
    """The folder of a run, `runs/last` included; None where `run` is the name of a published model."""
    folder = Path(os.path.expanduser(run))  # noqa: PTH111  # unlike Path's it never raises
    if folder.is_file() and folder.name == "last":  # the pointer where the system has no symbolic links
        folder = folder.parent / folder.read_text("utf-8").strip()
    if is_bundle(folder):
        return folder
    if str(run) in PUBLISHED:
        return None
    if folder.is_dir():
        read_bundle(folder)  # says what is missing or damaged
    if folder.exists() or len(folder.parts) > 1:
        raise UserError(
            f"{run} is not a run; give a folder that `neocog train` made, or {', '.join(PUBLISHED)}"
        )
    raise unknown("run or pretrained model", str(run), [*PUBLISHED, "runs/last"])


def rebuild(bundle: Bundle, model: str | None = None, headless: bool = False) -> nn.Module:
    """The bundle's network as a torch module with its weights, `strict=True`, in evaluation mode."""
    import torch

    from neocog.models.head import with_head, without_head

    card = bundle.card
    reference = names.parse(model or card.model)
    if model:
        names.trust(reference)
    names.demand_trust(reference, card.source_sha256)
    weight, _ = bundle.head()
    with torch.random.fork_rng(devices=[]):
        net = names.build_module(reference, card.preprocess.channels)
        net = with_head(net, card.head, len(card.classes), card.head_added, weight.shape[1])
    load_tensors(net, bundle.tensors)
    return without_head(net, card.head) if headless else net.eval()


def load_tensors(net: nn.Module, tensors: Tensors) -> None:
    """Put `tensors` into `net`, all of them and no others; an error names the first that do not fit."""
    import torch

    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise UserError(f"the weights do not fit the model: {' '.join(lines)[:300]}") from error


def backbone_of(reference: names.Reference, preprocess: Preprocess, weights: Path | None) -> Backbone:
    """A model with weights for the frozen use: published ones, or those of `weights` (safetensors or .pth)."""
    if weights is None and reference.kind == "ours" and reference.name in PUBLISHED:
        entry = PUBLISHED[reference.name]
        tensors = published_tensors(reference.name)
        kept = {k: v for k, v in tensors.items() if not k.startswith("classifier.")}
        build = _lazy(reference, preprocess, tensors)
        version = names.code_version(str(reference), "")
        network = Network(str(reference), preprocess, digest(kept), build, version)
        return Backbone(network, kept, "classifier", False, entry.license, entry.source)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = names.build_module(reference, preprocess.channels)
    if weights is not None:
        load_tensors(net, read_weights(weights))
    drawn = "those the function returned" if reference.kind == "file" else "drawn at random"
    return backbone_from(net, reference, preprocess, str(weights or drawn))


def backbone_from(
    net: nn.Module, reference: names.Reference, preprocess: Preprocess, source: str
) -> Backbone:
    """A module as it is, as a backbone; its last linear layer makes room for the new one."""
    from neocog.models.head import find_head, without_head

    head = find_head(net, (preprocess.channels, *preprocess.size))
    state = {name: tensor.detach().cpu().numpy().copy() for name, tensor in net.state_dict().items()}
    if head:
        kept = {k: v for k, v in state.items() if k.rpartition(".")[0] != head}
    else:
        kept = {f"backbone.{k}": v for k, v in state.items()}
    version = names.code_version(str(reference), names.source_sha256(reference))
    network = Network(
        str(reference), preprocess, digest(kept), lambda: without_head(_copy(net), head), version
    )
    return Backbone(network, kept, head or "classifier", head is None, "as its source says", source)


def read_weights(path: Path) -> Tensors:
    """Tensors of a .safetensors file, or of a .pth file that holds tensors and nothing else."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; --weights needs a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        return read_tensors(path)
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle has no common exception for "not mine"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} must hold tensors only, it cannot be read safely ({reason})") from error
    for key in ("state_dict", "model_state_dict", "model"):
        state = state[key] if isinstance(state, dict) and isinstance(state.get(key), dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UserError(f"{path} must hold a state dict of tensors, got {type(state).__name__}")
    return {
        key.removeprefix("module.").removeprefix("_orig_mod."): _numpy(tensor)
        for key, tensor in state.items()
    }


def _numpy(tensor: Tensor) -> NDArray[Any]:
    """As it is, half precision as single, which numpy has no bfloat16 for."""
    tensor = tensor.detach().contiguous()
    half = tensor.is_floating_point() and tensor.element_size() < 4
    array: NDArray[Any] = (tensor.float() if half else tensor).numpy()
    return array


def _lazy(reference: names.Reference, preprocess: Preprocess, tensors: Tensors) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from neocog.models.head import without_head

        net = names.build_module(reference, preprocess.channels)
        load_tensors(net, tensors)
        return without_head(net, "classifier")

    return build


def _published_classifier(name: str) -> Loaded:
    tensors = published_tensors(name)
    reference, preprocess = names.Reference("ours", name), PUBLISHED[name].preprocess
    kept = {k: v for k, v in tensors.items() if not k.startswith("classifier.")}
    version = names.code_version(name, "")
    network = Network(name, preprocess, digest(kept), _lazy(reference, preprocess, tensors), version)
    head = Head(
        tensors["classifier.weight"].astype(np.float32), tensors["classifier.bias"].astype(np.float32)
    )
    return Loaded(network, head, imagenet_classes(), None, None)


def published_module(name: str) -> nn.Module:
    """A published model as a torch module with its weights and its ImageNet classes, in evaluation mode."""
    net = names.build_module(names.Reference("ours", name), PUBLISHED[name].preprocess.channels)
    load_tensors(net, published_tensors(name))
    return net.eval()


def _copy(net: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(net)
