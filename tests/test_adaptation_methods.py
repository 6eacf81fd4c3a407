"""Every method on domains whose shift is known: what it must undo, what it refuses, what it repeats."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from neocog.adaptation.daume import augmented
from neocog.adaptation.domains import Domains
from neocog.adaptation.mapped import Mapped
from neocog.adaptation.methods import METHODS
from neocog.errors import UserError
from neocog.probing.choose import FOLDS, dealt
from neocog.probing.fitted import Fitted
from neocog.probing.kinds import KINDS, Kind

CLASSES = 4
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def shifted(
    seed: int = 0, labels: int = 0, d: int = 20, per_class: int = 20
) -> tuple[Domains, Floats, Labels]:
    """A target whose features are the source's in other units and from another zero, and what is to be said of it.

    Without adaptation they are useless: the shift is larger than the classes are apart.
    """
    rng = np.random.default_rng(seed)
    centres = 2.5 * rng.normal(size=(CLASSES, d))
    truth = np.tile(np.arange(CLASSES), per_class)
    source, target = (centres[truth] + rng.normal(size=(len(truth), d)) for _ in range(2))
    target = target * rng.uniform(0.2, 5, d) + 20 * rng.normal(size=d)
    known = np.arange(labels * CLASSES)
    domains = Domains(
        source.astype(np.float32), truth, target.astype(np.float32), known, truth[known], CLASSES
    )
    return domains, target[len(known) :].astype(np.float32), truth[len(known) :]


def right(fitted: Fitted, x: Floats, truth: Labels) -> float:
    return float((fitted.predict(x) == truth).mean())


@pytest.mark.parametrize("name", ["gfk", "coral", "subspace"])
def test_other_units_and_another_zero_are_undone_without_labels(name: str) -> None:
    domains, x, truth = shifted()
    without = right(METHODS["S"].fit(domains, KINDS["svm"], 0), x, truth)
    adapted = right(METHODS[name].fit(domains, KINDS["svm"], 0), x, truth)
    assert without < 0.5
    assert adapted > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_dlid_undoes_most_of_it_though_it_has_one_scale_for_both(seed: int) -> None:
    domains, x, truth = shifted(seed)
    without = right(METHODS["S"].fit(domains, KINDS["svm"], 0), x, truth)
    adapted = right(METHODS["dlid"].fit(domains, KINDS["svm"], 0), x, truth)
    assert adapted > max(0.7, without + 0.15)


class MeanSquare(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Rows over the root of the mean square of those that it was fitted to."""

    def fit(self, x: Floats, y: Labels) -> "MeanSquare":
        self.root_ = np.sqrt(np.square(x).mean())
        return self

    def transform(self, x: Floats) -> Floats:
        return np.asarray(x / self.root_)


@pytest.mark.parametrize("name", ["coral", "daume"])
def test_the_strength_is_that_of_scikit_learns_grid_search_on_the_same_folds(name: str) -> None:
    domains, _, _ = shifted(labels=5, d=12)
    domains = replace(
        domains, source=domains.source + np.random.default_rng(1).normal(0, 4, (80, 12)).astype(np.float32)
    )
    found = METHODS[name].fit(domains, KINDS["ridge"], 3)
    assert isinstance(found, Mapped)
    rows, labels = domains.pooled(found.of_source(domains.source), found.of_target(domains.known))
    alphas = KINDS["ridge"].strengths
    search = GridSearchCV(
        make_pipeline(MeanSquare(), RidgeClassifier()),
        {"ridgeclassifier__alpha": alphas},
        scoring="balanced_accuracy",  # each class has as many rows in each fold, so folds may be averaged
        cv=PredefinedSplit(dealt(labels, FOLDS, 3)),
    ).fit(rows.astype(np.float64), labels)
    expected = dict(zip(alphas, search.cv_results_["mean_test_score"], strict=True))
    assert found.chosen.figures == pytest.approx(expected)
    assert len(set(expected.values())) > 1
    assert expected[found.chosen.strength] == max(expected.values())


