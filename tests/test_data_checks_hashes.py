import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from neocog.data.checks.hashes import dhash, hashes, phash
from neocog.data.checks.same import CELLS, same


def noise(seed: int, height: int = 48, width: int = 64) -> Image.Image:
    """A picture with structure at all scales."""
    rng = np.random.default_rng(seed)
    pixels = sum(
        np.asarray(Image.fromarray(rng.uniform(0, 255, (n, n)).astype(np.uint8)).resize((width, height))) / n
        for n in (3, 6, 12, 24)
    )
    return Image.fromarray(np.asarray(pixels / pixels.max() * 255).astype(np.uint8))


def whole(image: Image.Image) -> tuple[int, int, int, int]:
    return (0, 0, *image.size)


@given(st.integers(0, 10_000))
def test_phash_is_the_sign_of_scipys_cosines_against_their_median(seed: int) -> None:
    grey = np.random.default_rng(seed).uniform(0, 255, (32, 32))
    low = dctn(grey, type=2)[:8, :8].ravel()
    bits = "".join("1" if value > np.median(low[1:]) else "0" for value in low)
    assert f"{phash(grey):064b}" == bits


def test_dhash_tells_where_brightness_rises() -> None:
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 5, (8, 9)).astype(np.int16)  # few levels: many equal neighbours
    bits = "".join("1" if steps[y, x + 1] > steps[y, x] else "0" for y in range(8) for x in range(8))
    assert f"{dhash(steps):064b}" == bits


@given(st.integers(0, 1000))
def test_the_mirrors_hashes_are_the_hashes_of_the_mirrored_picture(seed: int) -> None:
    image = noise(seed)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    here, there = hashes(image, whole(image)), hashes(mirrored, whole(mirrored))
    assert (here.phash_mirror, here.dhash_mirror) == (there.phash, there.dhash)


def thumb(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX))[None]


def judged(one: Image.Image, other: Image.Image, cut: bool) -> bool:
    return bool(same(thumb(one), thumb(other), np.array([cut]))[0])


@given(st.integers(0, 500), st.floats(0.6, 1.0), st.integers(0, 40))
def test_brightness_and_contrast_make_no_other_picture(seed: int, contrast: float, brightness: int) -> None:
    image = noise(seed)
    changed = Image.fromarray((np.asarray(image) * contrast * 0.8 + brightness).astype(np.uint8))
    assert judged(image, changed, cut=False)


@given(st.integers(0, 500))
def test_other_noise_is_another_picture(seed: int) -> None:
    assert not judged(noise(seed), noise(seed + 1000), cut=True)


def test_a_cut_is_found_in_either_order_where_it_is_looked_for() -> None:
    image = noise(3, 320, 320)
    part = image.crop((16, 0, 320, 304))  # a twentieth less at the left and below
    assert judged(image, part, cut=True)
    assert judged(part, image, cut=True)
    assert not judged(image, image.crop((80, 80, 320, 320)), cut=True)


def test_no_pair_is_no_answer() -> None:
    nothing = np.empty((0, 32, 32), np.uint8)
    assert same(nothing, nothing, np.empty(0, bool)).tolist() == []
    assert CELLS < 32
