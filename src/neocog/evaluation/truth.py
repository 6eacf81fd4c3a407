"""Other truths than one label for each picture of the model's classes: several right answers, and fewer classes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError, unknown

WNID = re.compile(r"n\d{8}")
ILSVRC_NAME = re.compile(r"ILSVRC2012_val_(\d{8})(\.\w+)?")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LabelSets:
    """For each of n pictures the classes that are right, as in ImageNet ReaL (Beyer et al. 2020).

    Pictures without any are not scored.
    """

    sets: tuple[tuple[int, ...], ...]
    """places among the model's classes"""

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(n,), whether a picture has a right answer."""
        return np.array([bool(right) for right in self.sets], np.bool_)

    @property
    def excluded(self) -> int:
        """Pictures without one."""
        return int((~self.scored).sum())

    def labels(self, probabilities: Floats) -> NDArray[np.int64]:
        """The most probable right class of each picture (n,), of equals the first; -1 where there is none.

        With these as labels a picture's answer is right where it is any of its set, and so for the best five: scores of
        the pictures `scored` are those of ReaL.
        """
        if len(probabilities) != len(self.sets):
            raise UserError(
                f"there must be a set of labels for each picture, got {len(self.sets)} for {len(probabilities)}"
            )
        _demand_columns(self.sets, probabilities.shape[1])
        pairs = zip(probabilities, self.sets, strict=True)
        return np.array(
            [min(right, key=lambda i: (-row[i], i), default=-1) for row, right in pairs], np.int64
        )


def read_label_sets(path: Path, pictures: Sequence[str], classes: Sequence[str]) -> LabelSets:
    """The sets in a JSON file for `pictures` (their names or paths), in this order.

    The file holds a list of sets, or {picture: set}; a set is a list of classes by number, name or WordNet id. A list's
    sets belong to `ILSVRC2012_val_00000001` and on where pictures are called so, else to the pictures in their order.
    Numbers are those of ILSVRC 2012 where the model has its 1,000 classes in whatever order, else places among
    `classes`.
    """
    stored = _json(path)
    sets = stored.values() if isinstance(stored, dict) else stored
    if not isinstance(stored, dict | list) or not all(map(_is_set, sets)):
        raise UserError(
            f"{path} must hold lists of class numbers or names, in a list or by the picture's name"
        )
    return label_sets(stored, pictures, classes)


def label_sets(
    stored: Sequence[Sequence[int | str]] | Mapping[str, Sequence[int | str]],
    pictures: Sequence[str],
    classes: Sequence[str],
) -> LabelSets:
    """As `read_label_sets` of what the file holds."""
    if not pictures:
        raise UserError("there must be a picture to score, got none")
    by_picture = _by_name(stored, pictures) if isinstance(stored, Mapping) else _in_order(stored, pictures)
    if not any(by_picture):
        raise UserError(f"label sets must name a class for some picture, got {len(pictures)} empty ones")
    known = _known(classes)
    return LabelSets(tuple(tuple(sorted({known.place(said) for said in right})) for right in by_picture))


def class_subset(
    classes: Sequence[str], chosen: Sequence[int | str], by_name: bool = False
) -> NDArray[np.int64]:
    """The columns (m,), rising, of the classes `chosen`: the only answers allowed, as the 200 of 1,000 in ImageNet-A
    and -R (Hendrycks et al. 2021).

    By name, WordNet id or number, as in `read_label_sets`. `by_name` is for the classes that data have: their "2" is
    the model's class of that name and never its third one, and those that the model lacks are left out.
    """
    if not chosen:
        raise UserError("a subset of classes must name at least one, got none")
    known = _known(classes)
    if by_name:
        chosen = _shared(chosen, known.places)
    columns = [known.place(said) for said in chosen]
    twice = next(
        (said for said, column in zip(chosen, columns, strict=True) if columns.count(column) > 1), None
    )
    if twice is not None:
        raise UserError(f"a subset of classes must name each once, got {twice!r} several times")
    return np.array(sorted(columns), np.int64)


def read_class_list(path: Path) -> list[int | str]:
    """Classes from a file: a JSON list of numbers, names or WordNet ids, or one a line."""
    if path.suffix == ".json":
        stored = _json(path)
        if not _is_set(stored):
            raise UserError(f"{path} must hold a list of class numbers or names")
        return list(stored)
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def restricted(probabilities: Floats, columns: NDArray[np.int64]) -> Floats:
    """Only these columns (n, m), made to sum to 1; where they were all 0, none is more probable than another."""
    kept = probabilities[:, columns].astype(np.float64)
    sums = kept.sum(axis=1, keepdims=True)
    shares = np.divide(kept, sums, out=np.full_like(kept, 1 / len(columns)), where=sums > 0)
    return np.asarray(shares, np.float32)


@dataclass(frozen=True)
class _Known:
    """The model's classes, as files may call them."""

    places: Mapping[str, int]
    """by name"""
    numbered: Sequence[int]
    """by number"""

    def place(self, said: int | str) -> int:
        """Where a class stands among the model's, by name, for ImageNet's classes also by WordNet id, or by number."""
        if isinstance(said, str) and said in self.places:
            return self.places[said]
        if isinstance(said, str) and not said.isdecimal():
            name = _names_by_id().get(said, said) if WNID.fullmatch(said) else said
            if name not in self.places:
                raise unknown("class", said, self.places)
            return self.places[name]
        n = len(self.numbered)
        if not 0 <= int(said) < n:
            raise UserError(f"a class's number must be below {n}, the model's classes, got {said}")
        return self.numbered[int(said)]


