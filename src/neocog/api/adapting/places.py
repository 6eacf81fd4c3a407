"""Where the features of both domains come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError, unknown
from neocog.inference.feature_files import SUFFIXES, is_features_file

COLUMNS = ("domain", "group")
"""that tell domains of one data set apart: of Office-31, of a table (`group=COLUMN`)"""
OF_PICTURES = (*ReadingOptions.__annotations__, "part", "cache", "strict")
"""options that any method heeds"""


@dataclass(frozen=True)
class Place:
    """One domain: what gives the features, and of which pictures."""

    features: str | Path
    """a model, a run or a file of features"""
    data: object
    """None: the pictures of the file of features"""
    options: dict[str, Any]
    """of `embedded`"""


def places_of(
    model: str | Path | None, source: object, target: object, domains: object, options: dict[str, Any]
) -> tuple[Place, Place]:
    """Source and target. UserError where something is missing."""
    if domains is not None:
        if model is None:
            raise UserError("MODEL is missing: with one data set of both domains it says what gives features")
        reading = replace(make_reading(**_reading(options)), download=options.get("download", False))
        whole = open_dataset(domains, reading)
        rest = {name: value for name, value in options.items() if name not in ReadingOptions.__annotations__}
        return Place(model, _domain(whole, source), rest), Place(model, _domain(whole, target), rest)
    if model is not None:
        return Place(model, source, options), Place(model, target, options)
    return _file(source, options), _file(target, options)


def beside(places: tuple[Place, Place], method: str) -> tuple[Place, Place]:
    """The same pictures by a classical method. UserError where there are no pictures."""
    if any(place.data is None for place in places):
        raise UserError(f"{method} reads pictures, got files of features alone; give DATA of both domains")
    source, target = (
        Place(
            method, place.data, {name: value for name, value in place.options.items() if name in OF_PICTURES}
        )
        for place in places
    )
    return source, target


def _file(place: object, options: dict[str, Any]) -> Place:
    path = Path(place).expanduser() if isinstance(place, str | Path) else None
    if path is not None and path.suffix.lower() in SUFFIXES and not path.exists():
        raise UserError(f"{place} does not exist; `neocog embed` writes files of features")
    if path is None or not is_features_file(path):
        raise UserError(
            f"MODEL may be left out only where both domains are files of features, as embed writes them, got {place}; "
            "name a model or a run"
        )
    return Place(path, None, options)


def _domain(whole: Dataset, name: object) -> Dataset:
    column = next((each for each in COLUMNS if each in whole.columns), None)
    if column is None:
        raise UserError(
            f"{whole.name} must have a column domain (or group) that tells its domains apart, got "
            f"{', '.join(whole.columns) or 'none'}; give a data set for each domain, or --columns group=COLUMN"
        )
    values = np.asarray(whole.columns[column]).astype(str)
    rows = np.flatnonzero(values == str(name))
    if not len(rows):
        raise unknown("domain", str(name), np.unique(values).tolist())
    domain = whole.select(rows, f"{whole.name}/{name}")
    if column != "group":
        return domain
    rest = {key: of_each for key, of_each in domain.columns.items() if key != column}
    return replace(domain, columns=rest)  # what tells domains apart is no group within a domain


def _reading(options: dict[str, Any]) -> ReadingOptions:
    known: Any = {name: options[name] for name in ReadingOptions.__annotations__ if name in options}
    found: ReadingOptions = known
    return found
