"""`see positions` and `see activations` through their real doors and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from door import neocog, refused
from neocog import see
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.models.vit import vit
from reference import loops

NETWORK = """
import torch
from neocog.models.vit import vit

def small():
    torch.manual_seed(4)
    return vit("tiny", 56, 224, 3)

def without():
    return vit("tiny", 56, 224, 3, positions="none")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def test_the_tables_and_how_alike_they_make_positions() -> None:
    torch.manual_seed(4)
    net = vit("tiny", 8, 32, 3)
    seen = see.positions(net, preprocess=Preprocess(size=(24, 40)))
    own = net.positions((3, 5))[0, 1:].detach().numpy()
    np.testing.assert_allclose(seen.tables["own"], own)
    np.testing.assert_allclose(seen.tables["sincos_2d"], loops.sincos_2d(3, 5, 192), rtol=0, atol=1e-6)
    np.testing.assert_allclose(seen.tables["sincos_1d"], loops.sincos_1d(15, 192), rtol=0, atol=1e-6)
    for name, table in seen.tables.items():
        alike = seen.similarity[name].reshape(15, 15)
        np.testing.assert_allclose(alike, cosine_similarity(table), rtol=0, atol=1e-9)
    facts = dict(seen.gallery.facts)
    assert facts["positions"] == "from pos_embed (1 × 17 × 192)"
    assert facts["grid"] == "3 × 5 patches, interpolated by the network"


class Summed(nn.Module):
    """A table of rows and one of columns, or one of patches behind that of a class token."""

    def __init__(self, of: str) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        shapes = {"axes": ((4, 1, 16), (1, 4, 16)), "token": ((1, 1, 16), (1, 16, 16))}[of]
        self.first, self.second = (nn.Parameter(torch.randn(shape)) for shape in shapes)
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if self.of == "axes":
            return torch.as_tensor(tokens + (self.first + self.second).flatten(0, 1))
        tokens = torch.cat([torch.zeros_like(tokens[:, :1]), tokens], 1)
        return tokens + torch.cat([self.first, self.second], 1)


@pytest.mark.parametrize("of", ["axes", "token"])
def test_tables_that_are_added_or_joined_are_not_called_interpolated(of: str) -> None:
    seen = see.positions(Summed(of).eval(), preprocess=Preprocess(size=(32, 32)))
    assert list(seen.figures["parameters"]) == ["first", "second"]
    assert dict(seen.gallery.facts)["grid"] == "4 × 4 patches"


def test_each_map_is_brightest_at_its_own_patch() -> None:
    """The sheet of maps of a table of waves: maps lie as their patches do."""
    seen = see.positions(vit("tiny", 8, 32, 3), preprocess=Preprocess(size=(32, 32)))
    sheet = next(p.pixels for p in seen.gallery.plates() if p.name == "similarity_sincos_2d")
    assert sheet is not None
    side = (sheet.shape[0] + 2) // 4
    for row, column in np.ndindex(4, 4):
        tile = sheet[row * side : (row + 1) * side - 2, column * side : (column + 1) * side - 2].sum(-1)
        pixel = len(tile) // 4
        brightest = np.unravel_index(tile[::pixel, ::pixel].argmax(), (4, 4))
        assert brightest == (row, column)


def test_positions_from_the_command_line(place: Path) -> None:
    done = neocog("see", "positions", "net.py:small", "--img-size", 336, cwd=place)
    assert "grid                     6 × 6 patches, interpolated by the network" in done.stdout
    assert {path.name for path in (place / "seen" / "positions").iterdir()} == {"index.html", "seen.json"} | {
        f"{kind}_{name}.png" for kind in ("similarity", "table") for name in ("own", "sincos_2d", "sincos_1d")
    }
    printed = json.loads(neocog("see", "positions", "net.py:small", "--json", cwd=place).stdout)
    torch.manual_seed(4)
    table = vit("tiny", 56, 224, 3).pos_embed[0, 1:].detach().double().numpy()
    alike = cosine_similarity(table)
    row = np.arange(16) // 4
    same = (row[:, None] == row) & ~np.eye(16, dtype=bool)
    assert printed["tables"]["own"]["same_row"] == pytest.approx(alike[same].mean())
    assert printed["parameters"] == {"pos_embed": [1, 17, 192]}
    assert printed["tables"]["sincos_2d"]["beside"] == 1


def test_networks_without_positions(place: Path) -> None:
    assert refused("see", "positions", "net.py:without", cwd=place).endswith(
        "adds none; ViTs with learned positions or with sines and cosines do"
    )
    with pytest.raises(UserError, match="Conv2d adds none"):
        see.positions(nn.Conv2d(3, 4, 3))


def test_activations_from_the_command_line(tmp_path: Path) -> None:
    done = neocog("see", "activations", cwd=tmp_path)
    assert "page  seen/activations/index.html" in done.stdout
    files = {path.name for path in (tmp_path / "seen" / "activations").iterdir()}
    assert {"index.html", "relu.svg", "gelu.svg", "scaled_tanh.svg", "hardswish.svg", "softplus.svg"} <= files
    printed = json.loads(neocog("see", "activations", "sigmoid", "relu", "--json", cwd=tmp_path).stdout)
    assert set(printed["functions"]) == {"sigmoid", "relu"}
    assert printed["functions"]["sigmoid"]["steepest"] == pytest.approx(0.25)
    assert printed["functions"]["relu"]["range"] == [0, None]
    assert "did you mean relu" in refused("see", "activations", "rellu", cwd=tmp_path)
    assert "reach must be above 0 and finite, got 0" in refused(
        "see", "activations", "--reach", 0, cwd=tmp_path
    )


def test_curves_are_given_as_arrays() -> None:
    seen = see.activations("tanh", reach=2)
    curve = seen.curves["tanh"]
    assert (curve.x[0], curve.x[-1]) == (-2, 2)
    np.testing.assert_allclose(curve.value, np.tanh(curve.x))
    np.testing.assert_allclose(curve.slope, 1 - np.tanh(curve.x) ** 2)
    (plate,) = seen.gallery.plates()
    points = plate.svg.split('class="value" points="')[1].split('"')[0].split()
    assert len(points) == len(curve.x)
    ups = [float(point.split(",")[1]) for point in points]
    np.testing.assert_allclose(np.corrcoef(ups, -curve.value)[0, 1], 1, atol=1e-5)
