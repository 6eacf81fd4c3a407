"""Class folders, or tar files, called by WordNet ids: ImageNet-21k, ImageNet's usual folders, and parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Joined
from neocog.data.sources.inside import entries
from neocog.data.sources.layouts.wordnet import WNID, pictures, places, readable, words_beside
from neocog.data.sources.tree import PART_FOLDERS
from neocog.errors import UserError


def recognises(path: Path) -> bool:
    """Two or more WordNet ids and no other folder; or a train folder of that kind."""
    return path.is_dir() and any(_only_ids(folder) for _, folder in _parts(path) if folder.is_dir())


def read(root: Path, reading: Reading) -> Dataset:
    """Classes in the order of their ids; names from `synset_words.txt` or `words.txt` beside, or ILSVRC's own."""
    found = [(part, places(folder)) for part, folder in _parts(root)]
    wnids = sorted({wnid for _, there in found for wnid in there})
    index = {wnid: i for i, wnid in enumerate(wnids)}
    samples, labels, parts = [], [], []
    for part, there in found:
        for wnid, place in there.items():
            samples.append(pictures(place))
            labels.append(index[wnid])
            parts.append(part)
    counts = np.array([len(place) for place in samples])
    if not counts.sum():
        raise UserError(f"DATA must hold pictures, got none in the {len(wnids)} WordNet ids of {root}")
    return Dataset(
        root.resolve().name,
        Joined(samples),
        np.repeat(np.array(labels, dtype=np.int64), counts),
        readable(wnids, words_beside(root, root.parent)),
        np.repeat(np.array(parts), counts),
        root,
        notes=(
            f"read as ImageNet's folders: {len(wnids):,} WordNet ids, named in words",
            *_empty(root, found),
        ),
        listed=True,
    )


def _parts(root: Path) -> list[tuple[str, Path]]:
    """train, val and test folders, or the folder itself."""
    named = [(PART_FOLDERS[p.name.lower()], p) for p in entries(root) if p.name.lower() in PART_FOLDERS]
    order = ("train", "val", "test")
    return sorted(named, key=lambda pair: order.index(pair[0])) or [("", root)]


def _empty(root: Path, found: list[tuple[str, dict[str, Path]]]) -> Iterator[str]:
    """A note on each part folder in which no WordNet id lies, as in ILSVRC's flat validation folder."""
    for (_, folder), (part, there) in zip(_parts(root), found, strict=True):
        if part and not there:
            yield f"left out: {folder.name}, whose pictures lie in no folder of a WordNet id and have no labels"


def _only_ids(folder: Path) -> bool:
    others = [p for p in entries(folder) if p.is_dir()]
    return len(places(folder)) > 1 and all(WNID.fullmatch(path.name) for path in others)
