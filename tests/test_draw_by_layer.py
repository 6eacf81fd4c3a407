"""Plots with a row for each layer: what is drawn is what was given."""

import re
from math import log10
from xml.etree import ElementTree

import pytest

from neocog.draw.by_layer import PLOT, Figures, Histogram, figures, histograms

NS = "{http://www.w3.org/2000/svg}"


def test_dots_lie_on_a_logarithmic_axis_and_what_has_no_logarithm_is_left_out() -> None:
    rows = [Figures("first", (1e-4, 2e-2)), Figures("second", (0.0, None)), Figures("<third>", (3e-3, 5.0))]
    root = ElementTree.fromstring(figures("Gradients", ("plain", "relative"), rows))
    found = [
        (c[0].text, float(c.get("cx", "")), float(c.get("cy", "")))
        for c in root.iter(f"{NS}circle")
        if len(c)
    ]
    assert [text for text, *_ in found] == [
        "first, plain: 0.0001", "first, relative: 0.02", "<third>, plain: 0.003", "<third>, relative: 5",
    ]  # fmt: skip
    decade = PLOT / 5  # from 1e-4 to 10
    for (_, x, _), value in zip(found, (1e-4, 2e-2, 3e-3, 5.0), strict=True):
        assert x - found[0][1] == pytest.approx(decade * (log10(value) + 4), abs=0.1)
    assert found[0][2] == found[1][2] < found[2][2] == found[3][2]
    texts = [text.text for text in root.iter(f"{NS}text")]
    assert {"0.0001", "0.001", "0.01", "0.1", "1", "10", "first", "second", "<third>"} <= set(texts)


def test_the_bars_of_a_histogram_are_its_counts() -> None:
    root = ElementTree.fromstring(histograms("Weights", [Histogram("conv1", (1, 4, 0, 2), 0.5, "0.2")]))
    (path,) = (p.get("d", "") for p in root.iter(f"{NS}path"))
    base = float(path.split(",")[1].split("V")[0])
    heights = [base - float(y) for y in re.findall(r"V([\d.]+)h", path)]
    assert [height / heights[1] for height in heights] == pytest.approx([0.25, 1, 0, 0.5], abs=0.01)
    assert [title.text for title in root.iter(f"{NS}title")] == ["conv1: from -0.5 to 0.5"]
    assert "0.2" in [text.text for text in root.iter(f"{NS}text")]


def test_long_names_are_cut_in_the_middle_and_nothing_at_all_is_still_a_plot() -> None:
    name = "stages." * 12 + "9.conv"
    root = ElementTree.fromstring(histograms("Weights", [Histogram(name, (1,), 1.0, "1")]))
    (shown,) = (t.text or "" for t in root.iter(f"{NS}text") if t.get("class") == "who")
    assert "…" in shown and shown.endswith("conv") and shown.startswith("stages.")
    ElementTree.fromstring(figures("Gradients", ("plain",), [Figures("first", (None,))]))