@pytest.mark.parametrize("name", ["daume", "mmdt"])
def test_few_labels_are_used_beside_the_source(name: str) -> None:
    """The target's classes are the source's, exchanged: the source alone is wrong by construction."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(CLASSES, 20))
    truth = np.tile(np.arange(CLASSES), 30)
    source = centres[truth] + rng.normal(size=(120, 20))
    target = np.roll(centres, 1, axis=0)[truth] + rng.normal(size=(120, 20))
    known = np.arange(20)
    domains = Domains(
        source.astype(np.float32), truth, target.astype(np.float32), known, truth[known], CLASSES
    )
    assert right(METHODS["S"].fit(domains, KINDS["svm"], 0), domains.target, truth) < 0.1
    assert right(METHODS[name].fit(domains, KINDS["svm"], 0), domains.target, truth) > 0.8


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["svm", "logreg"])
def test_scores_have_a_column_a_class_and_repeat_themselves(name: str, kind: str) -> None:
    domains, x, _ = shifted(labels=3)
    fitted, again = (METHODS[name].fit(domains, KINDS[kind], 7) for _ in range(2))
    scores = fitted.scores(x)
    assert scores.shape == (len(x), CLASSES)
    assert scores.dtype == np.float32
    assert (fitted.predict(x) == scores.argmax(axis=1)).all()
    assert (again.scores(x) == scores).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_judged_rows_plays_no_part(name: str) -> None:
    domains, x, _ = shifted(labels=3)
    fitted = METHODS[name].fit(domains, KINDS["svm"], 0)
    order = np.random.default_rng(0).permutation(len(x))
    assert fitted.scores(x[order]) == pytest.approx(fitted.scores(x)[order], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", ["T", "ST", "daume", "mmdt"])
def test_methods_that_learn_from_the_targets_labels_say_that_there_are_none(name: str) -> None:
    assert METHODS[name].needs != "source"
    domains, _, _ = shifted()
    with pytest.raises(UserError, match="learns from labelled pictures of the target, got none"):
        METHODS[name].fit(domains, KINDS["svm"], 0)


def test_the_target_alone_needs_a_picture_of_every_class() -> None:
    domains, _, _ = shifted(labels=3)
    few = replace(domains, labelled=np.array([0, 1]), target_labels=np.array([0, 1]))
    with pytest.raises(UserError, match="got none of class 2 and 1 more"):
        METHODS["T"].fit(few, KINDS["svm"], 0)


@pytest.mark.parametrize(("labels", "sparse"), [(3, True), (12, False)])
def test_daumes_machine_is_that_on_literally_tripled_features(labels: int, sparse: bool) -> None:
    """With more features than rows it is solved in the rows' span; the scores are those of the plain problem."""
    domains, x, _ = shifted(labels=labels, d=200 if sparse else 20)
    kind = replace(KINDS["rbf-svm"], strengths=(3.0,), usual=3.0)
    found = METHODS["daume"].fit(domains, kind, 0)
    assert isinstance(found, Mapped)
    width = found.of_target(x).shape[1]
    assert width <= len(domains.source) + len(domains.known) if sparse else width == 60
    rows = np.concatenate([domains.source, domains.known])
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    literal = [
        augmented((each - mean) / spread, target)
        for each, target in ((domains.source, False), (domains.known, True), (x, True))
    ]
    train = np.concatenate(literal[:2])
    labels_of = np.concatenate([domains.source_labels, domains.target_labels])
    own = np.concatenate([found.of_source(domains.source), found.of_target(domains.known)])
    products = literal[2] @ train.T  # all that a kernel machine sees
    assert found.of_target(x) @ own.T == pytest.approx(products, rel=1e-3, abs=1e-2)
    gamma = 1 / (train.shape[1] * train.var())
    machine = SVC(C=3.0, gamma=gamma).fit(train, labels_of)
    theirs = machine.predict(literal[2])
    assert (found.predict(x) == theirs).mean() > 0.97


@pytest.mark.parametrize("d", [20, 200])
def test_a_strength_means_the_same_in_the_rows_span_as_on_tripled_features(d: int) -> None:
    """Beside scikit-learn's ridge on literally tripled features whose mean square is 1."""
    domains, x, _ = shifted(labels=3, d=d)
    kind = replace(KINDS["ridge"], strengths=(100.0,), usual=100.0)
    found = METHODS["daume"].fit(domains, kind, 0)
    rows = np.concatenate([domains.source, domains.known])
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    one, other, new = ((each - mean) / spread for each in (domains.source, domains.known, x))
    train = np.vstack(
        [np.hstack([one, one, np.zeros_like(one)]), np.hstack([other, np.zeros_like(other), other])]
    )
    root = np.sqrt(np.square(train).mean())
    labels = np.concatenate([domains.source_labels, domains.target_labels])
    model = RidgeClassifier(alpha=100.0).fit(train / root, labels)
    expected = model.decision_function(np.hstack([new, np.zeros_like(new), new]) / root)
    assert found.scores(x) == pytest.approx(expected, abs=2e-3)


def broken(**changes: object) -> Domains:
    return replace(shifted(labels=1)[0], **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"target": np.zeros((80, 7), np.float32)},
            "must have the same features, got 20 in the source and 7",
        ),
        ({"source": np.zeros(3, np.float32)}, "the source must be a matrix"),
        ({"source_labels": np.zeros(3, np.int64)}, "the source must have a label for each row, got 3 for 80"),
        ({"classes": 3}, "labels of the source must lie between 0 and 2, got 0 to 3"),
        ({"labelled": np.array([0, 0, 1, 2])}, "must name different rows of the target's 80"),
        ({"labelled": np.array([0, 1, 2, 80])}, "must name different rows of the target's 80"),
        ({"target_labels": np.array([0])}, "the target must have a label for each row, got 1 for 4"),
    ],
)
def test_domains_that_do_not_fit_together_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        broken(**changes)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named(bad: float) -> None:
    target = shifted(labels=1)[0].target.copy()
    target[17, 3] = bad
    with pytest.raises(UserError, match="got NaN or infinity in row 17 of the target"):
        broken(target=target)


@pytest.mark.parametrize("name", ["gfk", "subspace", "dlid"])
def test_features_that_are_the_same_for_all_pictures_have_no_directions(name: str) -> None:
    flat = np.full((80, 20), 3, np.float32)
    with pytest.raises(UserError, match=r"features that differ.* look at the weights and the layer"):
        METHODS[name].fit(broken(source=flat, target=flat), KINDS["svm"], 0)


def test_every_kind_of_classifier_stands_behind_a_method() -> None:
    domains, x, truth = shifted(labels=2)
    kinds: list[Kind] = [KINDS[name] for name in ("rbf-svm", "ridge", "knn", "ncm", "logreg-dropout")]
    for kind in kinds:
        assert right(METHODS["coral"].fit(domains, kind, 0), x, truth) > 0.9
    for kind in (KINDS["rbf-svm"], KINDS["ridge"], KINDS["logreg-dropout"]):  # distances mix what is shared
        assert right(METHODS["daume"].fit(domains, kind, 0), x, truth) > 0.7
