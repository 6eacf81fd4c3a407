"""The view `filters`: the kernels of a convolution as tiles, a patch embedding's components, filters over epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.given import demand_options
from neocog.api.see.opened import Opened, OpenOptions, opened
from neocog.api.see.seen import Facts, Seen, gallery
from neocog.api.see.units.filters_over_epochs import epochs_room, over_epochs
from neocog.api.see.units.shown import one_or_both
from neocog.draw.gallery import Plate, Room
from neocog.draw.kernels import Scale, kernel_tiles
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.text import in_percent, size_text
from neocog.errors import UserError, unknown
from neocog.progress import Progress, Silent
from neocog.weights.shipped import default_model

if TYPE_CHECKING:
    from neocog.inside.kernels.filters import Bank, Components

TOP = 256
"""filters shown if not told otherwise"""
READ = 32
"""channels of a filter shown, where these are neither one nor three"""
LISTED = 12
SCALED: dict[Scale, str] = {
    "each": "each filter on its own: middle grey is 0, the number furthest from 0 is at the end of the scale",
    "joint": "all filters together: middle grey is 0, the number furthest from 0 in any is at the end of the scale",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Filters(Seen):
    """A convolution's filters. In a notebook they show themselves."""

    layer: str
    """the module that convolves"""
    kernels: NDArray[np.float32]
    """(filters, channels that each reads, height, width)"""
    components: NDArray[np.float32] | None = None
    """principal components (components, channels, height, width); of a patch embedding"""
    epochs: dict[int, NDArray[np.float32]]
    """epoch -> kernels after it; of a run that kept several"""


