"""Pictures in the plane: as dots in the colours of their groups, and as thumbnails at their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from neocog.draw.axes import in_lines
from neocog.draw.clouds import hue
from neocog.draw.palette import drawing, heading, style
from neocog.draw.text import fit, length, safe
from neocog.draw.tiles import Pixels, rgb, uri

SIDE, MARGIN, TOP, LINE = 460.0, 10.0, 26.0, 17.0
WIDE = 1.7  # how far it grows on a large screen
DOT = 2.6
NAMED = 40  # groups whose names stand in the plot
LISTED = 12  # groups with a legend
ROOM = 1.7  # cells for each thumbnail
BELOW, PREVIEW = 10.0, 104.0  # where the larger picture begins, and its side
TEXT = PREVIEW + 14  # where words beside it begin
SMALL = 32  # pixels of a side up to which a thumbnail is kept exactly
HIGH = 10.0  # of a name
FACE = 14  # of text where it is about as wide as a phone
RULES = """
.nca text{fill:var(--i);font-size:9px}.nca .h{font-size:10px;font-weight:650}.nca .soft{fill:var(--s)}
.nca .frame{fill:none;stroke:var(--l)}.nca .name{font-weight:650;text-anchor:middle;paint-order:stroke;
stroke:var(--p);stroke-width:3px;stroke-linejoin:round;pointer-events:none}.nca .v{display:none}
.nca g:hover>.v{display:inline}.nca g:hover>.q{stroke-width:2.4}.nca .g-1{fill:var(--s);stroke:var(--s)}
.nca .q{fill:none;stroke-width:.9}.nca .bare{fill-opacity:.35}.nca circle{stroke:none;fill-opacity:.85}
@media (max-width:640px){.nca text{font-size:12px}.nca .h{font-size:13px}}
"""


@dataclass(frozen=True)
class Spot:
    """A picture's place, neither axis with a unit, and what is told about it."""

    x: float
    y: float
    group: int
    """place among the groups; -1 where it is in none"""
    label: str
    name: str


def dotted(title: str, spots: Sequence[Spot], groups: Sequence[str]) -> str:
    """An SVG that needs nothing else: a dot for each picture, whose title tells which; names are escaped.

    The name of a group stands at the picture that is nearest to its median, of those where it covers no other name.
    """
    places = placed(spots)
    body = "".join(
        f'<circle class="g{spot.group}" cx="{x:.1f}" cy="{y:.1f}" r="{DOT:g}">{_title(spot)}</circle>'
        for spot, (x, y) in zip(spots, places.tolist(), strict=True)
    )
    names = _names(places, [spot.group for spot in spots], groups) if len(groups) <= NAMED else ""
    legend, height = _legend(groups, 2.0, TOP + SIDE + LINE)
    return _svg(title, groups, body + names + legend, height)


def thumbnails(
    title: str, spots: Sequence[Spot], pictures: Sequence[Pixels | None], groups: Sequence[str]
) -> str:
    """An SVG that needs nothing else: each picture in the cell of a grid that is free and near its place.

    The frame has the colour of its group. The picture under the pointer is shown larger below. Of a picture that is
    None only the frame is there.
    """
    places = placed(spots)
    side = ceil(sqrt(ROOM * len(spots)))
    size = SIDE / side
    key = f"nca{crc32(title.encode('utf-8', 'replace')):08x}"  # several may stand on one page
    body = "".join(
        _thumbnail(f"{key}-{i}", spot, picture, (column * size, TOP + row * size, size))
        for i, (spot, picture, (row, column)) in enumerate(
            zip(spots, pictures, cells(places, side).tolist(), strict=True)
        )
    )
    y = TOP + SIDE + BELOW
    empty = (
        f'<rect class="frame" x="2" y="{y:g}" width="{PREVIEW:g}" height="{PREVIEW:g}" rx="4"/>'
        f'<text class="soft" x="{TEXT:g}" y="{y + 14:g}">Point at a picture to see it larger.</text>'
    )
    legend, height = _legend(groups, TEXT, y + 70)
    return _svg(title, groups, empty + legend + body, max(height, y + PREVIEW + 4))


def placed(spots: Sequence[Spot]) -> NDArray[np.float64]:
    """Places (n, 2) as (across, down) in the square, both axes scaled alike to fill it."""
    points = np.array([(spot.x, -spot.y) for spot in spots], np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-12)
    return np.asarray((points - (low + high) / 2) * scale + (SIDE / 2, TOP + SIDE / 2))


