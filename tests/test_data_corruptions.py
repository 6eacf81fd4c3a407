"""Common corruptions against loops, scikit-image, and what OpenCV and ImageMagick made (golden/corruptions.npz)."""

import io
import itertools
from math import exp, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import zoom as scipy_zoom
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

from neocog.data.builtin import whole_photographs
from neocog.data.corruptions import blur, digital, noise, spatter, weather
from neocog.data.corruptions.catalogue import ALL, CORRUPTIONS, chosen, picture_seed
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from reference import corruptions as slow

Floats = NDArray[np.float64]
GOLDEN = np.load(Path(__file__).parent / "golden" / "corruptions.npz")
PICTURE = GOLDEN["picture"]  # 48 x 40 points of a photograph
X = PICTURE / 255
NOBODY = np.random.default_rng(0)  # for corruptions that draw no numbers
NOISE = ["gaussian_noise", "shot_noise", "impulse_noise"]
BLUR = ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"]
WEATHER = ["snow", "frost", "fog", "brightness"]
DIGITAL = ["contrast", "elastic_transform", "pixelate", "jpeg_compression"]
IMAGENET_C = [*NOISE, *BLUR, *WEATHER, *DIGITAL]  # the columns of table 1 of the paper
EXTRA = ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
# by the authors' choice of strengths, not stronger throughout: the displacement of the glass falls with more rounds,
# the bend of the elastic map gets finer, the saturation falls and then rises, the ice covers more of a darker picture
UNEVEN = {"glass_blur", "elastic_transform", "saturate", "frost"}


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    return Preprocess(size=(224, 224))(whole_photographs().read(0))


def test_the_catalogue_is_that_of_the_paper() -> None:
    assert [one.name for one in ALL if not one.extra] == IMAGENET_C
    assert [one.name for one in ALL if one.extra] == EXTRA
    columns = {"noise": NOISE, "blur": BLUR, "weather": WEATHER, "digital": DIGITAL}
    for kind, names in columns.items():
        assert [one.name for one in ALL if one.kind == kind and not one.extra] == names


def off(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - UNEVEN))
def test_a_higher_severity_is_farther_from_the_photograph(name: str, photograph: NDArray[np.uint8]) -> None:
    away = [off(CORRUPTIONS[name](photograph, severity, 3), photograph) for severity in range(1, 6)]
    assert away[0] > 0
    assert away == sorted(away)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize(
    "shape", [(32, 32, 3), (28, 41, 1), (8, 8, 3), (8, 200, 3), (70, 81, 3), (66, 90, 1)]
)
def test_every_shape_is_kept_and_a_seed_says_all(name: str, shape: tuple[int, int, int]) -> None:
    spoil = CORRUPTIONS[name]
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    if shape[2] == 1 and not spoil.grey:
        with pytest.raises(UserError, match="grey; leave it out"):
            spoil(pixels, 1)
        return
    before = pixels.copy()
    for severity in (1, 5):
        first, again = spoil(pixels, severity, 5), spoil(pixels, severity, 5)
        assert first.shape == shape
        assert first.dtype == np.uint8
        assert (first == again).all()
    assert (pixels == before).all()


RANDOM = sorted(
    {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur"}
    | {"snow", "frost", "fog", "elastic_transform", "spatter"}
)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_another_seed_is_another_corruption_where_there_is_chance(name: str) -> None:
    same = (CORRUPTIONS[name](PICTURE, 5, 1) == CORRUPTIONS[name](PICTURE, 5, 2)).all()
    assert same == (name not in RANDOM)


def test_small_pictures_get_the_strengths_for_cifar() -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    for side, scale in ((64, 0.10), (65, 0.38)):  # severity 5 of both scripts
        x = np.pad(flat, ((0, side - 64), (0, 0), (0, 0)), mode="edge")
        rng = np.random.default_rng(9)
        wanted = np.clip(x / 255 + rng.normal(scale=scale, size=x.shape), 0, 1) * 255
        assert (CORRUPTIONS["gaussian_noise"](x, 5, 9) == np.floor(wanted + 1e-6)).all()


def test_noise_has_the_mean_and_variance_that_its_law_says() -> None:
    grey, n = 0.5, 200_000
    x = np.full((n, 1, 1), grey)
    for function, strength, variance in (
        (noise.gaussian_noise, 0.12, 0.12**2),
        (noise.speckle_noise, 0.2, (0.2 * grey) ** 2),
        (noise.shot_noise, 25.0, grey / 25),
    ):
        made = function(x, (strength,), np.random.default_rng(2))
        assert abs(made.mean() - grey) < 5 * sqrt(variance / n)
        assert made.var() == pytest.approx(variance, rel=5 * sqrt(2 / n) * 1.1)
    counts = noise.shot_noise(x, (25.0,), np.random.default_rng(2)) * 25
    assert np.abs(counts - np.rint(counts)).max() < 1e-9


def test_salt_and_pepper_fall_alike() -> None:
    n, share = 200_000, 0.17
    made = noise.impulse_noise(np.full((n, 1, 1), 0.5), (share,), np.random.default_rng(3))
    for value in (0, 1):
        assert abs((made == value).mean() - share / 2) < 5 * sqrt(share / 2 / n)
    assert set(np.unique(made)) == {0, 0.5, 1}


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0])
def test_gaussian_blur_is_that_of_scikit_image(sigma: float) -> None:
    assert np.allclose(blur.smooth(X, sigma), gaussian(X, sigma=sigma, channel_axis=2), atol=1e-12)
    assert np.allclose(blur.smooth(X[..., 0], sigma), gaussian(X[..., 0], sigma=sigma), atol=1e-12)