def _known(classes: Sequence[str]) -> _Known:
    places = {name: i for i, name in enumerate(classes)}
    for order in (tuple(_names_by_id().values()), tuple(_names_by_id())):
        if places.keys() == set(order):  # ReaL's numbers count in ILSVRC's order, whatever the model's is
            return _Known(places, [places[name] for name in order])
    return _Known(places, range(len(classes)))


def _shared(chosen: Sequence[int | str], places: Mapping[str, int]) -> list[int | str]:
    shared = [said for said in chosen if said in places]
    if not shared:
        raise UserError(
            f"the data and the model must share a class, none of the data's {len(chosen)}, such as {chosen[0]!r}, "
            f"is one of the model's {len(places)}, such as {next(iter(places))!r}"
        )
    return shared


@cache
def _names_by_id() -> dict[str, str]:
    """What ILSVRC 2012 calls its 1,000 classes, by WordNet id."""
    from neocog.data.sources.layouts.wordnet import readable
    from neocog.data.sources.names import class_names

    ids = [line.split(maxsplit=1)[0] for line in class_names("ilsvrc-2012")]
    return dict(zip(ids, readable(ids, {}), strict=True))


def _by_name(stored: Mapping[str, Sequence[int | str]], pictures: Sequence[str]) -> list[Sequence[int | str]]:
    names = [name if name in stored else PurePosixPath(name).name for name in pictures]
    lost = [name for name in names if name not in stored]
    if lost:
        raise UserError(
            f"label sets must name every picture, {len(lost)} of {len(names)} are not named, such as {lost[0]}"
        )
    _demand_one_picture_each(names, pictures)
    return [stored[name] for name in names]


def _demand_one_picture_each(names: Sequence[str], pictures: Sequence[str]) -> None:
    """In folders of classes several pictures may be called `1.png`: an entry of this name is for one of them."""
    owners: dict[str, str] = {}
    for name, picture in zip(names, pictures, strict=True):
        if owners.setdefault(name, picture) != picture:
            raise UserError(
                f"label sets must tell pictures apart, {name} may be {owners[name]} or {picture}: "
                "name pictures by their paths"
            )


def _in_order(stored: Sequence[Sequence[int | str]], pictures: Sequence[str]) -> list[Sequence[int | str]]:
    found = [ILSVRC_NAME.fullmatch(PurePosixPath(name).name) for name in pictures]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) == len(pictures) and min(numbers) > 0 and max(numbers) <= len(stored):
        return [stored[number - 1] for number in numbers]
    if len(stored) != len(pictures):
        raise UserError(
            f"a list of label sets must have one for each picture, got {len(stored)} for {len(pictures)}; "
            "name the pictures: {picture: classes}"
        )
    return list(stored)


def _is_set(stored: object) -> bool:
    return isinstance(stored, list) and all(type(said) in (int, str) for said in stored)


def _demand_columns(sets: Sequence[Sequence[int]], k: int) -> None:
    highest = max((max(right) for right in sets if right), default=-1)
    if highest >= k:
        raise UserError(f"label sets must name the model's {k} classes, got class number {highest}")


def _json(path: Path) -> Any:
    written = _text(path)
    try:
        return json.loads(written)
    except ValueError as error:
        raise UserError(f"{path} must be JSON, got something else: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be text in UTF-8, got byte {error.object[error.start]:#04x}") from None
