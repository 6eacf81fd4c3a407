"""What stands behind the four tables: how each was measured, and where its figures were read."""

from __future__ import annotations

from collections import Counter

from neocog.experiments.claims import Facts
from neocog.experiments.decaf.cells import TABLES, sheets
from neocog.experiments.published.decaf import figures

# table, data, classes, training pictures of a class, test pictures, splits, measure
PROTOCOLS = (
    ("caltech", "Caltech-101", "101 and background", "30", "all others", "5", "mean of classes"),
    ("office", "Office", "31", "20 Amazon, 3 Webcam", "the other Webcam", "5", "all pictures"),
    ("birds", "CUB-200-2011", "200", "5,994 in all", "5,794 in all", "1", "all pictures"),
    ("scenes", "SUN-397", "397", "50", "50 a class", "5", "all pictures"),
)
REMARKS = (
    "The network: AlexNet of 2012, trained by DeCAF's authors on ImageNet's 1,000 classes (42.9 % top-1 error on the "
    "validation pictures); pictures are warped to 256 x 256, the middle is read. DeCAF5, 6 and 7 are the outputs of "
    "its fifth, sixth and seventh layer (pool5, fc6, fc7), after the ReLU.",
    "C and dropout: on Caltech-101 chosen within the training pictures, 25 of a class to train on and 5 to judge.",
    "cells: read / printed, how many of the lecture's figures were found outside the lecture, deviations included.",
    "A transcription: of the paper's tables, in summaries that others published; the paper itself was not at hand. "
    "Where two transcriptions have a cell they agree, but for the column of SUN-397's 40.94 (contested above).",
    "None of these figures was measured here: the pictures are not part of neocog, nor is DeCAF's network. Whoever "
    "has them can measure their like with any network: neocog probe MODEL PATH --protocol decaf-caltech101, or "
    "decaf-sun397, decaf-cub, office31.",
)
BESIDE = (
    ("Caltech-101", "SVM with dropout, DeCAF6, one picture of a class", "33.0"),
    ("DSLR to Webcam", "SVM (S), SURF", "38.80 ± 0.7"),
    ("DSLR to Webcam", "SVM (S), DeCAF6", "91.48 ± 1.5"),
    ("DSLR to Webcam", "SVM (ST), SURF", "46.32 ± 1.1"),
    ("DSLR to Webcam", "SVM (ST), DeCAF6", "94.79 ± 1.2"),
    ("DSLR to Webcam", "Chopra et al. (2013)", "78.21"),
    ("Caltech-101", "Jarrett et al. (2009), two stages of random filters", "almost 63"),
)


def facts() -> tuple[Facts, ...]:
    """How each table was measured and read, and what the sources have that the lecture leaves out."""
    return behind(), beside()


def behind() -> Facts:
    header = (
        "table",
        "data",
        "classes",
        "train, a class",
        "test",
        "splits",
        "accuracy of",
        "cells",
    )
    printed = {TABLES[s.name]: len(s.claims) for s in sheets()}
    read = Counter({TABLES[s.name]: sum(not c.unread for c in s.claims) for s in sheets()})
    rows = tuple((*row, f"{read[row[0]]} / {printed[row[0]]}") for row in PROTOCOLS)
    return Facts("What stands behind each table", header, rows, (*REMARKS, _elsewhere()))


def _elsewhere() -> str:
    """The cells that were read in another paper, too."""
    found = {
        f"{row}: {figure.read_in.partition('; ')[2]}"
        for table in TABLES.values()
        for (row, _), figure in figures(table).items()
        if "; " in figure.read_in
    }
    return f"Beside the transcriptions: {'; '.join(sorted(found))}."


def beside() -> Facts:
    header = ("data", "what", "percent")
    remark = (
        "33.0 and DSLR to Webcam as transcribed from DeCAF; almost 63 from the abstract of Jarrett et al."
    )
    return Facts("What the sources have beside", header, BESIDE, (remark,))
