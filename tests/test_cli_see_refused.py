"""What `neocog see` says of wrong input: one readable line from each view, the place of the page first."""

from __future__ import annotations

from pathlib import Path

import pytest

from door import neocog, refused
from glimpses import make_world

ONE_PICTURE = ("unit", "maps", "receptive-field", "deconv", "saliency", "cam", "occlusion", "attention")
SIZE = ("--img-size", 32)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks, a picture and a broken one, and a file where a folder might be meant."""
    folder = make_world(tmp_path_factory.mktemp("world"))
    (folder / "taken").write_text("mine")
    (folder / "data" / "any").mkdir(parents=True)
    for i in range(12):
        (folder / "data" / "any" / f"{i}.png").write_bytes((folder / "cat.png").read_bytes())
    return folder


@pytest.mark.parametrize(
    "words",
    [
        *((view, "nothing") for view in (*ONE_PICTURE, "filters", "positions", "activations", "training")),
        ("patches", "nothing", "data"),
        ("embedding", "nothing", "data"),
    ],
    ids=lambda words: words[0],
)
def test_where_the_page_goes_is_asked_before_anything_is_computed(
    world: Path, words: tuple[str, ...]
) -> None:
    """The network that is named does not exist, but that would be found out later."""
    said = refused("see", *words, "-o", "taken", cwd=world)
    assert said == "cannot make the folder taken: taken is a file; choose another place"
    said = refused("see", *words, "-o", "data", cwd=world)
    assert said == "results need a folder of their own, data holds other files; name another with -o"
    assert "nothing" in refused("see", *words, cwd=world)
    assert not (world / "seen").exists()


@pytest.mark.parametrize(
    "view", ["filters", "unit", "maps", "receptive-field", "deconv", "cam", "patches", "embedding"]
)
def test_a_layer_that_there_is_not_is_named_beside_those_that_there_are(world: Path, view: str) -> None:
    data = ("data",) if view in ("patches", "embedding") else ()
    said = refused("see", view, "net.py:small", *data, *SIZE, "--layer", "conv9", cwd=world)
    assert said.startswith("unknown layer 'conv9' of ") and "net.py:small" in said
    assert {"0", "4"} <= set(said.rpartition("there are ")[2].split(", ")), said


@pytest.mark.parametrize("view", ["filters", "maps", "receptive-field", "deconv", "cam"])
def test_views_of_convolutions_say_that_there_are_none(world: Path, view: str) -> None:
    said = refused("see", view, "net.py:dense", *SIZE, cwd=world)
    assert "needs a convolution" in said
    assert view == "cam" or "net.py:dense has none" in said, said


@pytest.mark.parametrize("view", ONE_PICTURE)
def test_a_picture_that_cannot_be_read_is_named(world: Path, view: str) -> None:
    model = "vit_tiny_patch16_224" if view == "attention" else "net.py:small"
    for name in ("broken.png", "missing.png"):
        assert refused("see", view, model, name, *SIZE, cwd=world).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "view", [*(v for v in ONE_PICTURE if v != "attention"), "filters", "patches", "embedding"]
)
def test_an_input_that_a_network_does_not_take_is_said_with_its_size(world: Path, view: str) -> None:
    data = ("data",) if view in ("patches", "embedding") else ()
    said = refused("see", view, "lenet5_modern", *data, "--img-size", 8, cwd=world)
    assert "8x8" in said and "32" in said, said


def test_data_with_fewer_pictures_than_are_needed(world: Path) -> None:
    words = ("see", "patches", "net.py:small", "data", *SIZE)
    assert refused(*words, "-k", 13, cwd=world).startswith(
        "k must be at most the number of pictures, 12 in data, got 13"
    )
    (world / "few" / "any").mkdir(parents=True)
    (world / "few" / "any" / "broken.png").write_bytes(b"no picture")
    said = refused("see", "patches", "net.py:small", "few", *SIZE, "-k", 1, cwd=world)
    assert said.startswith("k must be at most the number of pictures, 0 in few that can be read, got 1")
    assert "DATA must be a folder" in refused("see", "patches", "net.py:small", "cat.png", *SIZE, cwd=world)


def test_figures_alone_need_no_place(world: Path) -> None:
    (world / "seen").write_text("mine")
    try:
        assert neocog("see", "activations", "relu", "--json", cwd=world).stdout.startswith("{")
        assert "seen is a file" in refused("see", "activations", "relu", cwd=world)
    finally:
        (world / "seen").unlink()
