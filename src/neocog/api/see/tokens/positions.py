"""The view `positions`: what a network adds to its tokens to tell where they are, beside sines and cosines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.given import demand_options
from neocog.api.see.opened import Opened, OpenOptions, opened
from neocog.api.see.seen import Facts, Seen, gallery
from neocog.api.see.tokens.grid import grid_of
from neocog.draw.gallery import Plate, Room
from neocog.draw.text import in_percent, size_text
from neocog.draw.tiles import Pixels, enlarged, glowing, mosaic, signed
from neocog.errors import UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.attention.position_tables import Table
    from neocog.inside.tokens import Patches

Floats = NDArray[np.float64]
SHEET = 560
"""least pixels of a sheet of maps, and of a table"""
OWN = "own"
"""the network's table among those that are compared"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Positions(Seen):
    """The network's table and sines and cosines of the same size, by name."""

    tables: dict[str, Floats]
    """(rows * columns, numbers), without class tokens"""
    similarity: dict[str, Floats]
    """(rows, columns, rows, columns): the cosine between two positions"""


def positions(
    model: object, *, progress: Progress | None = None, **options: Unpack[OpenOptions]
) -> Positions:
    """How alike positions are to the network, and to sines and cosines along two axes and along the sequence.

    UserError for networks that add no positions to their tokens.
    """
    demand_options(positions, options, OpenOptions)
    from neocog.inside.attention.position_tables import position_table, similarity

    network = opened(model, progress or Silent(), options)
    own = position_table(network.net, network.size)
    if own is None:
        raise UserError(
            f"this view needs positions that are added to tokens, {network.title} adds none; ViTs with learned "
            "positions or with sines and cosines do"
        )
    patches = own.patches or grid_of(network, len(own.values))
    tables = {OWN: _of_patches(own, patches), **_waves(patches, own.values.shape[1])}
    alike = {name: similarity(table, patches.grid) for name, table in tables.items()}
    rooms = (_alike_room(alike), _tables_room(tables))
    return Positions(
        about=about(network, "positions"),
        gallery=gallery("Positions", network, rooms, facts=_facts(own, patches, alike)),
        figures=_figures(own, patches, alike),
        tables=tables,
        similarity=alike,
    )


def alike_positions(network: Opened, patches: Patches) -> Floats | None:
    """(rows, columns, rows, columns): the cosine between two positions that `network` adds to its tokens.

    None where it adds none to these `patches`.
    """
    from neocog.inside.attention.position_tables import position_table, similarity
    from neocog.inside.tokens import patches_of

    own = position_table(network.net, network.size)
    if own is None:
        return None
    places = own.patches or patches_of(network.net, network.size, len(own.values))
    if places is None or places.grid != patches.grid:
        return None
    return similarity(_of_patches(own, places), places.grid)


def _of_patches(own: Table, patches: Patches) -> Floats:
    """(rows * columns, numbers), without class tokens."""
    return own.values[patches.tokens.ravel()]


def _waves(patches: Patches, dim: int) -> dict[str, Floats]:
    """Sines and cosines of the same width, where their formulas have one."""
    from neocog.layers.positions import sincos_1d, sincos_2d

    found = {}
    if dim % 4 == 0:
        found["sincos_2d"] = sincos_2d(*patches.grid, dim).double().numpy()
    if dim % 2 == 0:
        found["sincos_1d"] = sincos_1d(patches.tokens.size, dim).double().numpy()
    return found


TITLES = {
    OWN: "The network's positions",
    "sincos_2d": "Sines and cosines along rows and columns",
    "sincos_1d": "Sines and cosines along the sequence",
}
SOURCES = {
    OWN: "Dosovitskiy et al. (2021), figure 7, middle, draws the same.",
    "sincos_2d": "Half of the numbers are waves along rows, half along columns; nothing is learned.",
    "sincos_1d": "Vaswani et al. (2017), section 3.5: patches are counted row by row, so a patch is like those before "
    "and behind it, across the edges of the picture too.",
}


def _alike_room(alike: dict[str, Floats]) -> Room:
    return Room(
        title="How alike positions are",
        plates=tuple(alike_plate(name, maps) for name, maps in alike.items()),
        header=("table", "most alike one lies beside it", "same row", "same column", "neither"),
        rows=tuple((TITLES[name], *_words(maps)) for name, maps in alike.items()),
    )


def alike_plate(name: str, maps: Floats) -> Plate:
    """How alike the positions of the table called `name` are."""
    return Plate(
        name=f"similarity_{name}",
        title=TITLES[name],
        caption="A map for each patch of how alike its position is to all: the cosine from "
        f"{maps.min():.2f}, dark, to 1, bright, one scale for all maps. {SOURCES[name]}",
        pixels=maps_of_maps(maps),
    )


def maps_of_maps(alike: Floats) -> Pixels:
    """A grid of maps: the map at row r and column c is of the patch there."""
    low, side = float(alike.min()), SHEET // max(alike.shape[:2])
    tiles = [enlarged(glowing(one, low, 1.0), side) for row in alike for one in row]
    return mosaic(tiles, alike.shape[1])


def _tables_room(tables: dict[str, Floats]) -> Room:
    def plate(name: str, table: Floats) -> Plate:
        return Plate(
            name=f"table_{name}",
            title=TITLES[name],
            caption="What is added to the tokens: a row for each patch, row by row of the picture; a column for each "
            f"of {table.shape[1]:,} numbers. Blue is below 0, white 0, red above, deepest {np.abs(table).max():.2g}.",
            pixels=enlarged(signed(table), SHEET),
        )

    return Room(title="The tables", plates=tuple(plate(name, table) for name, table in tables.items()))


def _words(alike: Floats) -> tuple[str, ...]:
    from neocog.inside.attention.position_tables import alike_by_place, beside

    means = alike_by_place(alike)
    return (
        in_percent(beside(alike)),
        *(
            f"{mean:.2f}".replace("-0.00", "0.00")
            for mean in (means.same_row, means.same_column, means.neither)
        ),
    )


def _facts(own: Table, patches: Patches, alike: dict[str, Floats]) -> Facts:
    source = ", ".join(f"{name} ({size_text(shape)})" for name, shape in own.parameters)
    near = _words(alike[OWN])[0]
    return (
        ("positions", f"from {source}" if source else "computed, not learned"),
        (
            "grid",
            f"{size_text(patches.grid)} patches" + (", interpolated by the network" if own.resized else ""),
        ),
        ("numbers", f"{own.values.shape[1]} for each"),
        ("neighbours", f"{near} of positions are most alike to one beside them"),
    )


def _figures(own: Table, patches: Patches, alike: dict[str, Floats]) -> dict[str, Any]:
    return {
        "parameters": {name: list(shape) for name, shape in own.parameters},
        "grid": list(patches.grid),
        "numbers": own.values.shape[1],
        "tables": {name: in_figures(maps) for name, maps in alike.items()},
    }


def in_figures(alike: Floats) -> dict[str, float | None]:
    """How alike positions are that lie beside each other, in one row, in one column, elsewhere; JSON has no nan."""
    from neocog.inside.attention.position_tables import alike_by_place, beside

    means = {"beside": beside(alike), **vars(alike_by_place(alike))}
    return {name: None if np.isnan(mean) else mean for name, mean in means.items()}
