"""A network with its weights, and pictures as it sees them: what every view begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.embedding.sources import reference_of
from neocog.api.embedding.ways import Frozen, of_backbone, of_loaded
from neocog.api.networks import backbone_of, load_classifier
from neocog.data.builtin import whole_photographs
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Picture, as_samples
from neocog.errors import Unreadable, UserError
from neocog.inference.network import softmax
from neocog.progress import Progress
from neocog.weights.published import PUBLISHED, imagenet_classes
from neocog.weights.shipped import SHIPPED

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.inside.tokens import Patches
    from neocog.inside.units import Layer

CAT = "chelsea.jpg"
"""the photograph that is shown where none is given"""
DRAWN = "drawn at random"


class OpenOptions(TypedDict, total=False):
    """What one may say about the network, by keyword."""

    weights: str | Path | None
    """a file of weights, for a model's name"""
    run_model: str | None
    """FILE.py:FUNCTION of a run that has one, to trust it on this machine"""
    img_size: int | None
    download: bool
    preprocess: Preprocess | None
    """for a module: how pictures become its input; 224 pixels and ImageNet's mean if not given"""
    classes: tuple[str, ...]
    """for a module: names of its outputs"""


@dataclass(frozen=True, eq=False)
class Opened:
    """A network in evaluation, and what belongs to it."""

    name: str
    """of the model, as papers' names of layers are found by"""
    title: str
    """as a page calls it: the model's name, or the run's folder"""
    net: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    """names of the outputs; empty where nobody knows them"""
    source: str
    """where the weights come from, in words"""
    frozen: Frozen | None = None
    """for an engine; None of a module that was given itself"""
    activated: Callable[[NDArray[np.float32]], NDArray[np.float32]] = softmax
    """probabilities (n, classes) of logits (n, classes)"""

    @property
    def size(self) -> tuple[int, int, int]:
        """Channels, height and width of the input."""
        return (self.preprocess.channels, *self.preprocess.size)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Those with units, in order."""
        from neocog.inside.units import layers_of

        return layers_of(self.net, self.name, self.size)

    def layer(self, name: str) -> Layer:
        """By a paper's name, a module's, or `module:` and a module's."""
        from neocog.inside.units import layer_of

        return layer_of(self.net, self.name, self.size, name)

    @cached_property
    def _grids(self) -> dict[int, Patches | None]:
        return {}

    def patches(self, layer: Layer) -> Patches | None:
        """Which patch of the picture each token of a layer is; None of other layers, and where that cannot be told."""
        from neocog.inside.tokens import patches_of

        count = layer.shape[0]
        if layer.kind == "tokens" and count not in self._grids:
            self._grids[count] = patches_of(self.net, self.size, count)
        return self._grids[count] if layer.kind == "tokens" else None

    def maps(self) -> tuple[Layer, ...]:
        """The layers that give maps; UserError where there is none."""
        found = tuple(layer for layer in self.layers if layer.kind == "maps")
        if not found:
            raise UserError(
                f"this view needs a convolution, {self.title} has none; `neocog see attention` is for ViTs"
            )
        return found

    def class_name(self, index: int) -> str:
        return self.classes[index] if index < len(self.classes) else f"output {index}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What one must know about the network before one believes a picture of it."""
        if DRAWN not in self.source:
            return ()
        return (
            "The weights are drawn at random: what is shown was not learned. Give trained ones with --weights.",
        )


@dataclass(frozen=True, eq=False)
class View:
    """A picture as the network sees it."""

    name: str
    pixels: NDArray[np.uint8]
    """(height, width, 1 or 3)"""
    x: Tensor
    """(1, channels, height, width): the network's input"""


