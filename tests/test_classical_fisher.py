"""Fisher vectors are whitened gradients of a mixture's likelihood, by finite differences and by scikit-image."""

import numpy as np
import pytest
from skimage.feature import fisher_vector
from sklearn.mixture import GaussianMixture

from neocog.classical.dense_sift import DenseSift
from neocog.classical.fisher import EIGHT, FisherVector, Mixture, gradient, improved, mixture, posteriors
from neocog.errors import UserError
from reference import encodings as literal


def a_mixture(gaussians: int = 3, dims: int = 4) -> Mixture:
    rng = np.random.default_rng(0)
    weights = rng.random(gaussians) + 0.2
    return Mixture(
        weights / weights.sum(), rng.normal(size=(gaussians, dims)), rng.random((gaussians, dims)) + 0.3
    )


def some(n: int = 9, dims: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, dims))


def test_it_is_the_gradient_of_the_mean_log_likelihood_whitened() -> None:
    """The Fisher information of a mean is w / sigma^2, that of a deviation 2 w / sigma^2."""
    model, x, h = a_mixture(), some(), 1e-5
    deviations = np.sqrt(model.variances)
    found = gradient(x, model).reshape(2, 3, 4)
    for k, d in np.ndindex(3, 4):
        shift = np.zeros((3, 4))
        shift[k, d] = h
        by_mean, by_deviation = (
            (
                literal.mean_log_likelihood(
                    x, model.weights, *[p + s for p, s in zip(parameters, up, strict=True)]
                )
                - literal.mean_log_likelihood(
                    x, model.weights, *[p - s for p, s in zip(parameters, up, strict=True)]
                )
            )
            / (2 * h)
            for parameters, up in (
                ((model.means, deviations), (shift, 0)),
                ((model.means, deviations), (0, shift)),
            )
        )
        root = deviations[k, d] / np.sqrt(model.weights[k])
        assert found[0, k, d] == pytest.approx(by_mean * root, abs=1e-7)
        assert found[1, k, d] == pytest.approx(by_deviation * root / np.sqrt(2), abs=1e-7)


def test_it_is_scikit_images_up_to_the_sign_of_its_second_half() -> None:
    rng = np.random.default_rng(3)
    model = GaussianMixture(5, covariance_type="diag", random_state=0).fit(rng.normal(size=(400, 6)))
    x = rng.normal(size=(30, 6))
    theirs = fisher_vector(x, model)[5:]  # without the gradient by the weights
    ours = gradient(x, Mixture(model.weights_, model.means_, model.covariances_))
    np.testing.assert_allclose(ours[:30], theirs[:30], atol=1e-10)
    np.testing.assert_allclose(ours[30:], -theirs[30:], atol=1e-10)


def test_the_mixture_is_scikit_learns_and_so_is_who_made_what() -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 1, (300, 3)), rng.normal(6, 0.5, (100, 3))])
    model = mixture(x.astype(np.float32), 2, seed=0)
    order = np.argsort(model.means[:, 0])
    np.testing.assert_allclose(model.weights[order], [0.75, 0.25], atol=0.02)
    np.testing.assert_allclose(model.means[order], [[0] * 3, [6] * 3], atol=0.2)
    np.testing.assert_allclose(model.variances[order], [[1] * 3, [0.25] * 3], atol=0.2)
    plain = GaussianMixture(2, covariance_type="diag")
    plain.weights_, plain.means_, plain.covariances_ = model.weights, model.means, model.variances
    plain.precisions_cholesky_ = 1 / np.sqrt(model.variances)
    np.testing.assert_allclose(posteriors(x, model), plain.predict_proba(x), atol=1e-9)


def test_far_descriptors_have_finite_posteriors() -> None:
    found = posteriors(np.full((1, 4), 1e4), a_mixture())
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


def test_improved_is_signed_roots_of_norm_1() -> None:
    found = improved(np.array([4.0, -9.0, 0.0]))
    np.testing.assert_allclose(found, np.array([2, -3, 0]) / np.sqrt(13))
    assert not improved(np.zeros(3)).any()


def pictures(number: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 256, (20, 16)), np.ones((3, 3))).astype(np.uint8) for _ in range(number)]


def test_regions_follow_each_other_and_each_has_norm_1() -> None:
    settings = {"gaussians": 4, "components": 6}
    whole = FisherVector(DenseSift(sides=None), **settings).fit(pictures())
    eight = FisherVector(DenseSift(sides=None), regions=EIGHT, **settings).fit(pictures())
    found = eight.transform(pictures()).reshape(5, 8, 2 * 4 * 6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found[:, 0], whole.transform(pictures()), atol=1e-6)
    # a picture's upper stripe and lower right quarter, as if they alone had been found
    local = eight.extractor.extract(pictures()[0])
    upper = local.places[:, 0] < local.shape[0] / 3
    lower_right = (local.places >= np.array(local.shape) / 2).all(axis=1)
    for region, inside in ((1, upper), (7, lower_right)):
        x = eight.projection_.transform(local.descriptors[inside]).astype(float)
        np.testing.assert_allclose(found[0, region], improved(gradient(x, eight.mixture_)), atol=1e-5)


def test_a_region_without_descriptors_is_zeros() -> None:
    model = FisherVector(DenseSift(sides=None), gaussians=2, components=3, regions=((5, 1),)).fit(pictures())
    found = model.transform([pictures()[0][:17]]).reshape(5, -1)
    assert [bool(region.any()) for region in found] == [False, False, True, False, False]


def test_more_components_than_a_descriptor_has() -> None:
    model = FisherVector(DenseSift(step=2, sides=None), gaussians=2, components=129)
    with pytest.raises(UserError, match="components must be at most the 128 of a descriptor, got 129"):
        model.fit(pictures())
    with pytest.raises(UserError, match="200 must be found at least, got"):
        FisherVector(DenseSift(sides=None), gaussians=200, components=3).fit(pictures(1))
