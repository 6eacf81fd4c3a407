"""The page of `retrieve`, filled from what was found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice

import numpy as np

from neocog.api.retrieval.found import Retrieval
from neocog.api.retrieval.index import Index
from neocog.api.retrieval.labels import Doubt, Mislabels
from neocog.api.retrieval.outliers import Outliers, ordinal
from neocog.api.thumbnails import thumbnail
from neocog.draw.retrieval import (
    ClassLine,
    Doubtful,
    Far,
    Figure,
    Gallery,
    Hits,
    Labels,
    NoiseLine,
    RetrievalPage,
    Seen,
)
from neocog.draw.text import percent
from neocog.retrieval.doubtful import shares_wrong
from neocog.retrieval.ranked import Found
from neocog.retrieval.space import Indices

ROWS = 16  # queries under a heading
COLUMNS = 12  # neighbours of a query
PICTURES = 36  # of a list of outliers, or of doubtful labels
SIDE = 96  # pixels of a thumbnail's longer side, so that the page stays a few megabytes
LAST = "what the last one reads"
LARGE = 128  # of a query's, and where pictures stand alone


def page_of(found: Retrieval) -> RetrievalPage:
    """Everything that the page of `found` shows."""
    dataset, origin = found.index.dataset, found.index.embedded.origin
    title, detail = _headline(found)
    facts = (
        ("Pictures", f"{len(dataset):,}"),
        ("Classes", f"{len(dataset.classes):,}"),
        ("Network", origin.model),
        ("Layer", LAST if found.index.layer == "features" else found.index.layer),
        ("Features", f"{found.index.features.shape[1]:,} numbers"),
        ("Distance", "1 − cosine" if found.asked.metric == "cosine" else "L2"),
        *([("Neighbours", f"{found.asked.k:,}")] if found.neighbours is not None else []),
    )
    return RetrievalPage(
        name=dataset.name,
        title=title,
        detail=detail,
        facts=facts,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("neocog"),
        k=found.asked.k,
        figures=tuple(_figures(found.figures)) if found.figures else (),
        classes=_classes(found.figures) if found.figures else (),
        galleries=tuple(gallery for gallery in _galleries(found) if gallery.rows),
        outliers=tuple(_outliers(found.outliers)) if found.outliers else (),
        labels=None if found.mislabels is None else _labels(found.mislabels),
        warning=str(found.trained) if found.trained else "",
        notes=found.remarks,
        skipped=found.skipped(),
    )


def _headline(found: Retrieval) -> tuple[str, str]:
    if found.figures:
        low, high = (percent(end) for end in found.figures.intervals[1])
        share, n = percent(found.figures.recall[1]), found.figures.n
        nearest = f"{share} % of {n:,} pictures have one of their class nearest"
        return nearest, f"95 % interval {low}–{high} %; mean average precision {percent(found.figures.map)} %"
    if found.neighbours is None and found.mislabels is not None:
        listed, n = len(found.mislabels), len(found.mislabels.rows)
        wrong = found.mislabels.doubts.estimated
        return f"{listed:,} of {n:,} labels are in doubt", f"{wrong:.1f} are estimated to be wrong"
    return found.headline(), ""


def _figures(found: Found) -> Iterator[Figure]:
    for k, value in found.recall.items():
        what = (
            "the nearest picture is of the same class"
            if k == 1
            else f"one of the {k:,} nearest pictures is of the same class"
        )
        yield Figure(name=f"Recall at {k:,}", what=what, value=value, interval=found.intervals[k])
    yield Figure(
        name=f"Precision at {found.k:,}",
        what=f"mean share of the {found.k:,} nearest pictures that are of the same class",
        value=found.precision,
    )
    yield Figure(
        name="Mean average precision",
        what="all other pictures in the order of their distance: the mean precision where those of the class come in",
        value=found.map,
    )


def _classes(found: Found) -> tuple[ClassLine, ...]:
    """The worst first; those without figures last."""
    rows = sorted(
        found.per_class.items(), key=lambda item: (item[1].map is None, item[1].recall_at_1, item[1].map)
    )
    return tuple(ClassLine(name=name, **vars(row)) for name, row in rows)


def _galleries(found: Retrieval) -> Iterator[Gallery]:
    if found.neighbours is None:
        return
    if found.queries is not None:
        queries = np.arange(len(found))
        yield _gallery(
            found, queries, "Nearest of each query", "From the left, the nearest first; below, the distance."
        )
        return
    frames = "A full frame: of the query's class; a dashed one: of another."
    labels, contents = found.index.labels, found.index.contents
    if not found.figures:
        yield _gallery(
            found,
            np.argsort(contents, kind="stable"),
            "Some pictures and their nearest",
            "In an order that chance decides.",
        )
        return
    first = found.neighbours.indices[:, 0]
    wrong = np.flatnonzero((labels >= 0) & (first >= 0) & (labels[first] >= 0) & (labels[first] != labels))
    wrong = wrong[np.argsort(found.neighbours.distances[wrong, 0], kind="stable")]
    yield _gallery(found, wrong, "The nearest is of another class", f"The smallest distance first. {frames}")
    order = np.argsort(contents, kind="stable")
    known = order[labels[order] >= 0]
    each = known[np.sort(np.unique(labels[known], return_index=True)[1])]
    each = each[np.argsort(labels[each], kind="stable")]
    yield _gallery(
        found, each, "One of each class", f"Which picture stands for its class, chance decides. {frames}"
    )


def _gallery(found: Retrieval, queries: Indices, title: str, words: str) -> Gallery:
    rows = tuple(_hits(found, query) for query in queries[:ROWS].tolist())
    return Gallery(title=title, words=words, rows=rows, more=max(0, len(queries) - ROWS))


def _hits(found: Retrieval, query: int) -> Hits:
    near = tuple(
        _seen(found.index, row, SIDE, distance, same)
        for row, distance, same in islice(found.near(query), COLUMNS)
    )
    if found.queries is None:
        return Hits(query=_seen(found.index, query, LARGE), near=near)
    label = int(found.query_labels[query])
    own = Seen(
        path=found.query_path(query),
        label=found.index.dataset.classes[label] if label >= 0 else "",
        pixels=thumbnail(found.queries.dataset.samples, query, LARGE),
    )
    return Hits(query=own, near=near)


def _seen(index: Index, row: int, side: int, distance: float | None = None, same: bool | None = None) -> Seen:
    pixels = thumbnail(index.dataset.samples, row, side)
    return Seen(path=index.path(row), label=index.label(row), pixels=pixels, distance=distance, same=same)


def _outliers(found: Outliers) -> Iterator[Far]:
    lists = (
        (
            "Far from all others",
            f"The distance of each to its {ordinal(found.k)} nearest picture, the largest first "
            "(Ramaswamy, Rastogi and Shim 2000).",
            found.far(),
            found.of_all,
        ),
        (
            "Far from their own class",
            "The relative Mahalanobis distance of each to its class, the largest first (Ren et al. 2021): above 0 it "
            "is farther from the others of its class than from all others.",
            found.odd(),
            found.of_class,
        ),
    )
    for title, words, rows, distances in lists:
        if len(rows):
            seen = tuple(_seen(found.index, i, LARGE, float(distances[i])) for i in rows[:PICTURES].tolist())
            yield Far(title=title, words=words, pictures=seen, more=max(0, len(rows) - PICTURES))


def _labels(found: Mislabels) -> Labels:
    wrong, n = found.doubts.estimated, len(found.rows)
    words = (
        f"Of {n:,} labels {wrong:.1f} are estimated to be wrong, and the {len(found):,} listed are in doubt: a "
        "classifier that has not seen the picture is surer of another class than it mostly is where that class is "
        f"given (Northcutt, Jiang and Chuang 2021). It gives {percent(found.accuracy)} % of the pictures their label. "
        "Look at each: some are right, and odd."
    )
    shown = tuple(_doubtful(found, doubt) for doubt in islice(found, PICTURES))
    return Labels(
        words=words,
        warning=found.warning(),
        noise=_noise(found),
        pictures=shown,
        more=max(0, len(found) - PICTURES),
    )


def _doubtful(found: Mislabels, doubt: Doubt) -> Doubtful:
    return Doubtful(
        seen=_seen(found.index, doubt.row, LARGE),
        suggested=found.index.dataset.classes[doubt.suggested],
        probability=doubt.probability,
        probability_of_given=doubt.probability_of_given,
    )


def _noise(found: Mislabels) -> tuple[NoiseLine, ...]:
    """A line for each given label, that with the largest share of errors first."""
    joint, classes = found.doubts.joint, found.index.dataset.classes
    shares = shares_wrong(found.doubts)
    listed = np.bincount([doubt.given for doubt in found], minlength=len(classes))
    off = joint - np.diag(np.diagonal(joint))
    return tuple(
        NoiseLine(
            name=classes[i],
            n=round(float(joint[i].sum())),
            wrong=float(off[i].sum()),
            listed=int(listed[i]),
            most=classes[int(off[i].argmax())] if off[i].any() else "",
        )
        for i in np.argsort(-shares, kind="stable").tolist()
    )
