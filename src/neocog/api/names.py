"""A model's name becomes a module: ours, timm's, torchvision's, or what a file's function returns."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog import download, files, runtime
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError, unknown
from neocog.progress import Progress
from neocog.weights.origins import imagenet_normalised
from neocog.weights.published import PUBLISHED

if TYPE_CHECKING:
    from torch import nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Reference:
    """A model's name, taken apart."""

    kind: str
    """`ours`, `timm`, `torchvision` or `file`"""
    name: str
    """the model's or the function's name"""
    path: Path | None = None
    """FILE.py"""

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.path}:{self.name}"
        return self.name if self.kind == "ours" else f"{self.kind}:{self.name}"


def parse(name: str) -> Reference:
    """`NAME`, `timm:NAME`, `torchvision:NAME` or `FILE.py:FUNCTION`."""
    kind, _, rest = name.partition(":")
    if kind in ("timm", "torchvision"):
        if not rest:
            raise UserError(f"{kind}: needs a model's name behind it, such as {kind}:resnet18")
        return Reference(kind, rest)
    file, _, function = name.rpartition(":")
    if file.endswith(".py"):
        path = Path(os.path.expanduser(file))  # noqa: PTH111  # unlike Path's it never raises
        if not path.is_file():
            raise UserError(f"{path} does not exist; -m FILE.py:FUNCTION needs a Python file that does")
        return Reference("file", function, path.resolve())
    if name in PUBLISHED:  # spares the import of torch
        return Reference("ours", name)
    from neocog.models import ALIASES, MODELS, canonical

    if name.endswith(".py"):
        raise UserError(
            f"{name} needs the name of a function that returns a module behind it: {name}:FUNCTION"
        )
    try:
        return Reference("ours", canonical(name))
    except UserError as error:
        known = [*MODELS, *ALIASES, "timm:NAME", "torchvision:NAME", "FILE.py:FUNCTION"]
        raise unknown("model", name, known) from error


def build_module(reference: Reference, channels: int, aux: bool = False) -> nn.Module:
    """The module with freshly drawn weights and the number of classes it was made for.

    With `aux`, one of ours that can have auxiliary heads for training has them.
    """
    if reference.kind == "ours":
        from neocog.models import MODELS, build
        from neocog.models.information import options_of

        heads = {"aux": True} if aux and "aux" in options_of(MODELS[reference.name]) else {}
        return build(reference.name, in_chans=channels, **heads)
    if reference.kind == "timm":
        return _timm(reference.name, channels)
    if channels != 3 and reference.kind == "torchvision":
        raise UserError(
            f"torchvision's models take 3 channels, got {channels}; use another model or RGB pictures"
        )
    return _torchvision(reference.name) if reference.kind == "torchvision" else _from_file(reference)


def default_preprocess(reference: Reference) -> Preprocess:
    """The input a model was made for; another size by `resized`."""
    if reference.kind == "ours":
        if reference.name in PUBLISHED:
            return PUBLISHED[reference.name].preprocess
        from neocog.models import MODELS

        model = MODELS[reference.name]
        channels, height, width = model.input_size
        if imagenet_normalised(reference.name):
            return Preprocess(size=(height, width), mean=IMAGENET_MEAN, std=IMAGENET_STD)
        std = 1 / (model.ink - model.ground)  # black and white, 0 and 1, become the ground and the ink
        mean = -model.ground * std
        return Preprocess(
            size=(height, width), channels=channels, mean=(mean,) * channels, std=(std,) * channels
        )
    if reference.kind == "timm":
        return _timm_preprocess(reference.name)
    return Preprocess(size=(224, 224), crop_pct=0.875, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def at_hand(name: str) -> bool:
    """Whether a model of ours has published weights on this machine: an installed package's, or fetched ones."""
    return name in PUBLISHED and PUBLISHED[name].installed()


def fetch(reference: Reference, progress: Progress | None = None) -> Path | None:
    """Bring the published weights of a model of ours into the cache, over the network; None where there are none."""
    if reference.kind != "ours" or reference.name not in PUBLISHED:
        return None
    entry = PUBLISHED[reference.name]
    return download.fetch(entry.remote(), progress) if entry.address else entry.path()


def resized(preprocess: Preprocess, size: int | None, resize_mode: str | None) -> Preprocess:
    """`preprocess` for square inputs of `size` pixels, cut out by `resize_mode`, where these are given."""
    if size is not None:
        if size < 1:
            raise UserError(f"img_size must be at least 1, got {size}")
        preprocess = replace(preprocess, size=(size, size))
    return replace(preprocess, resize_mode=resize_mode) if resize_mode is not None else preprocess  # type: ignore[arg-type]


def source_sha256(reference: Reference) -> str:
    return files.sha256(reference.path) if reference.path else ""


def has_fixed_classes(reference: Reference) -> bool:
    """Whether the model is one of ours whose last layer is drawn, not learned."""
    from neocog.models import MODELS

    return reference.kind == "ours" and MODELS[reference.name].fixed_classes


def code_version(name: str, source: str) -> str:
    """What tells one state of the code behind the model `name` from another; `source` is its file's SHA-256, if any."""
    kind = name.partition(":")[0]
    distribution = kind if kind in ("timm", "torchvision") else "neocog"
    try:
        return source or f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return distribution


def trust(reference: Reference) -> None:
    """Remember that the user named this file: a bundle may run it again on this machine as long as it is unchanged."""
    if reference.path:
        marks = files.make_folder(runtime.cache_folder() / "trusted")
        files.write_text(marks / source_sha256(reference), f"{reference.path}\n")


def demand_trust(reference: Reference, expected: str) -> None:
    """Raise unless the file is the one the bundle was trained with and its user has named it here before."""
    if not reference.path:
        return
    now = source_sha256(reference)
    if now != expected:
        raise UserError(f"{reference.path} was changed since the run was trained; restore it from a copy")
    if not (runtime.cache_folder() / "trusted" / now).exists():
        raise UserError(f"this run executes code of {reference.path}; if you trust it, pass -m {reference}")


def _timm(name: str, channels: int) -> nn.Module:
    timm = _library("timm")
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    module: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels)
    return module


def _timm_preprocess(name: str) -> Preprocess:
    timm = _library("timm")
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    try:
        config: dict[str, Any] = timm.get_pretrained_cfg(name).to_dict()
    except (RuntimeError, AttributeError) as error:
        raise UserError(
            f"timm has no settings for {name} ({error}); name the model without its tag"
        ) from error
    channels, height, width = config["input_size"]
    return Preprocess(
        size=(height, width),
        channels=channels,
        crop_pct=config.get("crop_pct") or 0.875,
        interpolation=config.get("interpolation") or "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _torchvision(name: str) -> nn.Module:
    models = _library("torchvision").models
    if name not in models.list_models(module=models):
        raise unknown("torchvision model", name, models.list_models(module=models))
    extra = {"init_weights": False, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    module: nn.Module = models.get_model(name, weights=None, **extra)
    return module


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"{name}: models need {name} installed and working ({error}); run: pip install {name}"
        ) from error


def _from_file(reference: Reference) -> nn.Module:
    from torch import nn

    assert reference.path
    spec = importlib.util.spec_from_file_location(f"neocog_user_{reference.path.stem}", reference.path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        factory = getattr(module, reference.name, None)
        if not callable(factory):
            functions = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise unknown(f"function of {reference.path.name}", reference.name, functions or ["none there"])
        net = factory()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{reference} must run without arguments, it raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(net, nn.Module):
        raise UserError(f"{reference} must return a torch.nn.Module, it returned {type(net).__name__}")
    return net