@pytest.mark.parametrize("radius, softness", [(3, 0.1), (4, 0.5), (8, 0.5), (10, 0.5), (0.5, 0.6)])
def test_the_disk_is_that_of_opencv(radius: float, softness: float) -> None:
    assert np.allclose(blur.disk(radius, softness), GOLDEN[f"disk {radius} {softness}"], atol=1e-7)


def test_defocus_is_a_correlation_with_the_disk() -> None:
    x = X[:26, :22, :1]
    wanted = slow.correlated(x, blur.disk(3, 0.1))
    assert np.allclose(blur.defocus_blur(x, (3, 0.1), NOBODY), wanted, atol=1e-12)


@pytest.mark.parametrize("radius, sigma, angle", [(6, 1.5, 30), (15, 8, -45), (10, 4, -100)])
def test_motion_blur_is_that_of_imagemagick(radius: int, sigma: float, angle: int) -> None:
    made = noise.as_bytes(blur.moved(X, radius, sigma, angle))
    assert (
        np.abs(made - GOLDEN[f"motion {radius} {sigma} {angle}"]).max() <= 1
    )  # rounding of its 16-bit colours
    assert (made == GOLDEN[f"motion {radius} {sigma} {angle}"]).mean() > 0.99


def clipped_zoom(x: Floats, factor: float) -> Floats:
    """The authors', for pictures that are not square, too."""
    kept = [int(np.ceil(side / factor)) for side in x.shape[:2]]
    top, left = ((side - k) // 2 for side, k in zip(x.shape[:2], kept, strict=True))
    large = scipy_zoom(x[top : top + kept[0], left : left + kept[1]], (factor, factor, 1), order=1)
    top, left = ((have - side) // 2 for have, side in zip(large.shape[:2], x.shape[:2], strict=True))
    return large[top : top + x.shape[0], left : left + x.shape[1]]


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.1, 1.25, 2.5, 4.5])
def test_zoom_is_that_of_scipy(factor: float) -> None:
    assert np.allclose(blur.zoomed(X, factor), clipped_zoom(X, factor), atol=1e-12)


def test_zoom_blur_is_the_mean_of_zooms() -> None:
    factors = np.arange(1, 1.16, 0.01)
    wanted = (X + sum(clipped_zoom(X, f) for f in factors)) / (len(factors) + 1)
    assert np.allclose(blur.zoom_blur(X, (1.16, 0.01), NOBODY), wanted, atol=1e-12)


