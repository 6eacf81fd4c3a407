"""What a probe found: figures of every classifier on every layer, and whether the two best differ."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.probing.divisions import Divided
from neocog.api.probing.measured import Measured
from neocog.api.probing.options import Asked
from neocog.api.probing.tables import table_of
from neocog.api.probing.two_best import TwoBest, two_best
from neocog.draw.table import Table
from neocog.probing.scale import SCALES

WORDS = {"balanced": "mean per-class accuracy", "top1": "accuracy (top-1)"}


@dataclass(frozen=True, eq=False, repr=False)
class Probe:
    """Classifiers on frozen features. In a notebook it shows its table."""

    model: str
    source: str
    """where the network's weights come from"""
    data: str
    classes: tuple[str, ...]
    layers: tuple[str, ...]
    views: str
    asked: Asked
    labels: NDArray[np.int64]
    """of all pictures; the divisions are rows of them"""
    divided: Divided
    measured: tuple[Measured, ...]
    skipped: tuple[tuple[str, str], ...]
    parts: tuple[str, ...]
    """of the pictures, whose features lie side by side; empty where whole pictures are described"""
    leaked: int
    """judging pictures that train, too, byte for byte; over all splits"""
    trained_on: int
    """judging pictures that the network itself learned from, found by content"""
    seconds: dict[str, float]
    """of the steps"""

    def __repr__(self) -> str:
        return f"Probe({self.model} on {self.data}: {len(self.measured)} classifiers, best {self.best.name})"

    @property
    def figure(self) -> str:
        return self.asked.figure

    @cached_property
    def ranked(self) -> list[Measured]:
        """The best first, by the mean over the splits; with shots, of the largest number alone."""
        most = self.asked.shots[-1] if self.asked.shots else None
        rivals = [one for one in self.measured if one.shots == most]
        return sorted(rivals, key=lambda one: -one.mean(self.figure))

    @property
    def best(self) -> Measured:
        return self.ranked[0]

    @cached_property
    def two_best(self) -> TwoBest | None:
        """None where there is one classifier. The two were chosen by looking, so p is on the low side."""
        if len(self.ranked) < 2:
            return None
        first, second = self.ranked[:2]
        return two_best(first, second, self.divided.divisions, self.labels, self.figure)

    def table(self) -> Table:
        """Kinds and layers, or numbers of pictures per class, as rows and columns."""
        return table_of(self.measured, self.figure)

    @property
    def heading(self) -> str:
        """What the cells of the table are."""
        spread = " ± standard deviation over the splits" if len(self.divided.divisions) > 1 else ""
        return f"{WORDS[self.figure]} in %{spread}"

    @property
    def how(self) -> tuple[str, ...]:
        """How the figures came about, a sentence each."""
        judge = _range([len(one.judge) for one in self.divided.divisions])
        train = _range([count for one in self.measured for count in one.trained])
        protocol, words = self.asked.protocol, self.divided.words
        said = f"protocol {protocol.name} ({protocol.source}): {protocol.words}" if protocol else words
        views = "one view, center" if self.views == "center" else f"the views {self.views}, their mean"
        chosen = f"What is to choose about a classifier is chosen {self.choosing}."
        return (
            f"{said[0].upper()}{said[1:]}: {train} train, {judge} judge.",
            *self.divided.notes,
            *([chosen] if self.choosing else []),
            *(
                [f"Features of {len(self.parts)} parts side by side: {', '.join(self.parts)}."]
                if self.parts
                else []
            ),
            *(f"{one.name} counts {_shares(counts)}." for one in self.measured if (counts := one.counts)),
            f"Features of {views}; scale {self.asked.scale}: {SCALES[self.asked.scale]}.",
            *([f"{self.warning}."] if self.warning else []),
        )

    @property
    def choosing(self) -> str:
        """How strengths were chosen, in words; empty where no kind has several, or nothing could be held out."""
        return self.divided.choosing if any(one.first.figures for one in self.measured) else ""

    @property
    def warning(self) -> str:
        """That the network has seen pictures that judge; empty where it has not, or nobody knows."""
        if not self.trained_on:
            return ""
        return f"{self.trained_on:,} of the pictures that judge trained the model; new ones may score lower"

    def __str__(self) -> str:
        lines = [self.heading, str(self.table()), *self.how]
        if self.two_best:
            lines.append(self.two_best.verdict)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        said = [self.heading, *self.how, *([self.two_best.verdict] if self.two_best else [])]
        return self.table()._repr_html_() + "".join(f"<p>{html.escape(line)}</p>" for line in said)

    def to_json(self) -> dict[str, Any]:
        """As `docs/probe.md` describes it, field by field."""
        protocol = self.asked.protocol
        return {
            "model": self.model,
            "source": self.source,
            "data": self.data,
            "classes": list(self.classes),
            "layers": list(self.layers),
            "views": self.views,
            "parts": list(self.parts),
            "scale": self.asked.scale,
            "protocol": asdict(protocol) if protocol else None,
            "figure": self.figure,
            "division": self.divided.words,
            "notes": list(self.divided.notes),
            "choosing": self.choosing or None,
            "splits": len(self.divided.divisions),
            "n_judge": [len(one.judge) for one in self.divided.divisions],
            "seed": self.asked.seed,
            "leaked": self.leaked,
            "trained_on": self.trained_on,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "results": [_row(one) for one in self.measured],
            "best": {"kind": self.best.kind, "layer": self.best.layer, "shots": self.best.shots},
            "two_best": asdict(self.two_best) | {"verdict": self.two_best.verdict} if self.two_best else None,
            "seconds": self.seconds,
        }


def _shares(counts: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in counts.items())


def _row(one: Measured) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "layer": one.layer,
        "shots": one.shots,
        "n_train": list(one.trained),
        "parameter": one.parameter or None,
        "strengths": list(one.strengths) if one.parameter else None,
        "counts": one.counts or None,
        **{
            key: value
            for name in ("balanced", "top1")
            for key, value in (
                (name, list(one.figures(name))),
                (f"{name}_mean", one.mean(name)),
                (f"{name}_std", one.deviation(name)),
            )
        },
        "top1_interval": None if one.top1_interval is None else list(one.top1_interval),
    }


def _range(counts: list[int]) -> str:
    low, high = int(np.min(counts)), int(np.max(counts))
    return f"{low:,} pictures" if low == high else f"{low:,} to {high:,} pictures"
