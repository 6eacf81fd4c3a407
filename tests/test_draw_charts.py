"""The three charts and their sentences, on figures typed from the lecture's AlexNet and worked out by hand."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from neocog.draw.charts import (
    MOST,
    Bar,
    bars,
    charts,
    gathered,
    kibibytes,
    kind_sentence,
    memory_sentence,
    percent,
)

SVG = "{http://www.w3.org/2000/svg}"
KINDS = {"c": "conv", "p": "pool", "f": "linear"}
# Johnson, EECS 498, lecture 8: AlexNet's KB (1024 bytes), parameters and multiply-adds, exact instead of rounded
LAYERS = (
    "conv1",
    "pool1",
    "conv2",
    "pool2",
    "conv3",
    "conv4",
    "conv5",
    "pool5",
    "flatten",
    "fc6",
    "fc7",
    "fc8",
)
MAPS = (
    64 * 56**2, 64 * 27**2, 192 * 27**2, 192 * 13**2, 384 * 13**2, 256 * 13**2, 256 * 13**2, 256 * 36, 9216, 4096, 4096,
    1000,
)  # fmt: skip
PARAMS = (
    64 * (363 + 1), 0, 192 * (1600 + 1), 0, 384 * (1728 + 1), 256 * (3456 + 1), 256 * (2304 + 1), 0, 0, 4096 * 9217,
    4096 * 4097, 1000 * 4097,
)  # fmt: skip
MACS = (
    64 * 363 * 56**2, 0, 192 * 1600 * 27**2, 0, 384 * 1728 * 169, 256 * 3456 * 169, 256 * 2304 * 169, 0, 0, 4096 * 9216,
    4096**2, 4096 * 1000,
)  # fmt: skip


def layers(values: tuple[int, ...]) -> list[Bar]:
    kinds = ["other" if name == "flatten" else KINDS[name[0]] for name in LAYERS]
    return [Bar(*row) for row in zip(LAYERS, kinds, values, strict=True)]


def plain(*values: int, kind: str = "conv") -> list[Bar]:
    return [Bar(f"l{i}", kind, value) for i, value in enumerate(values)]


def test_alexnet_uses_its_memory_early() -> None:
    said = memory_sentence(layers(tuple(4 * n for n in MAPS)))
    assert (
        said == "Most of the memory is used by the early convolutional layers: conv1 to pool2 hold 70.10 %."
    )


def test_alexnets_parameters_are_in_its_fully_connected_layers() -> None:
    share = sum(PARAMS[9:]) / sum(PARAMS)
    assert f"{share:.4f}" == "0.9596"  # the lecture's
    said = kind_sentence("parameters", layers(PARAMS))
    assert said == (
        "95.96 % of the parameters are in the fully connected layers; the layer with the most is fc6, 61.79 %."
    )


def test_alexnets_products_are_in_its_convolutions() -> None:
    assert f"{sum(MACS[:9]) / sum(MACS):.4f}" == "0.9182"
    assert kind_sentence("multiply-adds", layers(MACS)).startswith(
        "91.82 % of the multiply-adds are in the convolutions; the layer with the most is conv2, 31.24 %"
    )


def test_memory_that_lies_late_is_called_late() -> None:
    said = memory_sentence(plain(1, 1, 1, 1, 40, 50))
    assert said == "Most of the memory is used by the late convolutional layers: l4 to l5 hold 95.74 %."


def test_memory_that_lies_in_the_middle_is_called_neither() -> None:
    said = memory_sentence(plain(1, 1, 40, 50, 1, 1, kind="linear"))
    assert said == "Most of the memory is used by the layers: l2 to l3 hold 95.74 %."


def test_one_layer_that_holds_nearly_all_is_named() -> None:
    assert memory_sentence(plain(1, 98, 1)) == "Most of the memory is used by one layer: l1 holds 98.00 %."


def test_memory_that_is_even_is_called_spread() -> None:
    said = memory_sentence(plain(*[10] * 9))
    assert said.startswith("The memory is spread over the network: it takes 6 of the 9 layers in a row")


def test_layers_of_one_size_are_counted_instead_of_named() -> None:
    said = kind_sentence("parameters", [*plain(30, 30, 30, kind="linear"), Bar("x", "attention", 10)])
    assert (
        said
        == "90.00 % of the parameters are in the linear layers; the 3 layers with the most have 30.00 % each."
    )


def test_nothing_is_said_of_what_is_not_there() -> None:
    assert kind_sentence("parameters", plain(0, 0)) == "There are no parameters."
    assert memory_sentence([]) == "No layer puts anything out."


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_the_named_run_is_the_shortest_with_two_thirds(values: list[int]) -> None:
    spans = [(j - i, i, j) for i in range(len(values)) for j in range(i + 1, len(values) + 1)]
    size, start, stop = min(s for s in spans if 3 * sum(values[s[1] : s[2]]) >= 2 * sum(values))
    said = memory_sentence(plain(*values))
    if size > len(values) / 2 and size > 1:
        assert f"it takes {size} of the {len(values)} layers" in said
    else:
        assert f"l{start} to l{stop - 1} hold" in said if size > 1 else f"l{start} holds" in said


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_share_is_whole_only_if_it_is_all(part: int, rest: int) -> None:
    assert percent(part, part + rest) != "100 %"
    assert percent(rest, part + rest) not in ("0 %", "0.00 %", "100.00 %")


@pytest.mark.parametrize(
    ("size", "text"),
    [(802816, "784 KiB"), (16384, "16 KiB"), (4000, "3.91 KiB"), (512, "512 B"), (3 * 2**30, "3 GiB")],
)
def test_bytes_are_shown_in_units_of_1024(size: int, text: str) -> None:
    assert kibibytes(size) == text


def widths(svg: str) -> list[float]:
    rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [float(r.get("width", 0)) for r in rects if (r.get("class") or "").startswith("k-")]


def test_bars_are_as_long_as_their_values() -> None:
    found = widths(bars("t", plain(10, 5, 0, 2)))
    assert [w / found[0] for w in found] == pytest.approx([1, 0.5, 0, 0.2], abs=1e-3)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_many_layers_share_bars_and_none_is_lost(values: list[int]) -> None:
    found = gathered(plain(*values))
    assert sum(bar.value for bar in found) == sum(values)
    assert len(found) <= MOST


def test_layers_of_one_module_share_a_bar_where_there_are_many() -> None:
    many = [Bar(f"stage{i // 20}.{i % 20}.conv", "conv", 1) for i in range(60)]
    assert [(bar.label, bar.value) for bar in gathered(many)] == [
        ("stage0", 20),
        ("stage1", 20),
        ("stage2", 20),
    ]


def test_nothing_lies_outside_the_picture() -> None:
    for chart in charts(layers(MAPS), layers(PARAMS), layers(MACS)):
        root = ElementTree.fromstring(chart.svg)
        _, _, width, height = (float(v) for v in (root.get("viewBox") or "").split())
        for rect in (r for r in root.iter(f"{SVG}rect") if r.get("class") != "paper"):
            x, y, w, h = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
            assert x >= 0 and x + w <= width and y + h <= height
        for text in root.iter(f"{SVG}text"):
            wide, x = ImageFont.load_default(12).getlength(text.text or ""), float(text.get("x", 0))
            left = x - wide if text.get("text-anchor") == "end" else x
            assert left >= 0 and left + wide <= width


def test_labels_are_text_and_nothing_else() -> None:
    svg = bars("<b>", [Bar("<script>&\"'\x07", "conv", 3)])
    root = ElementTree.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg",
        "style",
        "text",
        "g",
        "title",
        "rect",
    }
    assert any((text.text or "").startswith("<script>&\"'") for text in root.iter(f"{SVG}text"))


def test_equal_layers_give_equal_text() -> None:
    assert bars("t", layers(MACS)) == bars("t", layers(MACS))
