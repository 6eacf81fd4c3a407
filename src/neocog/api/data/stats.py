"""The verb `data stats`: how many pictures of what, how large, and what their pixels are like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.data.dataset import PARTS, Dataset, judged_part
from neocog.data.divide import class_table
from neocog.data.manifest import content_hashes
from neocog.data.preprocess import Preprocess
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.data.stats import Measured, draw_sample, effective_classes, imbalance, measure
from neocog.draw.balance import ClassCount, balance, text_balance
from neocog.draw.table import Table, shown
from neocog.draw.text import kibibytes
from neocog.errors import UserError
from neocog.progress import Progress, Silent

QUANTILES = {"least": 0, "5 %": 5, "median": 50, "95 %": 95, "most": 100}
CHANNELS = ("red", "green", "blue")
FORMS = (".csv", ".json", ".html", ".svg")


@dataclass(frozen=True)
class DataStats:
    """Figures of a data set."""

    name: str
    pictures: int
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    """those that the data have; one empty text where they have none"""
    counts: NDArray[np.int64]
    """(classes, parts): labels, so that a picture of several classes counts in each"""
    unlabelled: int
    measured: Measured
    pixels_of: str
    """which pixels mean and std are of, in words"""
    notes: tuple[str, ...] = ()

    @property
    def imbalance(self) -> float:
        """Pictures of the largest class for each one of the smallest that has any."""
        return imbalance(self.counts.sum(axis=1))

    @property
    def effective_classes(self) -> float:
        """exp of the entropy of the classes' shares: as many classes of equal size would be as uncertain."""
        return effective_classes(self.counts.sum(axis=1))

    @property
    def grey(self) -> bool:
        """Whether no picture has colour."""
        return 0 < self.measured.grey == len(self.measured.indices)

    @property
    def mean(self) -> tuple[float, ...]:
        """For `Preprocess`: of each channel over all pixels, in units of 0..1; one number where all is grey."""
        return self.measured.mean()[: 1 if self.grey else 3]

    @property
    def std(self) -> tuple[float, ...]:
        """For `Preprocess`: of each channel over all pixels, in units of 0..1; one number where all is grey."""
        return self.measured.std()[: 1 if self.grey else 3]

    def table(self) -> Table:
        """Pictures of each class in each part."""
        header = (
            "class",
            *(part or "pictures" for part in self.parts),
            *(("all",) if len(self.parts) > 1 else ()),
        )
        rows = []
        for name, row in zip(self.classes, self.counts.tolist(), strict=True):
            rows.append((name, *row, *((sum(row),) if len(row) > 1 else ())))
        return Table(header, tuple(rows))

    def sizes(self) -> Table:
        """Quantiles of width, height, proportions and bytes."""
        wide, high = self.measured.sizes.T
        what = {
            "width": wide,
            "height": high,
            "width / height": wide / high,
            "bytes": self.measured.bytes,
        }
        rows = []
        for name, values in what.items():
            found = np.percentile(values, list(QUANTILES.values()))
            rows.append((name, *(float(v) if name == "width / height" else round(float(v)) for v in found)))
        return Table(("", *QUANTILES), tuple(rows))

    def channels(self) -> Table:
        """Mean and standard deviation of each channel in 0..1."""
        names = ("grey",) if self.grey else CHANNELS
        return Table(("channel", "mean", "std"), tuple(zip(names, self.mean, self.std, strict=True)))

    def facts(self) -> list[tuple[str, object]]:
        m = self.measured
        balance = (
            ("largest class / smallest", self.imbalance),
            ("effective classes", self.effective_classes),
        )
        return [
            ("pictures", self.pictures),
            ("classes", len(self.classes)),
            *(balance if self.counts.any() else ()),
            ("formats", ", ".join(f"{name} {n:,}" for name, n in m.formats.most_common())),
            ("size of the files", kibibytes(int(m.bytes.sum()))),
            ("without colour", m.grey),
            ("pixels counted", m.pixels),
        ]

    def _balance(self) -> list[ClassCount]:
        return [
            ClassCount(name, tuple(zip(self.parts, row, strict=True)))
            for name, row in zip(self.classes, self.counts.tolist(), strict=True)
        ]

    def plot(self) -> str:
        """Class balance as an SVG picture."""
        return balance(f"Pictures of each class in {self.name}", self._balance())

    def page(self) -> str:
        """Everything as one HTML page that needs no other file."""
        from neocog.draw.stats import page

        tables = (
            ("Sizes", "Quantiles over the pictures, upright.", self.sizes()),
            ("Pixels", f"Of {self.pixels_of}.", self.channels()),
            *([("Pictures of each class", "", self.table())] if self.classes else []),
        )
        return page(self.name, self.facts(), self.notes, self.plot() if self.classes else "", tables)

    def save(self, path: str | Path) -> Path:
        """Write what the file's ending says: counts (.csv), everything (.json), a page (.html), the plot (.svg)."""
        target = writable(path)
        written = {
            ".csv": lambda: self.table().to_csv(),
            ".json": lambda: json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n",
            ".html": self.page,
            ".svg": self.plot,
        }[target.suffix]()
        files.write_text(target, written)
        return target

    def __str__(self) -> str:
        lines = [f"{name:26}{shown(value)}" for name, value in self.facts()]
        words = [text_balance(self._balance()), "\n".join(lines), str(self.sizes()), str(self.channels())]
        mean, std = (tuple(round(v, 4) for v in values) for values in (self.mean, self.std))
        return (
            "\n\n".join(filter(None, words))
            + f"\nof {self.pixels_of}\nfor Preprocess: mean={mean}, std={std}"
        )

    def to_json(self) -> dict[str, Any]:
        m = self.measured
        return {
            "data": self.name,
            "pictures": self.pictures,
            "classes": {row["class"]: {k: v for k, v in row.items() if k != "class"} for row in self.table()},
            "unlabelled": self.unlabelled,
            "imbalance": self.imbalance if self.counts.any() else None,
            "effective_classes": self.effective_classes if self.counts.any() else None,
            "measured": len(m.indices),
            "skipped": len(m.skipped),
            "formats": dict(m.formats.most_common()),
            "grey": m.grey,
            "bytes": int(m.bytes.sum()),
            "sizes": {str(row[""]): {k: v for k, v in row.items() if k} for row in self.sizes()},
            "pixels": m.pixels,
            "pixels_of": self.pixels_of,
            "mean": list(self.mean),
            "std": list(self.std),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return self.plot() + self.sizes()._repr_html_() + self.channels()._repr_html_()


def writable(path: str | Path) -> Path:
    """Where the figures go; an error in words where the ending names no form that they have."""
    target = Path(path).expanduser()
    if target.suffix not in FORMS:
        raise UserError(f"the file's ending says its form: {', '.join(FORMS)}; got {target.name}")
    return target


def data_stats(
    data: object,
    *,
    part: str | None = None,
    img_size: int | None = None,
    resize_mode: str = "crop",
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **reading: Unpack[ReadingOptions],
) -> DataStats:
    """Counts, sizes, formats, and mean and standard deviation of the pixels of `data`.

    Pixels are those of the whole pictures, decoded exactly, upright, in RGB; with `img_size` those of the squares that
    a network of that input size would see. Mean and std are exact: counted by level, in whole numbers. With `sample`
    only so many pictures, drawn by content and `seed`, are decoded; class counts are always of all. Raises `UserError`.
    """
    told = progress or Silent()
    if sample is not None and sample < 1:
        raise UserError(f"a sample must have one picture or more, got {sample}")
    dataset = open_dataset(data, make_reading(**reading))
    if part is not None:
        dataset = judged_part(dataset, part)
    chosen = np.arange(len(dataset))
    notes = list(dataset.notes)
    pixels_of = "all pixels of the whole pictures, each pixel counting once"
    preprocess = None
    if img_size is not None:
        preprocess = Preprocess(size=(img_size, img_size), resize_mode=resize_mode, decoding="exact")  # type: ignore[arg-type]
        pixels_of = f"the pictures at {img_size} x {img_size} ({resize_mode}), each picture counting once"
    if sample is not None and sample < len(dataset):
        chosen = draw_sample(content_hashes(dataset.samples, told)[0], sample, seed)
        notes.append(
            f"sample: sizes and pixels are of {len(chosen):,} of {len(dataset):,} pictures, seed {seed}"
        )
    found = measure(dataset.samples, chosen, preprocess, told)
    for i, reason in found.skipped:
        told.say(f"skipped {dataset.samples.name(i)}: {reason}")
    if not len(found.indices):
        raise UserError(f"there must be a picture to measure, none of {dataset.name} can be read")
    return _stats(dataset, found, pixels_of, tuple(notes))


def _stats(dataset: Dataset, found: Measured, pixels_of: str, notes: tuple[str, ...]) -> DataStats:
    there = tuple(part for part in ("", *PARTS) if (dataset.parts == part).any())
    table = class_table(dataset.labels, dataset.targets, len(dataset.classes))
    sums = [np.asarray(table[np.flatnonzero(dataset.parts == part)].sum(axis=0)).ravel() for part in there]
    unlabelled = int((np.asarray(table.sum(axis=1)).ravel() == 0).sum())
    counts = np.stack(sums, axis=1)
    return DataStats(
        dataset.name, len(dataset), dataset.classes, there, counts, unlabelled, found, pixels_of, notes
    )
