"""The choice between exact and fast decoding, up to the shell."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from door import neocog
from neocog import UserError, evaluate, load, train
from neocog.data.builtin import whole_photographs
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Picture
from neocog.progress import Silent

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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that hardly differs, as JPEGs of 160 x 200 pixels, and a network that wants 16 x 16."""
    here = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 1)):
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
    at = next(i for i, line in enumerate(lines) if line.startswith("with every pixel decoded: top-1 "))
    assert lines[at + 1].startswith("other predictions: ")


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Path]:
    """A run that decodes fast and one that decodes exact."""
    network, given = f"{place / 'net.py'}:flat", {"img_size": 16, "resize_mode": "squash", "engine": "torch"}
    return {
        way: train(
            place / "data", network, recipe="probe", decoding=way, output=place / f"{way} run", **given
        ).folder
        for way in ("fast", "exact")
    }


def test_eval_exact_scores_a_fast_run_in_both_ways(place: Path, runs: dict[str, Path]) -> None:
    both = evaluate(runs["fast"], place / "data", exact=True)
    assert both.exact is not None
    classifier = load(runs["fast"])
    whole = [replace(classifier.preprocess, decoding="exact")(Path(path).read_bytes()) for path in both.paths]
    expected = classifier.probabilities(np.stack(whole))  # pixels of the network's size pass unchanged
    assert np.allclose(both.exact.probabilities, expected, atol=1e-5)
    assert not np.allclose(both.probabilities, expected, atol=1e-5)
    other = both.probabilities.argmax(axis=1) != expected.argmax(axis=1)
    assert both.to_json()["exact"] == {"top1": both.exact.top1, "differing": int(other.sum())}
    assert evaluate(runs["exact"], place / "data", exact=True).exact is None
    assert evaluate(runs["fast"], place / "data").exact is None


def test_a_decoding_that_is_neither_is_refused(place: Path) -> None:
    with pytest.raises(UserError, match="decoding must be one of fast, exact, got 'lazy'"):
        train(place / "data", f"{place / 'net.py'}:flat", decoding="lazy")


class Told(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)


def test_a_published_model_decodes_as_suits_the_pictures_and_a_run_as_it_learned(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    photograph = Image.open(io.BytesIO(whole_photographs().read(0))).resize((1400, 1100))
    photograph.save(tmp_path / "large.jpg")
    given, said = load("efficientnet_lite0", engine="torch"), Told()
    fast = given.suited_to(str(tmp_path / "large.jpg"), said)
    assert said.texts and "1,100 pixels on the shorter side" in said.texts[0]
    assert (given.preprocess.decoding, fast.preprocess.decoding) == ("exact", "fast")
    assert given.suited_to(str(tmp_path / "large.jpg"), said, "exact").preprocess.decoding == "exact"
    run = load(runs["exact"])
    assert run.suited_to(str(tmp_path / "large.jpg"), said).preprocess.decoding == "exact"
    with pytest.raises(UserError, match="the run decodes exact, as it learned, got fast"):
        run.suited_to(str(tmp_path / "large.jpg"), said, "fast")