def filters(
    model: object = default_model(),
    *,
    layer: str | None = None,
    scale: Scale = "each",
    top: int = TOP,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Filters:
    """The filters of `layer` of `model` as tiles; by default of the first convolution, which sees the picture itself.

    Three channels are colours, one is grey, any other number stands side by side. `scale` is each or joint, `top` how
    many filters are drawn. Of a ViT's patch embedding the first 28 principal components are drawn, too (Dosovitskiy et
    al. 2021, figure 7). Of a run that kept snapshots the same filters are shown over the epochs (Zeiler and Fergus
    2014, figure 4). UserError where there is no convolution.
    """
    demand_options(filters, options, OpenOptions)
    if scale not in SCALED:
        raise unknown("scale", scale, SCALED)
    if top < 1:
        raise UserError(f"top must be 1 or more filters, got {top}")
    told = progress or Silent()
    network = opened(model, told, options)
    bank = _bank(network, layer)
    components = _components(bank)
    epochs = over_epochs(model, bank.layer, told, options)
    rooms = _rooms(bank, components, epochs, scale, top)
    return Filters(
        about=about(network, "filters"),
        gallery=gallery("Filters", network, rooms, facts=_facts(bank, scale), notes=_notes(bank)),
        figures=_figures(bank, components, epochs),
        layer=bank.layer,
        kernels=bank.kernels,
        components=None if components is None else components.kernels,
        epochs=epochs,
    )


def _rooms(
    bank: Bank, components: Components | None, epochs: dict[int, NDArray[np.float32]], scale: Scale, top: int
) -> tuple[Room, ...]:
    return (
        *([_component_room(components)] if components else []),
        _sheet(bank, scale, top),
        *([epochs_room(bank, epochs)] if len(epochs) > 1 else []),
        *_pairs_room(bank),
    )


FIRST = (
    "Filters are drawn as they meet the network's input, which is the picture minus a mean, divided by a deviation.",
)
TUNED = (
    "A filter's colour is the part of its energy that lies in differences between red, green and blue; coloured is one "
    "with half of its energy or more there. Oriented is one whose power spectrum prefers a direction (a selectivity of "
    "at least 0.4 of 1). Noise is neither: more than 20 % of the power in patterns finer than 0.35 cycles a pixel, in "
    "filters that are large enough to tell.",
)
NOTES = (
    "A filter is faint if its length is at most 2 % of the longest; two are alike from a cosine of 0.95 on, opposite "
    "from -0.95 on.",
)


def _notes(bank: Bank) -> tuple[str, ...]:
    return (*(FIRST if bank.first else ()), *(TUNED if bank.coloured else ()), *NOTES)


def _bank(network: Opened, layer: str | None) -> Bank:
    from neocog.inside.kernels.filters import bank_of

    if layer is None:
        network.maps()  # says what is missing
        return bank_of(network.net, network.size)
    found = network.layer(layer)
    return bank_of(network.net, network.size, found.weights or found.place.module)


def _components(bank: Bank) -> Components | None:
    from neocog.inside.kernels.filters import principal

    return principal(bank.kernels) if bank.embeds_patches else None


def _sheet(bank: Bank, scale: Scale, top: int) -> Room:
    from neocog.inside.kernels.filters import faint

    read = bank.kernels.shape[1]
    cut = bank.kernels if bank.pictorial else bank.kernels[:, :READ]
    weak = faint(bank.kernels)
    shown = [
        Tile(pixels=tile, label=f"{i}{' faint' if weak[i] else ''}")
        for i, tile in enumerate(kernel_tiles(cut, scale, bank.pictorial)[:top])
    ]
    columns = 16 if len(shown) > 96 else 12
    if not bank.pictorial:
        columns = max(1, 24 // cut.shape[1])
    plate = Plate(
        name="filters",
        title=f"{_all(len(shown), len(bank.kernels))} filters of {bank.layer}",
        caption=f"{_seen(read, bank.pictorial)} Scaled {SCALED[scale]}.",
        sheet=Sheet(
            title=f"Filters of {bank.layer}",
            tiles=shown,
            columns=columns,
            side=64.0 if bank.pictorial and columns == 12 else 780 / columns,
        ),
    )
    what = "the first layer" if bank.first else bank.layer
    read_from = "the picture" if bank.first else "what it reads"
    words = (
        f"What each unit of {what} looks for: {read_from} under its window is multiplied with one of these tiles, "
        "number by number, and added up. The number under a tile is its channel."
    )
    return Room(title="Filters", words=words, plates=(plate,))


def _all(shown: int, there: int) -> str:
    return f"All {there}" if shown == there else f"The first {shown} of {there}"


def _seen(read: int, pictorial: bool) -> str:
    if read == 3 and pictorial:
        return "Red, green and blue of a tile are the weights for these three channels."
    if read == 1 and pictorial:
        return "Each reads one channel; light is above 0, dark below."
    shown = f"the first {READ} of {read}" if read > READ else f"{read}"
    if read == 1:
        return "Each reads one channel; red is above 0, blue below."
    return f"Each reads {read} channels; {shown} stand side by side, red above 0, blue below."


def _component_room(found: Components) -> Room:
    kernels = found.kernels
    cut = kernels if kernels.shape[1] in (1, 3) else kernels[:, :READ]
    shown = [
        Tile(pixels=tile, label=in_percent(float(share)))
        for tile, share in zip(kernel_tiles(cut), found.shares, strict=True)
    ]
    plate = Plate(
        name="components",
        title=f"The first {len(shown)} principal components",
        caption=(
            "Of all filters of the patch embedding, by singular value decomposition around their mean, each scaled on "
            f"its own with 0 as middle grey. Below each its share of the variance; together "
            f"{in_percent(float(found.shares.sum()))}. The sign of a component has no meaning."
        ),
        sheet=Sheet(title="Principal components of the patch embedding", tiles=shown, columns=7),
    )
    words = (
        "What a Vision Transformer's first layer can tell about a patch (Dosovitskiy et al. 2021, figure 7, left). In "
        "a trained one they look like a basis for the fine structure within a patch."
    )
    return Room(title="Principal components", words=words, plates=(plate,))


def _pairs_room(bank: Bank) -> tuple[Room, ...]:
    from neocog.inside.kernels.filters import pairs

    found = pairs(bank.kernels)
    if not found:
        return ()
    rows = tuple(
        (f"{i} and {j}", f"{c:+.3f}", "alike" if c > 0 else "opposite") for i, j, c in found[:LISTED]
    )
    more = f" The first {LISTED} of {len(found)}." if len(found) > LISTED else ""
    words = f"Filters that look for the same, or for the same with black and white exchanged.{more}"
    return (Room(title="Alike and opposite", words=words, header=("channels", "cosine", ""), rows=rows),)


def _facts(bank: Bank, scale: Scale) -> Facts:
    from neocog.inside.kernels.filters import faint, pairs
    from neocog.inside.kernels.orientation import tuning

    count = len(bank.kernels)
    stride, padding = (one_or_both(*pair) for pair in (bank.stride, bank.padding))
    facts = [
        ("layer", bank.layer),
        ("filters", f"{count} of {size_text(bank.kernels.shape[1:])}, stride {stride}, padding {padding}"),
        ("scaling", "each filter on its own" if scale == "each" else "one for all filters"),
        ("faint", f"{int(faint(bank.kernels).sum())} of {count}"),
    ]
    found = pairs(bank.kernels)
    alike = sum(1 for pair in found if pair[2] > 0)
    facts.append(("alike, opposite", f"{alike}, {len(found) - alike} pairs"))
    if bank.coloured:
        found_in = tuning(bank.kernels)
        facts.append(
            ("coloured, oriented", f"{found_in.coloured.sum()}, {found_in.oriented.sum()} of {count}")
        )
    return tuple(facts)


def _figures(
    bank: Bank, components: Components | None, epochs: dict[int, NDArray[np.float32]]
) -> dict[str, Any]:
    from neocog.inside.kernels.filters import faint, norms, pairs
    from neocog.inside.kernels.orientation import tuning

    kernels = bank.kernels
    return {
        "layer": bank.layer,
        "shape": list(kernels.shape),
        "stride": list(bank.stride),
        "padding": list(bank.padding),
        "groups": bank.groups,
        "norms": [float(f"{n:.6g}") for n in norms(kernels)],
        "faint": [int(i) for i in np.nonzero(faint(kernels))[0]],
        "pairs": [[i, j, float(f"{c:.6g}")] for i, j, c in pairs(kernels)],
        "colour": [float(f"{c:.6g}") for c in tuning(kernels).colour] if bank.coloured else None,
        "component_shares": None if components is None else [float(f"{s:.6g}") for s in components.shares],
        "epochs": list(epochs),
    }
