"""The scikit-learn estimators against scikit-learn's own checks and tools."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from neocog import ImageClassifier, ImageEmbedder, UserError
from neocog.data.source import open_dataset

FACTORY = """
from torch import nn

def flat():
    return nn.Flatten()
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A backbone that returns its pixels, so that scikit-learn's checks take seconds."""
    path = tmp_path_factory.mktemp("factory") / "tiny.py"
    path.write_text(FACTORY)
    return f"{path}:flat"


def as_pictures(X: Any) -> Any:
    """scikit-learn's tables (n, features) as pictures one pixel wide; whatever else it tries, unchanged."""
    if hasattr(X, "toarray"):
        return X
    array = np.asarray(X)
    return array[:, :, None, None] if array.ndim == 2 else array


class TableClassifier(ImageClassifier):
    """Lets the checks for tables apply to the classifier of pictures."""

    def fit(self, X: Any, y: Any) -> "TableClassifier":
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        return super().fit(as_pictures(X), y)

    def predict(self, X: Any) -> Any:
        return super().predict(as_pictures(X))

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(as_pictures(X))

    def decision_function(self, X: Any) -> Any:
        return super().decision_function(as_pictures(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class TableEmbedder(ImageEmbedder):
    """Lets the checks for tables apply to the transformer of pictures."""

    def fit(self, X: Any, y: Any = None) -> "TableEmbedder":
        return super().fit(as_pictures(X), y)

    def transform(self, X: Any) -> Any:
        return super().transform(as_pictures(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@pytest.mark.parametrize(("kind", "checks"), [(TableClassifier, 55), (TableEmbedder, 47)])
def test_scikit_learns_own_checks_pass(kind: Any, checks: int, tiny: str) -> None:
    """All of them: none is listed as expected to fail. Two need what is not installed (pandas, array API)."""
    estimator = kind(model=tiny, img_size=16, resize_mode="squash", engine="torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke warnings on purpose
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = [f"{r['check_name']}: {r['exception']!r}"[:300] for r in results if r["status"] == "failed"]
    assert not failed, "\n".join(failed)
    assert len(results) == checks
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input", "check_classifier_data_not_an_array"}


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    images, labels = load_digits(n_class=3, return_X_y=True)
    return images.reshape(-1, 8, 8)[:150], labels[:150]


def test_the_classifier_learns_digits_given_as_floats(tiny: str, digits: tuple[Any, Any]) -> None:
    X, y = digits
    model = ImageClassifier(tiny, img_size=8, engine="torch").fit(X[:100], y[:100])
    assert model.score(X[100:], y[100:]) > 0.95
    assert model.predict_proba(X[:5]).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_labels_may_be_words_and_classes_are_sorted(tiny: str, digits: tuple[Any, Any]) -> None:
    X, y = digits
    words = np.array(["zero", "one", "two"])[y]
    model = ImageClassifier(tiny, img_size=8, engine="torch").fit(X, words)
    assert list(model.classes_) == ["one", "two", "zero"]
    assert (model.predict(X) == words).mean() > 0.98


def test_the_embedder_works_in_a_pipeline_that_is_cloned_and_searched(
    tiny: str, digits: tuple[Any, Any]
) -> None:
    X, y = digits
    pipe = make_pipeline(ImageEmbedder(tiny, img_size=8, engine="torch"), LogisticRegression(max_iter=2000))
    grid = GridSearchCV(clone(pipe), {"imageembedder__img_size": [4, 8]}, cv=2).fit(X, y)
    assert grid.best_score_ > 0.9
    assert {row["imageembedder__img_size"] for row in grid.cv_results_["params"]} == {4, 8}


def test_paths_pictures_and_arrays_give_the_same_features(tiny: str) -> None:
    samples = open_dataset("builtin/photos").samples
    paths = [samples.name(i) for i in (0, 50, 100)]
    embedder = ImageEmbedder(tiny, img_size=8, engine="torch").fit(paths)
    opened = [Image.open(path).convert("RGB") for path in paths]
    # decoding at a smaller scale differs by a few grey levels from decoding everything
    assert np.abs(embedder.transform(opened) - embedder.transform(paths)).mean() < 0.05
    ragged = np.empty(3, dtype=object)
    ragged[:] = [np.asarray(picture) for picture in opened]
    assert np.array_equal(embedder.transform(ragged), embedder.transform(opened))


def test_a_fitted_classifier_survives_pickling(tiny: str, digits: tuple[Any, Any]) -> None:
    import pickle

    X, y = digits
    model = ImageClassifier(tiny, img_size=8, engine="torch").fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X[:9]), model.predict_proba(X[:9]))


def test_other_shapes_and_unreadable_pictures_are_named(
    tiny: str, digits: tuple[Any, Any], tmp_path: Path
) -> None:
    X, y = digits
    model = ImageClassifier(tiny, img_size=8, engine="torch").fit(X, y)
    with pytest.raises(UserError, match=r"pictures of shape \(4, 8\), fitted on \(8, 8\)"):
        model.predict(X[:, :4])
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    with pytest.raises(UserError, match="bad.jpg cannot be read: not a picture"):
        model.predict([str(bad)])
