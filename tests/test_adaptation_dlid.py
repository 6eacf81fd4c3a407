"""Predictive sparse decomposition and the path of data sets, beside scikit-learn's lasso and torch's gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Lasso

from neocog.adaptation.dlid import encoders, mixed
from neocog.adaptation.sparse_coding import AGREEMENT, SPARSITY, Encoder, _towards, infer, learn

Doubles = NDArray[np.float64]


def energy(y: Doubles, z: Doubles, dictionary: Doubles, guess: Doubles) -> float:
    """Kavukcuoglu, Ranzato and LeCun 2008, equation 3, summed over rows."""
    rebuilt = np.square(y - z @ dictionary).sum() / 2
    return float(rebuilt + SPARSITY * np.abs(z).sum() + AGREEMENT / 2 * np.square(z - guess).sum())


def made(seed: int, rows: int = 12, d: int = 5, codes: int = 8) -> tuple[Doubles, Doubles, Doubles]:
    rng = np.random.default_rng(seed)
    dictionary = rng.normal(size=(codes, d))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    return rng.normal(size=(rows, d)), dictionary, 0.5 * rng.normal(size=(rows, codes))


@pytest.mark.parametrize("seed", range(3))
def test_codes_are_those_of_scikit_learns_lasso(seed: int) -> None:
    """The energy is a lasso on inputs below which the guess is written, with an identity below the dictionary."""
    y, dictionary, guess = made(seed)
    design = np.vstack([dictionary.T, np.sqrt(AGREEMENT) * np.eye(8)])
    lasso = Lasso(alpha=SPARSITY / len(design), fit_intercept=False, tol=1e-12, max_iter=100_000)
    expected = [
        lasso.fit(design, np.concatenate([y[i], np.sqrt(AGREEMENT) * guess[i]])).coef_.copy()
        for i in range(12)
    ]
    assert infer(y, dictionary, guess, steps=500) == pytest.approx(np.array(expected), abs=1e-6)


@given(st.integers(0, 999))
def test_no_step_raises_the_energy(seed: int) -> None:
    y, dictionary, guess = made(seed)
    energies = [energy(y, infer(y, dictionary, guess, steps), dictionary, guess) for steps in range(6)]
    assert all(later <= before + 1e-9 for before, later in zip(energies, energies[1:], strict=False))


def test_the_encoders_step_is_torchs_gradient() -> None:
    y, dictionary, z = made(0)
    rng = np.random.default_rng(1)
    encoder = Encoder(dictionary.T.copy(), rng.normal(size=8), rng.normal(size=8))
    filters, offset, gain = (
        torch.tensor(x, requires_grad=True) for x in (encoder.filters, encoder.offset, encoder.gain)
    )
    guess = gain * torch.tanh(torch.tensor(y) @ filters + offset)
    ((torch.tensor(z) - guess).square().sum() / 2 / len(y)).backward()
    stepped = _towards(encoder, y, z, rate=0.1)
    for moved, start in ((stepped.filters, filters), (stepped.offset, offset), (stepped.gain, gain)):
        assert start.grad is not None
        assert moved == pytest.approx((start - 0.1 * start.grad).detach().numpy(), abs=1e-12)


def test_the_dictionarys_steps_are_torchs_gradients_on_rows_of_length_one() -> None:
    """With all rows in one batch; the second epoch's step is half as long, and begins where the first has ended."""
    rows = made(3, rows=40)[0]
    encoder, dictionary = learn(rows, codes=8, epochs=0, seed=1)
    for epochs in (1, 2):
        z = torch.tensor(infer(rows, dictionary, encoder(rows)))
        atoms = torch.tensor(dictionary, requires_grad=True)
        ((torch.tensor(rows) - z @ atoms).square().sum() / 2 / len(rows)).backward()
        assert atoms.grad is not None
        expected = torch.nn.functional.normalize(atoms.detach() - atoms.grad / epochs, dim=1).numpy()
        assert np.abs(expected - dictionary).max() > 0.01
        encoder, dictionary = learn(rows, codes=8, epochs=epochs, seed=1)
        assert dictionary == pytest.approx(expected, abs=1e-10)


def orthonormal(seed: int, d: int, columns: int) -> Doubles:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(d, columns)))[0])


def sums_of_few(causes: Doubles, rows: int, seed: int) -> Doubles:
    """Each row is a sum of some of the columns of `causes` (d, n), with a variance of about 1 a number."""
    rng = np.random.default_rng(seed)
    shape = (rows, causes.shape[1])
    found = (rng.normal(size=shape) * (rng.random(shape) < 0.2)) @ causes.T
    return np.asarray(found / found.std())


def cost(codes: Doubles, rows: Doubles) -> float:
    """What a row costs on average with these codes and the dictionary that rebuilds it best."""
    rebuilt = codes @ np.linalg.lstsq(codes, rows, rcond=None)[0]
    return float((np.square(rows - rebuilt).sum() / 2 + SPARSITY * np.abs(codes).sum()) / len(rows))


def test_the_farther_along_the_path_the_dearer_the_source_and_the_cheaper_the_target() -> None:
    """Each domain has causes of its own; an encoder that has learned nothing is dearer than any on the path."""
    rows = [sums_of_few(orthonormal(seed, 40, 10), 600, seed) for seed in (0, 1)]
    path = encoders(rows[0], rows[1], seed=0)
    source, target = (np.array([cost(encode(each), each) for encode in path]) for each in rows)
    assert (np.diff(source) > 0).all()
    assert (np.diff(target) < 0).all()
    drawn = np.random.default_rng(2).normal(size=(40, 128)) / np.sqrt(40)
    unlearned = cost(np.tanh(rows[0] @ drawn), rows[0])
    assert max(source[0], target[-1]) < unlearned / 4
    assert max(source.max(), target.max()) < unlearned


def test_learning_lowers_what_rows_cost() -> None:
    """Rows of few causes: a learned dictionary rebuilds them from sparse codes better than the one it began with."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(10, 16))
    rows = (rng.normal(size=(400, 10)) * (rng.random((400, 10)) < 0.2)) @ causes
    rows /= rows.std()
    costs = []
    for epochs in (0, 8):
        encoder, dictionary = learn(rows, codes=20, epochs=epochs, seed=0)
        costs.append(energy(rows, infer(rows, dictionary, encoder(rows)), dictionary, encoder(rows)))
        assert np.linalg.norm(dictionary, axis=1) == pytest.approx(np.ones(20))
    assert costs[1] < 0.8 * costs[0]


@given(st.integers(2, 30), st.integers(2, 30), st.sampled_from([0, 0.25, 0.5, 0.75, 1]))
def test_a_data_set_of_the_path_has_its_share_of_the_target_and_no_row_twice(
    n: int, m: int, share: float
) -> None:
    source, target = np.arange(n, dtype=float)[:, None], 1000 + np.arange(m, dtype=float)[:, None]
    rows = mixed(source, target, share, [0, 1])[:, 0]
    assert len(rows) == min(n, m) == len(set(rows))
    assert (rows >= 1000).sum() == round(share * min(n, m))
    assert set(rows) <= set(source[:, 0]) | set(target[:, 0])
