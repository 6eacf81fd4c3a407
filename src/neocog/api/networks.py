"""What a name or a run stands for, ready for an engine: backbone, last layer, classes and preprocessing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neocog.api import names
from neocog.bundle import Bundle, is_bundle, read_bundle, read_snapshot
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError, unknown
from neocog.inference.network import Head, Network
from neocog.weights.digest import digest
from neocog.weights.published import PUBLISHED, Tensors, imagenet_classes, published_tensors
from neocog.weights.shipped import SHIPPED

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Loaded:
    """A trained classifier in parts: everything that predicting takes."""

    network: Network
    head: Head
    classes: tuple[str, ...]
    bundle: Bundle | None
    folder: Path | None
    model: str | None = None
    """FILE.py:FUNCTION that the user trusts it with"""
    epoch: int | None = None
    """after which the run had these weights; None for those that it ended with"""
    last: str = ""
    """name of a published network's last layer"""


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
    whole: Callable[[], nn.Module]
    """the network with the last layer that it came with, fresh at each call"""
    head_drawn: bool = False
    """whether that last layer is drawn at random, since the weights have one for another number of classes"""


def load_classifier(run: str | Path, model: str | None = None) -> Loaded:
    """A run's bundle, `RUN@EPOCH` of its snapshots, or a published model by name.

    `model` names the user's own file again where a run needs it.
    """
    folder, epoch = run_and_epoch(run)
    if folder is None:
        return _published_classifier(str(run))
    if model:
        names.trust(names.parse(model))
    bundle = read_bundle(folder)
    if epoch is not None:
        card = replace(bundle.card, calibration=None)  # it is of the weights that the run ended with
        kept = read_snapshot(folder, epoch)  # with the auxiliary heads, where the network learned with such
        bundle = Bundle(card, {name: kept[name] for name in bundle.tensors})
    return replace(loaded_from(bundle, folder, model), epoch=epoch)


def loaded_from(bundle: Bundle, folder: Path | None, model: str | None = None) -> Loaded:
    """The classifier that a bundle in memory is; `folder` where the run lies that it comes from."""
    card, tensors = bundle.card, bundle.backbone()

    def backbone() -> nn.Module:
        return rebuild(bundle, model, headless=True)

    version = _version(names.code_version(card.model, card.source_sha256), card.mirrored)
    network = Network(card.model, card.preprocess, digest(tensors), backbone, version)
    head = Head(*bundle.head(), card.activation, card.temperature)
    return Loaded(network, head, card.classes, bundle, folder, model)


def run_and_epoch(run: str | Path) -> tuple[Path | None, int | None]:
    """The folder of `RUN` or `RUN@EPOCH`, and the epoch; no folder where it is the name of a published model."""
    path, epoch = _at_epoch(run)
    return find_run(path), epoch


def _at_epoch(run: str | Path) -> tuple[str | Path, int | None]:
    """The run and the epoch of `RUN@EPOCH`; no epoch where there is a folder of this very name."""
    path, _, epoch = str(run).rpartition("@")
    if not path or not epoch.isdecimal() or Path(run).exists():
        return run, None
    return path, int(epoch)


