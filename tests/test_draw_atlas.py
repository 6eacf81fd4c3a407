"""Pictures in the plane: each is where it was put, shown by its own thumbnail, under its own name."""

import base64
import io
from itertools import permutations
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.draw.atlas import SIDE, TOP, Spot, cells, dotted, placed, thumbnails
from neocog.draw.clouds import hue

NS = "{http://www.w3.org/2000/svg}"


def spots(n: int = 9) -> list[Spot]:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(n, 2)) * (3, 1)
    return [
        Spot(float(x), float(y), i % 3 - 1, f"<b>{i % 3}", f"a&b/{i}.png") for i, (x, y) in enumerate(places)
    ]


def titles(svg: str) -> list[str]:
    return [title.text or "" for title in ElementTree.fromstring(svg).iter(f"{NS}title")]


def test_dots_are_at_their_places_in_the_colour_of_their_group() -> None:
    given = spots()
    circles = [
        c for c in ElementTree.fromstring(dotted("t", given, ("x", "y"))).iter(f"{NS}circle") if len(c)
    ]
    assert [c.get("class") for c in circles] == [f"g{spot.group}" for spot in given]
    assert [c[0].text for c in circles] == [f"{spot.label}: {spot.name}" for spot in given]
    x, y = (np.array([float(c.get(name, "")) for c in circles]) for name in ("cx", "cy"))
    scale = (x.max() - x.min()) / (max(s.x for s in given) - min(s.x for s in given))
    expected = np.array([[spot.x, -spot.y] for spot in given]) * scale
    found = np.stack([x, y], axis=1)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=0.15)  # up is up, and alike
    assert (x >= 0).all() and (x <= SIDE).all() and (y >= TOP).all() and (y <= TOP + SIDE).all()


def test_names_stand_at_a_picture_of_their_group() -> None:
    given = spots(20)
    drawn = ElementTree.fromstring(dotted("t", given, ("first", "second")))
    texts = {t.text: t for t in drawn.iter(f"{NS}text") if t.get("class") == "name"}
    places = placed(given)
    for group, name in enumerate(("first", "second")):
        own = places[[i for i, spot in enumerate(given) if spot.group == group]]
        nearest = own[((own - np.median(own, axis=0)) ** 2).sum(axis=1).argmin()]
        assert abs(float(texts[name].get("y", "")) - 3 - nearest[1]) < 0.1
    many = tuple(f"group{i}" for i in range(60))
    assert not [
        t for t in ElementTree.fromstring(dotted("t", given, many)).iter() if t.get("class") == "name"
    ]


def test_names_do_not_cover_each_other_where_there_is_room() -> None:
    """Two groups in the same places."""
    spread = [Spot(i // 2 % 9, i // 18, i % 2, "", f"{i}.png") for i in range(162)]
    drawn = ElementTree.fromstring(dotted("t", spread, ("first", "other")))
    at = {
        t.text: np.array([float(t.get(side, "")) for side in ("x", "y")])
        for t in drawn.iter(f"{NS}text")
        if t.get("class") == "name"
    }
    apart = np.abs(at["first"] - at["other"])
    assert apart[1] >= 9 or apart[0] >= 9 * 0.4 * len("first")  # a face of 9 pixels
    own = placed(spread)[1::2]
    assert np.abs(own - (at["other"] - (0, 3))).max(axis=1).min() < 0.1
    alone = [Spot(0, 0, 0, "", "a"), Spot(0, 0, 1, "", "b"), Spot(1, 1, -1, "", "c")]
    assert dotted("t", alone, ("x", "y")).count('class="name"') == 2  # where there is none


def test_cells_are_each_their_own_with_the_least_moves() -> None:
    places = placed(spots(5))
    found = cells(places, 3)
    assert len({tuple(cell) for cell in found.tolist()}) == 5
    size = SIDE / 3

    def cost(chosen: list[tuple[int, int]]) -> float:
        middles = np.array([((c + 0.5) * size, TOP + (r + 0.5) * size) for r, c in chosen])
        return float(((places - middles) ** 2).sum())

    every = [(r, c) for r in range(3) for c in range(3)]
    least = min(cost(list(chosen)) for chosen in permutations(every, 5))
    assert abs(cost([(int(r), int(c)) for r, c in found]) - least) < 1e-6


def test_each_picture_is_shown_once_under_its_name_and_larger_by_reference() -> None:
    given = spots()
    pictures: list[NDArray[np.uint8] | None] = [
        np.full((8, 6, 3), (20 * i, 255 - 20 * i, 7), np.uint8) for i in range(9)
    ]
    pictures[4] = None
    root = ElementTree.fromstring(thumbnails("t", given, pictures, ("x", "y")))
    groups = [g for g in root.iter(f"{NS}g") if g.get("class") != "v"]
    assert [g[0].text for g in groups] == [f"{spot.label}: {spot.name}" for spot in given]
    for i, group in enumerate(groups):
        images = list(group.iter(f"{NS}image"))
        if i == 4:
            assert not images
            continue
        (image,) = images
        data = base64.b64decode(image.get("href", "").partition("base64,")[2])
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pictures[i])  # type: ignore[arg-type]
        (use,) = group.iter(f"{NS}use")
        assert use.get("href") == f"#{image.get('id')}"


def test_two_plots_on_one_page_have_other_ids() -> None:
    pictures: list[NDArray[np.uint8] | None] = [np.zeros((4, 4, 3), np.uint8)] * 9
    both = [thumbnails(title, spots(), pictures, ()) for title in ("conv1", "conv2")]
    first, second = ({e.get("id") for e in ElementTree.fromstring(svg).iter() if e.get("id")} for svg in both)
    assert len(first) == len(second) == 9 and not first & second


def test_large_thumbnails_are_jpegs_and_nothing_runs() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    svg = thumbnails("t", spots(1), [noise], ("x",))
    assert "data:image/jpeg" in svg and "<script" not in svg and " on" not in svg.replace(" one", "")


def test_plots_of_other_groups_on_one_page_keep_their_own_colours() -> None:
    """A browser applies every style of a page to all of it."""
    colours = []
    for groups in (("x", "y"), ("x", "y", "z")):
        svg = dotted("t", spots(), groups)
        css = ElementTree.fromstring(svg).get("class", "").split()[-1]
        colours.append({(css, k): hue(k, len(groups))[0] for k in range(len(groups))})
        for (_, k), colour in colours[-1].items():
            assert f".nca.{css} .g{k}{{fill:{colour}" in svg
    assert not colours[0].keys() & colours[1].keys()
