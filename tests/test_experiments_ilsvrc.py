"""The challenge's results: each printed cell beside a published figure, and marks that have to be true."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import neocog
from neocog.api.reproduce import Reproduction, judged
from neocog.draw.years import LINE, Mark, apart, by_year
from neocog.experiments.claims import Claim, Rounding, Verdict
from neocog.experiments.ilsvrc.cells import sheets
from neocog.experiments.ilsvrc.facts import COMMANDS, interval, views
from neocog.experiments.networks import Networks
from neocog.experiments.printed import HERE, read
from neocog.experiments.published import results

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "lecture"

# The summary's table, typed again from the slide: team, year, place, error, external data
SLIDE = """
SuperVision – Toronto (AlexNet, 7 layers) | 2012 | -   | 16.4% | no
SuperVision                               | 2012 | 1st | 15.3% | ImageNet 22k
Clarifai – NYU (7 layers)                 | 2013 | -   | 11.7% | no
Clarifai                                  | 2013 | 1st | 11.2% | ImageNet 22k
VGG – Oxford (16 layers)                  | 2014 | 2nd | 7.32% | no
GoogLeNet (19 layers)                     | 2014 | 1st | 6.67% | no
ResNet (152 layers)                       | 2015 | 1st | 3.57% |
Human expert                              |      |     | 5.1%  |
"""
MISPRINTS = {
    "ilsvrc_layers/GoogLeNet/layers": "22",  # Szegedy et al. 2015, section 5
    "ilsvrc_statements/image classification/first year outside ILSVRC": "2018",
}
CONTESTED = {
    "ilsvrc_errors/SuperVision – Toronto (7 layers)/error": "18.2%",
    "ilsvrc_errors/Clarifai – NYU (7 layers)/error": "12.5%",
    "ilsvrc_errors/VGG – Oxford (16 layers)/error": "8.43%",
    "ilsvrc_errors/GoogLeNet (19 layers)/error": "7.89%",
    "ilsvrc_errors/ResNet (152 layers)/error": "4.49%",
    "ilsvrc_errors/Human expert/error": "12.0%",
    "ilsvrc_layers/SuperVision – Toronto (AlexNet)/layers": "8 layers",
    "ilsvrc_layers/Clarifai – NYU/layers": "8 layers",
    "ilsvrc_layers/VGG – Oxford/layers": "19 layers",
    "ilsvrc_data/Clarifai/external data": "5,000 classes",
}


@pytest.fixture(scope="module")
def whole() -> Reproduction:
    found = neocog.reproduce("ilsvrc")
    assert isinstance(found, Reproduction)
    return found


def test_nothing_is_a_mismatch(whole: Reproduction) -> None:
    assert [j.claim.name for j in whole.judgements if j.verdict is Verdict.MISMATCH] == []
    assert whole.counts == {"match": 30, "misprint": 2, "contested": 10, "mismatch": 0}


def test_exactly_these_cells_are_wrong_or_contested(whole: Reproduction) -> None:
    wrong = {j.claim.name: str(j.value) for j in whole.judgements if j.verdict is Verdict.MISPRINT}
    disputed = {j.claim.name: j.claim.otherwise for j in whole.judgements if j.verdict is Verdict.CONTESTED}
    assert wrong == MISPRINTS
    assert disputed == CONTESTED
    assert all(j.claim.contested for j in whole.judgements if j.claim.name in CONTESTED)


def test_the_cells_are_those_of_the_slide() -> None:
    shipped = {}
    for name in ("ilsvrc_errors", "ilsvrc_data"):
        for cell in read(HERE / f"{name}.csv")[1]:
            label = re.sub(r" \((?!\d).*", "", re.sub(r" \(\d.*", "", cell["row"]))
            shipped[label, cell["column"]] = cell["printed"]
    typed = {}
    for line in SLIDE.strip().splitlines():
        team, *cells = (part.strip() for part in line.split("|"))
        label = re.sub(r" \(.*", "", team)
        for column, cell in zip(("year", "place", "error", "external data"), cells, strict=True):
            if cell not in ("", "-"):
                typed[label, column] = cell
    extra = {("XRCE", "year"): "2011", ("XRCE", "error"): "25.8%", ("XRCE", "external data"): "no"}
    assert shipped == typed | extra


def test_the_published_figures_are_those_of_the_challenges_pages() -> None:
    """image-net.org/challenges/LSVRC/YEAR/results, typed again: errors with five guesses."""
    pages = {
        2011: {"xrce": "0.25770"},
        2012: {"alexnet_7": "0.15315", "alexnet_5": "0.16422", "isi": "0.26172"},
        2013: {"clarifai_extra": "0.11197", "clarifai": "0.11743"},
        2014: {"vgg_7": "0.07325", "vgg_1": "0.08434"},
        2015: {"resnet_6": "0.03567"},
        2016: {"trimps": "0.02991"},
        2017: {"senet": "0.02251"},
    }
    typed = {(name, year): Fraction(e) * 100 for year, page in pages.items() for name, e in page.items()}
    assert {(name, year): results()[name].error for name, year in typed} == typed
    assert all(results()[name].year == year for name, year in typed)


def test_googlenets_table_of_nets_and_crops() -> None:
    """Szegedy et al. 2015, table 3: the base of 10.07 % less what each cell gains."""
    gains = {(1, 1): 0, (1, 10): "0.92", (1, 144): "2.18", (7, 1): "1.98", (7, 10): "2.45"}
    for (nets, crops), gain in gains.items():
        assert results()[f"googlenet_{nets}_{crops}"].error == Fraction("10.07") - Fraction(gain)


def test_averages_of_more_nets_or_views_have_lower_errors() -> None:
    """Among results of one paper; a slip in typing would most likely break it."""
    found = results()
    for worse, better in (
        *(("alexnet_1", "alexnet_5"), ("alexnet_5", "alexnet_7"), ("clarifai_1", "clarifai")),
        *(
            ("vgg_1", "vgg_7"),
            ("vgg19_1", "vgg_2"),
            ("resnet152_10", "resnet152_1"),
            ("resnet152_1", "resnet_6"),
        ),
        *(("googlenet_1_144", "googlenet_7_144"), ("googlenet_7_10", "googlenet_7_144")),
    ):
        assert found[better].error < found[worse].error, (worse, better)


@pytest.mark.parametrize("name", sorted(results()))
def test_the_interval_is_wilsons(name: str) -> None:
    result = results()[name]
    wrong = round(result.error * result.pictures / 100)
    wanted = scipy.stats.binomtest(wrong, result.pictures).proportion_ci(method="wilson")
    assert interval(result) == pytest.approx((100 * wanted.low, 100 * wanted.high))


def test_the_views_are_as_many_as_the_papers_say() -> None:
    assert views() == {"center": 1, "10-crop": 10, "googlenet-144": 144}


def test_the_work_of_an_entry_is_counted_from_closed_forms(whole: Reproduction) -> None:
    """1,582,671,872 multiply-adds of GoogLeNet by the formula of each layer, times 7 nets, times 144 views."""
    rows = {(r["network"], r["nets"], r["protocol"]): r for r in whole.to_json()["facts"][1]["rows"]}
    row = rows["googlenet_2014", 7, "googlenet-144"]
    assert row["MACs a picture"] == f"{1_582_671_872 * 7 * 144 / 1e9:,.1f} G"
    assert (row["layers"], row["params"]) == (22, 6_998_552)
    assert rows["vgg16", 1, "dense + 150 crops"]["MACs a picture"] == "-"


def test_every_command_names_a_network_with_published_weights() -> None:
    table = (ROOT / "src" / "neocog" / "weights" / "torchvision.csv").read_text("utf-8")
    for weights, _ in COMMANDS.values():
        assert f"\n{weights},v1," in table


# --- marks that are not true are seen


def claim(value: object, other: object, printed: str, otherwise: str, rule: str = "exact") -> Claim:
    return Claim(
        name="t/r/c",
        row="r",
        column="c",
        where="w",
        source="s",
        printed=printed,
        convention="n",
        rounding=Rounding(rule),
        ours=lambda: value,  # type: ignore[arg-type,return-value]
        contested="why",
        otherwise=otherwise,
        other=lambda: other,  # type: ignore[arg-type,return-value]
    )


@pytest.mark.parametrize(
    ("value", "other", "printed", "otherwise", "wanted"),
    [
        (7, 8, "7 layers", "8 layers", Verdict.CONTESTED),
        (None, 8, "7 layers", "8 layers", Verdict.CONTESTED),  # what is printed cannot be checked
        (6, 8, "7 layers", "8 layers", Verdict.MISMATCH),  # what is printed is refuted
        (7, 9, "7 layers", "8 layers", Verdict.MISMATCH),  # the other figure is another
        (7, 7, "7 layers", "8 layers", Verdict.MISMATCH),  # nothing to contest
        (7, 7, "7 layers", "7 layers", Verdict.MISMATCH),
        (7, None, "7 layers", "8 layers", Verdict.MISMATCH),
    ],
)
def test_contested_is_only_what_two_figures_claim(
    value: int | None, other: int | None, printed: str, otherwise: str, wanted: Verdict
) -> None:
    assert claim(value, other, printed, otherwise).judge().verdict is wanted
    assert replace(claim(value, other, printed, otherwise), other=None).judge().verdict is Verdict.MISMATCH


@pytest.mark.parametrize("name", ["ilsvrc_errors", "ilsvrc_layers", "ilsvrc_data", "ilsvrc_statements"])
def test_a_mark_on_a_cell_that_is_right_is_a_mismatch(name: str, whole: Reproduction) -> None:
    """Every cell that matches, marked as a misprint of something else and as contested."""
    [table] = [table for table in whole.tables if table.sheet.name == name]
    right = [j.claim for j in table.judgements if j.verdict is Verdict.MATCH]
    assert right
    for one in right:
        for marks in ({"erratum": "why", "corrected": "1"}, {"contested": "why", "otherwise": "1"}):
            assert replace(one, **marks).judge().verdict is Verdict.MISMATCH, (one.name, marks)  # type: ignore[arg-type]


def test_a_googlenet_of_19_layers_would_be_no_misprint() -> None:
    """With VGG-19 in its place the lecture is right, and the mark is wrong."""
    real = Networks()

    def other(name: str, **options: object) -> object:
        return real.build("vgg19" if name == "googlenet_2014" else name, **options)

    chosen = [one for one in sheets(Networks(other)) if one.name == "ilsvrc_layers"]  # type: ignore[arg-type]
    found = judged("changed", chosen)
    assert [j.claim.row for j in found.judgements if j.verdict is Verdict.MISMATCH] == ["GoogLeNet"]
    assert not found.ok


# --- the plot


@given(st.lists(st.floats(0, 500), max_size=12).map(sorted))
def test_labels_stand_apart_in_their_order_and_as_near_as_can_be(wanted: list[float]) -> None:
    places = apart(wanted, LINE)
    assert len(places) == len(wanted)
    assert all(b - a >= LINE - 1e-6 for a, b in zip(places, places[1:], strict=False))
    if all(b - a >= LINE for a, b in zip(wanted, wanted[1:], strict=False)):
        assert places == pytest.approx(wanted)
    assert sum(places) == pytest.approx(sum(wanted))  # blocks lie about the mean of what they want


def test_values_can_be_read_back_from_the_plot_and_labels_are_text() -> None:
    marks = [
        Mark("<b> a", 2012, 16.4, (16.0, 17.0), 0),
        Mark("b", 2012, 16.3, (16.0, 17.0), 1),
        Mark("c", 2014, 5.1, (4, 6), 2),
    ]
    root = ElementTree.fromstring(by_year("t & u", marks, ("x", "y", "z")))
    space = "{http://www.w3.org/2000/svg}"
    up = [
        (float(t.get("y", "")) - 4, float(t.text or ""))
        for t in root.iter(f"{space}text")
        if t.get("text-anchor") == "end"
    ]
    (y0, v0), (y1, v1) = up[0], up[-1]
    dots = [c for c in root.iter(f"{space}circle") if c.find(f"{space}title") is not None]
    found = {
        c.findtext(f"{space}title"): v0 + (float(c.get("cy", "")) - y0) * (v1 - v0) / (y1 - y0) for c in dots
    }
    assert found == pytest.approx({"<b> a": 16.4, "b": 16.3, "c": 5.1}, abs=0.01)
    years = {t.get("x"): t.text for t in root.iter(f"{space}text") if t.get("text-anchor") == "middle"}
    assert [years[c.get("cx")] for c in dots] == ["2012", "2012", "2014"]


# --- what is shown


def test_the_page_in_the_docs_is_what_the_command_writes(whole: Reproduction, tmp_path: Path) -> None:
    done = run("reproduce", "ilsvrc", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "42 cells: 30 match, 2 misprints, 10 contested, 0 mismatches"
    for name in ("ilsvrc.md", "ilsvrc.svg"):
        assert (tmp_path / "out" / name).read_text("utf-8") == (DOCS / name).read_text("utf-8"), name
    figures = json.loads((tmp_path / "out" / "ilsvrc.json").read_text("utf-8"))
    assert figures == json.loads(json.dumps(whole.to_json()))
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_a_page_claims_no_error_of_ours(whole: Reproduction) -> None:
    """Sheets of errors say that they were read; where ours could stand, a command does."""
    beside = {table.sheet.name: table.sheet.beside for table in whole.tables}
    assert beside["ilsvrc_errors"] == beside["ilsvrc_data"] == "published"
    assert beside["ilsvrc_layers"] == "ours"
    assert str(whole).count("needs the 50,000 validation pictures") == len(COMMANDS)


def test_the_scale_is_refused_and_a_notebook_shows_the_marks(whole: Reproduction, tmp_path: Path) -> None:
    done = run("reproduce", "ilsvrc", "--scale", "hour", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "neocog: ilsvrc is computed at once and printed; leave out the scale"
    shown = whole._repr_html_()
    assert shown.count("background") == 12  # two misprints, ten contested
    assert "contested, GoogLeNet (19 layers) error" in shown


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "neocog", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
