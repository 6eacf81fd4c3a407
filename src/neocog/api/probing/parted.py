"""Features of the parts of pictures, each part in a place of its own, whatever the pose (Zhang and others 2013)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import local

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.api.embedding.classical import PREFIX
from neocog.api.embedding.features import Embedded, EmbedOptions, embedded, opened, part_of
from neocog.api.embedding.files import hashed
from neocog.api.probing.regions import Regions, regions_of
from neocog.classical.catalogue import CLASSICAL
from neocog.data.dataset import Dataset
from neocog.data.decode import decode
from neocog.data.quarantine import demand_readable
from neocog.data.reading import ReadingOptions
from neocog.data.samples import Picture, Samples
from neocog.errors import UserError
from neocog.inference.feature_files import is_features_file
from neocog.inference.network import Floats
from neocog.probing.part_features import Cells
from neocog.progress import Progress


def parted(
    source: str | Path, data: object, boxes: str, told: Progress, options: EmbedOptions
) -> tuple[Embedded, Regions]:
    """The features of `data`, those of the parts of a picture side by side, and the regions that they are of.

    Each region is a picture of its own to `source`. Those of one part of a picture are averaged; a part that a picture
    does not show is zeros. That is `classical.parts.pooling.PartPooling` for any network and method. A picture of which
    no region can be read is left out.
    """
    if data is None or is_features_file(Path(source).expanduser()):
        raise UserError(
            f"parts are cut out of pictures, got features of {source}; give a model or run, and DATA"
        )
    dataset, hashes, unread = _readable(part_of(opened(data, told, options), told, options), told, options)
    regions = regions_of(boxes, dataset)
    if regions.note:
        told.say(regions.note)
    of_regions: EmbedOptions = {  # type: ignore[assignment]
        key: value
        for key, value in options.items()
        if key != "part" and key not in ReadingOptions.__annotations__
    }
    found = embedded(source, _cut(dataset, regions), told, **of_regions)
    rows = np.arange(len(dataset))
    bare = ~np.isin(rows, regions.rows)
    if bare.any():
        told.say(f"warning: {bare.sum():,} of {len(rows):,} pictures show no part; their features are zeros")
    kept = rows[bare | np.isin(rows, regions.rows[found.dataset.columns["region"]])]
    return replace(
        found,
        dataset=dataset.select(kept),
        features=_pooled(found, regions, kept),
        hashes=hashes[kept],
        skipped=unread + found.skipped,
    ), regions


def _readable(
    whole: Dataset, told: Progress, options: EmbedOptions
) -> tuple[Dataset, NDArray[np.uint8], tuple[tuple[str, str], ...]]:
    """The pictures that can be read, what they hold as hashes, and names and reasons of the others."""
    indices, hashes, skipped = hashed(whole, told)
    if options.get("strict", False):
        demand_readable(whole, list(skipped))
    return whole.select(indices), hashes, tuple((whole.samples.name(i), reason) for i, reason in skipped)


def cells_of(source: str | Path, regions: Regions) -> Cells | None:
    """The cells that `source` describes aligned patches in; None where it does not, or they are not aligned."""
    entry = CLASSICAL.get(str(source).removeprefix(PREFIX))
    if entry is None or not regions.aligned:
        return None
    from neocog.classical.parts.aligned import HEIGHT, WIDTH
    from neocog.classical.parts.cells import AlignedCells

    method = entry.build()
    if not isinstance(method, AlignedCells):
        return None
    return Cells(HEIGHT // method.cell, WIDTH // method.cell)


class _Cuts:
    """The regions as pictures, in colour. Those of one picture follow each other, so each thread keeps the last one."""

    def __init__(self, samples: Samples, regions: Regions):
        self._samples, self._regions = samples, regions
        self._last = local()

    def __len__(self) -> int:
        return len(self._regions)

    def name(self, index: int) -> str:
        row, part = int(self._regions.rows[index]), self._regions.part[index]
        return f"{self._samples.name(row)} ({self._regions.parts[part]})"

    def read(self, index: int) -> Picture:
        return self._regions.cuts[index](self._picture(int(self._regions.rows[index])))

    def _picture(self, row: int) -> Image.Image:
        if getattr(self._last, "row", None) != row:
            self._last.image = decode(self._samples.read(row), 3).image
            self._last.row = row
        image: Image.Image = self._last.image
        return image


def _cut(dataset: Dataset, regions: Regions) -> Dataset:
    rows = regions.rows
    return replace(
        dataset,
        samples=_Cuts(dataset.samples, regions),
        labels=dataset.labels[rows],
        parts=dataset.parts[rows],
        targets=None,
        columns={"region": np.arange(len(rows))},
        notes=(),
        listed=True,
        quarantined=(),
    )


def _pooled(found: Embedded, regions: Regions, kept: NDArray[np.int64]) -> dict[str, Floats]:
    """Layer -> (kept pictures, parts x numbers): the mean over the regions of each part, zeros where there is none."""
    region: NDArray[np.int64] = found.dataset.columns["region"]
    place = np.searchsorted(kept, regions.rows[region]), regions.part[region]
    counts = np.zeros((len(kept), len(regions.parts), 1), np.float32)
    np.add.at(counts, place, 1)
    pooled = {}
    for layer, rows in found.features.items():
        sums = np.zeros((*counts.shape[:2], rows.shape[1]), np.float32)
        np.add.at(sums, place, rows)
        sums /= np.maximum(counts, 1)
        pooled[layer] = sums.reshape(len(kept), -1)
    return pooled
