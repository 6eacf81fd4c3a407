"""Results as their sources published them, typed from there: nothing of it was measured here.

`ilsvrc.csv` has a line for each result: who, when, with how many networks and views of a picture, trained on what, the
share of pictures whose class was not among five answers, on which set of how many pictures, and where it stands.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Result:
    """One published result on ImageNet's 1,000 classes."""

    name: str
    entry: str
    """the team, or the network where it is not an entry to the challenge"""
    year: int
    place: int | None
    """in the challenge's ranking by classification error; None where it has none"""
    network: str
    """ours that is built like it; empty where none is"""
    nets: int | None
    """None where it is not known, or no network"""
    protocol: str
    """which views of a picture were answered and averaged"""
    trained_on: str
    """beside the challenge's own training pictures"""
    part: str
    """`test` or `val`"""
    pictures: int
    error: Fraction
    """top-5, in percent"""
    source: str


@cache
def results() -> dict[str, Result]:
    """All results by name."""
    with (HERE / "ilsvrc.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: _result(row) for row in csv.DictReader(file)}


def _result(row: dict[str, str]) -> Result:
    return Result(
        name=row["name"],
        entry=row["entry"],
        year=int(row["year"]),
        place=int(row["place"]) if row["place"] else None,
        network=row["network"],
        nets=int(row["nets"]) if row["nets"] else None,
        protocol=row["protocol"],
        trained_on=row["trained_on"],
        part=row["part"],
        pictures=int(row["pictures"]),
        error=Fraction(row["error"]),
        source=row["source"],
    )
