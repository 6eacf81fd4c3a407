"""The view `patches`: the pictures that each channel responds to most, what it sees of them, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack, cast

from neocog.api.embedding.features import opened as opened_data
from neocog.api.embedding.features import part_of
from neocog.api.see.about import about
from neocog.api.see.given import (
    Asked,
    demand_options,
    demand_pictures,
    demand_rule,
    several,
    whole_numbers,
)
from neocog.api.see.opened import Opened, OpenOptions, opened
from neocog.api.see.seen import Seen
from neocog.api.see.strongest.peaked import K, Means, Peaked, peaked
from neocog.api.see.strongest.report import Report
from neocog.api.see.strongest.sheets import Channel, Sheets, one_label
from neocog.data.dataset import Dataset
from neocog.data.preprocess import Preprocess
from neocog.data.quarantine import demand_readable
from neocog.data.reading import ReadingOptions
from neocog.errors import UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.api.embedding.options import EmbedOptions
    from neocog.inside.patches.index import Index
    from neocog.inside.units import Layer

INDEX = "index.safetensors"
CHANNELS = 6
ALL = 8
"""layers up to which all are shown"""

OF_NETWORK = ("weights", "run_model", "img_size", "download", "preprocess")


class PatchesOptions(ReadingOptions, total=False):
    """What one may say by keyword."""

    weights: str | Path | None
    run_model: str | None
    img_size: int | None
    download: bool
    preprocess: Preprocess | None
    """these five as in the other views"""
    part: str | None
    """train, val or test where the data have such parts; all of them if not given"""
    strict: bool
    """an unreadable picture is an error instead of being skipped"""
    engine: str
    device: str
    cache: bool
    """whether the index is looked up in the user's cache and kept there; it is if not given"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Patches(Seen):
    """The index of all layers, and the channels that are shown."""

    index: Index
    """of every channel of every layer"""
    channels: tuple[Channel, ...]
    """those that are shown"""
    beside: ClassVar[tuple[str, ...]] = (INDEX,)
    _dataset: Dataset = field(repr=False)

    def save(self, folder: str | Path) -> Path:
        """The page, each sheet, and the index as a safetensors file."""
        from neocog.inside.patches.index import write_index

        page = super().save(folder)
        names = "\n".join(self._dataset.classes)
        write_index(self.index, page.parent / INDEX, {"labels": one_label(self._dataset)}, {"classes": names})
        return page


@dataclass(frozen=True)
class _Wanted:
    """Which layers are shown, which channels of each, and what leads back from them."""

    layers: tuple[Layer, ...]
    channel: tuple[int, ...]
    """these, or without any those that stand out"""
    channels: int
    """how many of the latter"""
    rule: Asked


def patches(
    model: object,
    data: object,
    *,
    layers: str | Sequence[str] = (),
    k: int = K,
    channels: int = CHANNELS,
    channel: int | Sequence[int] = (),
    rule: Asked = "auto",
    progress: Progress | None = None,
    **options: Unpack[PatchesOptions],
) -> Patches:
    """The k pictures of `data` that each channel of `model` responds to most, as patches with reconstructions.

    One pass over the data finds them for every channel of every layer (Zeiler and Fergus, "Visualizing and
    understanding convolutional networks" (2014), section 4.1). Shown are those of `layers`, one or several, or of some
    if none is named, and of each the `channels` that stand out most, or those that `channel` names: what the strongest
    unit of each picture sees, and what `rule` brings back from it, deconvnet, guided or gradient; auto takes the one
    that suits the layer. `PatchesOptions` has what else may be said. UserError in words.
    """
    demand_options(patches, options, PatchesOptions)
    told, numbers = progress or Silent(), whole_numbers("channel", channel)
    _demand_numbers(k, channels)
    demand_rule(rule)
    demand_pictures(data)
    network = opened(model, told, _of_network(options))
    every, shown = _layers(network, several(layers))
    _demand_channels(shown, numbers)
    dataset = part_of(opened_data(data, told, _of_data(options)), told, _of_data(options))
    _demand_enough(len(dataset), k, dataset.name)
    means = Means(options.get("engine", "auto"), options.get("device", "auto"), options.get("cache", True))
    found = peaked(network, every, dataset.samples, k, means, told)
    if options.get("strict"):
        demand_readable(dataset, found.index.skipped)
    _demand_enough(found.index.pictures, k, f"{dataset.name} that can be read")
    wanted = _Wanted(shown, numbers, channels, rule)
    return _looked(network, every, dataset, found, wanted, told)


