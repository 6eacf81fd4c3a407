"""The verb `models`, and models by name for the user's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog.api import names
from neocog.draw.table import Table, shown
from neocog.errors import UserError
from neocog.progress import Progress
from neocog.weights.origins import origins
from neocog.weights.published import PUBLISHED, WEIGHTS, Published, published_tensors

if TYPE_CHECKING:
    from torch import nn


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Names of the models that match `pattern`, family by family; with `pretrained` only those with weights at hand."""
    from neocog.models import MODELS

    there = {name for name, entry in PUBLISHED.items() if entry.installed()}
    return [name for name in MODELS if fnmatch(name, pattern) and (name in there or not pretrained)]


def is_model(name: str) -> bool:
    """Whether there is a model of ours called `name`, aliases included."""
    from neocog.models import canonical

    try:
        return bool(canonical(name))
    except UserError:
        return False


def models_table(pattern: str = "*", *, pretrained: bool = False) -> Table:
    """The models with year, input size, parameters, MACs, weights at hand, whose weights load, and paper."""
    from neocog.models import MODELS
    from neocog.models.figures import figures

    rows = []
    for name in list_models(pattern, pretrained=pretrained):
        model = MODELS[name]
        size = "x".join(map(str, model.input_size))
        loads = ", ".join(origins(name)) or "-"
        rows.append((name, str(model.year), size, *figures()[name], _at_hand(name), loads, model.paper))
    if not rows:
        raise UserError(f"no model matches {pattern!r}; `neocog models` lists all")
    header = ("model", "year", "input", "parameters", "MACs", "weights", "loads", "paper")
    return Table(header, tuple(rows))


@dataclass(frozen=True)
class ModelCard:
    """All there is to say of one network. It prints itself."""

    name: str
    facts: Mapping[str, Any]
    about: str
    """paper, counts and deviations, in the words of the network's function"""
    weights: Table
    layers: Table

    def __str__(self) -> str:
        wide = max(map(len, self.facts)) + 2
        facts = "\n".join(f"{key:{wide}}{shown(value)}" for key, value in self.facts.items())
        tables = "".join(f"\n\n{table}" for table in (self.weights, self.layers) if len(table))
        return f"{facts}\n\n{self.about}{tables}"

    def to_json(self) -> dict[str, Any]:
        return {
            **self.facts,
            "about": self.about,
            "published_weights": self.weights.to_json(),
            "layers": self.layers.to_json(),
        }

    def _repr_html_(self) -> str:
        facts = Table(("", ""), tuple(self.facts.items()))
        return "".join(table._repr_html_() for table in (facts, self.weights, self.layers))


def model_card(name: str) -> ModelCard:
    """One network in detail: counts, options, other names, deviations from its paper, published weights, layers."""
    import torch

    from neocog.models import ALIASES, MODELS, build, canonical
    from neocog.models.figures import figures
    from neocog.models.information import description, options_of

    name = canonical(name)
    model = MODELS[name]
    with torch.device("meta"):
        net = build(name)
    params, macs = figures()[name]
    facts = {
        "model": name,
        "other names": ", ".join(alias for alias, target in ALIASES.items() if target == name) or "-",
        "paper": f"{model.paper} ({model.year})",
        "input": "x".join(map(str, model.input_size)),
        "sizes": _sizes(net),
        "classes": f"{model.num_classes}, fixed" if model.fixed_classes else model.num_classes,
        "features": getattr(net, "num_features", "-"),
        "parameters": params,
        "MACs": macs,
        "learns": "by gradient" if model.gradient else "without gradient",
        "options": ", ".join(f"{key}={value!r}" for key, value in options_of(model).items()) or "-",
        "loads": ", ".join(("neocog", *origins(name))),
    }
    return ModelCard(name, facts, description(model), _weights(name), _layers(net))


