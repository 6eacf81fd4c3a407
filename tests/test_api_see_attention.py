"""`see attention` through its real door and from Python: any module's attention, as numbers and as pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from door import neocog, refused
from neocog import see
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.models.vit import ViT, vit
from neocog.progress import Advance, Silent
from networks import Net
from reference import attention as reference

NETWORK = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.patches = nn.Conv2d(3, 16, 56, stride=56)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return self.head(self.layers(x)[:, 0])

def small():
    return Small()
"""
PREPROCESS = Preprocess(size=(32, 48), mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A network, two pictures and a file that is none."""
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((240, 250)).save(tmp_path / "data" / f"{name}.png")
    (tmp_path / "data" / "c.png").write_bytes(b"no picture")
    return tmp_path


def small_vit(pool: str = "token") -> ViT:
    torch.manual_seed(1)
    return vit("tiny", 8, 32, 10, pool=pool)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(net: ViT, picture: np.ndarray) -> list[np.ndarray]:
    """The maps (heads, tokens, tokens) of our own attention layers, whose inputs are noted by hooks."""
    mean, std = (np.array(v, np.float32) for v in (PREPROCESS.mean, PREPROCESS.std))
    x = torch.from_numpy((PREPROCESS(picture) / np.float32(255) - mean) / std).permute(2, 0, 1)[None]
    maps: list[np.ndarray] = []
    hooks = [
        block.attn.register_forward_pre_hook(
            lambda layer, given: maps.append(layer.maps(given[0]).detach().double().numpy()[0])
        )
        for block in net.blocks
    ]
    with torch.no_grad():
        net.eval()(x)
    for hook in hooks:
        hook.remove()
    return maps


@pytest.mark.parametrize(("pool", "query"), [("token", None), ("token", (3, 1)), ("mean", None)])
def test_what_a_picture_is_looked_at_by(pool: str, query: tuple[int, int] | None) -> None:
    net, picture = small_vit(pool), noise(40, 50)
    first = 1 if pool == "token" else 0
    seen = see.attention(net, picture, at=query, preprocess=PREPROCESS)
    maps = by_hand(net, picture)
    assert seen.layers == tuple(f"blocks.{i}.attn" for i in range(12))
    for weights, expected in zip(seen.weights, maps, strict=True):
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-5)
    assert seen.tokens.tolist() == (first + np.arange(24)).reshape(4, 6).tolist()
    rolled = reference.rollout(maps)
    row = rolled[first + 3 * 6 + 1] if query else rolled[0] if first else rolled.mean(0)
    np.testing.assert_allclose(seen.rollout, row[first:].reshape(4, 6), rtol=0, atol=1e-5)
    table = net.positions((4, 6))[0, first:].detach().double().numpy()
    assert seen.positions is not None
    np.testing.assert_allclose(seen.positions.reshape(24, 24), cosine_similarity(table), rtol=0, atol=1e-9)
    places = {first + i: (8.0 * (i // 6), 8.0 * (i % 6)) for i in range(24)}
    for spread, expected in zip(seen.reach.layers, maps, strict=True):
        far = [reference.distance(head, places, False) for head in expected]
        np.testing.assert_allclose(spread.distance, far, rtol=1e-4)
        bits = [np.mean([reference.entropy(line) for line in head]) for head in expected]
        np.testing.assert_allclose(spread.entropy, bits, rtol=1e-4)
        shared = expected[:, first:, 0].mean(1) if first else np.zeros(3)
        np.testing.assert_allclose(spread.on_others, shared, rtol=1e-4)


def test_the_mean_over_pictures_is_that_of_each() -> None:
    net, pictures = small_vit(), [noise(32, 48, seed) for seed in range(3)]
    each = [see.attention(net, one, preprocess=PREPROCESS, renormalise=True) for one in pictures]
    first, middle, last = pictures
    data = ([first, middle, b"no picture", middle, last], ["a", "b", "a", "b", "a"])
    seen = see.attention(net, first, data=data, pictures=3, preprocess=PREPROCESS, renormalise=True)
    assert seen.reach.pictures == 2  # the first and the last
    assert [name for name, _ in seen.reach.skipped] == ["[2]"]
    for layer in range(12):
        for figure in range(3):
            mean = (each[0].reach.layers[layer][figure] + each[2].reach.layers[layer][figure]) / 2
            np.testing.assert_allclose(seen.reach.layers[layer][figure], mean, rtol=1e-9)


def test_the_page_shows_the_picture_and_marks_the_patch() -> None:
    picture = noise(32, 48)
    seen = see.attention(small_vit(), picture, at=(2, 1), preprocess=PREPROCESS)
    plates = {plate.name: plate for plate in seen.gallery.plates()}
    assert set(plates) == {"picture", "rollout", "last_layer", "distance", "similarity_own"} | {
        f"layer_{i:02}" for i in range(1, 13)
    }
    shown = plates["picture"].pixels
    assert shown is not None
    factor = shown.shape[0] // 32
    assert shown.shape == (32 * factor, 48 * factor, 3)
    changed = (shown != picture.repeat(factor, 0).repeat(factor, 1)).any(-1)
    rows, columns = np.nonzero(changed)
    box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert box == tuple(factor * side for side in (16, 8, 24, 16))
    assert plates["distance"].svg.count("<circle") == 12 * 3


def test_rollout_is_bright_where_the_numbers_are() -> None:
    """A network whose patches take patch 6 alone, but patch 11 takes the first."""

    def run(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        tokens = m.a(x).flatten(2).mT
        likeness = torch.full((len(x), 1, 16, 16), -60.0)
        likeness[..., 6] = 60
        likeness[..., 11, :] = torch.tensor([60.0] + [-60.0] * 15)
        likeness = likeness + 0 * tokens[:, None] @ tokens[:, None].mT
        return likeness.softmax(-1) @ tokens[:, None]

    net = Net(run, a=nn.Conv2d(3, 4, 8, stride=8))
    black = np.zeros((32, 32, 3), np.uint8)
    seen = see.attention(net, black, preprocess=Preprocess(size=(32, 32)))
    assert np.unravel_index(seen.rollout.argmax(), (4, 4)) == (1, 2)
    plates = {plate.name: plate.pixels for plate in seen.gallery.plates()}
    for name in ("rollout", "last_layer"):
        light = plates[name].sum(-1)
        side = len(light) // 32
        assert light[12 * side, 20 * side] == light.max() > light[28 * side, 4 * side]
    seen = see.attention(net, black, at=(2, 3), preprocess=Preprocess(size=(32, 32)))
    assert np.argwhere(seen.rollout).tolist() == [[0, 0], [2, 3]]
    light = next(p.pixels for p in seen.gallery.plates() if p.name == "last_layer").sum(-1)
    assert light[: 8 * side, : 8 * side].max() == light.max() > light[12 * side, 20 * side]


def test_from_the_command_line(place: Path) -> None:
    done = neocog("see", "attention", "net.py:small", "data/a.png", "--data", "data", cwd=place)
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines() if "  " in line)
    facts = {name: value.strip() for name, value in lines.items()}
    assert facts["tokens"] == "4 × 4 patches of 56 × 56 pixels, and a class token"
    assert facts["layers"] == "2, heads: 4"
    assert facts["skipped"] == "1 that cannot be read"
    assert "skipped c.png: " in done.stderr
    assert facts["mean distance"].endswith("over 2 pictures of data")
    folder = place / "seen" / "attention"
    assert facts["page"] == "seen/attention/index.html"
    assert {path.name for path in folder.iterdir()} == {
        *("picture.png", "rollout.png", "last_layer.png", "distance.svg", "index.html", "seen.json"),
        *("layer_01.svg", "layer_02.svg"),
    }
    assert "layers.layers.1.self_attn" in (folder / "index.html").read_text()
    printed = json.loads(neocog("see", "attention", "net.py:small", "data/a.png", "--json", cwd=place).stdout)
    pairs = [(i // 4, i % 4) for i in range(16)]
    mean = np.mean([56 * np.hypot(a - c, b - d) for a, b in pairs for c, d in pairs])
    assert printed["even_distance"] == pytest.approx(mean * 16 / 17)
    assert [layer["layer"] for layer in printed["layers"]] == [
        f"layers.layers.{i}.self_attn" for i in range(2)
    ]
    assert all(layer["off"] <= 1e-5 for layer in printed["layers"])
    assert 0 < sum(map(sum, printed["rollout"])) < 1  # the rest is the class token's own
    assert printed["positions"] is None  # the network has none, and no plate of them was among the files


def test_wrong_commands(place: Path) -> None:
    words = ("see", "attention", "net.py:small", "data/a.png")
    assert refused(*words, "--at", "4,0", cwd=place) == (
        "a patch is a row from 0 to 3 and a column from 0 to 3, got 4,0"
    )
    assert "--at is a row and a column from 0 on, such as 12,30; got 1,2,3" in refused(
        *words, "--at", "1,2,3", cwd=place
    )
    assert "c.png" in refused("see", "attention", "net.py:small", "data/c.png", cwd=place)
    assert refused(*words, "--part", "val", cwd=place) == (
        "part says how DATA are read, none are given; name them or leave it out"
    )
    said = refused(*words, "--data", "data", "--strict", cwd=place)
    assert said.startswith("every picture must be readable with --strict, 1 of 3 are not (")
    with pytest.raises(UserError, match="pictures must be at least 1, got 0"):
        see.attention(small_vit(), noise(32, 48), data=noise(32, 48)[None], pictures=0, preprocess=PREPROCESS)


def test_attention_is_averaged_over_one_part_of_the_data(tmp_path: Path) -> None:
    for part, seed in (("train", 1), ("val", 2)):
        (tmp_path / part / "any").mkdir(parents=True)
        Image.fromarray(noise(32, 48, seed)).save(tmp_path / part / "any" / "it.png")
    net = small_vit()
    seen = see.attention(net, noise(32, 48), data=tmp_path, part="val", preprocess=PREPROCESS)
    alone = see.attention(net, noise(32, 48, 2), preprocess=PREPROCESS)
    assert seen.reach.pictures == 1
    over = f"over 1 picture of {seen.reach.source}"
    assert dict(seen.gallery.facts)["mean distance"].endswith(over)
    assert any(room.words.startswith(f"Mean {over}. ") for room in seen.gallery.rooms)
    assert dict(alone.gallery.facts)["mean distance"].endswith(", over this picture")
    np.testing.assert_array_equal(seen.reach.layers[3].distance, alone.reach.layers[3].distance)


def test_progress_reaches_its_end_beside_unreadable_pictures() -> None:
    counted: list[int] = []

    class Told(Silent):
        @contextmanager
        def step(self, name: str, total: int) -> Iterator[Advance]:
            yield lambda count, note="": counted.append(count)
            assert sum(counted) == total == 3

    data = ([noise(32, 48), b"no picture", noise(32, 48, 1)], ["a", "a", "a"])
    see.attention(small_vit(), noise(32, 48), data=data, preprocess=PREPROCESS, progress=Told())
    assert counted


def test_networks_without_attention_over_the_picture() -> None:
    def windows(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        tokens = x.reshape(len(x), 3, 4, 8, 4, 8).permute(0, 2, 4, 3, 5, 1).reshape(-1, 1, 64, 3)
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    def pooled(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).mT
        return torch.nn.functional.scaled_dot_product_attention(tokens[:, :1], tokens, tokens)

    def channels(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2)[:, None]
        return (tokens @ tokens.mT).softmax(-1) @ tokens

    how = Preprocess(size=(32, 32))
    with pytest.raises(UserError, match="Conv2d computes none .* `neocog see cam`"):
        see.attention(nn.Conv2d(3, 4, 3), noise(32, 32), preprocess=how)
    with pytest.raises(UserError, match="within 16 windows of 64 tokens"):
        see.attention(Net(windows), noise(32, 32), preprocess=how)
    with pytest.raises(UserError, match="looks from 1 at 1024 others"):
        see.attention(Net(pooled), noise(32, 32), preprocess=how)
    with pytest.raises(UserError, match="where the 3 tokens of Net lie cannot be told"):
        see.attention(Net(channels), noise(32, 32), preprocess=how)
    with pytest.raises(TypeError, match="no argument 'heads'"):
        see.attention(Net(channels), noise(32, 32), heads=3)
