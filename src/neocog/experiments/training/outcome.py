"""The outcome of an experiment: a table, a verdict on each claim, plots; as text, Markdown, JSON."""

from __future__ import annotations

import html
import textwrap
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from neocog.draw.table import Table
from neocog.draw.trends import Trend, trends
from neocog.experiments.training.interval import Interval, interval
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Contrast, Finding, Plot, Point, Records, Study, Verdict

PAGE = 108  # columns of a terminal
Band = tuple[tuple[float, float, float, float], ...]
"""points (x, y, low, high)"""
EXPLAINED = (
    "Means over the seeds with their 95 % intervals (Student's t). A claim is *supported* if the whole interval "
    "of the "
    "difference, or ratio, paired by seed, lies on its side; *contradicted at this scale* if the whole interval "
    "lies on "
    "the other; else *not seen at this scale*. Neither of the last two says anything about larger scales."
)


@dataclass(frozen=True)
class Machine:
    """Where an experiment ran."""

    processor: str
    cores: int
    python: str
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.processor}, {self.cores} cores, Python {self.python}, {versions}"


@dataclass(frozen=True)
class Outcome:
    """Everything that an experiment came to."""

    study: Study
    scale_name: str
    records: Records
    seconds: float
    """of all trials, those of earlier runs included"""
    machine: Machine
    pictures: str
    """what was learned from"""

    @property
    def ok(self) -> bool:
        """Always: a claim that a laptop does not see is a result, not a failure."""
        return True

    @property
    def scale(self) -> Scale:
        return self.study.scales[self.scale_name]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(contrast.find(self.records) for contrast in self.study.contrasts)

    @property
    def table(self) -> Table:
        """A line for each arm, a column for each figure."""
        names = list(dict.fromkeys(name for record in self.records.values() for name in record.figures))
        arms = dict.fromkeys(arm for arm, _ in self.records)
        rows = tuple((arm, *(self._cell(arm, name) for name in names)) for arm in arms)
        return Table(("", *names), rows)

    @property
    def verdicts(self) -> Table:
        rows = tuple((f.contrast.claim, _compared(f), f.verdict.value) for f in self.findings)
        return Table(("claim", "found", "verdict"), rows)

    def svgs(self) -> dict[str, str]:
        """The plots by name."""
        names = [self.study.name, *(f"{self.study.name}-{i}" for i in range(2, len(self.study.plots) + 1))]
        return {name: self._drawn(plot) for name, plot in zip(names, self.study.plots, strict=True)}

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.study.name,
            "title": self.study.title,
            "says": self.study.says,
            "source": self.study.source,
            "pictures": self.pictures,
            "scale": {"name": self.scale_name, **asdict(self.scale)},
            "seconds": round(self.seconds, 1),
            "machine": asdict(self.machine),
            "claims": [_to_json(finding) for finding in self.findings],
            "trials": [{"arm": arm, "seed": s, **r.to_json()} for (arm, s), r in self.records.items()],
        }

    def to_markdown(self) -> str:
        """A page; its plots are files beside it."""
        study = self.study
        plots = "".join(
            f"![{plot.curve}]({name}.svg)\n\n" for name, plot in zip(self.svgs(), study.plots, strict=True)
        )
        command = f"neocog reproduce {study.name} --scale {self.scale_name}"
        remark = f"{study.remark}\n\n" if study.remark else ""
        return (
            f"# {study.title}\n\n**The lecture:** {study.says}\n\n**Source:** {study.source}\n\n"
            f"**Here:** {study.setup}\n\n{self.verdicts.to_markdown()}\n{self.table.to_markdown()}\n{plots}{remark}"
            f"{EXPLAINED}\n\n`{command}`: {self.sized}.\n{self.machine}.\n"
        )

    @property
    def sized(self) -> str:
        scale = self.scale
        return (
            f"{self.pictures}, {scale.train:,} training and {scale.test:,} test pictures at most, {scale.epochs} "
            f"epochs, "
            f"{scale.seeds} seeds, {self.seconds / 60:.1f} minutes"
        )

    def __str__(self) -> str:
        study = self.study
        told = [f"The lecture: {study.says}", f"Source: {study.source}", f"Here: {study.setup}"]
        noted = [study.remark] if study.remark else []
        sized = [EXPLAINED.replace("*", ""), f"{self.sized}.", f"{self.machine}."]
        return "\n".join(
            [study.title, "─" * len(study.title), *map(_filled, told)]
            + ["", str(self.table), "", *self._judged(), "", *map(_filled, [*noted, *sized])]
        )

    def _judged(self) -> list[str]:
        """Two lines for each claim, since they are long."""
        return [
            line
            for finding in self.findings
            for line in (f"{finding.verdict.value}: {finding.contrast.claim}", f"    {_compared(finding)}")
        ]

    def _repr_html_(self) -> str:
        title, says = html.escape(self.study.title), html.escape(self.study.says)
        plots = "".join(self.svgs().values())
        return (
            f"<h4>{title}</h4><p>{says}</p>{self.verdicts._repr_html_()}{self.table._repr_html_()}{plots}"
            f"<p>{html.escape(self.sized)}. {html.escape(str(self.machine))}.</p>"
        )

    def _cell(self, arm: str, figure: str) -> str | None:
        values = [r.figures[figure] for (a, _), r in self.records.items() if a == arm and figure in r.figures]
        return _shown(interval(values), figure.endswith("error")) if values else None

    def _drawn(self, plot: Plot) -> str:
        arms = plot.arms or tuple(dict.fromkeys(arm for arm, _ in self.records))
        factor = 100 if plot.percent else 1
        bands = [
            self._edged(arm, plot) if plot.edges else self._band(arm, plot.curve, factor) for arm in arms
        ]
        lines = [Trend(arm, band) for arm, band in zip(arms, bands, strict=True)]
        unit = ", %" if plot.percent else ""
        return trends(
            f"{plot.curve}{unit}",
            plot.across,
            [line for line in lines if line.points],
            whole=bool(plot.edges),
        )

    def _band(self, arm: str, curve: str, factor: float) -> Band:
        """(x, mean, low, high) wherever every seed that has the curve has a point.

        Errors begin with the first epoch: those of an untrained network would press all others together.
        """
        runs = [r.curves[curve] for (a, _), r in self.records.items() if a == arm and curve in r.curves]
        bands = (_across(points, factor) for points in zip(*runs, strict=False))
        return tuple(band for band in bands if band[0] > 0 or not curve.endswith("error"))

    def _edged(self, arm: str, plot: Plot) -> Band:
        """A curve of the first seed between two others."""
        curves = self.records[arm, 0].curves
        if plot.curve not in curves or plot.edges is None:
            return ()
        below, above = (curves[name] for name in plot.edges)
        middle = curves[plot.curve]
        return tuple(
            (x, y, low, high) for (x, y), (_, low), (_, high) in zip(middle, below, above, strict=True)
        )