def cells(places: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    """A cell (row, column) of its own for each place in a grid of `side` cells: least squares of all moves."""
    from scipy.optimize import linear_sum_assignment

    size = SIDE / side
    middle = (np.arange(side) + 0.5) * size
    rows, columns = np.divmod(np.arange(side * side), side)
    down = (places[:, 1, None] - TOP - middle[rows]) ** 2
    across = (places[:, 0, None] - middle[columns]) ** 2
    _, chosen = linear_sum_assignment(down + across)
    return np.stack([rows[chosen], columns[chosen]], axis=1)


def _thumbnail(key: str, spot: Spot, picture: Pixels | None, cell: tuple[float, float, float]) -> str:
    x, y, size = cell
    box = f'x="{x + 0.5:.2f}" y="{y + 0.5:.2f}" width="{size - 1:.2f}" height="{size - 1:.2f}"'
    if picture is None:
        return f'<g>{_title(spot)}<rect class="bare g{spot.group}" {box}/></g>'
    factor, below = PREVIEW / (size - 1), TOP + SIDE + BELOW
    words = (
        f'<text class="h" x="{TEXT:g}" y="{below + 30:g}">{safe(fit(spot.label, SIDE - TEXT, FACE))}</text>'
        f'<text class="soft" x="{TEXT:g}" y="{below + 45:g}">{safe(fit(spot.name, SIDE - TEXT, FACE))}</text>'
    )
    css = ' style="image-rendering:pixelated"' if _small(picture) else ""
    return (
        f'<g>{_title(spot)}<image id="{key}"{css} {box} href="{uri(rgb(picture), _small(picture), 82)}"/>'
        f'<rect class="q g{spot.group}" {box}/>'
        f'<g class="v"><use href="#{key}" transform="translate({2 - (x + 0.5) * factor:.2f} '
        f'{below - (y + 0.5) * factor:.2f}) scale({factor:.3f})"/>{words}</g></g>'
    )


def _small(picture: Pixels) -> bool:
    """Whether it is kept exactly, and shown as squares."""
    return bool(max(picture.shape[:2]) <= SMALL)


def _title(spot: Spot) -> str:
    return f"<title>{safe(': '.join(filter(None, (spot.label, spot.name))))}</title>"


def _names(places: NDArray[np.float64], of: Sequence[int], groups: Sequence[str]) -> str:
    found, taken, group = [], list[tuple[float, float, float]](), np.array(of)
    for k, name in enumerate(groups):
        own = places[group == k]
        if len(own):
            x, y, half = _free(own, length(name, 9) / 2, taken)
            taken.append((x, y, half))
            found.append(f'<text class="name" x="{x:.1f}" y="{y + 3:.1f}">{safe(name)}</text>')
    return "".join(found)


def _free(
    own: NDArray[np.float64], half: float, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Where a name, `half` as long, stands: at the picture nearest to the median that leaves others readable.

    Middle across and down, and half of the length. The nearest of all where no picture does.
    """
    order = ((own - np.median(own, axis=0)) ** 2).sum(axis=1).argsort(kind="stable")
    ways = [(min(max(x, half + 2), SIDE - half - 2), y, half) for x, y in own[order].tolist()]
    free = (way for way in ways if all(_apart(way, other) for other in taken))
    return next(free, ways[0])


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return abs(one[0] - other[0]) >= one[2] + other[2] or abs(one[1] - other[1]) >= HIGH


def _legend(groups: Sequence[str], left: float, y: float) -> tuple[str, float]:
    """Which colour is which group, where they are few, from `left` and `y` on; and the height that it ends at."""
    if not groups:
        return "", y - LINE + 4
    if len(groups) > LISTED:
        return f'<text class="soft" x="{left:g}" y="{y:g}">colours: {len(groups)} groups</text>', y + 8
    parts, words = [], [fit(name, SIDE - left - 30, FACE) for name in groups]
    places = in_lines([length(shown, FACE - 3) + 22 for shown in words], left, SIDE, y, LINE)
    for k, (shown, (x, y)) in enumerate(zip(words, places, strict=True)):
        parts.append(f'<circle class="g{k}" cx="{x + 4:g}" cy="{y - 3:g}" r="4"/>')
        parts.append(f'<text x="{x + 12:g}" y="{y:g}">{safe(shown)}</text>')
    return "".join(parts), y + 8


def _svg(title: str, groups: Sequence[str], body: str, height: float) -> str:
    frame = f'<rect class="frame" x=".5" y="{TOP:g}" width="{SIDE - 1:g}" height="{SIDE:g}" rx="4"/>'
    rules = style("nca", RULES + _colours(len(groups)))
    body = f"{heading(title)}{frame}{body}"
    return drawing(f"nca n{len(groups)}", title, (SIDE, height), body, rules, (0, SIDE * WIDE))


def _colours(groups: int) -> str:
    """Of this many groups: on a page the styles of all its plots meet."""
    css, dark = [], []
    for k in range(groups):
        light, lit = hue(k, groups)
        own = f".nca.n{groups} .g{k}"
        css.append(f"{own}{{fill:{light};stroke:{light}}}.nca.n{groups} .q.g{k}{{fill:none}}")
        dark.append(f"{own}{{fill:{lit};stroke:{lit}}}.nca.n{groups} .q.g{k}{{fill:none}}")
    return f"{''.join(css)}.nca .q.g-1{{fill:none}}@media screen and (prefers-color-scheme:dark){{{''.join(dark)}}}"
