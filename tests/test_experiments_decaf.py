"""The four tables of features: each cell as on the slide, beside what was read elsewhere, and marks that are true."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import neocog
from neocog.api.reproduce import Reproduction
from neocog.draw.dots import Row, dots
from neocog.experiments.claims import Verdict
from neocog.experiments.published.decaf import figures

DOCS = Path(__file__).parents[1] / "docs" / "lecture"

# typed again from the lecture
SLIDES = {
    "decaf_caltech101": (
        "DeCAF5, DeCAF6, DeCAF7",
        """
        LogReg | 63.29 ± 6.6 | 84.30 ± 1.6 | 84.87 ± 0.6
        LogReg with Dropout | - | 86.08 ± 0.8 | 85.68 ± 0.6
        SVM | 77.12 ± 1.1 | 84.77 ± 1.2 | 83.24 ± 1.2
        SVM with Dropout | - | 86.91 ± 0.7 | 85.51 ± 0.9
        Yang et al. (2009) | 84.3
        Jarrett et al. (2009) | 65.5
        """,
    ),
    "decaf_office": (
        "SURF, DeCAF6, DeCAF7",
        """
        Logistic Reg. (S) | 9.63 ± 1.4 | 48.58 ± 1.3 | 53.56 ± 1.5
        SVM (S) | 11.05 ± 2.3 | 52.22 ± 1.7 | 53.90 ± 2.2
        Logistic Reg. (T) | 24.33 ± 2.1 | 72.56 ± 2.1 | 74.19 ± 2.8
        SVM (T) | 51.05 ± 2.0 | 78.26 ± 2.6 | 78.72 ± 2.3
        Logistic Reg. (ST) | 19.89 ± 1.7 | 75.30 ± 2.0 | 76.32 ± 2.0
        SVM (ST) | 23.19 ± 3.5 | 80.66 ± 2.3 | 79.12 ± 2.1
        Daume III (2007) | 40.26 ± 1.1 | 82.14 ± 1.9 | 81.65 ± 2.4
        Hoffman et al. (2013) | 37.66 ± 2.2 | 80.06 ± 2.7 | 80.37 ± 2.0
        Gong et al. (2012) | 39.80 ± 2.3 | 75.21 ± 1.2 | 77.55 ± 1.9
        Chopra et al. (2013) | 58.85
        """,
    ),
    "decaf_birds": (
        "accuracy",
        """
        DeCAF6 | 58.75
        DPD + DeCAF6 | 64.96
        DPD (Zhang et al., 2013) | 50.98
        POOF (Berg & Belhumeur, 2013) | 56.78
        """,
    ),
    "decaf_scenes": (
        "DeCAF6, DeCAF7",
        """
        LogReg | 40.94 ± 0.3 | 40.84 ± 0.3
        SVM | 39.36 ± 0.3 | 40.66 ± 0.3
        Xiao et al. (2010) | 38.0
        """,
    ),
}
UNREAD = {
    "decaf_office/Daume III (2007)/SURF",
    "decaf_office/Daume III (2007)/SURF ±",
    "decaf_office/Hoffman et al. (2013)/SURF",
    "decaf_office/Hoffman et al. (2013)/SURF ±",
    "decaf_office/Gong et al. (2012)/SURF ±",
}


@pytest.fixture(scope="module")
def whole() -> Reproduction:
    found = neocog.reproduce("decaf")
    assert isinstance(found, Reproduction)
    return found


def typed(name: str) -> dict[tuple[str, str], str]:
    columns, lines = SLIDES[name]
    found = {}
    for line in lines.strip().splitlines():
        row, *cells = (part.strip() for part in line.split("|"))
        names = columns.split(", ") if len(cells) > 1 or "," not in columns else ["one figure"]
        for column, cell in zip(names, cells, strict=True):
            mean, _, deviation = cell.partition(" ± ")
            found |= {(row, column): mean} if mean != "-" else {}
            found |= {(row, f"{column} ±"): deviation} if deviation else {}
    return found


@pytest.mark.parametrize("name", sorted(SLIDES))
def test_the_cells_are_those_of_the_slide(name: str, whole: Reproduction) -> None:
    [table] = [table for table in whole.tables if table.sheet.name == name]
    assert {(c.row, c.column): c.printed for c in table.sheet.claims} == typed(name)


def test_exactly_these_marks(whole: Reproduction) -> None:
    def named(verdict: Verdict) -> set[str]:
        return {j.claim.name for j in whole.judgements if j.verdict is verdict}

    assert named(Verdict.MISMATCH) == set()
    assert named(Verdict.MISPRINT) == {"decaf_captions/table of DPD and POOF/above"}
    assert named(Verdict.CONTESTED) == {"decaf_scenes/LogReg/DeCAF7"}
    assert named(Verdict.UNREAD) == UNREAD
    assert whole.ok
    assert whole.counts["unread"] == 5


def test_the_birds_are_those_of_another_paper() -> None:
    """Razavian et al. 2014, "CNN features off-the-shelf", table 3, to a tenth: DPD, POOF, DPD with DeCAF."""
    found = {row: figure.value for (row, _), figure in figures("birds").items()}
    quoted = {
        "DPD (Zhang et al., 2013)": "51.0",
        "POOF (Berg & Belhumeur, 2013)": "56.8",
        "DPD + DeCAF6": "65.0",
    }
    for row, tenth in quoted.items():
        assert round(found[row], 1) == Fraction(tenth)


def test_the_gains_are_those_of_the_papers_words() -> None:
    """DeCAF's abstract and text: 2.6 points over Yang, 2.9 over Xiao; Jarrett's abstract: more than 65."""
    caltech, scenes = figures("caltech"), figures("scenes")
    best = caltech["SVM with Dropout", "DeCAF6"].value - caltech["Yang et al. (2009)", "one figure"].value
    assert round(best, 1) == Fraction("2.6")
    gain = scenes["LogReg", "DeCAF7 by the text"].value - scenes["Xiao et al. (2010)", "one figure"].value
    assert round(gain, 1) == Fraction("2.9")
    other = scenes["LogReg", "DeCAF7"].value - scenes["Xiao et al. (2010)", "one figure"].value
    assert round(other, 1) == Fraction("2.8")
    assert caltech["Jarrett et al. (2009)", "one figure"].value > 65


def test_a_mark_on_what_has_been_read_is_a_mismatch(whole: Reproduction) -> None:
    for judgement in whole.judgements:
        if judgement.verdict is Verdict.MATCH:
            assert replace(judgement.claim, unread="why").judge().verdict is Verdict.MISMATCH
        if judgement.verdict is Verdict.UNREAD:
            assert replace(judgement.claim, unread="").judge().verdict is Verdict.MISMATCH
            assert judgement.value is None


def test_the_page_in_the_docs_is_what_the_command_writes(whole: Reproduction, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "neocog", "reproduce", "decaf", "-o", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 120
    for name in ("decaf.md", "decaf-caltech101.svg", "decaf-office.svg"):
        assert (tmp_path / "out" / name).read_text("utf-8") == (DOCS / name).read_text("utf-8"), name
    assert json.loads((tmp_path / "out" / "decaf.json").read_text("utf-8")) == json.loads(
        json.dumps(whole.to_json())
    )
    assert all(table.sheet.beside == "published" for table in whole.tables)
    assert "None of these figures was measured here" in done.stdout


def test_the_plots_dots_lie_where_the_figures_are() -> None:
    """Each place along the axis read back by its marks: the figures of the slide but the five that are unread."""
    for name, table in (("decaf-caltech101", "decaf_caltech101"), ("decaf-office", "decaf_office")):
        root = ElementTree.fromstring((DOCS / f"{name}.svg").read_text("utf-8"))
        space = "{http://www.w3.org/2000/svg}"
        marks = [
            (float(t.get("x", "")), float(t.text or ""))
            for t in root.iter(f"{space}text")
            if t.get("text-anchor") == "middle"
        ]
        (x0, v0), (x1, v1) = marks[0], marks[-1]
        found = []
        for group in root.iter(f"{space}g"):
            [dot], [line] = group.findall(f"{space}circle"), group.findall(f"{space}line")
            at = [
                v0 + (float(x) - x0) * (v1 - v0) / (x1 - x0) for x in (dot.get("cx", ""), line.get("x2", ""))
            ]
            found.append((at[0], at[1] - at[0]))
        slide = {k: float(v) for k, v in typed(table).items() if f"{table}/{k[0]}/{k[1]}" not in UNREAD}
        wanted = [(v, slide.get((r, f"{c} ±"), 0.0)) for (r, c), v in slide.items() if not c.endswith("±")]
        assert np.array(sorted(found)) == pytest.approx(np.array(sorted(wanted)), abs=0.05)


def test_labels_of_a_plot_are_text() -> None:
    drawn = dots("t & u", ["<i>"], [Row("<b> a", ((1.0, None),))])
    titles = [t.text for t in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["<b> a, <i>: 1"]


def test_json_says_which_are_the_lectures_alone(whole: Reproduction) -> None:
    figures = json.loads(json.dumps(whole.to_json()))
    cells = [cell for table in figures["tables"] for cell in table["cells"]]
    assert {cell["name"] for cell in cells if "unread" in cell} == UNREAD
    assert all(cell["ours"] is None for cell in cells if "unread" in cell)
