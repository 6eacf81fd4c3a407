"""Subspaces, the geodesic flow kernel and subspace alignment, beside scipy, scikit-learn and quadrature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import null_space, subspace_angles
from sklearn.decomposition import PCA

from neocog.adaptation.gfk import Flow
from neocog.adaptation.subspace import alignment
from neocog.adaptation.subspaces import dimension, disagreement, principal
from neocog.errors import UserError

Doubles = NDArray[np.float64]


def basis(seed: int, features: int, d: int) -> Doubles:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(features, d)))[0]


def flat(seed: int, rows: int, features: int, rank: int, noise: float = 0.05) -> Doubles:
    """Rows near a subspace of that rank, with variances that differ."""
    rng = np.random.default_rng(seed)
    inside = rng.normal(size=(rows, rank)) * np.linspace(3, 1, rank)
    return inside @ basis(seed + 1, features, rank).T + noise * rng.normal(size=(rows, features)) + 2


def integral(flow: Flow) -> Doubles:
    """Gauss and Legendre's quadrature of at(t) at(t)' from 0 to 1, exact to rounding for angles up to pi / 2."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return sum(
        w / 2 * flow.at((x + 1) / 2) @ flow.at((x + 1) / 2).T for x, w in zip(nodes, weights, strict=True)
    )


def projector(columns: Doubles) -> Doubles:
    q = np.linalg.qr(columns)[0]
    return q @ q.T


@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 9))
@settings(max_examples=40)
def test_the_closed_form_is_the_integral_over_the_geodesic(seed: int, d: int, more: int) -> None:
    flow = Flow.between(basis(seed, 2 * d + more, d), basis(seed + 1, 2 * d + more, d))
    root = flow.root()
    assert np.abs(root @ root.T - integral(flow)).max() < 1e-12


@given(st.integers(0, 999), st.integers(1, 5), st.integers(0, 5))
@settings(max_examples=40)
def test_the_geodesic_leads_from_one_subspace_to_the_other(seed: int, d: int, more: int) -> None:
    first, last = basis(seed, 2 * d + more, d), basis(seed + 1, 2 * d + more, d)
    flow = Flow.between(first, last)
    assert np.abs(projector(flow.at(0)) - projector(first)).max() < 1e-10
    assert np.abs(projector(flow.at(1)) - projector(last)).max() < 1e-10
    assert np.sort(flow.angles)[::-1] == pytest.approx(subspace_angles(first, last), abs=1e-10)
    half = flow.at(0.5)
    assert np.abs(half.T @ half - np.eye(d)).max() < 1e-10  # an orthonormal basis all the way
    assert np.sort(subspace_angles(first, half)) * 2 == pytest.approx(np.sort(flow.angles), abs=1e-7)


def by_the_papers_equations(first: Doubles, last: Doubles) -> Doubles:
    """Gong and others 2012, equations 4 to 7, with R_S made explicitly; the paper's G is twice the integral."""
    beside = null_space(first.T)
    u1, cosines, back = np.linalg.svd(first.T @ last)
    u2 = -(beside.T @ last @ back.T) / np.sqrt(1 - cosines**2)
    w = np.arccos(cosines)
    one, two, three = 1 + np.sin(2 * w) / (2 * w), (np.cos(2 * w) - 1) / (2 * w), 1 - np.sin(2 * w) / (2 * w)
    sides = np.hstack([first @ u1, beside @ u2])
    inner = np.block([[np.diag(one), np.diag(two)], [np.diag(two), np.diag(three)]])
    return sides @ inner @ sides.T


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_is_that_of_the_papers_equations(seed: int) -> None:
    first, last = basis(seed, 11, 4), basis(seed + 50, 11, 4)
    root = Flow.between(first, last).root()
    assert np.abs(2 * root @ root.T - by_the_papers_equations(first, last)).max() < 1e-10


def test_directions_shared_and_orthogonal_ones_are_no_exception() -> None:
    axes = np.eye(7)
    flow = Flow.between(axes[:, [0, 1]], axes[:, [0, 2]])
    assert np.sort(flow.angles) == pytest.approx([0, np.pi / 2])
    root = flow.root()
    assert np.abs(root @ root.T - integral(flow)).max() < 1e-12


def test_between_a_subspace_and_itself_the_kernel_is_its_projection() -> None:
    columns = basis(0, 9, 3)
    root = Flow.between(columns, columns @ basis(1, 3, 3)).root()
    assert np.abs(root @ root.T - projector(columns)).max() < 1e-7


@pytest.mark.parametrize(("rows", "features"), [(40, 9), (12, 30)])
def test_principal_directions_are_those_of_scikit_learn(rows: int, features: int) -> None:
    x = flat(0, rows, features, rank=5)
    found = principal(x, 4)
    expected = PCA(4, svd_solver="full").fit(x).components_.T
    assert np.abs(found.T @ expected) == pytest.approx(np.eye(4), abs=1e-8)


def test_there_are_no_more_directions_than_the_rank() -> None:
    assert principal(flat(0, 30, 12, rank=3, noise=0), 8).shape == (12, 3)


def test_disagreement_is_that_of_angles_by_scipy() -> None:
    source, target = flat(0, 60, 16, 4, noise=0.5), flat(9, 50, 16, 4, noise=0.5)
    most = 8
    bases = [PCA(most).fit(x).components_.T for x in (source, target, np.concatenate([source, target]))]
    expected = [
        np.mean([np.sin(subspace_angles(one[:, :d], bases[2][:, :d]).max()) for one in bases[:2]])
        for d in range(1, most + 1)
    ]
    assert disagreement(source, target) == pytest.approx(expected, abs=1e-6)
    reached = [d for d, value in enumerate(expected, 1) if value >= 0.99]
    assert dimension(source, target) == (reached[0] if reached else int(np.argmax(expected)) + 1)


def test_one_feature_leaves_no_room_for_a_geodesic() -> None:
    with pytest.raises(UserError, match=r"two features or more.* got 1 features"):
        dimension(np.arange(5.0)[:, None], np.arange(5.0)[:, None])


def test_alignment_is_the_nearest_map_from_one_basis_to_the_other() -> None:
    """M = P_S' P_T is the least-squares answer to P_S M = P_T, which is how Fernando and others define it."""
    source, target = basis(0, 10, 4), basis(1, 10, 4)
    best = np.linalg.lstsq(source, target, rcond=None)[0]
    assert alignment(source, target) == pytest.approx(source @ best, abs=1e-12)
