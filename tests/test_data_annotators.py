"""Consensus of several annotators against the paper's tables, plain loops and scikit-learn."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from neocog.data.annotators import (
    Votes,
    cohen_kappa,
    dawid_skene,
    fleiss_kappa,
    krippendorff_alpha,
    majority,
    pairwise_kappa,
)
from neocog.errors import UserError
from reference import annotators as slow

GOLDEN = Path(__file__).parent / "golden"


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((GOLDEN / name).read_text("utf-8").splitlines()))


def anaesthetists() -> Votes:
    """Table 1 of Dawid and Skene (1979): 45 patients graded 1 to 4 by 5 anaesthetists, by the first three times."""
    table = rows("anaesthetists.csv")
    columns = [np.array([int(row[name]) - 1 for row in table]) for name in ("patient", "observer", "grade")]
    return Votes(*columns, n_items=45, n_annotators=5, n_classes=4)


def test_the_anaesthetists_prevalence_is_that_of_table_2() -> None:
    assert dawid_skene(anaesthetists()).prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)


def test_the_anaesthetists_error_rates_are_those_of_table_3() -> None:
    """Printed to two digits; observer 4's 0.105 is printed as 0.10."""
    printed = [[float(row[grade]) for grade in "1234"] for row in rows("anaesthetists_error_rates.csv")]
    found = dawid_skene(anaesthetists()).confusion
    assert found is not None
    assert found.reshape(20, 4) == pytest.approx(np.array(printed), abs=0.0055)


def test_the_anaesthetists_first_patients_have_the_grades_of_table_4() -> None:
    grades = dawid_skene(anaesthetists()).probabilities[:6].round(2)
    assert grades.argmax(1).tolist() == [0, 3, 1, 1, 1, 1]
    assert (grades.max(1) == 1).all()


