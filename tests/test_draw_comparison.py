"""The page that compares runs, read back; the plot of accuracy against cost, measured."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.draw.comparison import (
    Answer,
    ComparisonPage,
    Disagreement,
    PairRow,
    RunRow,
    comparison_page,
    headline,
    key,
    verdict,
)
from neocog.draw.scatter import Spot, front, scatter
from neocog.errors import UserError
from pages import Element, Page, definitions, noise, pixels, rows, section, with_text

SVG = "{http://www.w3.org/2000/svg}"
MINUS = "\N{MINUS SIGN}"


def pair(first: int, second: int, difference: float, real: bool = True) -> PairRow:
    return PairRow(
        first=first,
        second=second,
        difference=difference,
        interval=(difference - 0.01, difference + 0.02),
        p=0.004 if real else 0.51,
        both=60 + first,
        only_first=20 + second,
        only_second=10,
        neither=1000,
        distinguishable=real,
    )


@cache
def comparison(k: int = 3, real: bool = True) -> ComparisonPage:
    """`k` runs, each 5 points below the one before."""
    runs = tuple(
        RunRow(
            name=f"runs/{i}",
            model="resnet50",
            top1=0.9 - 0.05 * i,
            interval=(0.88 - 0.05 * i, 0.92 - 0.05 * i),
            top5=0.99,
            params=25.6e6,
            macs=4.1e9 / (i + 1),
            rate=100.0 * (i + 1),
        )
        for i in range(k)
    )
    answers = tuple(Answer(said=f"class {i}", probability=0.9 - i / 100, right=not i) for i in range(k))
    return ComparisonPage(
        name="photos",
        n=2000,
        runs=runs,
        pairs=tuple(pair(i, j, 0.05 * (j - i), real) for i, j in combinations(range(k), 2)),
        made="2026-11-26T04:00:00",
        version="0.1.0",
        how=("One view of a picture.",),
        all_right=1500,
        all_wrong=100,
        disagreements=(Disagreement(path="x.png", pixels=noise(1), truth="class 0", answers=answers),),
        card=(("engine", "torch"),),
    )


@cache
def root_of(page: ComparisonPage) -> Element:
    return Page(comparison_page(page)).root


@pytest.mark.parametrize("k", [2, 3, 8, 9, 12, 30])
def test_page_is_well_formed_and_needs_nothing_else(k: int) -> None:
    text = comparison_page(comparison(k))
    root = Page(text).root
    levels = [int(e.tag[1]) for e in root.walk() if re.fullmatch("h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(image.attributes["alt"] for image in root.all("img"))
    assert all({"aria-label", "aria-hidden"} & set(drawing.attributes) for drawing in root.all("svg"))
    assert not re.search(
        r"https?://|@import|url\(|href|<script|<link|<iframe", text.replace("http://www.w3.org/2000/svg", "")
    )


@pytest.mark.parametrize("k", [2, 3, 12])
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'&lt;</style>"]
)
def test_every_text_is_shown_and_none_is_obeyed(k: int, text: str) -> None:
    runs = tuple(replace(run, unknown=("fox", "owl")) for run in comparison(k).runs)
    pages = [with_text(replace(comparison(k), runs=runs), words) for words in (text, "plain")]
    page, plain = (comparison_page(given_) for given_ in pages if isinstance(given_, ComparisonPage))
    assert text not in page
    elements, expected = list(Page(page).root.walk()), list(Page(plain).root.walk())
    assert [(e.tag, [*e.attributes]) for e in elements] == [(e.tag, [*e.attributes]) for e in expected]
    assert Page(page).root.text().count(text) == Page(plain).root.text().count("plain") > 10


def test_what_a_run_lacks_and_what_was_left_out_stand_on_the_page() -> None:
    page = comparison()
    first, second, third = page.runs
    lacking = (
        replace(first, unknown=("fox", "owl")),
        replace(second, unknown=tuple(f"c{i}" for i in range(15)), skipped=1),
        replace(third, skipped=1203),
    )
    root = root_of(replace(page, runs=lacking, left_out=1438))
    assert [line[1] for line in rows(section(root, "The runs").all("table")[0])] == [
        "runs/0 resnet50 does not know: fox, owl: always wrong",
        "runs/1 resnet50 does not know: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 and 3 others: "
        "always wrong; could not read 1 picture",
        "runs/2 resnet50 could not read 1,203 pictures",
    ]
    told = root.all("header")[0].text()
    assert "1,438 pictures that trained one of the runs were left out." in told
    assert "1 picture that trained one of the runs was left out." in root_of(replace(page, left_out=1)).text()
    assert "left out" not in root_of(page).text()


def test_several_intervals_are_said_to_be_of_one_pair_each() -> None:
    said = "Each interval is that of its pair alone; only p is adjusted for the number of pairs."
    assert said in section(root_of(comparison()), "Which differences are real").text()
    assert said not in root_of(comparison(2)).text()


def test_runs_stand_with_what_they_cost() -> None:
    page = comparison()
    assert rows(section(root_of(page), "The runs").all("table")[0]) == [
        ["A", "runs/0 resnet50", "90.0 %", "88.0–92.0", "99.0 %", "25.6 M", "4.1 G", "100"],
        ["B", "runs/1 resnet50", "85.0 %", "83.0–87.0", "99.0 %", "25.6 M", "2.05 G", "200"],
        ["C", "runs/2 resnet50", "80.0 %", "78.0–82.0", "99.0 %", "25.6 M", "1.37 G", "300"],
    ]
    bare = tuple(replace(run, top5=None, params=None, macs=None, rate=None) for run in page.runs)
    root = root_of(replace(page, runs=(replace(bare[0], rate=50.0), *bare[1:])))
    assert [line[2:] for line in rows(section(root, "The runs").all("table")[0])] == [
        ["90.0 %", "88.0–92.0", "50"],
        ["85.0 %", "83.0–87.0", "–"],
        ["80.0 %", "78.0–82.0", "–"],
    ]
    assert "Accuracy against cost" not in root.text()  # one run alone has a cost


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (pair(0, 1, 0.012), "A is better than B by 1.2 points (0.2 to 3.2), p = .004"),
        (pair(0, 1, -0.032), "B is better than A by 3.2 points (1.2 to 4.2), p = .004"),
        (
            pair(2, 1, 0.002, real=False),
            f"C and B are not distinguishable: +0.2 points ({MINUS}0.8 to +2.2), p = .51",
        ),
    ],
)
def test_verdicts_in_words(row: PairRow, text: str) -> None:
    assert verdict(row) == text


def test_an_interval_that_crosses_nothing_keeps_its_sign() -> None:
    """The paired bootstrap and McNemar's test may disagree a little."""
    row = replace(pair(0, 1, 0.008), interval=(-0.001, 0.02))
    assert verdict(row) == f"A is better than B by 0.8 points ({MINUS}0.1 to 2.0), p = .004"


