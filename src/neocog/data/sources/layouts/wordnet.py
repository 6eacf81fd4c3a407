"""ImageNet's classes: WordNet ids such as n01440764, what lies under them, and what people call them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from neocog.data.decode import SUFFIXES
from neocog.data.samples import Files, Members, Samples
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.inside import entries
from neocog.data.sources.layouts.published_files import text
from neocog.data.sources.names import class_names
from neocog.data.sources.shards import members

WNID = re.compile(r"n\d{8}")
WORD_FILES = ("synset_words.txt", "LOC_synset_mapping.txt", "words.txt")
# each shares its first word with another class; these are torchvision's names
SAID_OTHERWISE = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}


def places(folder: Path) -> dict[str, Path]:
    """The folder or the tar file of each WordNet id in `folder`, in the order of the ids."""
    found: dict[str, Path] = {}
    for path in entries(folder):
        if WNID.fullmatch(path.stem) and (path.suffix == ".tar" if path.is_file() else not path.suffix):
            found.setdefault(path.stem, path)  # the unpacked folder before its tar file
    return dict(sorted(found.items()))


def pictures(place: Path) -> Samples:
    """The pictures below a folder or inside a tar file."""
    if place.is_dir():
        return Files(pictures_below(place))
    inside = [member for member in members(place) if f".{member.suffix}" in SUFFIXES]
    spans = np.array([(member.offset, member.size) for member in inside], dtype=np.int64).reshape(-1, 2)
    return Members(place, [member.name for member in inside], spans)


def words_beside(*folders: Path) -> dict[str, str]:
    """What a file of names in one of the folders calls each WordNet id: an id and its words a line."""
    for path in (folder / name for folder in folders for name in WORD_FILES):
        if path.is_file():
            pairs = (line.split(maxsplit=1) for line in text(path).splitlines())
            return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2 and WNID.fullmatch(pair[0])}
    return {}


def readable(wnids: Iterable[str], words: Mapping[str, str]) -> tuple[str, ...]:
    """A name for each id, no two alike: the first of its `words`, or what ILSVRC calls it, or else the id itself.

    For the 1,000 classes of ILSVRC 2012 these are the names that published networks give.
    """
    known = dict(line.split(maxsplit=1) for line in class_names("ilsvrc-2012"))
    first = {}
    for wnid in wnids:
        said = words[wnid].split(",")[0].strip() if wnid in words else known.get(wnid, wnid)
        first[wnid] = SAID_OTHERWISE.get(wnid, said)
    counts = Counter(first.values())
    return tuple(name if counts[name] == 1 else f"{name} ({wnid})" for wnid, name in first.items())
