"""The page of the four tables: its words and its plots."""

from __future__ import annotations

from neocog.draw.dots import Row, dots
from neocog.experiments.published.decaf import figures

FEATURES = ("DeCAF5", "SURF", "DeCAF6", "DeCAF7", "one figure")  # a table has one of the first two
PREFACE = """# Features of a trained network: the lecture's four tables

The lecture ends with what the features of a network trained on ImageNet did on four other tasks: Caltech-101, from
Amazon's pictures to a webcam's, birds, scenes. All four tables are those of DeCAF (Donahue, Jia, Vinyals, Hoffman,
Zhang, Tzeng and Darrell, ICML 2014). This page sets each cell beside what could be read outside the lecture, and
says how each table was measured.

Nothing on this page was measured here: the pictures are not part of neocog. The paper itself was not at hand,
either; its figures were read in transcriptions of its tables that others published, those on birds in another paper
as well (Razavian, Azizpour, Sullivan and Carlsson, "CNN features off-the-shelf", 2014, table 3). Five figures stand
in none of these: they are marked as the lecture's alone (·).

One caption is wrong: the birds' table has "Caltech 101" above it. One cell is contested: 40.94 on scenes stands
under DeCAF6 in the table, while the text that goes with it is about DeCAF7.

`neocog reproduce decaf` prints what stands below and ends with code 1 if a cell is a mismatch; a mark on a cell
that does not need it is one, too. With `-o FOLDER` it writes this page. In Python: `neocog.reproduce("decaf")`. The
printed cells are in `src/neocog/experiments/printed/decaf_*.csv`, what was read in
`src/neocog/experiments/published/decaf.csv`. A test holds this page to it. The methods that the tables compare with
are in [kernels and parts](../kernels_and_parts.md)."""


def plots() -> dict[str, str]:
    """The two tables with deviations, a dot a cell; what could not be read is left out."""
    title = "Accuracy in percent, as published, over 5 splits"
    return {
        "decaf-caltech101": _plot("caltech", f"Caltech-101. {title}"),
        "decaf-office": _plot("office", f"Amazon to Webcam. {title}"),
    }


def _plot(table: str, title: str) -> str:
    found = {place: float(figure.value) for place, figure in figures(table).items()}
    columns = [name for name in FEATURES if any(column == name for _, column in found)]
    rows = []
    for label in dict.fromkeys(row for row, _ in found):
        pairs = ((found.get((label, c)), found.get((label, f"{c} ±"))) for c in columns)
        rows.append(Row(label, tuple(None if value is None else (value, spread) for value, spread in pairs)))
    series = ["of that paper, not of these features" if name == "one figure" else name for name in columns]
    return dots(title, series, rows)