def test_headlines() -> None:
    two = comparison(2)
    assert headline(two) == (
        "runs/0 is better than runs/1",
        "by 5.0 points (4.0 to 7.0), p = .004, on 2,000 pictures",
    )
    worse = replace(two, runs=two.runs[::-1], pairs=(pair(0, 1, -0.05),))
    assert headline(worse) == (
        "runs/0 is better than runs/1",
        "by 5.0 points (3.0 to 6.0), p = .004, on 2,000 pictures",
    )
    assert headline(comparison(2, real=False)) == (
        "runs/0 and runs/1 are not distinguishable",
        "on 2,000 pictures: +5.0 points (+4.0 to +7.0), p = .51",
    )
    assert headline(comparison(3)) == (
        "runs/0 is the best of 3 runs",
        "90.0 % of 2,000 pictures right, and distinguishable from each of the others",
    )
    three = comparison(3)
    others = replace(three, pairs=(*three.pairs[:2], pair(1, 2, 0.05, real=False)))
    assert headline(others) == headline(three)
    near = replace(three, pairs=(pair(0, 1, 0.05, real=False), *three.pairs[1:]))
    assert headline(near) == (
        "runs/0 has the highest accuracy of 3 runs",
        "90.0 % of 2,000 pictures right; 1 other is not distinguishable from it",
    )
    assert root_of(near).all("h1")[0].text() == " ".join(["{} ({})".format(*headline(near))])


