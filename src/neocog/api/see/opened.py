"""A network with its weights, and pictures as it sees them: what every view begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from neocog.api import names
from neocog.api.alone import demand_alone
from neocog.api.classifier import Classifier
from neocog.api.embedding.sources import reference_of
from neocog.api.embedding.ways import Frozen, of_backbone, of_loaded
from neocog.api.networks import Loaded, backbone_of, load_classifier
from neocog.api.see.finite import demand_finite
from neocog.api.see.given import several
from neocog.data.builtin import whole_photographs
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Picture, as_samples
from neocog.errors import Unreadable, UserError
from neocog.inference.network import softmax
from neocog.progress import Progress
from neocog.weights.published import PUBLISHED, imagenet_classes
from neocog.weights.shipped import is_shipped

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.inside.tokens import Patches
    from neocog.inside.units import Layer

CAT = "chelsea.jpg"
"""the photograph that is shown where none is given"""
DRAWN = "drawn at random"
AS_IT_IS = "as they are"
"""where the weights of a module come from"""


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
    classes: Sequence[str]
    """for a module: names of its outputs"""


@dataclass(frozen=True, eq=False)
class Opened:
    """A network in evaluation, and what belongs to it."""

    name: str
    """by which papers' names of layers are found: the model's, of a module `torchvision:` or `module:` and its class"""
    title: str
    """as a page calls it: the model's name, with the folder of a run"""
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
    def model(self) -> str:
        """The model's name; of a module its class."""
        return self.title if self.source == AS_IT_IS else self.name

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
                f"this view needs a convolution, {self.title} has none; `neocog see saliency` reads any network, "
                "`neocog see attention` those with attention"
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
    """The network behind `model`: a name, a run's folder, what `neocog.load` gives, or a `torch.nn.Module`."""
    from torch import nn

    demand_alone("see")
    if isinstance(model, nn.Module):
        return _of_module(getattr(model, "_orig_mod", model), options)  # torch.compile wraps the module
    if options.get("preprocess") is not None or options.get("classes"):
        raise UserError("preprocess and classes are for a module, a model's name or a run brings its own")
    if isinstance(model, Classifier):
        _demand_unsaid(options, "weights", "run_model", "download", given="a classifier")
        return _of_loaded(model.loaded, options)
    if not isinstance(model, str | Path):
        raise UserError(
            "a model is its name, the folder of a run, what neocog.load gives, or a torch.nn.Module, got "
            f"{type(model).__name__}"
        )
    reference = reference_of(str(model))
    if reference is None:
        _demand_unsaid(options, "weights", given="a run")
        return _of_loaded(load_classifier(model, options.get("run_model")), options)
    return _of_name(reference, progress, options)


def _of_name(reference: names.Reference, progress: Progress, options: OpenOptions) -> Opened:
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
    net, way_out = frozen.whole().eval(), "; give other weights with --weights" if weights else ""
    demand_finite(net, str(reference), way_out)
    classes = imagenet_classes() if known else ()
    return Opened(str(reference), str(reference), net, preprocess, classes, frozen.source, frozen)


def _of_module(net: nn.Module, options: OpenOptions) -> Opened:
    _demand_unsaid(options, "weights", "run_model", "download", given="a module")
    _demand_plain(net)
    given = options.get("preprocess") or Preprocess(
        size=(224, 224), crop_pct=0.875, mean=names.IMAGENET_MEAN, std=names.IMAGENET_STD
    )
    preprocess = names.resized(given, options.get("img_size"), None)
    title = type(net).__name__
    demand_finite(net, title)
    theirs = type(net).__module__.startswith("torchvision.")  # a class of a paper's name may be any network
    name = f"torchvision:{title.lower()}" if theirs else f"module:{title}"
    return Opened(name, title, net, preprocess, several(options.get("classes", ())), AS_IT_IS)


def _demand_unsaid(options: OpenOptions, *said: str, given: str) -> None:
    """UserError where one of these is said of a network that brings its own weights."""
    wrong = next((name for name in said if options.get(name)), None)
    if wrong is not None:
        raise UserError(f"{wrong} is not for {given}, which brings its own weights; leave it out")


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


def _of_loaded(loaded: Loaded, options: OpenOptions) -> Opened:
    frozen = of_loaded(loaded)
    earlier = f"; take an earlier epoch, {loaded.folder}@N" if loaded.folder is not None else ""
    net, title = frozen.whole().eval(), title_of(loaded)
    demand_finite(net, title, earlier)
    preprocess = names.resized(loaded.network.preprocess, options.get("img_size"), None)
    return Opened(
        loaded.network.name,
        title,
        net,
        preprocess,
        loaded.classes,
        frozen.source,
        frozen,
        loaded.head.activated,
    )


def title_of(loaded: Loaded) -> str:
    """As pages call it: the model's name, of a run with its folder and the epoch of a snapshot."""
    name = loaded.network.name
    if loaded.folder is None or is_shipped(loaded.folder):
        return name
    return f"{name} of {loaded.folder}" + ("" if loaded.epoch is None else f"@{loaded.epoch}")


@contextmanager
def in_words(network: Opened) -> Iterator[None]:
    """A forward whose RuntimeError becomes a UserError: it names the layer where the input's size is to blame."""
    from neocog.analysis.trace import trace

    try:
        yield
    except RuntimeError as error:
        trace(network.net, network.size)
        size = "x".join(map(str, network.size))
        raise UserError(
            f"{network.title} does not run on {size}: {str(error).partition(chr(10))[0]}"
        ) from error


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
    x = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().contiguous()  # for nets that call view
    return (x / 255 - mean) / std
