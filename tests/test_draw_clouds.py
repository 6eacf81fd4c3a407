"""The plot of two domains: what is drawn is what was given."""

import re
from xml.etree import ElementTree

from neocog.draw.clouds import cloud

POINTS = [(0.0, 0.0, 0, False), (10.0, 5.0, 1, False), (10.0, 0.0, 1, True), (3.0, 4.0, 0, True)]
NS = "{http://www.w3.org/2000/svg}"


def marks(svg: str) -> list[tuple[str, str, str]]:
    """(css, path, title) of each point."""
    paths = ElementTree.fromstring(svg).iter(f"{NS}path")
    return [(p.get("class", ""), p.get("d", ""), p[0].text or "") for p in paths if len(p)]


def test_points_have_the_shape_of_their_domain_and_the_colour_and_name_of_their_class() -> None:
    found = marks(cloud("both", POINTS, ("cat", "dog"), ("amazon", "webcam")))
    assert [css for css, *_ in found] == ["a c0", "a c1", "b c1", "b c0"]
    assert [name for *_, name in found] == ["cat", "dog", "dog", "cat"]
    assert ["a" in path for _, path, _ in found] == [True, True, False, False]  # arcs are discs


def test_both_axes_are_scaled_alike() -> None:
    places = []
    for css, path, _ in marks(cloud("both", POINTS, ("cat", "dog"), ("a", "b"))):
        x, y = map(float, re.match(r"M([\d.]+),([\d.]+)", path).groups())  # type: ignore[union-attr]
        places.append((x + 3.4, y) if css.startswith("a") else (x, y + 3.4 * 1.25))
    (x0, y0), (x1, y1), (x2, y2), _ = places
    assert abs((x1 - x0) / 10 - (y0 - y1) / 5) < 0.05  # up is up
    assert abs(x1 - x2) < 0.2
    assert abs(y2 - y0) < 0.2
    assert all(0 < x < 400 and 30 < y < 430 for x, y in places)


def test_names_are_other_peoples_words() -> None:
    svg = cloud("<b>", POINTS, ("<i>", "&"), ("<u>", "\x1b[31m"))
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{NS}text")]
    assert "<b>" in texts
    assert "<u>" in texts
    assert not any("\x1b" in (text or "") for text in texts)


def test_many_classes_have_no_legend_of_their_own() -> None:
    names = [f"class{k}" for k in range(31)]
    texts = [
        text.text for text in ElementTree.fromstring(cloud("x", POINTS, names, ("a", "b"))).iter(f"{NS}text")
    ]
    assert "colours: 31 classes" in texts
    assert "class7" not in texts


def test_without_its_legend_a_plot_has_the_same_points_and_no_room_below() -> None:
    both = [cloud("x", POINTS, ("cat", "dog"), ("a", "b"), legend) for legend in (True, False)]
    assert marks(both[0]) == marks(both[1])
    texts = [text.text for text in ElementTree.fromstring(both[1]).iter(f"{NS}text")]
    assert texts == ["x"]
    assert float((ElementTree.fromstring(both[1]).get("viewBox") or "").split()[3]) == 431
