"""`see receptive-field`: LeNet-5's published fields, and what the gradient says, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from door import neocog as command
from door import refused
from glimpses import make_world
from neocog.api.see.units.receptive_field import receptive_field
from neocog.errors import UserError
from pages import Page, rows, section


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


# size, stride, padding (LeCun et al. 1998, figure 2: 5x5 windows, 2x2 subsampling)
LENET = {"C1": (5, 1, 0), "C3": (14, 2, 0)}


def test_lenets_fields_are_the_papers(tmp_path: Path) -> None:
    done = command("see", "receptive-field", "lenet5_modern", "--json", "-o", "out", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["pictures"] == len(found["shown"]) == 5 and found["picture"] is None
    for layer in found["layers"]:
        size, stride, padding = LENET[layer["layer"]]
        assert layer["receptive_field"] == [size] * 2
        assert layer["effective_stride"] == [stride] * 2
        assert layer["effective_padding"] == [padding] * 2
        first = layer["at"][0] * stride - padding
        assert layer["window"] == layer["inside"] == [first, first, first + size, first + size]
        assert layer["share"] == pytest.approx(size**2 / 32**2)
        assert 1 <= layer["effective_side"] <= size
    table = rows(section(Page((tmp_path / "out" / "index.html").read_text("utf-8")).root, "Layer by layer"))
    assert [row[:7] for row in table] == [
        ["C1", "28 × 28", "5", "1", "0", "14 to 18", "14 to 18"],
        ["C3", "10 × 10", "14", "2", "0", "10 to 23", "10 to 23"],
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", "seen.json", "field-C1.png", "field-C3.png", "growth.svg",
    }  # fmt: skip


def test_the_effective_field_is_of_the_picture_given(world: Path) -> None:
    model, cat = f"{world / 'net.py'}:small", world / "cat.png"
    seen = receptive_field(model, cat, layers="4", img_size=32)
    (field,) = seen.fields
    assert seen.figures["shown"] == [{"picture": str(cat)}] and seen.figures["picture"] == str(cat)
    assert field.effective is not None and field.effective.influence.shape == (32, 32)
    inside = field.inside
    outside = field.effective.influence.copy()
    outside[inside.top : inside.bottom, inside.left : inside.right] = 0
    assert field.effective.influence.any() and not outside.any()
    assert [one.layer.name for one in seen.all_fields] == ["0", "4"]


def test_a_transformers_tokens_see_everything_and_say_why() -> None:
    seen = receptive_field("vit_tiny_patch16_224", layers=["patch_embed.proj", "blocks.0.mlp.fc1"])
    patch, token = seen.figures["layers"]
    assert patch["receptive_field"] == [16, 16] and patch["effective_stride"] == [16, 16]
    assert patch["window"] == [112, 112, 128, 128]
    assert token["share"] == 1 and token["cause"] and token["effective_stride"] is None
    assert np.isclose(seen.fields[0].share, 1 / 196)


def test_what_is_wrong_is_said_in_one_line(world: Path, tmp_path: Path) -> None:
    cat, size = world / "cat.png", ("--img-size", 32)
    view = ("see", "receptive-field")
    assert "needs a convolution" in refused(*view, f"{world / 'net.py'}:dense", cat, *size, cwd=tmp_path)
    assert "missing.png" in refused(*view, "lenet5_modern", "missing.png", cwd=tmp_path)
    with pytest.raises(UserError, match="a vector such as 8 has no middle unit"):
        receptive_field(f"{world / 'net.py'}:small", cat, layers="8", img_size=32)
    assert not list(tmp_path.iterdir())
