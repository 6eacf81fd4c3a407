"""The pixel machines are scikit-learn's on pixels of 0..1, and its own published figure comes out."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.svm import SVC

from neocog.classical.pixels import Deslant, Pixels, gallery_accuracy, pixel_svm, slant
from neocog.errors import UserError
from neocog.experiments.digits import pixel_machines


def test_scikit_learns_published_accuracy_is_reproduced() -> None:
    """Its example "Recognizing hand-written digits" prints an accuracy of 0.97 over 899; exactly it is 871 of 899."""
    assert gallery_accuracy() == pytest.approx(871 / 899, abs=1e-12)
    assert round(gallery_accuracy(), 4) == 0.9689


def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    return pixels[:400], labels[:400], pixels[400:600], labels[400:600]


@pytest.mark.parametrize(("kernel", "settings"), [("linear", {"C": 1}), ("rbf", {"C": 10, "gamma": "scale"})])
def test_a_pixel_machine_is_the_plain_one_on_flat_pixels(kernel: str, settings: dict[str, object]) -> None:
    train, labels, other, _ = halves()
    plain = SVC(kernel=kernel, **settings).fit(train.reshape(400, -1) / 255, labels)
    ours = pixel_svm(kernel).fit(train, labels)  # type: ignore[arg-type]
    assert (ours.predict(other) == plain.predict(other.reshape(200, -1) / 255)).all()


def test_the_comparison_counts_what_the_machines_get_right() -> None:
    train, labels, other, truth = halves()
    rows = {row.name: row for row in pixel_machines(train, labels, other, truth)}
    plain = SVC(kernel="linear", C=1).fit(train.reshape(400, -1) / 255, labels)
    linear = rows["linear SVM on pixels"]
    assert linear.top1 == plain.score(other.reshape(200, -1) / 255, truth)
    assert linear.low < linear.top1 < linear.high
    assert rows["scikit-learn's gallery example"].note.endswith("(match)")


def test_the_polynomial_machine_has_the_fourth_power_of_one_plus_the_product() -> None:
    train, labels, other, _ = halves()
    x, unseen = train.reshape(400, -1) / 255, other.reshape(200, -1) / 255
    gamma = 1 / (x.shape[1] * x.var())
    kernel = polynomial_kernel(x, degree=4, gamma=gamma, coef0=1)
    plain = SVC(kernel="precomputed", C=10).fit(kernel, labels)
    wanted = plain.predict(polynomial_kernel(unseen, x, degree=4, gamma=gamma, coef0=1))
    assert (pixel_svm("poly").fit(train, labels).predict(other) == wanted).all()


def stroke(lean: float) -> np.ndarray:
    """A bar 4 pixels wide that leans `lean` columns a row, in a picture of 28 x 28, soft at its sides."""
    rows, columns = np.mgrid[:28, :28]
    away = np.abs(columns - 14 - lean * (rows - 14))
    return np.where((rows > 4) & (rows < 24), np.clip(2.5 - away, 0, 1) * 255, 0).astype(np.uint8)


@pytest.mark.parametrize("lean", [-0.6, -0.25, 0.0, 0.25, 0.6])
def test_a_leaning_stroke_is_straightened(lean: float) -> None:
    """Its lean is found by the moments, summed pixel by pixel, and is gone afterwards."""
    picture = stroke(lean)
    [straight] = Deslant().fit_transform(picture[None])

    def leaning(image: np.ndarray) -> float:
        ink = [(r, c) for r in range(28) for c in range(28) if image[r, c] >= 128]
        row, column = sum(r for r, _ in ink) / len(ink), sum(c for _, c in ink) / len(ink)
        return sum((r - row) * (c - column) for r, c in ink) / sum((r - row) ** 2 for r, _ in ink)

    assert slant(picture >= 128)[0] == pytest.approx(leaning(picture))
    assert leaning(picture) == pytest.approx(lean, abs=0.05)
    assert leaning(straight) == pytest.approx(0, abs=0.05)
    assert int(straight.sum()) == pytest.approx(int(picture.sum()), rel=0.02)  # no ink is lost
    if lean == 0:
        np.testing.assert_array_equal(straight, picture)


def test_nothing_to_straighten_stays() -> None:
    pictures = np.zeros((2, 9, 9), np.uint8)
    pictures[1, 4] = 255
    np.testing.assert_array_equal(Deslant().transform(pictures), pictures)


def test_straightened_digits_are_told_apart_at_least_as_well() -> None:
    """Slanted at random, digits are harder; straightened they are nearly as easy as before."""
    train, labels, other, truth = halves()
    rng = np.random.default_rng(0)

    def large(pixels: np.ndarray) -> np.ndarray:
        return np.pad(pixels.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (8, 8), (8, 8)))

    def slanted(pixels: np.ndarray) -> np.ndarray:
        leans = rng.uniform(-0.5, 0.5, len(pixels))
        return np.stack(
            [
                np.stack([np.roll(row, round(lean * (r - 20))) for r, row in enumerate(p)])
                for p, lean in zip(large(pixels), leans, strict=True)
            ]
        )

    tried, unseen = slanted(train), slanted(other)
    plain = pixel_svm("linear").fit(tried, labels).score(unseen, truth)
    straight = pixel_svm("linear", deslanted=True).fit(tried, labels).score(unseen, truth)
    assert straight > plain + 0.02


def test_pixels_are_pillows_in_grey() -> None:
    small = np.random.default_rng(1).integers(0, 256, (28, 28), np.uint8)
    large = np.random.default_rng(2).integers(0, 256, (50, 40, 3), np.uint8)
    found = clone(Pixels()).fit_transform([small, large])
    np.testing.assert_allclose(found[0], small.ravel() / 255, atol=1e-6)
    pillow = Image.fromarray(large).resize((28, 28), Image.Resampling.BICUBIC).convert("L")
    np.testing.assert_allclose(found[1], np.asarray(pillow).ravel() / 255, atol=0.003)


def test_straightened_pixels_are_those_of_deslant() -> None:
    """Pictures of 28 x 28 one by one, and a leaning stroke in colour twice as large, which ends upright."""
    strokes = np.stack([stroke(lean) for lean in (-0.5, 0.0, 0.3)])
    found = Pixels(deslanted=True).fit_transform(list(strokes))
    np.testing.assert_allclose(found, Deslant().transform(strokes).reshape(3, -1) / 255, atol=1e-6)
    large = np.repeat(np.asarray(Image.fromarray(strokes[0]).resize((56, 56)))[..., None], 3, axis=2)
    [upright] = Pixels(deslanted=True).transform([large])
    assert abs(slant(upright.reshape(28, 28) >= 0.5)[0]) < 0.05


def test_only_grey_pictures_are_straightened() -> None:
    with pytest.raises(UserError, match="grey pictures"):
        Deslant().transform(np.zeros((2, 3, 3, 3), np.uint8))