def _filled(text: str) -> str:
    return textwrap.fill(text, PAGE, subsequent_indent="  ")


def _across(points: tuple[Point, ...], factor: float) -> tuple[float, float, float, float]:
    found = interval([factor * y for _, y in points])
    low, high = (found.low, found.high) if isfinite(found.low) else (found.mean, found.mean)
    return points[0][0], found.mean, low, high


def _shown(found: Interval, percent: bool) -> str:
    half = (found.high - found.low) / 2
    if percent:
        return f"{100 * found.mean:.2f} ± {100 * half:.2f} %"
    return f"{found.mean:,.6g}" if half == 0 else f"{found.mean:.4g} ± {half:.2g}"


def _compared(finding: Finding) -> str:
    """The two figures and how far apart they are."""
    found, contrast = finding.interval, finding.contrast
    if contrast.equal:
        same = "the same for every seed" if finding.verdict is Verdict.SUPPORTED else "not the same"
        return f"{_names(contrast, 'and')}: {same}"
    if contrast.times is not None:
        return f"{_names(contrast, '/')} = {found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"
    if contrast.higher[1].endswith("error"):
        low, mean, high = (100 * v for v in (found.low, found.mean, found.high))
        return f"{_names(contrast, '−')} = {mean:.2f} ({low:.2f} to {high:.2f}) points"
    return f"{_names(contrast, '−')} = {found.mean:.3g} ({found.low:.3g} to {found.high:.3g})"


def _names(contrast: Contrast, sign: str) -> str:
    """`figure: arm − arm`, or `figure − figure` of one arm."""
    (below, lower), (above, higher) = contrast.lower, contrast.higher
    if below == above:
        return f"{higher} {sign} {lower}"
    assert lower == higher, "figures of different names are compared within one arm"
    return f"{lower}: {above} {sign} {below}"


def _to_json(finding: Finding) -> dict[str, Any]:
    kind = "ratio" if finding.contrast.times is not None else "difference"
    return {
        "claim": finding.contrast.claim,
        "lower": list(finding.contrast.lower),
        "higher": list(finding.contrast.higher),
        kind: finding.interval.mean,
        "low": finding.interval.low,
        "high": finding.interval.high,
        "seeds": finding.interval.n,
        "verdict": finding.verdict.value,
    }
