"""The four tables cell by cell, beside the published figures."""

from __future__ import annotations

from functools import partial

from neocog.experiments.claims import Sheet
from neocog.experiments.printed import Cells, sheet
from neocog.experiments.published.decaf import figures

# printed/NAME.csv -> its table in published/decaf.csv, in the order of the lecture
TABLES = {
    "decaf_caltech101": "caltech",
    "decaf_office": "office",
    "decaf_birds": "birds",
    "decaf_scenes": "scenes",
    "decaf_captions": "captions",
}


def published(table: str) -> Cells:
    return {place: figure.value for place, figure in figures(table).items()}


def sheets() -> tuple[Sheet, ...]:
    """What the lecture prints of DeCAF, table by table."""
    return tuple(sheet(name, partial(published, table)) for name, table in TABLES.items())
