"""Accuracy on spoiled pictures: common corruptions at five severities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.api.alone import demand_alone
from neocog.api.classifier import Classifier
from neocog.api.evaluating.answered import training_hashes
from neocog.api.evaluating.evaluate import judged_data, loaded_for
from neocog.api.evaluating.options import JudgedOptions
from neocog.api.evaluating.scored import match_labels
from neocog.data.corruptions.catalogue import CORRUPTIONS, SEVERITIES, Corruption, chosen, picture_seed
from neocog.data.dataset import Dataset, LeftOut
from neocog.data.quarantine import demand_readable
from neocog.data.resize import Pixels
from neocog.draw.robustness import Spoiled, render_robustness
from neocog.draw.table import Table
from neocog.draw.text import count
from neocog.errors import UserError
from neocog.evaluation.per_picture import best
from neocog.evaluation.robustness import ALEXNET, Robustness
from neocog.inference.stream import stream
from neocog.progress import Progress, Silent
from neocog.weights.published import imagenet_classes

Labels = NDArray[np.int64]
Variant = tuple[Corruption, int]
REPORT, FIGURES = "robustness.html", "robustness.json"
AS_IN_IMAGENET_C = (
    "What the network sees, resized and cropped, is spoiled, as in ImageNet-C; but it is not stored as JPEG "
    "afterwards, as the published pictures are."
)
FROST = (
    "The ice of frost is made from random numbers, not from the authors' photographs: its figures compare with each "
    "other, not with published ones."
)


@dataclass(frozen=True)
class RobustnessReport:
    """What came out, and of what."""

    figures: Robustness
    run: str
    data: str
    size: tuple[int, int]
    """height and width of what was spoiled, in pixels"""
    seed: int
    skipped: tuple[tuple[str, str], ...] = ()
    """(path, reason)"""
    unknown_classes: tuple[str, ...] = ()
    """classes of the data that the model does not know; their pictures count as wrong"""
    trained_on: int | None = None
    """how many of the pictures the model was trained on, found by content; None where nobody knows"""
    quarantined: tuple[LeftOut, ...] = ()
    """pictures that a quarantine list left out"""
    imagenet: bool = False
    """whether the model and the data have ImageNet's 1000 classes"""

    @property
    def on_imagenet_c(self) -> bool:
        """Whether AlexNet's errors on ImageNet-C mean something here: its classes, its size, all of its corruptions."""
        return self.imagenet and self.size == (224, 224) and self.figures.comparable()

    def table(self) -> Table:
        """Accuracy of each corruption at each severity, clean pictures first."""
        found = self.figures
        columns = tuple(f"severity {severity}" for severity in found.severities)
        clean = ("clean", "", *(found.clean_top1 for _ in columns), 1 - found.clean_top1)
        rows = ((name, CORRUPTIONS[name].kind, *found.top1(name), found.error(name)) for name in found.right)
        return Table(("corruption", "kind", *columns, "mean error"), (clean, *rows))

    def to_json(self) -> dict[str, Any]:
        """Of `Robustness`, with the mean corruption error where it means something."""
        there = self.on_imagenet_c
        return {
            "run": self.run,
            "data": self.data,
            "size": list(self.size),
            "seed": self.seed,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "quarantined": [gone.to_json() for gone in self.quarantined],
            "unknown_classes": list(self.unknown_classes),
            "trained_on": self.trained_on,
            **self.figures.to_json(),
            "mce": self.figures.mce() if there else None,
            "relative_mce": self.figures.relative_mce() if there else None,
        }

    def notes(self) -> tuple[str, ...]:
        """What a reader should know about these figures, in sentences."""
        said = []
        if self.trained_on:
            said.append(f"{self.trained_on:,} of these pictures trained the model; new ones may score lower.")
        if self.unknown_classes:
            unknown = ", ".join(self.unknown_classes)
            said.append(f"The model does not know {unknown}; those pictures count as wrong.")
        if self.skipped:
            said.append(f"{count(len(self.skipped), 'picture')} could not be read: not counted.")
        if self.quarantined:
            said.append(f"{count(len(self.quarantined), 'picture')} in quarantine: not counted.")
        return (*said, AS_IN_IMAGENET_C, *([FROST] if "frost" in self.figures.right else []))

    def to_html(self) -> str:
        """A page in one file."""
        found = self.figures
        rows = tuple(
            Spoiled(name, CORRUPTIONS[name].kind, found.top1(name), found.intervals(name), found.error(name))
            for name in found.right
        )
        facts = [
            ("model", self.run),
            ("data", self.data),
            ("pictures", f"{found.n:,}"),
            ("size", f"{self.size[0]} x {self.size[1]}"),
            ("seed", str(self.seed)),
            ("mean error", f"{100 * found.mean_error():.1f} %"),
        ]
        if self.on_imagenet_c:
            facts += [
                (f"mCE, {ALEXNET.name} = 100", f"{100 * found.mce():.1f}"),
                ("relative mCE", f"{100 * found.relative_mce():.1f}"),
            ]
        return render_robustness(
            facts, found.clean_top1, found.clean_interval, found.severities, rows, self.notes()
        )

    def write_html(self, path: str | Path) -> None:
        files.write_text(Path(path), self.to_html())

    def write(self, folder: Path) -> None:
        """The page and the figures."""
        self.write_html(folder / REPORT)
        files.write_text(folder / FIGURES, json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n")

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def robustness(
    run: str | Path,
    data: object,
    *,
    corruptions: Sequence[str] | str | None = None,
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[JudgedOptions],
) -> RobustnessReport:
    """Accuracy of a run or a published model on labelled `data` under common corruptions.

    `corruptions` are names of `CORRUPTIONS`, all that the model's channels allow if not given. As in ImageNet-C what
    the network sees, resized and cropped, is spoiled. The randomness of a picture follows from `seed` and its pixels:
    neither order nor batches change a count. With `output` a page and the figures are written into that folder.
    `options` are those of `evaluate` about data and loading.
    """
    demand_alone("robustness")
    told, levels = progress or Silent(), _severities(severities)
    folder = None if output is None else files.make_result_folder(Path(output), FIGURES)
    dataset = judged_data(data, told, options, options.get("part"))
    classifier = loaded_for(run, dataset, told, options)
    _demand_one_class(classifier, dataset)
    index, unknown = match_labels(classifier.classes, dataset.classes)
    for note in dataset.notes:
        told.say(note)
    named = chosen(corruptions, classifier.preprocess.channels)
    spoiler = _Spoiler(classifier, tuple((one, level) for one in named for level in levels), seed)
    found = _counted(spoiler, dataset, index, told, options.get("strict", False))
    counts = np.reshape(found.right[1:], (len(named), len(levels))).tolist()
    rows = {one.name: tuple(row) for one, row in zip(named, counts, strict=True)}
    report = RobustnessReport(
        figures=Robustness(found.n, found.right[0], levels, rows),
        run=str(run),
        data=dataset.name,
        size=classifier.preprocess.size,
        seed=seed,
        skipped=tuple((dataset.samples.name(i), reason) for i, reason in found.skipped),
        unknown_classes=unknown,
        trained_on=found.trained_on,
        quarantined=dataset.quarantined,
        imagenet=set(classifier.classes) == set(dataset.classes) == set(imagenet_classes()),
    )
    if folder is not None:
        report.write(folder)
    return report


def _severities(given: Sequence[int]) -> tuple[int, ...]:
    if not given or not set(given) <= set(SEVERITIES):
        raise UserError(
            f"severities must be out of 1, 2, 3, 4, 5, got {', '.join(map(str, given)) or 'none'}"
        )
    return tuple(sorted(set(given)))


def _demand_one_class(classifier: Classifier, dataset: Dataset) -> None:
    if classifier.several or dataset.targets is not None:
        whose = "the model names" if classifier.several else f"some pictures of {dataset.name} have"
        raise UserError(
            f"robustness needs one class per picture, but {whose} several; use data with one label each"
        )


@dataclass(frozen=True)
class _Spoiler:
    """Pixels in, the class said of each picture out: clean and in each variant. May be called from several threads."""

    classifier: Classifier
    variants: tuple[Variant, ...]
    seed: int

    def __call__(self, batch: Pixels) -> Labels:
        """(n, 1 + variants)"""
        return np.stack(
            [self._said(batch), *(self._said(self._spoiled(batch, v)) for v in self.variants)], axis=1
        )

    def _said(self, batch: Pixels) -> Labels:
        return best(self.classifier.loaded.head.probabilities(self.classifier.engine.engine(batch)))

    def _spoiled(self, batch: Pixels, variant: Variant) -> Pixels:
        spoil, severity = variant
        return np.stack([spoil(x, severity, picture_seed(self.seed, x, spoil.name, severity)) for x in batch])


@dataclass(frozen=True)
class _Counted:
    right: tuple[int, ...]
    """of the clean pictures, then of each variant"""
    n: int
    skipped: tuple[tuple[int, str], ...]
    trained_on: int | None


def _counted(spoiler: _Spoiler, dataset: Dataset, index: Labels, told: Progress, strict: bool) -> _Counted:
    """Right answers over all readable pictures; `index` takes the data's classes to the model's."""
    right, n, skipped = np.zeros(1 + len(spoiler.variants), np.int64), 0, list[tuple[int, str]]()
    trained, seen = training_hashes(spoiler.classifier.loaded.folder), 0
    with told.step("corrupted pictures", len(dataset) * len(spoiler.variants)) as advance:
        for part in stream(dataset.samples, spoiler.classifier.preprocess, spoiler):
            if len(part.indices):
                right += (part.outputs == index[dataset.labels[part.indices]][:, None]).sum(axis=0)
            n += len(part.indices)
            seen += sum(row.tobytes().hex() in trained for row in part.hashes)
            skipped += part.skipped
            if strict:
                demand_readable(dataset, skipped)
            advance((len(part.indices) + len(part.skipped)) * len(spoiler.variants))
    if not n:
        reason = skipped[0][1] if skipped else "it is empty"
        raise UserError(f"no picture of {dataset.name} can be read ({reason})")
    return _Counted(tuple(right.tolist()), n, tuple(skipped), seen if trained else None)