def _layers(network: Opened, names: Sequence[str]) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """All that the index has, the named ones among them; and which of them are shown."""
    named = [_known(network, name) for name in names]
    every = (*network.layers, *(one for one in named if one not in network.layers))
    if not every:
        raise UserError(
            f"{network.title} has no convolution or linear layer to look at; name a module with --layer"
        )
    return every, tuple(dict.fromkeys(named)) or standing_for(network.layers)


def standing_for(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Those with maps or tokens, where they are few, else some of each size; where no layer has any, all."""
    from neocog.inside.strongest import by_stage

    several = [layer for layer in layers if layer.kind != "vector"]
    return tuple(several or layers) if len(several) <= ALL else by_stage(several)


def _looked(
    network: Opened,
    layers: Sequence[Layer],
    dataset: Dataset,
    found: Peaked,
    wanted: _Wanted,
    told: Progress,
) -> Patches:
    from neocog.analysis.trace import trace
    from neocog.inside.back.behind import rule_for
    from neocog.inside.bounds import ceiling

    plain, index, sheets = trace(network.net, network.size), found.index, Sheets(network, dataset)
    ceilings = {layer.name: most for layer in layers if (most := ceiling(plain, layer)) is not None}
    looked: dict[str, list[Channel]] = {}
    with told.step("layers", len(wanted.layers)) as advance:
        for layer in wanted.layers:
            which = wanted.channel or _standing_out(index, layer, wanted.channels)
            rule = rule_for(plain, layer) if wanted.rule == "auto" else wanted.rule
            looked[layer.name] = sheets.channels(layer, index.layers[layer.name], which, rule)
            advance(1)
    skipped = tuple((dataset.short_name(i), reason) for i, reason in index.skipped)
    report = Report(network, tuple(layers), dataset, found, ceilings, looked, skipped)
    return Patches(
        about=about(network, "patches", (dataset.name,), skipped),
        gallery=report.gallery(),
        figures=report.figures(),
        index=index,
        channels=tuple(one for some in looked.values() for one in some),
        _dataset=dataset,
    )


def _standing_out(index: Index, layer: Layer, channels: int) -> tuple[int, ...]:
    return tuple(int(i) for i in index.layers[layer.name].outstanding()[:channels])


def _known(network: Opened, name: str) -> Layer:
    """The layer called `name`; the one that is read there anyway, where there is one."""
    named = network.layer(name)
    same = (one for one in network.layers if named.name == one.name or named.place == one.place)
    return next(same, named)


def _demand_numbers(k: int, channels: int) -> None:
    if k < 1:
        raise UserError(f"k must be at least 1, got {k}")
    if channels < 1:
        raise UserError(f"channels must be at least 1, got {channels}")


def _demand_channels(layers: Sequence[Layer], wanted: Sequence[int]) -> None:
    for layer in layers:
        for channel in wanted:
            if not 0 <= channel < layer.channels:
                raise UserError(
                    f"channel must be 0 to {layer.channels - 1} of {layer.name}, got {channel}; "
                    "name a layer that has it with --layer"
                )


def _demand_enough(pictures: int, k: int, name: str) -> None:
    if pictures < k:
        raise UserError(
            f"k must be at most the number of pictures, {pictures:,} in {name}, got {k}; give more pictures "
            "or a smaller --k"
        )


def _of_network(options: PatchesOptions) -> OpenOptions:
    return cast("OpenOptions", {name: options[name] for name in OF_NETWORK if name in options})  # type: ignore[literal-required]


def _of_data(options: PatchesOptions) -> EmbedOptions:
    names = (*ReadingOptions.__annotations__, "part", "download")
    return cast("EmbedOptions", {name: options[name] for name in names if name in options})  # type: ignore[literal-required]
