"""Figures of pictures beside numpy's, computed in two passes over all pixels."""

import io
from collections import Counter
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays, Files
from neocog.data.stats import draw_sample, effective_classes, imbalance, measure

COLOURS = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))


def everything(count: int) -> np.ndarray:
    return np.arange(count)


@given(st.lists(COLOURS, min_size=1, max_size=5))
def test_mean_and_std_are_numpys_in_two_passes(pictures: list[np.ndarray]) -> None:
    found = measure(Arrays(pictures), everything(len(pictures)))
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures]) / 255
    np.testing.assert_allclose(found.mean(), pixels.mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.std(), pixels.std(axis=0), rtol=0, atol=1e-14)
    assert found.pixels == len(pixels)


def test_the_std_of_nearly_equal_pixels_is_exact() -> None:
    """One of a million bright pixels is one level darker: the square of the mean would swallow the variance."""
    picture = np.full((1000, 1000, 3), 255, np.uint8)
    assert measure(Arrays([picture]), everything(1)).std() == (0, 0, 0)
    picture[0, 0] = 254
    exact = (1e-6 * (1 - 1e-6)) ** 0.5 / 255
    np.testing.assert_allclose(measure(Arrays([picture]), everything(1)).std(), exact, rtol=1e-15)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A turned JPEG, a grey and a 16-bit PNG, a palette GIF and one that is broken."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(tmp_path / "turned.jpg", exif=exif)
    colour.convert("L").save(tmp_path / "grey.png")
    Image.fromarray(rng.integers(0, 65536, (7, 5), dtype=np.uint16)).save(tmp_path / "deep.png")
    colour.quantize(16).save(tmp_path / "palette.gif")
    (tmp_path / "broken.png").write_bytes((tmp_path / "grey.png").read_bytes()[:60])
    names = ["turned.jpg", "grey.png", "broken.png", "deep.png", "palette.gif"]
    return [tmp_path / name for name in names]


def test_sizes_are_upright_and_formats_those_of_the_files(files: list[Path]) -> None:
    found = measure(Files(files), everything(5))
    assert found.indices.tolist() == [0, 1, 3, 4]
    assert found.sizes.tolist() == [[20, 30], [30, 20], [5, 7], [30, 20]]
    assert found.bytes.tolist() == [files[i].stat().st_size for i in (0, 1, 3, 4)]
    assert found.formats == Counter(JPEG=1, PNG=2, GIF=1)
    assert found.grey == 2
    assert [i for i, _ in found.skipped] == [2]


def test_pixels_at_the_networks_size_are_those_of_preprocess(files: list[Path]) -> None:
    chosen = [files[i] for i in (0, 1, 3, 4)]
    preprocess = Preprocess(size=(8, 6), resize_mode="squash", decoding="exact")
    pixels = np.stack([preprocess(path.read_bytes()) for path in chosen]).reshape(-1, 3) / 255
    found = measure(Files(chosen), everything(4), preprocess)
    np.testing.assert_allclose(found.mean(), pixels.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(found.std(), pixels.std(axis=0), atol=1e-14)
    assert found.sizes[0].tolist() == [20, 30]


def test_arrays_and_pil_pictures_are_measured_too() -> None:
    grey = np.full((4, 6), 51, np.uint8)
    picture = Image.new("L", (3, 2), 102)
    found = measure(Arrays([grey, picture]), everything(2))
    assert found.formats == Counter({"array": 1, "PIL picture": 1})
    assert found.bytes.tolist() == [24, 6]
    assert found.grey == 2
    assert found.mean() == pytest.approx(((24 * 0.2 + 6 * 0.4) / 30,) * 3)


@given(st.integers(0, 20), st.integers(0, 99), st.permutations(range(20)))
def test_a_sample_depends_on_contents_and_seed_alone(size: int, seed: int, order: list[int]) -> None:
    hashes = np.random.default_rng(seed).integers(0, 256, (20, 32), dtype=np.uint8)
    drawn = draw_sample(hashes, size, seed)
    again = draw_sample(hashes[order], size, seed)
    assert len(drawn) == size
    assert {hashes[i].tobytes() for i in drawn} == {hashes[order][i].tobytes() for i in again}
    assert drawn.tolist() == sorted(drawn.tolist())


def test_a_sample_leaves_out_what_cannot_be_read_and_every_picture_has_its_chance() -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (10, 32), dtype=np.uint8)
    hashes[3] = 0
    drawn = Counter(i for seed in range(900) for i in draw_sample(hashes, 3, seed).tolist())
    assert drawn[3] == 0
    assert all(abs(drawn[i] - 300) < 5 * (900 * 2 / 9) ** 0.5 for i in range(10) if i != 3)


def test_balance_of_classes() -> None:
    counts = np.array([100, 50, 0, 25])
    assert imbalance(counts) == 4
    entropy = -sum(p * log(p) for p in (4 / 7, 2 / 7, 1 / 7))
    assert effective_classes(counts) == pytest.approx(np.exp(entropy))
    assert effective_classes(np.array([7, 7, 7])) == pytest.approx(3)


def test_a_file_that_only_one_decoder_knows_still_counts() -> None:
    """The format is read from the file's first bytes, whatever its name."""
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(out, "WEBP", lossless=True)
    assert measure(Arrays([out.getvalue()]), everything(1)).formats == Counter(WEBP=1)
