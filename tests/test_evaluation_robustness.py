from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from neocog.errors import UserError
from neocog.evaluation.robustness import ALEXNET, Baseline, Robustness

# AlexNet's error over the five severities, as AugMix and others print it to scale their corruption errors
PRINTED = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
# a published log of torchvision's ResNet-50 (76.13 % right on clean pictures): percent right, corruption error
RESNET50 = {
    "brightness": (68.02, 56.64),
    "contrast": (39.06, 71.43),
    "defocus_blur": (38.75, 74.71),
    "elastic_transform": (45.25, 84.75),
    "fog": (45.83, 66.11),
    "frost": (38.14, 74.84),
    "gaussian_noise": (29.29, 79.77),
    "glass_blur": (26.79, 88.61),
    "impulse_noise": (23.81, 82.58),
}


def test_alexnets_errors_are_those_that_others_print() -> None:
    means = {name: sum(errors) / 5 for name, errors in ALEXNET.errors.items()}
    assert means == pytest.approx(PRINTED, abs=1e-9)


def flat(shares: dict[str, float], n: int = 10_000, clean: float = 1.0) -> Robustness:
    """The same share right at each severity."""
    right = {name: (round(share * n),) * 5 for name, share in shares.items()}
    return Robustness(n, round(clean * n), (1, 2, 3, 4, 5), right)


def test_corruption_errors_of_a_published_network() -> None:
    right = {name: share / 100 for name, (share, _) in RESNET50.items()}
    errors = flat({name: right.get(name, 0.5) for name in PRINTED}, clean=0.7613).ce()
    for name, (_, printed) in RESNET50.items():
        assert 100 * errors[name] == pytest.approx(printed, abs=0.015), name  # both are rounded


def test_alexnet_is_as_bad_as_itself() -> None:
    n = 50_000
    right = {name: tuple(round((1 - e) * n) for e in row) for name, row in ALEXNET.errors.items()}
    own = Robustness(n, round((1 - ALEXNET.clean) * n), (1, 2, 3, 4, 5), right)
    assert own.mce() == pytest.approx(1, abs=1e-9)
    assert own.relative_mce() == pytest.approx(1, abs=1e-9)


def test_a_network_that_loses_nothing_has_no_relative_error() -> None:
    steady = flat(dict.fromkeys(PRINTED, 0.9), clean=0.9)
    assert steady.relative_mce() == pytest.approx(0, abs=1e-12)
    assert steady.mce() == pytest.approx(np.mean([0.1 / mean for mean in PRINTED.values()]))


@given(st.integers(1, 400), st.data())
def test_figures_are_those_of_a_loop(n: int, data: st.DataObject) -> None:
    severities = tuple(sorted(data.draw(st.sets(st.integers(1, 5), min_size=1))))
    counts = st.tuples(*(st.integers(0, n) for _ in severities))
    right = data.draw(st.dictionaries(st.sampled_from(["fog", "snow", "frost"]), counts, min_size=1))
    found = Robustness(n, data.draw(st.integers(0, n)), severities, right)
    wrong = {name: [(n - k) / n for k in row] for name, row in right.items()}
    for name, row in right.items():
        assert found.error(name) == pytest.approx(np.mean(wrong[name]))
        assert found.top1(name) == pytest.approx([1 - e for e in wrong[name]])
        for k, interval in zip(row, found.intervals(name), strict=True):
            assert interval == pytest.approx(binomtest(k, n).proportion_ci(method="wilson"))
    assert found.mean_error() == pytest.approx(np.mean([np.mean(row) for row in wrong.values()]))
    told = found.to_json()
    assert told["clean"]["right"] == found.clean
    assert {
        name: tuple(one["right"] for one in row["severities"].values())
        for name, row in told["corruptions"].items()
    } == right


def test_a_mean_of_named_corruptions() -> None:
    found = flat({"fog": 0.9, "snow": 0.7, "frost": 0.1})
    assert found.mean_error(["fog", "snow"]) == pytest.approx(0.2)


ONE = Baseline("one", 0.1, {"fog": (0.2, 0.3, 0.4, 0.5, 0.6)})


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda: flat({"snow": 0.9}).mce(ONE),
            "severities 1 to 5 of all its corruptions, .* missing corruptions: fog",
        ),
        (
            lambda: Robustness(9, 9, (1, 5), {"fog": (9, 9)}).mce(ONE),
            "got severities 1, 5, missing corruptions: none",
        ),
        (lambda: Robustness(9, 9, (1, 5), {"fog": (9,)}), "a count for each severity .*, got fog"),
        (lambda: Robustness(9, 9, (1, 5), {}), "a count for each severity .*, got none"),
    ],
)
def test_what_does_not_compare_is_refused_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