def find_run(run: str | Path) -> Path | None:
    """The folder of a run, `runs/last` and what neocog brings included; None where `run` names a published model."""
    whole, epoch = _at_epoch(run)
    if epoch is not None and is_bundle(Path(whole)):
        raise UserError(f"{run} are the weights after one epoch of a run, this takes the run itself: {whole}")
    folder = Path(os.path.expanduser(run))  # noqa: PTH111  # unlike Path's it never raises
    if folder.is_file() and folder.name == "last":  # the pointer where the system has no symbolic links
        folder = folder.parent / folder.read_text("utf-8").strip()
    if is_bundle(folder):
        return folder
    if str(run) in SHIPPED:
        return SHIPPED[str(run)]
    if str(run) in PUBLISHED or _alias(str(run)) in PUBLISHED:
        return None
    if folder.is_dir():
        read_bundle(folder)  # says what is missing or damaged
    if folder.exists() or len(folder.parts) > 1:
        raise UserError(
            f"{run} is not a run; give a folder that `neocog train` made, or a model of "
            "`neocog models --pretrained`"
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
    return without_head(net, card.head, card.mirrored) if headless else net.eval()


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
    """A model with weights for the frozen use: published ones, or those of the file `weights`."""
    if weights is None and reference.kind == "ours" and reference.name in PUBLISHED:
        entry = PUBLISHED[reference.name]
        tensors = published_tensors(reference.name)
        head = _last_layer(tensors, len(imagenet_classes()))
        kept = {k: v for k, v in tensors.items() if not k.startswith(f"{head}.")}
        build = _lazy(reference, preprocess, tensors, head)
        version = names.code_version(str(reference), "")
        network = Network(str(reference), preprocess, digest(kept), build, version)
        whole = partial(_built, reference, preprocess, tensors)
        return Backbone(network, kept, head, False, entry.license, entry.source, whole)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = names.build_module(reference, preprocess.channels)
    head_drawn = weights is not None and not _load(net, weights, str(reference))
    drawn = "those the function returned" if reference.kind == "file" else "drawn at random"
    backbone = backbone_from(net, reference, preprocess, str(weights or drawn))
    return replace(backbone, head_drawn=head_drawn)


def _load(net: nn.Module, weights: Path, name: str) -> bool:
    """Put the weights of a file into `net`, with the last layer where that fits; whether it does."""
    from neocog.weights.load import load_weights

    try:
        load_weights(net, weights, name=name, head="keep")
    except UserError:
        load_weights(net, weights, name=name, head="fresh")
        return False
    return True


def backbone_from(
    net: nn.Module, reference: names.Reference, preprocess: Preprocess, source: str, mirrored: bool = False
) -> Backbone:
    """A module as it is, as a backbone; its last linear layer makes room for the new one."""
    from neocog.models.head import find_head, without_head

    head = find_head(net, (preprocess.channels, *preprocess.size))
    state = {name: tensor.detach().cpu().numpy().copy() for name, tensor in net.state_dict().items()}
    if head:
        kept = {k: v for k, v in state.items() if k.rpartition(".")[0] != head}
    else:
        kept = {f"backbone.{k}": v for k, v in state.items()}
    version = _version(names.code_version(str(reference), names.source_sha256(reference)), mirrored)
    network = Network(
        str(reference), preprocess, digest(kept), lambda: without_head(_copy(net), head, mirrored), version
    )
    return Backbone(
        network, kept, head or "classifier", head is None, "as its source says", source, lambda: _copy(net)
    )


def _version(code: str, mirrored: bool) -> str:
    """Of the code that computes the features, and of how often it does."""
    return f"{code}, mirrored" if mirrored else code


def _lazy(
    reference: names.Reference, preprocess: Preprocess, tensors: Tensors, head: str
) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from neocog.models.head import without_head

        return without_head(_built(reference, preprocess, tensors), head)

    return build


def _built(reference: names.Reference, preprocess: Preprocess, tensors: Tensors) -> nn.Module:
    net = names.build_module(reference, preprocess.channels)
    load_tensors(net, tensors)
    return net


def _published_classifier(given: str) -> Loaded:
    name = given if given in PUBLISHED else _alias(given)
    tensors = published_tensors(name)
    reference, preprocess = names.Reference("ours", name), PUBLISHED[name].preprocess
    last = _last_layer(tensors, len(imagenet_classes()))
    kept = {k: v for k, v in tensors.items() if not k.startswith(f"{last}.")}
    version = names.code_version(name, "")
    network = Network(name, preprocess, digest(kept), _lazy(reference, preprocess, tensors, last), version)
    head = Head(tensors[f"{last}.weight"].astype(np.float32), tensors[f"{last}.bias"].astype(np.float32))
    return Loaded(network, head, imagenet_classes(), None, None, last=last)


def _last_layer(tensors: Tensors, classes: int) -> str:
    """The linear layer with a row for each class; told by its shape, which spares the import of torch."""
    rows = [key for key, tensor in tensors.items() if tensor.ndim == 2 and len(tensor) == classes]
    return rows[-1].removesuffix(".weight")


def _alias(name: str) -> str:
    """The model that goes by another name; the name itself where none does."""
    from neocog.models import canonical

    try:
        return canonical(name)
    except UserError:
        return name


def module_of(loaded: Loaded) -> nn.Module:
    """The whole network with its last layer, in evaluation mode: normalised pictures -> logits."""
    return rebuild(loaded.bundle, loaded.model) if loaded.bundle else published_module(loaded.network.name)


def published_module(name: str) -> nn.Module:
    """A published model as a torch module with its weights and its ImageNet classes, in evaluation mode."""
    net = names.build_module(names.Reference("ours", name), PUBLISHED[name].preprocess.channels)
    load_tensors(net, published_tensors(name))
    return net.eval()


def _copy(net: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(net)
