"""The page of retrieve, read back."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from neocog.draw.retrieval import (
    ClassLine,
    Doubtful,
    Far,
    Figure,
    Gallery,
    Hits,
    Labels,
    NoiseLine,
    RetrievalPage,
    Seen,
    distance_text,
    retrieval_page,
)
from pages import Page, noise, pixels, rows, section, with_text


def seen(i: int, same: bool | None = None, distance: float | None = None) -> Seen:
    return Seen(path=f"cat/{i}.png", label="cat", pixels=noise(i), same=same, distance=distance)


def page() -> RetrievalPage:
    near = (seen(2, True, 0.125), seen(3, False, 0.25), seen(4, None, 12.3456))
    doubt = Doubtful(seen=seen(5), suggested="dog", probability=0.9, probability_of_given=0.04)
    return RetrievalPage(
        name="pets",
        title="75.0 % of 4 pictures have one of their class nearest",
        detail="95 % interval 30–95 %",
        facts=(("Pictures", "4"),),
        made="2026-11-26T04:00:00",
        version="0.1.0",
        k=3,
        warning="Trained on them.",
        figures=(Figure(name="Recall at 1", what="the nearest", value=0.75, interval=(0.3, 0.954)),),
        classes=(
            ClassLine(name="cat", n=3, recall_at_1=0.5, recall_at_k=1.0, map=0.625, confused="dog"),
            ClassLine(name="dog", n=1, recall_at_1=None, recall_at_k=None, map=None, confused=""),
        ),
        galleries=(
            Gallery(title="Wrong", words="Nearest first.", rows=(Hits(query=seen(1), near=near),), more=2),
        ),
        outliers=(Far(title="Far", words="By distance.", pictures=(seen(6, None, 0.5),), more=1),),
        labels=Labels(
            words="Look at each.",
            warning="Few pictures.",
            noise=(NoiseLine(name="cat", n=40, wrong=2.5, listed=2, most="dog"),),
            pictures=(doubt,),
            more=1,
        ),
        notes=("A note.",),
        skipped=(("x.png", "empty file"),),
    )


def test_page_is_well_formed_and_needs_nothing_else() -> None:
    text = retrieval_page(page())
    root = Page(text).root
    levels = [int(e.tag[1]) for e in root.walk() if re.fullmatch("h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(image.attributes["alt"] for image in root.all("img"))
    assert not re.search(r"https?://|@import|url\(|href|<script|<link|<iframe", text)


def test_every_figure_and_picture_is_shown() -> None:
    root = Page(retrieval_page(page())).root
    figures = rows(section(root, "How well nearness finds the class").all("table")[0])
    assert figures == [["Recall at 1", "75.0 %", "30.0–95.4", "the nearest"]]
    classes = rows(section(root, "Class by class").all("table")[0])
    assert classes == [
        ["cat", "3", "50.0 %", "", "100.0 %", "62.5 %", "dog"],
        ["dog", "1", "–", "", "–", "–", ""],
    ]
    wrong = section(root, "Wrong")
    assert [image.attributes["alt"] for image in wrong.all("img")] == [f"cat/{i}.png" for i in (1, 2, 3, 4)]
    for image, i in zip(wrong.all("img"), (1, 2, 3, 4), strict=True):
        np.testing.assert_array_equal(pixels(image), noise(i))
    frames = [
        sorted({"same", "other", "query"} & set(e.attributes["class"].split()))
        for e in wrong.all("div", "pic")
    ]
    assert frames == [["query"], ["same"], ["other"], []]
    assert [e.text() for e in wrong.all("div", "label")] == ["cat", "cat 0.125", "cat 0.250", "cat 12.35"]
    assert "and 2 more rows" in wrong.text()
    assert "and 1 more picture; outliers.csv" in section(root, "Far").text()
    doubtful = section(root, "Doubtful labels")
    assert "Given, at 4.0 % cat" in doubtful.text()
    assert "Suggested, at 90.0 % dog" in doubtful.text()
    assert rows(doubtful.all("table")[0]) == [["cat", "40", "2.5", "6.2 %", "", "2", "dog"]]
    assert "Few pictures." in doubtful.text()
    assert root.all("p", "leak")[0].text() == "Trained on them."
    assert "x.png empty file" in section(root, "Left out").text()
    assert "A note." in section(root, "What these figures are").text()


def test_what_is_not_there_takes_no_room() -> None:
    bare = RetrievalPage(name="x", title="t", detail="", facts=(), made="m", version="v", k=1)
    assert not Page(retrieval_page(bare)).root.all("section")
    unread = replace(seen(1), pixels=None)
    gallery = Gallery(title="Wrong", words="", rows=(Hits(query=unread, near=(unread,)),))
    root = Page(retrieval_page(replace(bare, galleries=(gallery,)))).root
    assert not root.all("img")
    assert section(root, "Wrong").text().count("not readable here") == 2


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'&lt;</style>"]
)
def test_every_text_is_shown_and_none_is_obeyed(text: str) -> None:
    pages = [with_text(page(), words) for words in (text, "plain")]
    evil, plain = (retrieval_page(one) for one in pages if isinstance(one, RetrievalPage))
    assert text not in evil
    elements, expected = list(Page(evil).root.walk()), list(Page(plain).root.walk())
    assert [(e.tag, [*e.attributes]) for e in elements] == [(e.tag, [*e.attributes]) for e in expected]
    assert Page(evil).root.text().count(text) == Page(plain).root.text().count("plain") > 20


def test_in_a_notebook_the_page_stands_in_a_frame() -> None:
    assert page()._repr_html_().startswith("<iframe srcdoc=")


@pytest.mark.parametrize(
    ("distance", "text"), [(0.12345, "0.123"), (0, "0.000"), (12.3456, "12.35"), (123456, "1.235e+05")]
)
def test_distances_have_three_or_four_digits(distance: float, text: str) -> None:
    assert distance_text(distance) == text
