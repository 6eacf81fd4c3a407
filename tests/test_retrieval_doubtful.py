"""Confident learning against the paper's equations, against cleanlab, and on labels that were spoiled on purpose."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neocog.errors import UserError
from neocog.retrieval.doubtful import confident, shares_wrong
from neocog.retrieval.held_out import FOLDS, folds_of, held_out
from reference import confident_learning as literal

GOLDEN = Path(__file__).parent / "golden" / "cleanlab.npz"
DIGITS = load_digits()
Labels = NDArray[np.int64]


def probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.integers(-3, 3)),
    st.integers(0, 2**32 - 1),
)
def test_every_number_is_that_of_the_papers_equations(scores: NDArray[np.float64], seed: int) -> None:
    """Scores are whole numbers, so that probabilities are equal and meet thresholds."""
    p = probabilities(scores)
    given_ = np.random.default_rng(seed).integers(0, p.shape[1], len(p))
    found = confident(p, given_)
    wanted = literal.thresholds(p, given_)
    assert [None if np.isnan(t) else t for t in found.thresholds.tolist()] == [
        t if t is None else pytest.approx(t, abs=1e-14) for t in wanted
    ]
    counts = literal.confident_joint(p, given_)
    assert found.counted.tolist() == counts
    joint = np.array(literal.calibrated(counts, given_))
    np.testing.assert_allclose(found.joint, joint, rtol=0, atol=1e-12)
    assert dict(
        zip(found.candidates.tolist(), found.suggested.tolist(), strict=True)
    ) == literal.off_diagonal(p, given_)
    own = [p[x, given_[x]] for x in range(len(p))]
    assert [own[x] for x in found.candidates] == sorted(own[x] for x in found.candidates)
    margins = [own[x] - max(p[x, j] for j in range(p.shape[1]) if j != given_[x]) for x in range(len(p))]
    by_margin = confident(p, given_, "margin")
    assert set(by_margin.candidates.tolist()) == set(found.candidates.tolist())
    assert [margins[x] for x in by_margin.candidates] == sorted(margins[x] for x in by_margin.candidates)
    assert found.estimated == pytest.approx(joint.sum() - np.trace(joint), abs=1e-9)
    pruned = confident(p, given_, prune="class")
    assert pruned.candidates.tolist() == literal.pruned_by_class(p, given_)
    others = [max((p[x, j], -j) for j in range(p.shape[1]) if j != given_[x])[1] for x in pruned.candidates]
    assert pruned.suggested.tolist() == [-j for j in others]
    for i in range(p.shape[1]):
        n_i = (given_ == i).sum()
        assert shares_wrong(found)[i] == pytest.approx(1 - joint[i, i] / n_i if n_i else 0, abs=1e-12)
        total = joint[:, i].sum()
        np.testing.assert_allclose(
            found.given_if_true()[:, i], joint[:, i] / total if total else 0, atol=1e-12
        )


def test_cleanlab_finds_the_same() -> None:
    """Version 2 rounds its joint to whole numbers. Where several thresholds are reached it takes the most probable
    class, even one that does not reach its own: such rows (`apart`) follow the paper here."""
    golden = np.load(GOLDEN)
    p, given_ = golden["probabilities"], golden["labels"]
    found = confident(p, given_)
    np.testing.assert_allclose(found.thresholds, golden["thresholds"], rtol=1e-12)
    np.testing.assert_array_equal(found.counted, golden["confident_joint"])
    assert np.abs(found.joint - golden["calibrated"]).max() < 1
    assert sorted(found.candidates.tolist()) == sorted(golden["off_diagonal"].tolist())
    np.testing.assert_allclose(found.self_confidence, golden["self_confidence"], rtol=1e-12)
    np.testing.assert_allclose((found.margin + 1) / 2, golden["normalized_margin"], rtol=1e-12)
    np.testing.assert_allclose(found.given_if_true(), golden["noise_matrix"], atol=0.02)
    assert len(found.candidates) > 50


def test_of_several_classes_that_reach_their_thresholds_the_most_probable_counts() -> None:
    """The last picture is most probably of the first class, but that is below its threshold of 0.9."""
    p = np.array([[0.9, 0.05, 0.05], [0.1, 0.3, 0.6], [0.6, 0.2, 0.2], [0.48, 0.3, 0.22]])
    found = confident(p, np.array([0, 1, 2, 1]))
    assert found.thresholds.tolist() == pytest.approx([0.9, 0.3, 0.2])
    assert found.counted.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert (found.candidates.tolist(), found.suggested.tolist()) == ([1], [2])


@cache
def spoiled(share: float = 0.08) -> tuple[Labels, NDArray[np.bool_]]:
    """The digits' labels, some of them moved to another class; and which."""
    rng = np.random.default_rng(5)
    labels = DIGITS.target.astype(np.int64)
    wrong = np.zeros(len(labels), bool)
    wrong[rng.choice(len(labels), round(share * len(labels)), replace=False)] = True
    moved = (labels + rng.integers(1, 10, len(labels))) % 10
    return np.where(wrong, moved, labels), wrong


