"""The choice between exact and fast decoding, up to the shell."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Picture

WANTED = Preprocess(size=(56, 56), crop_pct=0.875)  # the shorter side is resized to 64


def photo(height: int, width: int) -> bytes:
    return zoo.jpeg(np.zeros((height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("pictures", "decoding"),
    [
        ([photo(256, 300)], "fast"),
        ([photo(300, 256)], "fast"),
        ([photo(255, 300)], "exact"),
        ([photo(300, 255)], "exact"),
        ([photo(400, 400)] * 3 + [photo(64, 64)] * 2, "fast"),
        ([photo(400, 400)] * 2 + [photo(64, 64)] * 3, "exact"),
        ([photo(400, 400)] * 2 + [b"no picture"], "fast"),
        ([photo(400, 400)] * 2 + [b"no picture"] * 2, "exact"),
        ([np.zeros((400, 400, 3), np.uint8)] * 3, "exact"),
        ([photo(400, 400)[:20]] * 3, "exact"),
        ([], "exact"),
    ],
)
def test_fast_is_chosen_where_the_median_jpeg_is_four_times_too_large(
    pictures: list[Picture], decoding: str
) -> None:
    chosen, why = chosen_decoding(WANTED, Arrays(pictures))
    assert chosen.decoding == decoding
    assert bool(why) == (decoding == "fast")


def test_the_reason_names_the_sizes_and_the_way_out() -> None:
    _, why = chosen_decoding(WANTED, Arrays([photo(320, 400)]))
    assert why == (
        "decoding: fast, since the pictures are 320 pixels on the shorter side (median of 1), "
        "5.0 times the 64 that count; --decoding exact reads every pixel"
    )


def test_only_some_pictures_of_many_are_looked_at() -> None:
    class Counted(Arrays):
        seen: list[int] = []

        def read(self, index: int) -> Picture:
            self.seen.append(index)
            return super().read(index)

    samples = Counted([photo(300, 300)] * 1000)
    chosen_decoding(WANTED, samples)
    assert len(samples.seen) == 32
    assert (min(samples.seen), max(samples.seen)) == (0, 999)


def neocog(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neocog", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of two brightnesses as JPEGs of 160 x 200 pixels, and a network that wants 16 x 16."""
    here = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 24)):
        noise = rng.integers(low, low + 200, (12, 160, 200, 3)).astype(np.uint8)
        zoo.make(here / "data" / name, {f"{i}.jpg": zoo.jpeg(one) for i, one in enumerate(noise)})
    (here / "net.py").write_text("from torch import nn\n\ndef flat():\n    return nn.Flatten()\n")
    return here


def test_training_says_that_it_decodes_fast_and_eval_exact_prints_both(place: Path) -> None:
    given = ("--img-size", 16, "--recipe", "probe", "--engine", "torch")
    done = neocog("train", "data", "-m", "net.py:flat", *given, "--output", "fast", cwd=place)
    assert "decoding: fast, since the pictures are 160 pixels on the shorter side" in done.stderr
    assert json.loads((place / "fast" / "model.json").read_text())["preprocess"]["decoding"] == "fast"
    lines = neocog("eval", "fast", "data", "--exact", cwd=place).stdout.splitlines()
    assert lines[0].startswith("top-1 ")
    assert lines[1].startswith("with every pixel decoded: top-1 ")
    assert lines[2].startswith("other predictions: ")
    said = json.loads(neocog("eval", "fast", "data", "--exact", "--json", cwd=place).stdout)
    assert set(said["exact"]) == {"top1", "differing"}
    assert abs(said["exact"]["top1"] - said["top1"]) * 24 <= said["exact"]["differing"]


def test_exact_decoding_can_be_asked_for(place: Path) -> None:
    given = ("--img-size", 16, "--recipe", "probe", "--engine", "torch", "--decoding", "exact")
    done = neocog("train", "data", "-m", "net.py:flat", *given, "--output", "exact", cwd=place)
    assert "decoding:" not in done.stderr
    assert json.loads((place / "exact" / "model.json").read_text())["preprocess"]["decoding"] == "exact"
    assert "this run decodes exactly" in neocog("eval", "exact", "data", "--exact", cwd=place).stdout