def test_a_worked_majority() -> None:
    """Items with votes (0, 0, 1), (1, 2), (2) and none."""
    votes = Votes(
        np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2]), 4, 3, 3
    )
    found = majority(votes)
    assert found.labels.tolist() == [0, 1, 2, -1]
    assert found.disputed.tolist() == [False, True, False, False]
    assert found.agreement[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(found.agreement[3])


@st.composite
def ballots(draw: st.DrawFn) -> tuple[list[slow.Vote], int, int, int]:
    items, annotators, classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    vote = st.tuples(st.integers(0, items - 1), st.integers(0, annotators - 1), st.integers(0, classes - 1))
    votes = draw(st.lists(vote, max_size=30))
    each = [
        (i, draw(st.integers(0, annotators - 1)), draw(st.integers(0, classes - 1))) for i in range(items)
    ]
    return votes + each, items, annotators, classes


def as_votes(cast: list[slow.Vote], items: int, annotators: int, classes: int) -> Votes:
    columns = np.array(cast).T
    return Votes(columns[0], columns[1], columns[2], items, annotators, classes)


@given(ballots())
def test_majority_is_that_of_plain_loops(cast: tuple[list[slow.Vote], int, int, int]) -> None:
    assert majority(as_votes(*cast)).labels.tolist() == slow.majority(cast[0], cast[1])


@settings(max_examples=60)
@given(ballots(), st.integers(1, 4))
def test_em_is_that_of_plain_loops(cast: tuple[list[slow.Vote], int, int, int], rounds: int) -> None:
    found = dawid_skene(as_votes(*cast), tolerance=-1, rounds=rounds)
    truth, rates, prevalence, likelihood = slow.dawid_skene(*cast, rounds)
    assert found.rounds == rounds
    assert found.probabilities == pytest.approx(np.array(truth), abs=1e-9)
    assert found.confusion == pytest.approx(np.array(rates), abs=1e-9)
    assert found.prevalence == pytest.approx(np.array(prevalence), abs=1e-9)
    assert found.log_likelihood == pytest.approx(likelihood, abs=1e-9)


def test_the_likelihood_never_falls() -> None:
    steps = [dawid_skene(anaesthetists(), tolerance=-1, rounds=n).log_likelihood for n in range(1, 12)]
    assert (np.diff(steps) > -1e-9).all()


def crowd(seed: int) -> tuple[Votes, np.ndarray]:
    """600 items of 3 classes; of 7 annotators two are good, five say class 0 half of the time whatever they see."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 3, 600)
    items, who = (a.ravel() for a in np.meshgrid(np.arange(600), np.arange(7), indexing="ij"))
    seen = truth[items]
    wrong = np.where(who < 2, draw.random(len(items)) < 0.05, draw.random(len(items)) < 0.5)
    said = np.where(wrong, np.where(who < 2, draw.integers(0, 3, len(items)), 0), seen)
    return Votes(items, who, said, 600, 7, 3), truth


@pytest.mark.parametrize("seed", range(3))
def test_on_a_crowd_of_known_skill_the_model_finds_the_truth_better_than_the_majority(seed: int) -> None:
    votes, truth = crowd(seed)
    modelled, counted = dawid_skene(votes), majority(votes)
    assert modelled.converged
    assert (modelled.labels == truth).mean() > max(0.98, (counted.labels == truth).mean())
    assert modelled.confusion is not None
    assert modelled.confusion[2:, 1, 0] == pytest.approx(
        np.full(5, 0.5), abs=0.12
    )  # 200 items: 3.4 standard deviations


def test_smoothing_is_added_to_every_cell() -> None:
    """One annotator, two items of one class each: counts (1, 0), (0, 1), so rates (1 + s)/(1 + 2 s)."""
    votes = Votes(np.array([0, 1]), np.array([0, 0]), np.array([0, 1]), 2, 1, 2)
    found = dawid_skene(votes, smoothing=0.5, tolerance=-1, rounds=0)
    assert found.confusion is not None
    assert found.confusion[0].tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_nobody_s_votes_are_no_labels() -> None:
    none = np.array([], dtype=np.int64)
    assert dawid_skene(Votes(none, none, none, 2, 1, 2)).labels.tolist() == [-1, -1]


FLEISS = (
    "0 0 0 0 14/0 2 6 4 2/0 0 3 5 6/0 3 9 2 0/2 2 8 1 1/7 7 0 0 0/3 2 6 3 0/2 5 3 2 2/6 5 2 1 0/0 2 2 3 7"
)


def test_fleiss_kappa_of_the_textbook_example() -> None:
    """10 subjects, 14 raters, 5 categories: kappa 0.210 (the example of Wikipedia's page on Fleiss' kappa)."""
    counts = np.array([[int(n) for n in row.split()] for row in FLEISS.split("/")])
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=0.0005)


def test_krippendorff_alpha_of_the_textbook_example() -> None:
    """3 coders, 15 units, values missing: nominal alpha 0.691 (Wikipedia's page on Krippendorff's alpha)."""
    coders = ("*****34121133*3", "1*213343*******", "**21344*21133*4")
    cast = [
        (i, who, int(value) - 1)
        for who, values in enumerate(coders)
        for i, value in enumerate(values)
        if value != "*"
    ]
    assert krippendorff_alpha(as_votes(cast, 15, 3, 4).counts()) == pytest.approx(0.691, abs=0.0005)


@given(ballots())
def test_alpha_is_that_of_the_coincidence_matrix(cast: tuple[list[slow.Vote], int, int, int]) -> None:
    per_item = as_votes(*cast).counts()
    assume((per_item[per_item.sum(1) > 1].sum(0) > 0).sum() > 1)
    assert krippendorff_alpha(per_item) == pytest.approx(slow.krippendorff_alpha(cast[0]))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2))
def test_cohen_kappa_is_scikit_learn_s(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    assume(len({*first, *second}) > 1)
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second), nan_ok=True)


def test_pairwise_kappa_is_scikit_learn_s_on_the_items_that_both_saw() -> None:
    votes, _ = crowd(0)
    keep = np.random.default_rng(1).random(len(votes.items)) < 0.6
    votes = Votes(votes.items[keep], votes.annotators[keep], votes.labels[keep], 600, 7, 3)
    kappa, shared = pairwise_kappa(votes)
    by = [
        dict(zip(votes.items[votes.annotators == a], votes.labels[votes.annotators == a], strict=True))
        for a in range(7)
    ]
    for a in range(7):
        for b in range(7):
            both = sorted(by[a].keys() & by[b].keys())
            assert shared[a, b] == len(both)
            expected = cohen_kappa_score([by[a][i] for i in both], [by[b][i] for i in both])
            assert kappa[a, b] == pytest.approx(expected)


def test_agreement_that_cannot_be_told_is_nan() -> None:
    assert np.isnan(krippendorff_alpha(np.array([[1, 0], [0, 1]])))
    assert np.isnan(krippendorff_alpha(np.array([[2, 0], [3, 0]])))
    assert np.isnan(cohen_kappa(np.array([], dtype=int), np.array([], dtype=int)))


@pytest.mark.parametrize("counts", [[[2, 1], [1, 1]], [[1, 0], [0, 1]]])
def test_fleiss_kappa_of_unequal_or_single_votes_is_refused(counts: list[list[int]]) -> None:
    with pytest.raises(UserError, match="needs equally many votes per item, two or more; take Krippendorff"):
        fleiss_kappa(np.array(counts))


def test_annotators_with_different_items_are_refused() -> None:
    with pytest.raises(UserError, match="must have labelled the same items, got 1 and 2"):
        cohen_kappa(np.array([0]), np.array([0, 1]))