@given(st.integers(1, 4), st.integers(0, 2**32), st.integers(10, 24), st.integers(10, 24))
@settings(max_examples=40)
def test_glass_displaces_as_the_loop_does(most: int, seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random((height, width, 2))
    shift = rng.integers(-most, most, size=(2, height, width))
    assert (blur.displaced(x, most, shift) == slow.glass(x, most, shift)).all()


def test_the_plasma_is_that_of_the_loop() -> None:
    wanted = slow.plasma(32, 1.7, np.random.default_rng(4))
    assert np.allclose(weather.plasma(32, 1.7, np.random.default_rng(4)), wanted, atol=1e-12)


def test_fog_keeps_the_brightest_and_black_stays_black() -> None:
    made = weather.fog(X, (2.0, 2.0), np.random.default_rng(5))
    haze = weather.plasma(64, 2.0, np.random.default_rng(5))[:48, :40, None]
    assert np.allclose(made, (X + 2 * haze) * X.max() / (X.max() + 2))
    assert (weather.fog(np.zeros((9, 9, 1)), (2.0, 2.0), np.random.default_rng(5)) == 0).all()


def test_snow_whitens_and_falls() -> None:
    """Without flakes (no noise reaches the threshold) only the whitening is left: the formula of the script."""
    made = weather.snow(X, (0.1, 0.3, 2, 9.0, 10, 4, 0.7), np.random.default_rng(6))
    luma = 0.299 * X[..., 0] + 0.587 * X[..., 1] + 0.114 * X[..., 2]
    assert np.allclose(made, 0.7 * X + 0.3 * np.maximum(X, luma[..., None] * 1.5 + 0.5))
    flakes = weather.snow(X, (0.1, 0.3, 2, 0.5, 10, 4, 0.7), np.random.default_rng(6)) - made
    assert flakes.min() > -1e-12
    assert flakes.max() > 0.2
    assert np.allclose(flakes, np.rot90(flakes, 2))  # the script adds the flakes upside down, too
    assert np.allclose(flakes, flakes[..., :1])  # white


def test_frost_is_a_weighted_sum_with_ice_of_its_own() -> None:
    ice = weather.frost(np.zeros((48, 40, 3)), (0.7, 1.0), np.random.default_rng(7))
    assert 0 <= ice.min() < 0.3
    assert 0.7 < ice.max() <= 1
    assert (ice[..., 2] >= ice[..., 0]).all()  # bluish
    made = weather.frost(X, (0.7, 0.6), np.random.default_rng(7))
    assert np.allclose(made, 0.7 * X + 0.6 * ice)


def test_brightness_and_saturation_are_those_of_scikit_image() -> None:
    x = X.copy()
    x[:5], x[5:9, :9], x[9, 9] = 0, x[5:9, :9, :1], 1  # black, grey and white points, too
    hsv = rgb2hsv(x)
    brighter = np.stack([hsv[..., 0], hsv[..., 1], np.clip(hsv[..., 2] + 0.3, 0, 1)], axis=2)
    assert np.allclose(digital.brightness(x, (0.3,), NOBODY), hsv2rgb(brighter), atol=1e-12)
    for times, plus in ((0.1, 0.0), (5, 0.1), (20, 0.2)):
        fuller = np.stack([hsv[..., 0], np.clip(hsv[..., 1] * times + plus, 0, 1), hsv[..., 2]], axis=2)
        assert np.allclose(digital.saturate(x, (times, plus), NOBODY), hsv2rgb(fuller), atol=1e-12)


def test_contrast_keeps_the_mean_and_scales_the_deviation() -> None:
    made = digital.contrast(X, (0.3,), NOBODY)
    assert np.allclose(made.mean(axis=(0, 1)), X.mean(axis=(0, 1)))
    assert np.allclose(made.std(axis=(0, 1)), 0.3 * X.std(axis=(0, 1)))


@pytest.mark.parametrize("severity, quality", list(enumerate((25, 18, 15, 10, 7), 1)))
def test_jpeg_is_that_of_pillow(severity: int, quality: int, photograph: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "JPEG", quality=quality)
    assert (CORRUPTIONS["jpeg_compression"](photograph, severity) == np.asarray(Image.open(file))).all()


def test_pixels_are_means_of_boxes() -> None:
    """A quarter of 224 points: blocks of 4 x 4. Pillow rounds twice, after each direction."""
    x = np.random.default_rng(8).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    means = x.reshape(56, 4, 56, 4, 3).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(CORRUPTIONS["pixelate"](x, 5) - means).max() <= 1


def test_the_affine_map_is_that_of_opencv() -> None:
    height, width = X.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(float)
    matrix = digital.affine(height, width, GOLDEN["shift"])
    across, down = np.tensordot(matrix, np.stack([columns, rows, np.ones_like(rows)]), axes=1)
    assert np.abs(digital.sampled(X, down, across, "mirror") - GOLDEN["warped"]).max() < 1e-4


def test_a_smooth_field_is_a_gaussian_of_uniform_numbers() -> None:
    """A map that moves no corner and a field of this height: the points move as scikit-image's field says."""
    rng = np.random.default_rng(10)
    rng.uniform(size=(3, 2))
    across, down = (
        gaussian(rng.uniform(-1, 1, X.shape[:2]), 3.0, mode="reflect", truncate=3) * 40 for _ in range(2)
    )
    rows, columns = np.mgrid[: X.shape[0], : X.shape[1]]
    wanted = digital.sampled(X, rows + down, columns + across, "reflect")
    made = digital.elastic_transform(X, (40, 3.0, 0.0), np.random.default_rng(10))
    assert np.allclose(made, wanted, atol=1e-9)
    still = digital.elastic_transform(X, (0, 0, 0), np.random.default_rng(10))
    assert np.allclose(still, X, atol=1e-12)


def test_water_is_made_step_by_step_as_opencv_makes_it() -> None:
    liquid = GOLDEN["liquid"]
    assert (spatter.edges(liquid, 50, 150) == GOLDEN["rim"]).all()
    assert (spatter.edges(PICTURE.mean(axis=2).astype(np.uint8), 50, 150) == GOLDEN["edges"]).all()
    assert np.allclose(spatter.distance(GOLDEN["rim"]), GOLDEN["distance"], atol=1e-5)
    assert (spatter.equalised(GOLDEN["height"]) == GOLDEN["levels"]).all()
    assert np.allclose(spatter.shine(liquid), GOLDEN["shine"], atol=1e-6)


def test_water_only_brightens_and_mud_only_covers() -> None:
    water = spatter.spatter(X, (0.65, 0.3, 2, 0.68, 0.5, 0), np.random.default_rng(11))
    assert (water >= X).all()
    assert (water > X).any()
    mud = np.array([63, 42, 20]) / 255
    made = spatter.spatter(X, (0.65, 0.3, 1, 0.65, 1.5, 1), np.random.default_rng(11))
    cover = ((X - made) / np.where(X - mud == 0, 1, X - mud))[np.abs(X - mud) > 0.05]
    assert cover.min() > -1e-9
    assert cover.max() < 1 + 1e-9
    assert not ((cover > 1e-9) & (cover < 0.8 - 1e-9)).any()
    assert (spatter.spatter(X, (0.1, 0.01, 2, 0.68, 0.5, 0), np.random.default_rng(11)) == X).all()  # dry


def test_a_flat_picture_stays_flat_under_blurs() -> None:
    """Of the smaller strengths, whose kernels sum to 1; bytes are not lost to rounding."""
    for value in range(0, 256, 5):
        flat = np.full((24, 24, 1), value, np.uint8)
        for name, severity in itertools.product(("defocus_blur", "gaussian_blur", "zoom_blur"), (1, 5)):
            assert (CORRUPTIONS[name](flat, severity) == value).all(), (name, severity, value)


def test_the_width_of_a_blurred_point_is_sigma() -> None:
    point = np.zeros((41, 41, 1))
    point[20, 20] = 1
    sigma = 2.0
    made = blur.smooth(point, sigma)
    assert made[20, 20, 0] == pytest.approx(1 / (2 * pi * sigma**2), rel=0.01)
    assert made[20, 22, 0] / made[20, 20, 0] == pytest.approx(exp(-0.5), rel=1e-9)


def test_a_seed_follows_from_the_pixels_and_from_each_word() -> None:
    other = PICTURE.copy()
    other[0, 0, 0] ^= 1
    seeds = [
        picture_seed(0, PICTURE, "fog", 1),
        picture_seed(1, PICTURE, "fog", 1),
        picture_seed(0, other, "fog", 1),
        picture_seed(0, PICTURE, "snow", 1),
        picture_seed(0, PICTURE, "fog", 2),
        picture_seed(0, PICTURE[::-1], "fog", 1),
    ]
    assert len(set(seeds)) == len(seeds)
    assert picture_seed(0, PICTURE.copy(), "fog", 1) == seeds[0]


@pytest.mark.parametrize(
    "pixels, severity, words",
    [
        (PICTURE, 0, "severity must be 1, 2, 3, 4 or 5, got 0"),
        (PICTURE, 6, "severity must be 1, 2, 3, 4 or 5, got 6"),
        (X, 1, r"must be uint8 \(height, width, 1 or 3\), got float64 \(48, 40, 3\)"),
        (PICTURE[..., 0], 1, r"got uint8 \(48, 40\)"),
        (PICTURE[:7], 1, r"at least 8 x 8 pixels, got \(7, 40\)"),
    ],
)
def test_what_cannot_be_spoiled_is_refused_in_words(
    pixels: NDArray[np.uint8], severity: int, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        CORRUPTIONS["fog"](pixels, severity)


def test_a_seed_below_zero_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="seed must be 0 or more, got -1"):
        CORRUPTIONS["fog"](PICTURE, 1, -1)


def test_names_are_chosen_in_the_order_of_the_paper() -> None:
    assert [one.name for one in chosen("fog, gaussian-noise")] == ["gaussian_noise", "fog"]
    assert [one.name for one in chosen(None)] == IMAGENET_C + EXTRA
    assert [one.name for one in chosen("all", channels=1)] == IMAGENET_C + EXTRA[:3]
    with pytest.raises(UserError, match=r"names out of gaussian_noise, .*saturate, got smog"):
        chosen("fog,smog")
    with pytest.raises(UserError, match="got none"):
        chosen([])
    with pytest.raises(UserError, match="saturate changes colours, but the model sees grey pictures"):
        chosen(["saturate"], channels=1)