def test_differences_are_read_both_ways() -> None:
    page = comparison(3)
    near = replace(page, pairs=(page.pairs[0], replace(page.pairs[1], distinguishable=False), page.pairs[2]))
    table = section(root_of(near), "Which differences are real").all("table", " differences ")[0]
    assert rows(table) == [
        ["A runs/0", "", "+5.0 +4.0 to +7.0", "+10.0 +9.0 to +12.0"],
        ["B runs/1", f"{MINUS}5.0 {MINUS}7.0 to {MINUS}4.0", "", "+5.0 +4.0 to +7.0"],
        ["C runs/2", f"{MINUS}10.0 {MINUS}12.0 to {MINUS}9.0", f"{MINUS}5.0 {MINUS}7.0 to {MINUS}4.0", ""],
    ]
    marks = [[cell.attributes["class"] for cell in row.all("td")] for row in table.all("tbody")[0].all("tr")]
    assert marks == [["self", "hit", "none"], ["miss", "self", "hit"], ["none", "miss", "self"]]


def test_pairs_are_listed_with_their_counts() -> None:
    page = comparison(3)
    table = section(root_of(page), "Which differences are real").all("table", " verdicts ")[0]
    assert rows(table) == [[verdict(p), str(p.both), str(p.only_first), "10", "1,000"] for p in page.pairs]
    assert not section(root_of(comparison(2)), "Which differences are real").all("table", " differences ")


def test_how_many_are_right_is_drawn_in_proportion() -> None:
    part = section(root_of(comparison(3)), "Where they disagree")
    assert [li.text() for li in part.all("ul", " steps ")[0].all("li")] == [
        "all right 1,500",
        "some right 400",
        "none right 100",
    ]
    assert [r.attributes["width"] for r in part.all("svg")[0].all("rect")] == ["75.00%", "20.00%", "5.00%"]
    part = section(root_of(comparison(2)), "Where they disagree")
    assert [li.text() for li in part.all("ul", " steps ")[0].all("li")] == [
        "both right 60",
        "only A right 21",
        "only B right 10",
        "neither right 1,000",
    ]


def test_pictures_they_disagree_about_have_every_answer() -> None:
    page = comparison(3)
    part = section(root_of(page), "Where they disagree")
    card = part.all("ul", " cards ")[0].all("li")[0]
    assert np.array_equal(pixels(card.all("img")[0]), page.disagreements[0].pixels)
    assert [li.text() for li in card.all("ul")[0].all("li")] == [
        "A class 0 90.0 % ✓ right",
        "B class 1 89.0 % ✗ wrong",
        "C class 2 88.0 % ✗ wrong",
    ]
    assert [li.text() for li in root_of(page).all("ul", " how ")[0].all("li")] == list(page.how)
    assert "Of 400 pictures some runs name the class and others do not. Below are 1 of them." in part.text()
    same = replace(page, all_right=1900, all_wrong=100, disagreements=())
    assert "Nowhere: every run names the same pictures rightly." in root_of(same).text()


def test_the_card_is_given_in_full() -> None:
    assert definitions(section(root_of(comparison()), "The card")) == {
        "Data": "photos",
        "Pictures": "2,000",
        "Made": "2026-11-26 04:00:00",
        "neocog": "0.1.0",
        "engine": "torch",
    }


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    frame = Page(comparison()._repr_html_()).root.all("iframe")[0]
    assert frame.attributes["srcdoc"] == comparison_page(comparison())


def test_pages_that_cannot_be() -> None:
    page = comparison(2)
    with pytest.raises(UserError, match="a comparison needs two runs, got 1"):
        replace(page, runs=page.runs[:1], pairs=(), disagreements=())
    with pytest.raises(UserError, match="two of the 2 runs by their places from 0"):
        replace(page, pairs=(pair(0, 2, 0.1),))
    with pytest.raises(UserError, match="an answer of each of the 2 runs"):
        replace(page, disagreements=comparison(3).disagreements)


def test_keys_are_letters_and_never_come_twice() -> None:
    assert [key(i) for i in (0, 1, 25, 26, 51, 52)] == ["A", "B", "Z", "A1", "Z1", "A2"]
    assert len({key(i) for i in range(200)}) == 200


def spots(costs: list[float], shares: list[float]) -> list[Spot]:
    return [
        Spot(key(i), f"run {i}", cost, share, share - 0.02, share + 0.03)
        for i, (cost, share) in enumerate(zip(costs, shares, strict=True))
    ]