def create_model(
    name: str,
    *,
    pretrained: bool | str = False,
    num_classes: int | None = None,
    in_chans: int | None = None,
    weights: str | Path | Mapping[str, Any] | None = None,
    download: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> nn.Module:
    """A network as a plain torch module in training mode, with drawn weights unless it is told otherwise.

    `pretrained` takes the published weights, or those with this tag (`neocog models NAME` lists them), which only
    `download` fetches over the network; `weights` takes a file of any layout that loads, or tensors by name. Another
    `num_classes` then changes the last layer only, 0 leaves it out; other `in_chans` adapt the first layer as timm
    does. `options` are the network's own, such as `dropout`. Maps (batch, channels, height, width), normalised as the
    weights' preprocessing says, to logits.
    """
    reference = names.parse(name)
    if reference.kind != "ours":
        if options or pretrained or download:
            raise UserError(f"{name} takes neither pretrained nor options here; give its weights as a file")
        return _foreign(reference, num_classes, in_chans, weights)
    from neocog.models import build
    from neocog.weights.load import load_weights

    if pretrained and weights is not None:
        raise UserError("give pretrained or weights, not both")
    if download and not pretrained:
        raise UserError("download fetches published weights, so it goes with pretrained=True")
    if pretrained and reference.name not in PUBLISHED:
        raise UserError(f"{reference.name} has no published weights here; give a file: weights=")
    net = build(reference.name, num_classes, in_chans, **options)
    if weights is not None or pretrained:
        if weights is None:
            tag = pretrained if isinstance(pretrained, str) else None
            weights = published_tensors(reference.name, tag=tag, download=download, progress=progress)
        load_weights(net, weights, name=reference.name, classes=num_classes)
    return net


def _foreign(
    reference: names.Reference,
    num_classes: int | None,
    in_chans: int | None,
    weights: str | Path | Mapping[str, Any] | None,
) -> nn.Module:
    from neocog.models.head import find_head, reset_head
    from neocog.weights.load import load_weights

    channels = 3 if in_chans is None else in_chans
    if channels < 1:
        raise UserError(f"in_chans must be at least 1, got {channels}")
    net = names.build_module(reference, channels)
    if reference.kind == "file" and in_chans is not None:
        _demand_channels(net, reference, channels)
    if num_classes is not None:
        preprocess = names.default_preprocess(reference)
        head = find_head(net, (channels, *preprocess.size))
        if head is None:
            raise UserError(f"{reference} does not end in a linear layer, so num_classes cannot change it")
        if getattr(net.get_submodule(head), "out_features", None) != num_classes:
            reset_head(net, head, num_classes)
    if weights is not None:
        load_weights(net, weights, name=str(reference), classes=num_classes)
    return net


def _demand_channels(net: nn.Module, reference: names.Reference, channels: int) -> None:
    """Raise unless the network of the user's own file reads so many channels; only its function could change them."""
    from torch import nn

    first = next((layer for layer in net.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        raise UserError(
            f"in_chans needs a convolution to compare with, {reference} has none, got in_chans={channels}; "
            "leave in_chans out"
        )
    if first.in_channels != channels:
        raise UserError(
            f"in_chans must be what the first convolution of {reference} reads, {first.in_channels}, "
            f"got {channels}; change the function, or leave in_chans out"
        )


def _at_hand(name: str) -> str:
    if name not in PUBLISHED:
        return "-"
    entry = PUBLISHED[name]
    if entry.installed():
        return "ImageNet"
    return "to install" if entry.package else f"to download, {entry.mib:.0f} MiB"


def _sizes(net: nn.Module) -> str:
    low, high = net.min_size, net.max_size
    if high is not None:
        return f"{low} pixels a side" if low == high else f"{low} to {high} pixels a side"
    return "any" if low == 1 else f"{low} pixels a side or more"


def _weights(name: str) -> Table:
    rows = tuple(_row(tag, entry) for tag, entry in WEIGHTS.get(name, {}).items())
    return Table(("published", "there", "top-1", "top-5", "crop", "from", "checked", "licence"), rows)


def _row(tag: str, entry: Published) -> tuple[object, ...]:
    there = "yes" if entry.installed() else "to install" if entry.package else f"{entry.mib:.0f} MiB"
    place = entry.address or f"package {entry.distribution}"
    size = "x".join(map(str, entry.preprocess.size))
    return (tag, there, entry.top1, entry.top5, size, place, entry.checked, entry.license)


def _layers(net: nn.Module) -> Table:
    rows = tuple(
        (name, type(layer).__name__, sum(p.numel() for p in layer.parameters()))
        for name, layer in net.named_children()
    )
    return Table(("layer", "kind", "parameters"), rows)
