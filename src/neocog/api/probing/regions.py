"""Where parts of the pictures lie: boxes, or places of which each two bring a picture to one pose; from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from os.path import normpath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.api.probing.boxes import cropped
from neocog.classical.parts.boxes import CUB_BODY, CUB_HEAD, group_boxes
from neocog.data.dataset import Dataset
from neocog.data.sources.roles import is_empty
from neocog.data.sources.rows import Rows
from neocog.data.sources.tables import read_file
from neocog.draw.text import count
from neocog.errors import Unreadable, UserError

HEAD_BODY = "head-body"
MARGIN = 0.25  # around the places of head and body, of the longer side of the box that holds them
PAIRS = 20  # of places: five places have so many, in order
Cut = Callable[[Image.Image], Image.Image]
"""a picture -> the region; Unreadable where nothing of it is in the picture"""


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of pictures, each of one of several parts; a picture may show a part once, several times, or not."""

    parts: tuple[str, ...]
    rows: NDArray[np.int64]
    """(regions,), of the picture"""
    part: NDArray[np.int64]
    """(regions,), place in `parts`"""
    cuts: Sequence[Cut] = field(repr=False)
    aligned: bool
    """whether each is a patch on which two places lie where they always do"""
    note: str = ""

    def __len__(self) -> int:
        return len(self.rows)


def regions_of(given: str, dataset: Dataset) -> Regions:
    """The regions that the table `given` has for `dataset`, or the data's own heads and bodies."""
    if given == HEAD_BODY:
        return _heads_and_bodies(dataset)
    path = Path(given).expanduser()
    table = read_file(path)
    names = ["path", "part", "x", "y"]
    lacking = [name for name in names if name not in table.columns]
    sized = [name for name in ("width", "height") if name in table.columns]
    if lacking or len(sized) == 1:
        raise UserError(
            f"{path} must have the columns path, part, x and y, and width and height of boxes, got "
            f"{', '.join(table.columns)}; name them so"
        )
    rows = _pictures(table, path, dataset)
    kept = np.flatnonzero(rows >= 0)
    if not len(kept):
        raise UserError(
            f"{path} must name pictures of {dataset.name}, as {dataset.short_name(0)}, got "
            f"{table.columns['path'][0] if len(table) else 'nothing'}"
        )
    left = len(rows) - len(kept)
    note = (
        f"left out: {count(left, 'row')} of {path.name}, whose picture is not among the data" if left else ""
    )
    numbers = _numbers(table, [*names[2:], *sized], kept)
    parts = [str(table.columns["part"][i]) for i in kept]
    return (
        _boxed(rows[kept], parts, numbers, note) if sized else _paired(table, kept, rows[kept], numbers, note)
    )


def _pictures(table: Rows, path: Path, dataset: Dataset) -> NDArray[np.int64]:
    """The picture of each row of the table, -1 where it is none of the data: by its name there, or as a file."""
    short = {dataset.short_name(i): i for i in range(len(dataset))}
    whole = {_absolute(dataset.samples.name(i)): i for i in range(len(dataset))}

    def found(cell: str) -> int:
        return short.get(cell, whole.get(_absolute(path.parent / cell), -1))

    return np.array([found(str(cell)) for cell in table.columns["path"]], np.int64)


def _absolute(path: str | Path) -> str:
    """Without `..`, which `Path.absolute` keeps; links stay what they are, so that each has its own place."""
    return normpath(Path(path).absolute())