def test_spoiled_labels_of_real_digits_are_found() -> None:
    given_, wrong = spoiled()
    held = held_out(DIGITS.data.astype(np.float32), given_, 10, np.arange(len(given_)))
    found = confident(held.probabilities, given_)
    assert found.estimated == pytest.approx(wrong.sum(), rel=0.1)
    for prune, precision, recall in (("joint", 0.93, 0.65), ("class", 0.83, 0.87)):
        found = confident(held.probabilities, given_, prune=prune)
        hits = wrong[found.candidates]
        assert hits.mean() > precision
        assert hits.sum() / wrong.sum() > recall
        assert hits[: wrong.sum() // 2].mean() > 0.95
        true = DIGITS.target[found.candidates[hits]]
        assert (found.suggested[hits] == true).mean() > 0.95


def test_probabilities_are_those_of_scikit_learn_trained_on_the_other_folds() -> None:
    x, labels = DIGITS.data[:600].astype(np.float32), DIGITS.target[:600].astype(np.int64)
    contents = np.repeat(np.arange(300), 2)  # as if neighbours were copies
    held = held_out(x, labels, 10, contents, seed=3)
    assert set(held.fold.tolist()) == set(range(FOLDS))
    wanted = np.empty((600, 10))
    for k in range(FOLDS):
        out = held.fold == k
        fit = make_pipeline(StandardScaler(), LogisticRegression(C=held.strength, max_iter=2000, tol=1e-6))
        wanted[out] = fit.fit(x[~out], labels[~out]).predict_proba(x[out])
    assert np.abs(held.probabilities - wanted).max() < 0.02
    assert held.losses[held.strength] == min(held.losses.values())
    assert held.losses[held.strength] == pytest.approx(
        -np.log(wanted[np.arange(600), labels]).mean(), abs=0.01
    )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=80),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_copies_share_a_fold_and_the_order_does_not_matter(
    pairs: list[tuple[int, int]], seed: int, shuffled: object
) -> None:
    labels, contents = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    fold = folds_of(labels, contents, seed)
    by_content = {c: set(fold[contents == c].tolist()) for c in set(contents.tolist())}
    assert all(len(folds) == 1 for folds in by_content.values())
    order = list(range(len(pairs)))
    shuffled.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(folds_of(labels[order], contents[order], seed), fold[order])
    first = {c: min(labels[contents == c].tolist()) for c in by_content}
    for label in range(4):
        own = [c for c in by_content if first[c] == label]
        counts = [sum(by_content[c] == {k} for c in own) for k in range(FOLDS)]
        if len(own) < FOLDS:
            assert all(by_content[c] == {-1} for c in own)
        else:
            assert max(counts) - min(counts) <= 1
            assert sum(counts) == len(own)


def test_classes_too_small_to_be_held_out_are_learned_from_but_not_judged() -> None:
    labels = DIGITS.target[:300].astype(np.int64)
    sevens = np.flatnonzero(labels == 7)
    kept = np.setdiff1d(np.arange(300), sevens[FOLDS - 1 :])
    held = held_out(DIGITS.data[kept].astype(np.float32), labels[kept], 10, np.arange(len(kept)))
    few = labels[kept] == 7
    np.testing.assert_array_equal(np.isnan(held.probabilities).all(axis=1), few)

    ones = np.flatnonzero(labels == 7)[FOLDS - 1 :]
    more = np.concatenate([kept, ones[:6]])  # sevens that are called ones
    given_ = np.concatenate([labels[kept], np.ones(6, np.int64)])
    again = held_out(DIGITS.data[more].astype(np.float32), given_, 10, np.arange(len(more)))
    sevens_ = again.probabilities[len(kept) :, 7]
    assert sevens_.mean() > 20 * np.nanmean(again.probabilities[: len(kept), 7])


def test_one_class_is_told() -> None:
    x = DIGITS.data[:40].astype(np.float32)
    with pytest.raises(UserError, match="need two classes of 5 different pictures each, got 1 in 1"):
        held_out(x, np.zeros(40, np.int64), 1, np.arange(40))
    with pytest.raises(UserError, match="got 0 in 2"):
        held_out(x[:8], np.repeat([0, 1], 4), 2, np.arange(8))


def test_unknown_ways_to_choose_are_told() -> None:
    with pytest.raises(UserError, match="chosen by joint or class, got 'noise'"):
        confident(np.full((2, 2), 0.5), np.array([0, 1]), prune="noise")


@pytest.mark.parametrize(
    ("p", "labels", "rank", "words"),
    [
        (np.full((2, 2), 0.5), [0, 1], "entropy", "ranked by self-confidence or margin, got 'entropy'"),
        (np.full((2, 2), 0.5), [0, 1, 1], "margin", r"got \(2, 2\) for 3 labels"),
        (np.full((2, 2), np.nan), [0, 1], "margin", "must be finite"),
        (np.full((2, 2), 0.5), [0, 2], "margin", "between 0 and 1"),
        (np.full((2, 2), 0.5), [0, -1], "margin", "between 0 and 1"),
    ],
)
def test_what_cannot_be_judged_is_told(
    p: NDArray[np.float64], labels: list[int], rank: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        confident(p, np.array(labels), rank)
