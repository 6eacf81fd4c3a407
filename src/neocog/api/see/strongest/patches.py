"""The view `patches`: the pictures that each channel responds to most, what it sees of them, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np

from neocog.api.alone import demand_alone
from neocog.api.embedding.features import opened as opened_data
from neocog.api.embedding.features import part_of
from neocog.api.keywords import demand_known
from neocog.api.see.opened import Opened, OpenOptions, opened
from neocog.api.see.seen import Seen
from neocog.api.see.strongest.peaked import Means, Peaked, peaked
from neocog.api.see.strongest.report import Report
from neocog.api.see.strongest.sheets import Channel, Sheets, one_label
from neocog.data.dataset import Dataset
from neocog.data.preprocess import Preprocess
from neocog.data.quarantine import demand_readable
from neocog.data.reading import ReadingOptions
from neocog.errors import UserError, unknown
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.api.embedding.options import EmbedOptions
    from neocog.inside.back.rules import Rule
    from neocog.inside.patches.index import Index
    from neocog.inside.units import Layer

INDEX = "index.safetensors"
AUTO = "auto"
K, CHANNELS = 9, 6
ALL, SPREAD = 8, 6
"""layers up to which all are shown, and how many evenly spaced ones where there are more of one size"""


OF_NETWORK = ("weights", "run_model", "img_size", "download", "preprocess")


class PatchesOptions(ReadingOptions, total=False):
    """What one may say by keyword."""

    k: int
    """pictures of each channel; 9 if not given"""
    channels: int
    """how many channels of a layer are shown; 6 if not given"""
    channel: Sequence[int]
    """which are shown, in place of those that stand out"""
    rule: str
    """what leads back to the pixels: deconvnet, guided or gradient; what suits the layer if not given"""
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
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each picture that cannot be read"""
    _dataset: Dataset = field(repr=False)

    def save(self, folder: str | Path) -> Path:
        """The page, each sheet, and the index as a safetensors file."""
        from neocog.inside.patches.index import write_index

        page = super().save(folder)
        names = "\n".join(self._dataset.classes)
        write_index(self.index, page.parent / INDEX, {"labels": one_label(self._dataset)}, {"classes": names})
        return page


def patches(
    model: object,
    data: object,
    *,
    layer: str | Sequence[str] = (),
    progress: Progress | None = None,
    **options: Unpack[PatchesOptions],
) -> Patches:
    """The k pictures of `data` that each channel of `model` responds to most, as patches with reconstructions.

    One pass over the data finds them for every channel of every layer (Zeiler and Fergus, "Visualizing and
    understanding convolutional networks" (2014), section 4.1); those of `layer`, one or several, or of some layers if
    none is named, are shown: what the strongest unit of each picture sees, and what the deconvnet brings back from it.
    `PatchesOptions` has what else may be said. UserError in words.
    """
    demand_known("see patches", options, PatchesOptions.__annotations__)
    demand_alone("see patches")
    told = progress or Silent()
    k = options.get("k", K)
    _demand_numbers(k, options.get("channels", CHANNELS))
    _rule(options)
    network = opened(model, told, _of_network(options))
    named = [_known(network, name) for name in ([layer] if isinstance(layer, str) else layer)]
    layers = (*network.layers, *(one for one in named if one not in network.layers))
    shown = tuple(dict.fromkeys(named)) or spread(network.layers)
    if not layers:
        raise UserError(
            f"{network.title} has no convolution or linear layer to look at; name a module with --layer"
        )
    _demand_channels(shown, options.get("channel", ()))
    dataset = part_of(opened_data(data, told, _of_data(options)), told, _of_data(options))
    _demand_enough(len(dataset), k, dataset.name)
    means = Means(options.get("engine", "auto"), options.get("device", "auto"), options.get("cache", True))
    found = peaked(network, layers, dataset.samples, k, means, told)
    if options.get("strict"):
        demand_readable(dataset, found.index.skipped)
    _demand_enough(found.index.pictures, k, f"{dataset.name} that can be read")
    return _looked(network, layers, shown, dataset, found, options, told)


def spread(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Those with maps or tokens, where they are few; else the first, and the last of each size.

    Where that leaves next to none, some that are evenly spaced; where no layer has maps or tokens, all.
    """
    several = [layer for layer in layers if layer.kind != "vector"]
    if len(several) <= ALL:
        return tuple(several or layers)
    last = {(layer.kind, layer.shape[1:] if layer.kind == "maps" else ()): layer for layer in several}
    if len(last) < SPREAD // 2:
        places = np.linspace(0, len(several) - 1, SPREAD).round().astype(int)
        return tuple(several[i] for i in places)
    chosen = {several[0], *last.values()}
    return tuple(layer for layer in several if layer in chosen)


def _looked(
    network: Opened,
    layers: Sequence[Layer],
    shown: Sequence[Layer],
    dataset: Dataset,
    found: Peaked,
    options: PatchesOptions,
    told: Progress,
) -> Patches:
    from neocog.analysis.trace import trace
    from neocog.inside.back.behind import ceiling, rule_for

    plain, index, sheets = trace(network.net, network.size), found.index, Sheets(network, dataset)
    ceilings = {layer.name: most for layer in layers if (most := ceiling(plain, layer)) is not None}
    looked: dict[str, list[Channel]] = {}
    with told.step("layers", len(shown)) as advance:
        for layer in shown:
            which = options.get("channel") or _standing_out(index, layer, options.get("channels", CHANNELS))
            rule = _rule(options) or rule_for(plain, layer)
            looked[layer.name] = sheets.channels(layer, index.layers[layer.name], which, rule)
            advance(1)
    skipped = tuple((dataset.short_name(i), reason) for i, reason in index.skipped)
    report = Report(network, tuple(layers), dataset, found, ceilings, looked, skipped)
    return Patches(
        gallery=report.gallery(),
        figures=report.figures(),
        index=index,
        channels=tuple(one for some in looked.values() for one in some),
        skipped=skipped,
        _dataset=dataset,
    )


def _standing_out(index: Index, layer: Layer, channels: int) -> tuple[int, ...]:
    return tuple(int(i) for i in index.layers[layer.name].outstanding()[:channels])


def _rule(options: PatchesOptions) -> Rule | None:
    from neocog.inside.back.rules import RULES

    given = options.get("rule", AUTO)
    if given not in (AUTO, *RULES):
        raise unknown("rule", given, (AUTO, *RULES))
    return None if given == AUTO else cast("Rule", given)


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
