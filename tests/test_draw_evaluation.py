"""The page of an evaluation, read back and compared with what went in."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from neocog.draw.alternatives import AlternativeRow
from neocog.draw.evaluation import (
    FIGURES,
    AnswerResult,
    ClassResult,
    CoverageRow,
    EvaluationPage,
    Figure,
    MultiLabel,
    Seen,
    SingleLabel,
    evaluation_page,
)
from neocog.draw.parts import Mistake, WrongAnswers
from neocog.draw.procedure import Procedure
from neocog.draw.reliability import ReliabilityBins
from neocog.draw.text import p_value, points
from neocog.errors import UserError
from pages import Element, Page, definitions, noise, pixels, rows, section, with_text

CENTER = Procedure(
    protocol="center", in_words="the middle, 224 × 224 pixels", engine="OpenVINO", precision="float32", seed=3
)


@cache
def single(
    k: int = 4, n: int = 10, wrong: tuple[tuple[int, int], ...] = ((0, 1), (0, 1), (2, 3))
) -> EvaluationPage:
    """`k` classes of `n` pictures; each pair (true, predicted) in `wrong` is a mistake."""
    confusion = np.eye(k, dtype=np.int64) * n
    for truth, said in wrong:
        confusion[truth, truth] -= 1
        confusion[truth, said] += 1
    names = [f"class {i}" for i in range(k)]
    classes = tuple(
        ClassResult(
            name=names[i],
            n=n,
            right=int(confusion[i, i]),
            interval=(0.25, 0.875),
            said=int(confusion[:, i].sum()),
            precision=0.5,
            f1=0.625,
        )
        for i in range(k)
    )
    mistakes = tuple(
        Mistake(
            path=f"{j}.png",
            pixels=noise(j),
            truth=names[t],
            said=names[s],
            probability=0.9 - j / 100,
            probability_of_truth=0.05,
        )
        for j, (t, s) in enumerate(wrong)
    )
    right = 1 - len(wrong) / (k * n)
    return EvaluationPage(
        name="photos",
        model="resnet50",
        n=k * n,
        figures=(
            Figure(name="top1", value=right, interval=(0.7989, 0.9742), by="Wilson"),
            Figure(name="nll", value=0.41234, interval=(0.3, 0.51), by="bootstrap"),
            Figure(name="ece", value=0.0321),
        ),
        procedure=CENTER,
        result=SingleLabel(classes=classes, confusion=confusion, wrong=len(wrong), mistakes=mistakes),
        made="2026-11-26T04:00:00+00:00",
        version="0.1.0",
    )


@cache
def full(k: int = 4) -> EvaluationPage:
    """A page with every part."""
    page = single(k)
    assert isinstance(page.result, SingleLabel)
    bins = ReliabilityBins(
        edges=np.array([0, 0.5, 1]),
        counts=np.array([3, 7]),
        confidence=np.array([0.4, 0.9]),
        accuracy=np.array([0.3, 0.95]),
        ece=0.065,
    )
    covered = CoverageRow(
        wanted=0.9,
        found=0.925,
        interval=(0.81, 0.98),
        kept=True,
        mean_size=1.25,
        single=0.75,
        empty=0.025,
        single_accuracy=0.96,
    )
    return replace(
        page,
        result=replace(page.result, reliability=bins, temperature=1.2345, coverage=(covered,)),
        procedure=replace(
            CENTER,
            views=144,
            averaged="logits",
            members=("run one", "run two"),
            answers="200 of 1,000",
            right_if="one of several labels",
            unknown=(("okapi", 1), ("ibex", 12)),
        ),
        alternatives=(
            AlternativeRow(
                name="two together",
                views=144,
                top1=0.925,
                interval=(0.799, 0.974),
                top5=0.99,
                macs=4.1e9,
                rate=120.0,
            ),
            AlternativeRow(
                name="run one",
                views=1,
                top1=0.875,
                interval=(0.74, 0.945),
                macs=4.1e10,
                difference=-0.05,
                difference_interval=(-0.125, 0.025),
                p=0.0312,
            ),
            AlternativeRow(name="10-crop", views=10, top1=0.94, interval=(0.87, 0.95), difference=0.015),
        ),
        skipped=(("cut.jpg", "cut off"), ("text.jpg", "no picture")),
        quarantined=(("mine.jpg", "blurred"),),
        card=(("SHA-256", "9f86"),),
    )


@cache
def multi(wrong: int = 2) -> EvaluationPage:
    classes = (
        AnswerResult(name="sky", n=9, said=8, ap=0.95, auroc=0.97, precision=1.0, recall=8 / 9, f1=0.9412),
        AnswerResult(name="boat", n=3, said=4, ap=0.55, auroc=0.71, precision=0.5, recall=2 / 3, f1=0.5714),
        AnswerResult(name="never", n=0, said=0, ap=None, auroc=None, precision=0.0, recall=0.0, f1=0.0),
    )
    mistakes = tuple(
        WrongAnswers(
            path=f"{i}.jpg",
            pixels=noise(i),
            right=(("sky", 0.9),),
            missed=(("boat", 0.3),),
            wrong=(("car", 0.8),),
        )
        for i in range(wrong)
    )
    return replace(
        single(),
        n=12,
        figures=(
            Figure(name="map", value=0.75, interval=(0.7, 0.8), by="bootstrap"),
            Figure(name="exact", value=0.5),
        ),
        result=MultiLabel(classes=classes, wrong=wrong, threshold=0.5, mistakes=mistakes),
    )


PAGES = {
    "4 classes": single(),
    "2, none wrong": single(2, wrong=()),
    "60 classes": single(60),
    "60, none wrong": single(60, wrong=()),
    "everything": full(),
    "everything, 60": full(60),
    "several labels": multi(),
    "several labels, none wrong": multi(0),
}


@cache
def root_of(page: EvaluationPage) -> Element:
    return Page(evaluation_page(page)).root


@pytest.mark.parametrize("name", PAGES)
def test_page_is_well_formed_and_needs_nothing_else(name: str) -> None:
    text = evaluation_page(PAGES[name])
    root = Page(text).root
    levels = [int(e.tag[1]) for e in root.walk() if re.fullmatch("h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(image.attributes["alt"] for image in root.all("img"))
    assert all({"aria-label", "aria-hidden"} & set(drawing.attributes) for drawing in root.all("svg"))
    assert not re.search(
        r"https?://|@import|url\(|href|<script|<link|<iframe", text.replace("http://www.w3.org/2000/svg", "")
    )
    assert all(i.attributes["src"].startswith("data:image/") for i in root.all("img"))


def filled(page: EvaluationPage, text: str) -> EvaluationPage:
    """`page` with every word replaced that is not ours."""
    others = ("name", "model", "result", "alternatives", "skipped", "quarantined", "card", "made", "version")
    procedure = with_text(page.procedure, text)
    assert isinstance(procedure, Procedure)
    words = {name: with_text(getattr(page, name), text) for name in others}
    return replace(page, **words, procedure=replace(procedure, averaged=page.procedure.averaged))


@pytest.mark.parametrize("name", ["everything", "everything, 60", "several labels"])
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'&lt;</style>"]
)
def test_every_text_is_shown_and_none_is_obeyed(name: str, text: str) -> None:
    page, plain = (evaluation_page(filled(PAGES[name], words)) for words in (text, "plain"))
    assert text not in page
    elements, expected = list(Page(page).root.walk()), list(Page(plain).root.walk())
    assert [(e.tag, [*e.attributes]) for e in elements] == [(e.tag, [*e.attributes]) for e in expected]
    assert Page(page).root.text().count(text) == Page(plain).root.text().count("plain") > 10


def test_bytes_that_are_no_text_do_not_stop_the_page() -> None:
    page = evaluation_page(replace(single(), skipped=(("a\udcff\x00b.jpg", "cut off"),)))
    assert "a\ufffd\ufffdb.jpg" in Page(page.encode().decode()).root.text()


def test_the_headline_has_the_first_figure_and_its_interval() -> None:
    root = root_of(single())
    assert root.all("h1")[0].text() == "92.5 % of 40 pictures right (95 % interval 79.9–97.4)"
    assert root.all("title")[0].text() == "photos: 92.5 % of 40 pictures right"
    bar = root.all("svg", " accuracy ")[0]
    assert bar.all("rect", " good ")[0].attributes["width"] == "92.50%"
    assert [bar.all("line", " whisker ")[0].attributes[x] for x in ("x1", "x2")] == ["79.89%", "97.42%"]
    assert bar.all("line", " guess ")[0].attributes["x1"] == "25.00%"  # of four classes alike
    assert (
        root_of(multi()).all("h1")[0].text()
        == "Mean average precision 75.0 % on 12 pictures (95 % interval 70.0–80.0)"
    )
    assert not root_of(multi()).all("svg", " accuracy ")


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            Seen(same=3, of=40, without=0.875),
            "3 pictures of 40 were learned from , as the same file in the training part. "
            "On the others it is 87.5 %: expect that of new pictures.",
        ),
        (
            Seen(same=1, of=1, without=None),
            "1 picture of 1 was learned from , as the same file in the training part. "
            "No other is left to judge by: the figures say nothing about new pictures.",
        ),
    ],
)
def test_pictures_that_were_learned_from_are_told(seen: Seen, words: str) -> None:
    note = root_of(replace(single(), leaked=seen)).all("p", " leak ")[0].text()
    assert note == words.replace(" ,", ",")
    for clean in (None, Seen(same=0, of=40, without=0.9)):
        assert not root_of(replace(single(), leaked=clean)).all("p", " leak ")


def test_figures_stand_with_their_intervals_and_how_those_were_got() -> None:
    table = rows(section(root_of(single()), "The figures").all("table")[0])
    assert [line[:4] for line in table] == [
        ["Top-1 accuracy", "92.5 %", "79.9–97.4", "Wilson"],
        ["Log loss", "0.412", "0.300–0.510", "bootstrap"],
        ["Calibration error (ECE)", "3.2 %", "–", ""],
    ]
    undefined = replace(multi(), figures=(*multi().figures, Figure(name="auroc", value=None)))
    assert rows(section(root_of(undefined), "The figures").all("table")[0])[-1][:3] == [
        "Mean AUROC",
        "–",
        "–",
    ]
    everything = tuple(Figure(name=name, value=0.5) for name in FIGURES)
    table = rows(section(root_of(replace(single(), figures=everything)), "The figures").all("table")[0])
    assert len({line[0] for line in table}) == len({line[4] for line in table}) == len(FIGURES)


def test_a_log_loss_a_hair_below_nothing_is_nothing() -> None:
    assert Figure(name="nll", value=-1e-12).shown(-1e-12) == "0.000"


def test_how_the_figures_were_got_is_told() -> None:
    assert definitions(section(root_of(single()), "How they were got")) == {
        "Data": "photos",
        "Pictures": "40 scored, 0 skipped, 0 in quarantine",
        "Protocol": "center, 1 view of a picture",
        "Engine": "OpenVINO, float32",
        "Intervals": "95 %; by bootstrap over pictures: 2,000 resamples, percentiles, seed 3",
    }
    assert definitions(section(root_of(full()), "How they were got")) == {
        "Data": "photos",
        "Pictures": "40 scored, 2 skipped, 1 in quarantine",
        "Protocol": "center, 144 views of a picture",
        "Ensemble": "run one; run two",
        "Engine": "OpenVINO, float32",
        "Answers allowed": "200 of 1,000",
        "Counted as right": "one of several labels",
        "Unknown to the network": "okapi (1 picture), ibex (12 pictures): always wrong",
        "Intervals": "95 %; by bootstrap over pictures: 2,000 resamples, percentiles, seed 3",
    }
    assert "Intervals" not in dict(replace(CENTER, seed=None).facts("", 1, 0, 0))


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "seen once (center): the middle, 224 × 224 pixels."),
        (
            {"views": 10},
            "in 10 views (center): the middle, 224 × 224 pixels. Over the 10 views the probabilities were averaged.",
        ),
        (
            {"views": 2, "members": ("a", "b", "c"), "averaged": "logits"},
            "Over the 2 views and the 3 networks the logits were averaged, before the softmax or sigmoid.",
        ),
        ({"members": ("a", "b")}, "Over the 2 networks the probabilities were averaged."),
        ({"members": ("a", "b"), "soup": True}, "pixels. It is one network: the mean of the weights of 2."),
    ],
)
def test_the_procedure_in_a_sentence(changes: dict[str, object], end: str) -> None:
    procedure = replace(CENTER, **changes)
    assert procedure.sentence().endswith(end)
    assert procedure.sentence() in root_of(replace(single(), procedure=procedure)).all("header")[0].text()
    assert ("Weights averaged of" in dict(procedure.facts("", 1, 0, 0))) == procedure.soup


def test_what_else_was_tried_is_set_beside_with_its_cost_and_the_difference() -> None:
    part = section(root_of(full()), "Against its cost")
    table = part.all("table")[0]
    assert rows(table) == [
        ["two together", "144", "92.5 %", "", "79.9–97.4", "–", "–", "99.0 %", "4.1 G", "120"],
        ["run one", "1", "87.5 %", "", "74.0–94.5", "−5.0 −12.5 to +2.5", ".031", "–", "41 G", "–"],
        ["10-crop", "10", "94.0 %", "", "87.0–95.0", "+1.5", "–", "–", "–", "–"],
    ]
    assert [row.attributes.get("class") for row in table.all("tbody")[0].all("tr")] == ["own", None, None]
    places = [float(dot.attributes["cx"].rstrip("%")) for dot in table.all("circle")]
    assert places[1] < places[0] < places[2]
    titles = [cell.text() for cell in table.all("thead")[0].walk() if cell.tag in ("th", "td")]
    assert titles[-5:] == ["Difference", "p", "Top-5", "Multiply-adds", "Pictures/s"]
    assert "two are equal. p is how often chance alone makes two differ so." in part.text()


def test_columns_that_no_alternative_has_are_left_out() -> None:
    bare = tuple(replace(row, macs=None, rate=None, difference=None, p=None) for row in full().alternatives)
    part = section(root_of(replace(full(), alternatives=bare)), "Against its cost")
    titles = [cell.text() for cell in part.all("thead")[0].walk() if cell.tag in ("th", "td")]
    assert titles == ["", "Views", "Top-1", "", "95 % interval", "Top-5"]
    assert [len(line) for line in rows(part.all("table")[0])] == [6, 6, 6]
    assert part.all("p")[0].text() == "What else was tried on the same pictures, and what that costs."
    assert "Against its cost" not in root_of(single()).text()


def test_calibration_and_coverage_are_told_where_they_are_known() -> None:
    part = section(root_of(full()), "Can the probabilities be trusted?")
    assert "ECE 6.5 %, 2 bins, 10 pictures" in part.all("svg")[0].text()
    assert (
        "divided by the temperature 1.234 " in part.text()
        or "divided by the temperature 1.235 " in part.text()
    )
    assert rows(part.all("table")[0]) == [
        ["90.0 %", "92.5 %", "81.0–98.0", "yes", "1.25", "2.5 %", "75.0 %", "96.0 %"]
    ]
    words = part.text()
    assert (
        "an answer where its set is exactly one class; where it has several or none it is unknown." in words
    )
    assert "Can the probabilities be trusted?" not in root_of(single()).text()


def test_mistakes_are_shown_as_they_are() -> None:
    page = single()
    part = section(root_of(page), "The most confident mistakes")
    assert part.all("p")[0].text().startswith("3 pictures of 40 were named wrongly.")
    cards = part.all("li")
    assert [card.text() for card in cards] == [
        "Said, at 90.0 % class 1 Truth, at 5.0 % class 0 0.png",
        "Said, at 89.0 % class 1 Truth, at 5.0 % class 0 1.png",
        "Said, at 88.0 % class 3 Truth, at 5.0 % class 2 2.png",
    ]
    for card, mistake in zip(cards, page.result.mistakes, strict=True):
        assert np.array_equal(pixels(card.all("img")[0]), mistake.pixels)
    assert "There are none" in section(root_of(single(wrong=())), "The most confident mistakes").text()


def test_a_class_that_the_network_does_not_know_is_marked() -> None:
    page = single()
    assert isinstance(page.result, SingleLabel)
    classes = (replace(page.result.classes[0], known=False), *page.result.classes[1:])
    mistakes = tuple(replace(mistake, probability_of_truth=None) for mistake in page.result.mistakes[:1])
    root = root_of(replace(page, result=replace(page.result, classes=classes, mistakes=mistakes)))
    assert "Truth, not among its answers class 0" in section(root, "The most confident mistakes").text()
    table = rows(section(root, "Class by class").all("table")[0])
    assert [line[0] for line in table if "unknown" in line[0]] == ["class 0 unknown to the network"]


@pytest.mark.parametrize("k", [4, 60])
def test_confusion_is_a_table_or_a_map_and_its_pairs(k: int) -> None:
    page = single(k)
    assert isinstance(page.result, SingleLabel)
    part = section(root_of(page), "What is taken for what")
    pairs = part.all("table", " pairs ")[0]
    assert rows(pairs) == [["class 0", "class 1", "2", "20.0 %"], ["class 2", "class 3", "1", "10.0 %"]]
    if k <= 25:
        matrix = [[int(cell) for cell in line[1:]] for line in rows(part.all("table", " matrix ")[0])]
        assert matrix == page.result.confusion.tolist()
    else:
        assert part.all("svg", " heat ")
        assert not part.all("table", " matrix ")
    assert (
        "No class was taken for another one."
        in section(root_of(single(wrong=())), "What is taken for what").text()
    )


def test_shares_of_confused_pairs_are_of_the_true_class() -> None:
    page = single(2, wrong=())
    assert isinstance(page.result, SingleLabel)
    uneven = replace(page, result=replace(page.result, confusion=np.array([[8, 2], [1, 3]])))
    pairs = section(root_of(uneven), "What is taken for what").all("table", " pairs ")[0]
    assert rows(pairs) == [["class 0", "class 1", "2", "20.0 %"], ["class 1", "class 0", "1", "25.0 %"]]


def test_classes_come_weakest_first_with_their_intervals() -> None:
    page = single()
    assert isinstance(page.result, SingleLabel)
    empty = ClassResult(name="empty", n=0, right=0, interval=(0, 1), said=0, precision=0, f1=0)
    grown = np.pad(page.result.confusion, (0, 1))
    result = replace(page.result, classes=(empty, *page.result.classes), confusion=grown)
    root = root_of(replace(page, result=result))
    assert "Always naming the largest class would reach 25.0 %" in root.all("header")[0].text()
    table = section(root, "Class by class").all("table")[0]
    assert rows(table) == [
        ["class 0", "", "80.0", "25.0–87.5", "50.0", "62.5", "10", "8"],
        ["class 2", "", "90.0", "25.0–87.5", "50.0", "62.5", "10", "9"],
        ["class 1", "", "100.0", "25.0–87.5", "50.0", "62.5", "10", "12"],
        ["class 3", "", "100.0", "25.0–87.5", "50.0", "62.5", "10", "11"],
        ["empty", "", "–", "–", "–", "–", "0", "0"],
    ]
    widths = [row.all("rect", " good ")[0].attributes["width"] for row in table.all("tbody")[0].all("tr")]
    assert widths == ["80.00%", "90.00%", "100.00%", "100.00%", "0.00%"]


def test_several_labels_have_tables_of_their_own() -> None:
    root = root_of(multi())
    assert rows(section(root, "Class by class").all("table")[0]) == [
        ["boat", "", "55.0", "71.0", "57.1", "50.0", "66.7", "3", "4"],
        ["sky", "", "95.0", "97.0", "94.1", "100.0", "88.9", "9", "8"],
        ["never", "", "–", "–", "–", "–", "–", "0", "0"],
    ]
    part = section(root, "The most confident mistakes")
    assert (
        "2 pictures of 12 have an answer that is wrong; a class is named from a probability of 50.0 % on. "
        "The surest comes first." in part.text()
    )
    assert (
        part.all("li")[1].text()
        == "Said, not there car 80.0 % There, not said boat 30.0 % Said and there sky 1.jpg"
    )
    assert "What is taken for what" not in root.text()


def test_what_was_left_out_is_listed_by_reason() -> None:
    part = section(root_of(full()), "What was left out")
    assert "2 pictures could not be read, for 2 reasons." in part.text()
    assert "1 picture left out by the quarantine list, for 1 reason." in part.text()
    assert [li.text() for li in part.all("ul", " small ")] == ["cut.jpg", "text.jpg", "mine.jpg"]
    assert "Nothing: every picture found was used." in section(root_of(single()), "What was left out").text()


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    frame = Page(full()._repr_html_()).root.all("iframe")[0]
    assert frame.attributes["srcdoc"] == evaluation_page(full())


def test_pages_that_cannot_be() -> None:
    with pytest.raises(UserError, match="a figure must be one of top1, top5, .*, got accuracy"):
        Figure(name="accuracy", value=1.0)
    with pytest.raises(UserError, match="needs a figure and a picture, got 0 figures of 40 pictures"):
        replace(single(), figures=())
    result = single().result
    assert isinstance(result, SingleLabel)
    with pytest.raises(UserError, match="a row and a column for every class, got 3 rows for 4 classes"):
        replace(result, confusion=np.eye(3, dtype=np.int64))


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (0.0123, "+1.2"),
        (-0.0123, "\N{MINUS SIGN}1.2"),
        (0, "0.0"),
        (-0.0004, "0.0"),
        (-0.0006, "\N{MINUS SIGN}0.1"),
        (1, "+100.0"),
    ],
)
def test_points(difference: float, text: str) -> None:
    assert points(difference) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0009, "p < .001"),
        (0.004, "p = .004"),
        (0.0996, "p = .10"),
        (0.0994, "p = .099"),
        (0.51, "p = .51"),
        (1, "p = 1.00"),
    ],
)
def test_p_values_as_papers_print_them(p: float, text: str) -> None:
    assert p_value(p) == text


def test_nothing_heavy_is_imported() -> None:
    names = ("torch", "jinja2", "matplotlib", "scipy", "sklearn")
    code = "import sys, neocog.draw.evaluation, neocog.draw.comparison, neocog.draw.confusion_png;"
    code += f"print([m for m in {names} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