def _numbers(table: Rows, names: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rows, names); an error names the line."""
    found = np.empty((len(rows), len(names)))
    for place, row in enumerate(rows):
        cells = [table.columns[name][row] for name in names]
        try:
            found[place] = [float(cell) for cell in cells]
        except (TypeError, ValueError):
            found[place] = np.nan
        if not np.isfinite(found[place]).all() or (found[place, 2:] <= 0).any():
            above = ", width and height above 0" if len(names) == 4 else ""
            raise table.error(
                int(row), f"{', '.join(names)} must be finite numbers{above}, got {cells!r:.80}"
            )
        if is_empty(table.columns["part"][row]):
            raise table.error(int(row), "a part must have a name, got none")
    return found


def _boxed(
    rows: NDArray[np.int64], names: Sequence[str], boxes: NDArray[np.float64], note: str = ""
) -> Regions:
    parts = tuple(dict.fromkeys(sorted(names)))
    order = np.argsort(rows, kind="stable")
    place = {name: i for i, name in enumerate(parts)}
    part = np.array([place[name] for name in names], np.int64)
    return Regions(parts, rows[order], part[order], [_box(boxes[i]) for i in order], False, note)


def _box(box: NDArray[np.float64]) -> Cut:
    def cut(image: Image.Image) -> Image.Image:
        found = cropped(image, box)
        if found is None:
            raise Unreadable("nothing of the box is in the picture")
        return found

    return cut


def _heads_and_bodies(dataset: Dataset) -> Regions:
    points = dataset.columns.get("parts")
    if points is None or points.shape[1:] != (15, 3):
        raise UserError(
            f"{HEAD_BODY} is for data with the 15 places of CUB-200-2011, got none in {dataset.name}; give a table"
        )
    boxes = np.stack([group_boxes(one, [CUB_HEAD, CUB_BODY], MARGIN) for one in points])
    rows, part = np.nonzero(np.isfinite(boxes).all(axis=2) & (boxes[..., 2:] > 0).all(axis=2))
    if not len(rows):
        raise UserError(
            f"{HEAD_BODY} needs places that are seen, got none in {dataset.name}; give a table with --boxes FILE"
        )
    return _boxed(rows, [HEAD_BODY.split("-")[i] for i in part], boxes[rows, part])


def _paired(
    table: Rows, kept: NDArray[np.int64], rows: NDArray[np.int64], places: NDArray[np.float64], note: str
) -> Regions:
    """Each two places of a picture in both orders: the first is what the patch is about, the second aligns it."""
    parts = sorted({str(table.columns["part"][i]) for i in kept})
    pairs = list(permutations(range(len(parts)), 2))
    if not 0 < len(pairs) <= PAIRS:
        raise UserError(
            f"places must be of two to five parts, each two of which align a picture, got {len(parts)}; keep those "
            "that tell classes apart"
        )
    points = _points(table, kept, rows, places, parts)
    regions = list(_seen(points, pairs))
    if not regions:
        raise UserError("places must be of two parts or more of a picture, got no picture with two")
    at, part, cuts = zip(*regions, strict=True)
    names = tuple(f"{parts[a]} by {parts[b]}" for a, b in pairs)
    return Regions(names, np.array(at, np.int64), np.array(part, np.int64), cuts, True, note)


def _points(
    table: Rows,
    kept: NDArray[np.int64],
    rows: NDArray[np.int64],
    places: NDArray[np.float64],
    parts: Sequence[str],
) -> dict[int, NDArray[np.float64]]:
    """Picture -> (parts, 3), x, y and 1; NaN of a part that is not seen."""
    points: dict[int, NDArray[np.float64]] = {}
    for i, row in enumerate(rows.tolist()):
        name = str(table.columns["part"][kept[i]])
        seen = points.setdefault(row, np.full((len(parts), 3), np.nan))[parts.index(name)]
        if np.isfinite(seen).all():
            raise table.error(int(kept[i]), f"each part of a picture must have one place, got {name} again")
        seen[:] = *places[i], 1
    return points


def _seen(
    points: dict[int, NDArray[np.float64]], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, Cut]]:
    """Picture, place of the pair, and how the patch is cut, where both are seen."""
    from neocog.classical.parts.aligned import both_seen

    for row in sorted(points):
        for place, pair in enumerate(pairs):
            if both_seen(points[row], *pair):
                yield row, place, _patch(points[row], *pair)


def _patch(points: NDArray[np.float64], first: int, second: int) -> Cut:
    def cut(image: Image.Image) -> Image.Image:
        from neocog.classical.parts.aligned import aligned

        patch = aligned(np.asarray(image), points, first, second)
        return Image.fromarray(np.rint(patch).clip(0, 255).astype(np.uint8))

    return cut
