"""The pixel machines are scikit-learn's on pixels of 0..1, and its own published figure comes out."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from neocog.classical.pixels import gallery_accuracy, pixel_svm
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
