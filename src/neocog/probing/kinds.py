"""The kinds of classifier that are put on frozen features, each with what is to be chosen about it.

`logreg-dropout` and so on see the features through dropout (`dropout.py`, `ridge.py`). There is no `ncm-dropout`:
dropout leaves the mean of a class where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from neocog.inference.network import Floats
from neocog.probing import class_means, ridge, squared_hinge
from neocog.probing.dropout import RATE, ROWS, copies_of, noised
from neocog.probing.fitted import Fitted as Fitted
from neocog.probing.fitted import Labels, Linear
from neocog.probing.kernel import gaussian_machine, usual_gamma
from neocog.probing.logistic import rough_path, solve_path
from neocog.probing.neighbours import Neighbours, answers_of_all
from neocog.runtime import single_thread

Path = Callable[[Floats, Labels, int, Sequence[float], int], list[Fitted]]
"""features (n, d), labels, number of classes, strengths, seed -> a classifier for each strength"""
KERNEL_ROWS = 4_000  # noised rows for kernel machines and neighbours, whose cost grows with their square


@dataclass(frozen=True)
class Kind:
    """A kind of classifier, by the name that `--kind` has for it."""

    name: str
    words: str
    parameter: str
    """what a strength is: C, alpha, k; empty where nothing is to choose"""
    strengths: tuple[float, ...]
    """searched by cross-validation, the smoothest classifier first; one where nothing is to choose"""
    usual: float
    """where there are too few pictures to choose"""
    path: Path
    together: Callable[[Sequence[Any], Floats], list[Labels]] | None = None
    """what all classifiers of a path say of features, where that takes less time than one by one"""

    def fit(self, features: Floats, labels: Labels, classes: int, strength: float, seed: int) -> Fitted:
        """The classifier with one strength. `features` (n, d) are read as they are; see `choose` for scaling."""
        return self.fit_all(features, labels, classes, (strength,), seed)[0]

    def fit_all(
        self, features: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int
    ) -> list[Fitted]:
        """A classifier for each strength, in less time than one by one."""
        with single_thread():
            return self.path(features, labels, classes, strengths, seed)

    def answers(self, found: Sequence[Fitted], features: Floats) -> list[Labels]:
        """What each of those that `fit_all` has found says of `features` (n, d)."""
        return self.together(found, features) if self.together else [one.predict(features) for one in found]


def _logreg(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
    """Several strengths are there to be compared, one to be kept."""
    path = solve_path if len(strengths) == 1 else rough_path
    return [Linear(*both) for both in path(x, labels, classes, strengths)]


def _svm(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
    return [Linear(*both) for both in squared_hinge.solve_path(x, labels, classes, strengths)]


def _ridge(
    x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int, rate: float = 0.0
) -> list[Fitted]:
    return [Linear(*both) for both in ridge.solve_path(x, labels, classes, strengths, rate)]


def _rbf_svm(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
    gamma = usual_gamma(x)
    return [gaussian_machine(x, labels, classes, strength, gamma) for strength in strengths]


def _knn(metric: str) -> Path:
    def path(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
        return [Neighbours(x, labels, classes, int(k), metric) for k in strengths]

    return path


def _ncm(fit: Callable[[Floats, Labels, int], Linear]) -> Path:
    def path(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
        return [fit(x, labels, classes)]

    return path


def _dropped(path: Path, enough: int, shared: bool) -> Path:
    """`path` on noised copies; where they have `shared` weight, C is that of all copies of a picture together."""

    def through_dropout(
        x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int
    ) -> list[Fitted]:
        copies = copies_of(len(x), enough)
        rows, repeated = noised(x, labels, copies, seed)
        shares = [strength / copies for strength in strengths] if shared else strengths
        return path(rows, repeated, classes, shares, seed)

    return through_dropout


C_GRID = (3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0, 30.0)
SVM_GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
KERNEL_GRID = (0.3, 1.0, 3.0, 10.0, 30.0)
ALPHAS = (1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0)
NEAREST = (50, 20, 10, 5, 3, 1)

_PLAIN = (
    Kind("logreg", "multinomial logistic regression", "C", C_GRID, 3e-3, _logreg),
    Kind("svm", "linear SVM, one class against all others, squared hinge", "C", SVM_GRID, 1e-4, _svm),
    Kind("rbf-svm", "SVM with Gaussian kernel, each pair of classes", "C", KERNEL_GRID, 10.0, _rbf_svm),
    Kind("ridge", "ridge regression on 1 and -1", "alpha", ALPHAS, 1e3, _ridge),
    Kind(
        "knn", "nearest neighbours, weighted by distance", "k", NEAREST, 1, _knn("euclidean"), answers_of_all
    ),
    Kind(
        "knn-cosine",
        "nearest neighbours by cosine, weighted",
        "k",
        NEAREST,
        1,
        _knn("cosine"),
        answers_of_all,
    ),
    Kind("ncm", "nearest class mean", "", (1.0,), 1.0, _ncm(class_means.nearest_mean)),
    Kind("ncm-cosine", "nearest class mean by cosine", "", (1.0,), 1.0, _ncm(class_means.nearest_direction)),
)
_THROUGH_DROPOUT: dict[str, Path] = {
    "logreg": _dropped(_logreg, ROWS, shared=True),
    "svm": _dropped(_svm, ROWS, shared=True),
    "rbf-svm": _dropped(_rbf_svm, KERNEL_ROWS, shared=True),
    "ridge": partial(_ridge, rate=RATE),
    "knn": _dropped(_knn("euclidean"), KERNEL_ROWS, shared=False),
    "knn-cosine": _dropped(_knn("cosine"), KERNEL_ROWS, shared=False),
}


def _with_dropout(kind: Kind) -> Kind:
    return replace(
        kind,
        name=f"{kind.name}-dropout",
        words=f"{kind.words}, with dropout",
        path=_THROUGH_DROPOUT[kind.name],
    )


KINDS: dict[str, Kind] = {
    kind.name: kind
    for plain in _PLAIN
    for kind in (plain, *([_with_dropout(plain)] if plain.name in _THROUGH_DROPOUT else []))
}
GROUPS = {
    "usual": ("logreg", "svm", "ridge", "knn", "ncm"),
    "decaf": ("logreg", "logreg-dropout", "svm", "svm-dropout"),
    "all": tuple(KINDS),
}
"""several kinds by one name: `decaf` are the rows of DeCAF's table 1"""
