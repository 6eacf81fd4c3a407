"""The reliability diagram, read back as XML."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.draw.reliability import ReliabilityBins, reliability_diagram
from neocog.errors import UserError

SVG = "{http://www.w3.org/2000/svg}"


def bins(
    counts: list[int], confidence: list[float], accuracy: list[float], ece: float = 0.1
) -> ReliabilityBins:
    return ReliabilityBins(
        edges=np.linspace(0, 1, len(counts) + 1),
        counts=np.array(counts),
        confidence=np.array(confidence),
        accuracy=np.array(accuracy),
        ece=ece,
    )


def drawn(of: ReliabilityBins, title: str = "Reliability") -> ElementTree.Element:
    return ElementTree.fromstring(reliability_diagram(of, title))


def boxes(root: ElementTree.Element, *css: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of the rectangles of these classes."""
    found = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") in css:
            x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


def shares(root: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """Slope and start of the vertical and the horizontal axis, from their printed marks: [share 0, share 1]."""
    marks = [
        t for t in root.iter(f"{SVG}text") if re.fullmatch(r"0|100", t.text or "") and t.get("class") is None
    ]
    ends: dict[str, list[float]] = {}
    for mark in marks:
        side = "y" if mark.get("text-anchor") == "end" else "x"
        ends.setdefault(side, []).append(float(mark.get(side, "")))
    return np.array(ends["x"]), np.array(ends["y"]) - 4  # a text stands 4 below its line


@given(st.data())
def test_bars_are_as_high_as_the_share_right_and_the_gap_ends_where_it_was_said(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 20))
    share = st.floats(0, 1)
    counts = data.draw(st.lists(st.integers(0, 10**6), min_size=n, max_size=n).filter(any))
    said, right = (data.draw(st.lists(share, min_size=n, max_size=n)) for _ in range(2))
    root = drawn(bins(counts, said, right))
    across, up = shares(root)
    filled = [i for i in range(n) if counts[i]]
    bars, gaps = boxes(root, "right"), boxes(root, "sure", "modest")
    assert len(bars) == len(gaps) == len(filled)
    for i, bar, gap in zip(filled, bars, gaps, strict=True):
        of = [(y - up[0]) / (up[1] - up[0]) for y in (bar[1], bar[3], gap[1], gap[3])]
        assert of == pytest.approx([right[i], 0, max(said[i], right[i]), min(said[i], right[i])], abs=1e-3)
        middle = (bar[0] + bar[2]) / 2
        assert (middle - across[0]) / (across[1] - across[0]) == pytest.approx((i + 0.5) / n, abs=2e-3)


def test_too_sure_and_too_modest_are_told_apart() -> None:
    root = drawn(bins([5, 5], [0.4, 0.7], [0.2, 0.9]))
    order = [r.get("class") for r in root.iter(f"{SVG}rect") if r.get("class") in ("sure", "modest")]
    assert order == ["sure", "modest"]
    assert [t.text for t in root.iter(f"{SVG}title")] == [
        "0 to 50 %: 5 pictures, said 40.0 %, right 20.0 %",
        "50 to 100 %: 5 pictures, said 70.0 %, right 90.0 %",
    ]


def test_counts_stand_below_in_proportion() -> None:
    root = drawn(bins([1000, 0, 250, 1], [0.1, np.nan, 0.6, 0.9], [0.1, np.nan, 0.6, 0.9]))
    heights = [bottom - top for _, top, _, bottom in boxes(root, "held")]
    assert [h / heights[0] for h in heights] == pytest.approx([1, 0.25, 0.001], abs=1e-3)
    assert [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "n"] == ["1,000", "250", "1"]
    assert "nan" not in ElementTree.tostring(root, "unicode")


def test_the_caption_has_the_error_and_the_diagonal_goes_from_corner_to_corner() -> None:
    root = drawn(bins([3, 4], [0.4, 0.7], [0.2, 0.9], ece=0.0321), title="<b>\x00")
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert "ECE 3.2 %, 2 bins, 7 pictures" in texts
    assert texts[0] == "<b>\N{REPLACEMENT CHARACTER}"
    assert root.get("aria-label", "").endswith("ECE 3.2 %, 2 bins, 7 pictures")
    diagonal = next(line for line in root.iter(f"{SVG}line") if line.get("class") == "diagonal")
    across, up = shares(root)
    assert [float(diagonal.get(k, "")) for k in ("x1", "x2")] == pytest.approx(list(across))
    assert [float(diagonal.get(k, "")) for k in ("y1", "y2")] == pytest.approx(list(up))


@pytest.mark.parametrize(
    ("counts", "confidence", "accuracy"), [([1, 2], [0.1], [0.1, 0.2]), ([], [], []), ([1], [0.5], [])]
)
def test_bins_must_fit_each_other(counts: list[int], confidence: list[float], accuracy: list[float]) -> None:
    with pytest.raises(UserError, match="a confidence and an accuracy each and one edge more, got"):
        bins(counts, confidence, accuracy)