@given(st.lists(st.tuples(st.floats(1, 1e12), st.floats(0, 1)), min_size=1, max_size=12), st.booleans())
def test_the_front_is_what_none_beats(points: list[tuple[float, float]], rate: bool) -> None:
    given_ = spots(*map(list, zip(*points, strict=True)))
    best = front(given_, rate)

    def beats(a: Spot, b: Spot) -> bool:
        cheap = a.cost >= b.cost if rate else a.cost <= b.cost
        return cheap and a.accuracy >= b.accuracy and (a.cost, a.accuracy) != (b.cost, b.accuracy)

    alone = {(s.cost, s.accuracy) for s in given_ if not any(beats(other, s) for other in given_)}
    assert {(s.cost, s.accuracy) for s in best} == alone
    assert len(best) == len(alone)


def labels(root: ElementTree.Element, pattern: str) -> dict[str, tuple[float, float]]:
    found = [
        t for t in root.iter(f"{SVG}text") if t.get("class") is None and re.fullmatch(pattern, t.text or "")
    ]
    return {t.text or "": (float(t.get("x", "")), float(t.get("y", ""))) for t in found}


def test_dots_stand_where_cost_and_accuracy_say() -> None:
    costs, shares = [1e6, 1e7, 1e8, 5e9], [0.5, 0.7, 0.6, 0.9]
    root = ElementTree.fromstring(scatter("t", "cost", spots(costs, shares)))
    across, up = labels(root, r"\d+ [KMG]"), labels(root, r"\d+ %")
    (a, xa), (b, xb) = [
        (math.log10(int(k[:-2]) * {"K": 1e3, "M": 1e6, "G": 1e9}[k[-1]]), x) for k, (x, _) in across.items()
    ][:2]
    (c, yc), (d, yd) = [(int(k[:-2]) / 100, y - 4) for k, (_, y) in up.items()][:2]
    circles = list(root.iter(f"{SVG}circle"))
    for circle, cost, share in zip(circles, costs, shares, strict=True):
        x, y = float(circle.get("cx", "")), float(circle.get("cy", ""))
        assert a + (x - xa) / (xb - xa) * (b - a) == pytest.approx(math.log10(cost), abs=0.01)
        assert c + (y - yc) / (yd - yc) * (d - c) == pytest.approx(share, abs=0.002)
    assert [circle.get("class") for circle in circles] == ["front", "front", "back", "front"]
    whiskers = [w for w in root.iter(f"{SVG}line") if w.get("class") == "whisker"][::3]
    for whisker, share in zip(whiskers, shares, strict=True):
        ends = [c + (float(whisker.get(e, "")) - yc) / (yd - yc) * (d - c) for e in ("y1", "y2")]
        assert ends == pytest.approx([share - 0.02, share + 0.03], abs=0.002)
    edge = next(iter(root.iter(f"{SVG}polyline"))).get("points", "").split()
    assert edge == [f"{circles[i].get('cx')},{circles[i].get('cy')}" for i in (0, 1, 3)]


@given(st.lists(st.floats(1, 1e12), min_size=1, max_size=12), st.floats(0.1, 0.9))
def test_dots_never_hide_each_other_and_every_one_has_its_letter(costs: list[float], share: float) -> None:
    given_ = spots([costs[0]] * len(costs), [share] * len(costs))
    for shown in (given_, spots(costs, [share] * len(costs))):
        root = ElementTree.fromstring(scatter("t", "cost", shown))
        xs = sorted(float(c.get("cx", "")) for c in root.iter(f"{SVG}circle"))
        assert all(right - left > 10.8 for left, right in zip(xs, xs[1:], strict=False))
        letters = [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "key"]
        assert letters == [spot.key for spot in shown]


@given(st.floats(1e-3, 1e12), st.floats(1, 1e6))
def test_the_axis_of_costs_has_round_marks(low: float, factor: float) -> None:
    root = ElementTree.fromstring(scatter("t", "cost", spots([low, low * factor], [0.5, 0.6])))
    ticks = [
        line
        for line in root.iter(f"{SVG}line")
        if line.get("class") == "axis" and line.get("x1") == line.get("x2")
    ]
    assert 2 <= len(ticks) <= 20