def opened(model: object, progress: Progress, options: OpenOptions) -> Opened:
    """The network behind `model`: a name, a run's folder, or a `torch.nn.Module`."""
    from torch import nn

    if isinstance(model, nn.Module):
        return _of_module(getattr(model, "_orig_mod", model), options)  # torch.compile wraps the module
    if options.get("preprocess") is not None or options.get("classes"):
        raise UserError("preprocess and classes are for a module, a model's name or a run brings its own")
    source = str(model)
    reference = reference_of(source)
    if reference is None:
        return _of_run(source, options)
    if options.get("run_model"):
        raise UserError("run_model is for a run, to trust its code; leave it out")
    if options.get("download"):
        names.fetch(reference, progress)
    preprocess = names.resized(names.default_preprocess(reference), options.get("img_size"), None)
    weights = options.get("weights")
    backbone = backbone_of(reference, preprocess, None if weights is None else Path(weights).expanduser())
    names.trust(reference)
    known = weights is None and str(reference) in PUBLISHED
    frozen = of_backbone(backbone)
    classes = imagenet_classes() if known else ()
    return Opened(
        str(reference), str(reference), frozen.whole().eval(), preprocess, classes, frozen.source, frozen
    )


def _of_module(net: nn.Module, options: OpenOptions) -> Opened:
    for name in ("weights", "run_model", "download"):
        if options.get(name):
            raise UserError(f"{name} is for a model's name or a run, a module was given; leave it out")
    _demand_plain(net)
    given = options.get("preprocess") or Preprocess(
        size=(224, 224), crop_pct=0.875, mean=names.IMAGENET_MEAN, std=names.IMAGENET_STD
    )
    preprocess = names.resized(given, options.get("img_size"), None)
    title = type(net).__name__
    return Opened(title.lower(), title, net, preprocess, tuple(options.get("classes", ())), "as they are")


def _demand_plain(net: nn.Module) -> None:
    """UserError unless the module computes in float32 on the processor, as the pictures are given to it."""
    odd = next(
        (p for p in net.parameters() if p.device.type != "cpu" or str(p.dtype) != "torch.float32"), None
    )
    if odd is not None:
        kind = str(odd.dtype).removeprefix("torch.")
        raise UserError(
            f"views compute in float32 on the cpu, the module has {kind} on {odd.device.type}; give a copy: "
            "copy.deepcopy(net).float().cpu()"
        )


def _of_run(source: str, options: OpenOptions) -> Opened:
    if options.get("weights"):
        raise UserError("weights are for a model's name, a run brings its own; leave them out")
    loaded = load_classifier(source, options.get("run_model"))
    frozen = of_loaded(loaded)
    preprocess = names.resized(loaded.network.preprocess, options.get("img_size"), None)
    named = loaded.folder is None or source in SHIPPED
    title = source if named else f"{loaded.network.name} of {loaded.folder}"
    return Opened(
        loaded.network.name, title, frozen.whole().eval(), preprocess, loaded.classes, frozen.source, frozen,
        loaded.head.activated,
    )  # fmt: skip


def picture(network: Opened, given: object = None) -> View:
    """A picture, by path or in memory, as `network` sees it; without one a photograph that neocog brings."""
    samples = as_samples(photograph() if given is None else given)
    if len(samples) != 1:
        raise UserError(f"this view is of one picture, got {len(samples)}")
    name = Path(photograph()).name if given is None else samples.name(0)
    try:
        return view_of(network, name, samples.read(0))
    except Unreadable as error:
        raise UserError(f"{samples.name(0)}: {error}") from error


def photograph() -> str:
    """Where the photograph lies that is shown where none is given."""
    photographs = whole_photographs()
    return next(photographs.name(i) for i in range(len(photographs)) if photographs.name(i).endswith(CAT))


def view_of(network: Opened, name: str, given: Picture) -> View:
    """Raises `Unreadable` with the reason."""
    pixels = network.preprocess(given)
    return View(name, pixels, as_input(network, pixels[None]))


def as_input(network: Opened, pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 pixels (n, height, width, channels) as the network's input (n, channels, height, width)."""
    import torch

    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (network.preprocess.mean, network.preprocess.std))
    return (torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255 - mean) / std
