"""The report of a training run: read back with html.parser, as a browser would find it."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.draw import svg
from neocog.draw.confusion import confused_pairs, heat_map
from neocog.draw.parts import LISTED, Mistake, data_uri
from neocog.draw.report import ClassRow, ComparisonRow, EpochRow, Leak, Report, headline, render
from neocog.draw.text import count, duration, percent
from neocog.errors import UserError
from pages import Element, Page, definitions, noise, pixels, rows, section, with_text


def report(k: int = 12, n: int = 6, wrong: tuple[tuple[int, int], ...] = ((0, 1), (3, 4), (10, 0))) -> Report:
    """`k` classes of `n` held-out pictures; each pair (true, predicted) in `wrong` is a mistake."""
    confusion = np.eye(k, dtype=int) * n
    for truth, said in wrong:
        confusion[truth, truth] -= 1
        confusion[truth, said] += 1
    names = [f"class {i}" for i in range(k)]
    classes = tuple(
        ClassRow(
            name=names[i],
            n_train=10 + i,
            n_val=n,
            precision=0.5,
            recall=0.25,
            f1=1 / 3,
            thumbnails=(noise(i),),
        )
        for i in range(k)
    )
    mistakes = tuple(
        Mistake(
            path=f"{names[t]}/{j}.jpg",
            pixels=noise(100 + j),
            truth=names[t],
            said=names[s],
            probability=0.9 - j / 100,
            probability_of_truth=0.05,
        )
        for j, (t, s) in enumerate(wrong)
    )
    return Report(
        name="photos",
        model="efficientnet_lite0",
        recipe="probe",
        made="2026-02-11T14:03:22+00:00",
        version="0.1.0",
        top1=1 - len(wrong) / (k * n),
        top5=0.98765,
        interval=(0.8655, 0.9782),
        n_train=sum(row.n_train for row in classes),
        n_val=k * n,
        classes=classes,
        confusion=tuple(map(tuple, confusion.tolist())),
        mistakes=mistakes,
    )


def full(k: int = 12) -> Report:
    """A report in which every part is present."""
    return replace(
        report(k, wrong=((0, 1), (1, 0))),
        leaked=Leak(same=3, of=60, top1_without=0.9111),
        skipped=(("a/cut.jpg", "cut off"), ("a/text.jpg", "not a picture")),
        quarantined=(("a/mine.jpg", "blurred"),),
        seconds=(("reading", 1.0), ("training", 7.0), ("scores", 2.0)),
        decisions=("The network is trained.", "Seed 0."),
        epochs=tuple(
            EpochRow(epoch=e, train_loss=2 / e, eval_loss=2.5 / e, eval_figure=1 - 0.5 / e, lr=0.004 / e)
            for e in (1, 2, 4)
        ),
        comparison=(
            ComparisonRow(name="efficientnet_lite0", top1=0.9444, low=0.8655, high=0.9782, note="this run"),
            ComparisonRow(name="SVM", top1=0.75, low=0.639, high=0.8359, note="C = 10"),
        ),
        card=(("C", "0.3162"), ("SHA-256", "9f86d081")),
    )


REPORTS = {
    "2 classes": report(2, wrong=((0, 1),)),
    "12 classes": report(),
    "60 classes": report(60),
    "none wrong": report(2, wrong=()),
    "60, none wrong": report(60, wrong=()),
    "everything": full(),
    "everything, 60": full(60),
}


@pytest.mark.parametrize("name", REPORTS)
def test_page_is_well_formed_and_its_headings_are_in_order(name: str) -> None:
    root = Page(render(REPORTS[name])).root
    levels = [int(e.tag[1]) for e in root.walk() if re.fullmatch("h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(image.attributes["alt"] for image in root.all("img"))
    assert all({"aria-label", "aria-hidden"} & set(drawing.attributes) for drawing in root.all("svg"))


@pytest.mark.parametrize("name", REPORTS)
def test_page_needs_nothing_else(name: str) -> None:
    page = render(REPORTS[name])
    root = Page(page).root
    assert not re.search(r"https?://|@import|url\(|href|<script|<link|<iframe", page)
    sources = [e.attributes["src"] for e in root.walk() if "src" in e.attributes]
    assert len(sources) == page.count("src=") > 0
    assert all(source.startswith("data:image/") for source in sources)


def test_sections_come_in_order() -> None:
    titles = [
        "The classes",
        "The most confident mistakes",
        "What is taken for what",
        "Class by class",
        "How it learned",
        "Beside others",
        "What was left out",
        "How long each step took",
        "What was decided, and why",
        "The card",
    ]
    assert [h.text() for h in Page(render(full())).root.all("h2")] == titles
    absent = {"How it learned", "Beside others", "How long each step took"}
    assert [h.text() for h in Page(render(report())).root.all("h2")] == [t for t in titles if t not in absent]


@pytest.mark.parametrize("k", [12, 60])
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'&lt;</style>"]
)
def test_every_text_is_shown_and_none_is_obeyed(k: int, text: str) -> None:
    hostile, harmless = with_text(full(k), text), with_text(full(k), "plain")
    assert isinstance(hostile, Report)
    assert isinstance(harmless, Report)
    page = render(hostile)
    assert text not in page
    elements, expected = list(Page(page).root.walk()), list(Page(render(harmless)).root.walk())
    assert [(e.tag, [*e.attributes]) for e in elements] == [(e.tag, [*e.attributes]) for e in expected]
    for found, plain in zip(elements, expected, strict=True):
        if plain.text() == "plain":
            assert found.text() == text
    assert Page(page).root.text().count(text) == Page(render(harmless)).root.text().count("plain")


def test_bytes_that_are_no_text_do_not_stop_the_page() -> None:
    broken = replace(report(), skipped=(("a\udcff\x00b.jpg", "cut off"),), seconds=(("a\udcff", 1.0),))
    page = render(broken).encode("utf-8").decode("utf-8")
    assert "a\ufffd\ufffdb.jpg" in Page(page).root.text()


def test_headline_says_the_result() -> None:
    expected = "94.4 % of 72 held-out pictures right (95 % interval 86.6–97.8)"
    result = replace(report(), top1=68 / 72)
    assert headline(result) == expected
    root = Page(render(result)).root
    assert root.all("h1")[0].text() == expected
    assert root.all("title")[0].text() == f"photos: {expected}"
    facts = definitions(root.all("dl", " facts ")[0])
    assert facts["Top-5 accuracy"] == "98.8 %"
    assert facts["Classes"] == "12"
    assert facts["Training pictures"] == "186"


def test_accuracy_bar_has_its_lengths() -> None:
    root = Page(render(replace(report(), top1=68 / 72))).root
    bar = root.all("svg", " accuracy ")[0]
    assert bar.all("rect", " good ")[0].attributes["width"] == "94.44%"
    whisker, guess = bar.all("line", " whisker ")[0].attributes, bar.all("line", " guess ")[0].attributes
    assert (whisker["x1"], whisker["x2"]) == ("86.55%", "97.82%")
    assert (guess["x1"], guess["x2"]) == ("8.33%", "8.33%")
    assert "the largest class would reach 8.3 %" in root.all("header")[0].text()


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0"),
        (1, "100.0"),
        (68 / 72, "94.4"),
        (0.9782, "97.8"),
        (0.9996, "99.96"),
        (0.99999, "99.999"),
        (0.0004, "0.04"),
        (1 - 1e-12, "100.0"),
        (0.1, "10.0"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@given(st.floats(0, 1))
def test_percent_is_the_share_rounded(share: float) -> None:
    assert float(percent(share)) == pytest.approx(100 * share, abs=0.05000001)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "under 0.01 s"),
        (0.42, "0.42 s"),
        (2.61, "2.6 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min 00 s"),
        (83.2, "1 min 23 s"),
        (3599.9, "1 h 00 min"),
        (7384, "2 h 03 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_count() -> None:
    assert [count(1, "picture"), count(0, "picture"), count(60000, "picture")] == [
        "1 picture",
        "0 pictures",
        "60,000 pictures",
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_tiny_pictures_come_back_exactly(channels: int) -> None:
    thumbnails = tuple(noise(i, 32, 28, channels) for i in range(3))
    base = report(2, wrong=((0, 1),))
    shown = replace(base, classes=(replace(base.classes[0], thumbnails=thumbnails), base.classes[1]))
    images = section(Page(render(shown)).root, "The classes").all("img")
    assert len(images) == 4
    for image, original in zip(images, thumbnails, strict=False):
        assert np.array_equal(pixels(image), original[:, :, 0] if channels == 1 else original)


def test_large_pictures_come_back_nearly() -> None:
    ramp = np.linspace(0, 255, 224).astype(np.uint8)
    original = np.stack(
        [np.tile(ramp, (200, 1)), np.tile(ramp[::-1], (200, 1)), np.full((200, 224), 90, np.uint8)], -1
    )
    uri = data_uri(original)
    decoded = pixels(Element("img", {"src": uri}))
    assert uri.startswith("data:image/jpeg")
    assert len(uri) < original.size / 8
    assert decoded.shape == original.shape
    assert np.abs(decoded.astype(int) - original).mean() < 3


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_pixels_must_be_a_picture(wrong: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"uint8 \(height, width, 1 or 3\), got"):
        data_uri(wrong)


def test_pictures_of_many_classes_are_limited() -> None:
    base = report(60)
    many = replace(
        base, classes=tuple(replace(row, thumbnails=(noise(0, 4, 4),) * 20) for row in base.classes)
    )
    images = section(Page(render(many)).root, "The classes").all("img")
    assert len(images) == 480


def test_mistakes_are_shown_with_both_probabilities() -> None:
    given_ = report()
    part = section(Page(render(given_)).root, "The most confident mistakes")
    assert "3 held-out pictures of 72 were named wrongly." in part.text()
    cards = part.all("li")
    assert [card.all("bdi")[-1].text() for card in cards] == [m.path for m in given_.mistakes]
    assert cards[1].text() == "Said, at 89.0 % class 4 Truth, at 5.0 % class 3 class 3/1.jpg"
    assert [rect.attributes["width"] for rect in cards[1].all("rect")] == ["100%", "89.00%", "100%", "5.00%"]
    for card, mistake in zip(cards, given_.mistakes, strict=True):
        assert np.array_equal(pixels(card.all("img")[0]), mistake.pixels)


def test_more_mistakes_than_the_gallery_holds() -> None:
    wrong = tuple((i, i + 1) for i in range(11)) * 3
    part = section(Page(render(report(wrong=wrong))).root, "The most confident mistakes")
    assert "33 held-out pictures of 72 were named wrongly. Below are the 24" in part.text()
    assert len(part.all("img")) == 24


def test_pictures_that_were_held_out_and_learned_from_are_told() -> None:
    clean, one = Leak(same=0, of=72, top1_without=0.9722), Leak(same=1, of=1, top1_without=None)
    root = Page(render(replace(report(), leaked=clean))).root
    assert "none of them was learned from" in root.text()
    assert not root.all("p", " leak ")
    told = Page(render(full())).root
    assert "none of them was learned from" not in told.text()
    (words,) = told.all("p", " leak ")
    assert "3 held-out pictures of 60 were learned from, too" in " ".join(words.text().split())
    assert "Of the others 91.1 % are right" in " ".join(words.text().replace("\xa0", " ").split())
    (words,) = Page(render(replace(report(), leaked=one))).root.all("p", " leak ")
    assert "1 held-out picture of 1 was learned from, too" in " ".join(words.text().split())
    assert "No other is left to judge by" in words.text()


def test_what_a_quarantine_list_left_out_is_told_beside_what_could_not_be_read() -> None:
    part = section(Page(render(full())).root, "What was left out")
    assert "2 pictures could not be read, for 2 reasons." in part.text()
    assert "1 picture left out by the quarantine list, for 1 reason." in part.text()
    assert [li.text() for ul in part.all("ul", " small ") for li in ul.all("li")] == [
        "a/cut.jpg",
        "a/text.jpg",
        "a/mine.jpg",
    ]


def test_nothing_wrong_and_nothing_skipped_are_said() -> None:
    root = Page(render(report(2, wrong=()))).root
    mistakes = section(root, "The most confident mistakes")
    assert "There are none: every held-out picture was named rightly." in mistakes.text()
    assert "Nothing: every picture found was used." in section(root, "What was left out").text()
    other = Page(render(full())).root.text()
    assert "There are none" not in other
    assert "Nothing: every" not in other


@pytest.mark.parametrize("k", [2, 12, 25])
def test_confusion_table_holds_the_counts(k: int) -> None:
    given_ = report(k, wrong=((0, 1), (0, 1), (1, 0)))
    part = section(Page(render(given_)).root, "What is taken for what")
    table = part.all("table", " matrix ")[0]
    names = [row.name for row in given_.classes]
    assert [th.text() for th in table.all("thead")[0].all("th")] == names
    assert rows(table) == [[n, *map(str, c)] for n, c in zip(names, given_.confusion, strict=True)]
    expected = [
        ["none" if not n else "hit" if t == p else "miss" for p, n in enumerate(row)]
        for t, row in enumerate(given_.confusion)
    ]
    body = table.all("tbody")[0].all("tr")
    assert [[cell.attributes["class"] for cell in row.all("td")] for row in body] == expected
    assert body[0].all("td")[1].attributes["style"] == "--v:0.60"  # two of six: 0.4 + 0.6 / 3


def test_many_classes_get_pairs_and_a_map_instead() -> None:
    wrong = ((5, 9),) * 3 + ((59, 0),) * 4 + tuple((i, i + 1) for i in range(20, 45))
    part = section(Page(render(report(60, wrong=wrong))).root, "What is taken for what")
    assert not part.all("table", " matrix ")
    pairs = rows(part.all("table", " pairs ")[0])
    assert len(pairs) == 20
    assert pairs[:3] == [
        ["class 59", "class 0", "4", "66.7 %"],
        ["class 5", "class 9", "3", "50.0 %"],
        ["class 20", "class 21", "1", "16.7 %"],
    ]
    assert cells(part, "miss") == {(t, s) for t, s in wrong}
    assert cells(part, "hit") == {(i, i) for i in range(60)}


def cells(root: Element, css: str) -> set[tuple[int, int]]:
    """The cells (true, predicted) that a heat map fills with the colour `css`."""
    drawn = "".join(path.attributes["d"] for path in root.all("path", f" {css} "))
    return {(int(y), int(x)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawn)}


def test_heat_map_is_darker_for_a_larger_share() -> None:
    drawn = Page(heat_map("", [[1, 3, 0], [0, 8, 0], [0, 0, 0]])).root
    shades = {path.attributes["d"]: path.attributes["class"] for path in drawn.all("path")}
    assert shades == {"M0 0h1v1h-1z": "hit o2", "M1 0h1v1h-1z": "miss o4", "M1 1h1v1h-1z": "hit o4"}


def test_confused_pairs_leave_out_the_diagonal() -> None:
    assert confused_pairs([[9, 0, 2], [5, 0, 0], [0, 1, 3]]) == [(1, 0, 5), (0, 2, 2), (2, 1, 1)]
    assert confused_pairs([[9, 0], [0, 4]]) == []


def test_class_table_begins_with_the_weakest() -> None:
    base = report(3, wrong=())
    a, b, c = base.classes
    given_ = replace(
        base,
        classes=(
            replace(a, f1=0.9, precision=0.8765, recall=0.92449),
            replace(b, f1=0.6666, n_train=1234),
            replace(c, n_val=0, f1=0.0),
        ),
        confusion=((6, 0, 0), (0, 6, 0), (0, 0, 0)),
    )
    table = section(Page(render(given_)).root, "Class by class").all("table", " scores ")[0]
    assert rows(table) == [
        ["class 1", "", "66.7", "50.0", "25.0", "6", "1,234"],
        ["class 0", "", "90.0", "87.6", "92.4", "6", "10"],
        ["class 2", "", "–", "–", "–", "0", "12"],
    ]


def curve(drawing: Element, css: str) -> list[tuple[float, float]]:
    """The points of a curve, read off the tick labels as a person with a ruler would."""
    marks: dict[str, list[tuple[float, float]]] = {"middle": [], "end": []}
    for label in drawing.all("text"):
        anchor, x, y = (label.attributes[name] for name in ("text-anchor", "x", "y"))
        marks[anchor].append((float(x) if anchor == "middle" else float(y) - 4, float(label.text())))
    line = drawing.all("polyline", f" {css} ")[0].attributes["points"]
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    return [(_ruler(marks["middle"], x), _ruler(marks["end"], y)) for x, y in points]


def _ruler(marks: list[tuple[float, float]], place: float) -> float:
    (a, low), (b, high) = marks[0], marks[-1]
    return low + (place - a) / (b - a) * (high - low)


def test_learning_curves_hold_the_losses_and_the_accuracy() -> None:
    loss, accuracy, rates = section(Page(render(full())).root, "How it learned").all("svg")
    epochs = full().epochs
    for drawing, css, expected in (
        (loss, "train", [row.train_loss for row in epochs]),
        (loss, "held", [row.eval_loss for row in epochs]),
        (accuracy, "held", [100 * row.eval_figure for row in epochs]),
        (rates, "held", [1000 * row.lr for row in epochs]),
    ):
        read = curve(drawing, css)
        assert [x for x, _ in read] == pytest.approx([1, 2, 4], abs=0.02)
        assert [y for _, y in read] == pytest.approx(expected, rel=0.01)


def test_a_loss_that_is_no_number_is_left_out() -> None:
    broken = tuple(replace(row, eval_loss=math.nan if row.epoch == 2 else math.inf) for row in full().epochs)
    loss = section(Page(render(replace(full(), epochs=broken))).root, "How it learned").all("svg")[0]
    assert not loss.all("polyline", " held ")
    assert len(curve(loss, "train")) == 3


def test_one_epoch_is_a_dot() -> None:
    once = replace(full(), epochs=full().epochs[:1])
    part = section(Page(render(once)).root, "How it learned")
    assert "1 epoch;" in part.text()
    assert [len(svg_.all("circle")) for svg_ in part.all("svg")] == [2, 1, 1]


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_ticks_are_round_even_and_enclose(low: float, span: float) -> None:
    marks = svg.ticks(low, low + span)
    steps = np.diff(marks)
    assert marks[0] <= low + 1e-6 * span
    assert marks[-1] >= low + span - 1e-6 * span
    assert 2 <= len(marks) <= 7
    assert steps == pytest.approx(np.full(len(steps), steps[0]), rel=1e-6, abs=1e-9)
    leading = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(leading - round_) for round_ in (1, 2, 2.5, 5)) < 1e-6


def test_comparison_is_on_one_axis() -> None:
    part = section(Page(render(full())).root, "Beside others")
    own, other, foot = part.all("li")
    assert own.all("span", " own ")
    assert not other.all("span", " own ")
    assert other.text() == "SVM 75.0 % 63.9–83.6 C = 10"
    low, high = (float(e.text().rstrip(" %")) for e in foot.all("span", " ends ")[0].all("span")[1:])
    for item, value in ((own, 94.44), (other, 75.0)):
        place = float(item.all("circle")[0].attributes["cx"].rstrip("%"))
        assert low + place / 100 * (high - low) == pytest.approx(value, abs=0.01)


def test_many_skipped_files_are_grouped_by_reason() -> None:
    skipped = tuple((f"x/{i}.jpg", "empty file" if i % 7 == 0 else "cut off") for i in range(700))
    part = section(Page(render(replace(report(), skipped=skipped))).root, "What was left out")
    assert "700 pictures could not be read, for 2 reasons." in part.text()
    assert [h.text() for h in part.all("h3")] == ["cut off (600)", "empty file (100)"]
    listed = [li.text() for li in part.all("ul", " small ")[0].all("li")]
    assert listed[:2] == ["x/1.jpg", "x/2.jpg"]
    assert listed[-1] == f"and {600 - LISTED} more"
    assert len(listed) == LISTED + 1
    assert len(part.all("ul", " small ")[1].all("li")) == 100


def test_times_are_in_proportion() -> None:
    part = section(Page(render(full())).root, "How long each step took")
    pieces = [(r.attributes["x"], r.attributes["width"]) for r in part.all("rect")]
    assert pieces == [("0.00%", "10.00%"), ("10.00%", "70.00%"), ("80.00%", "20.00%")]
    assert [li.text() for li in part.all("li")] == ["reading 1.0 s", "training 7.0 s", "scores 2.0 s"]
    assert "10.0 s in all." in part.text()


def test_decisions_and_card_are_given_in_full() -> None:
    root = Page(render(full())).root
    assert [li.text() for li in section(root, "What was decided, and why").all("li")] == list(
        full().decisions
    )
    assert definitions(section(root, "The card")) == {
        "Data": "photos",
        "Model": "efficientnet_lite0",
        "Recipe": "probe",
        "Made": "2026-02-11 14:03:22+00:00",
        "neocog": "0.1.0",
        "C": "0.3162",
        "SHA-256": "9f86d081",
    }


@pytest.mark.parametrize("confusion", [((1,),), ((1, 0), (0,)), ()])
def test_confusion_must_fit_the_classes(confusion: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(UserError, match="a row and a column for every class"):
        replace(report(2, wrong=()), confusion=confusion)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, neocog.draw.report; print([m for m in ('torch', 'jinja2', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_held_out_pictures_that_decided_about_the_training_are_said_to_flatter() -> None:
    said = "it is a little too good"
    assert said in Page(render(replace(full(), steered=True))).root.text()
    assert said not in Page(render(full())).root.text()
