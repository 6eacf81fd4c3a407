"""scikit-learn estimators: a frozen network as a transformer, and the whole classifier as a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from neocog.api import names
from neocog.api.embedding.ways import Asked, asked_of, of_backbone, way_of
from neocog.api.networks import backbone_of
from neocog.data.samples import as_samples
from neocog.errors import UserError
from neocog.inference.layer_features import CENTER, MEAN, Way, gather
from neocog.inference.network import Floats, Head
from neocog.probing.logistic import fit_logistic
from neocog.progress import Silent


class _Frozen(BaseEstimator):  # type: ignore[misc]
    """A frozen network and its features; what both estimators share."""

    model: str
    img_size: int | None
    resize_mode: str | None
    engine: str

    def _prepare(self, X: Any) -> Floats:
        """Set the network up, note what kind of pictures `X` holds, and return their features."""
        self._find_network()
        names.trust(names.parse(self.model))
        self.range_: tuple[float, float] | None = None
        self.shape_: tuple[int, ...] | None = None
        if is_numeric(X):
            X = checked(X)
            self.shape_ = X.shape[1:]
            self.n_features_in_ = int(np.prod(self.shape_))
            if X.dtype != np.uint8:
                self.range_ = float(X.min()), float(X.max())
        return self._features(X)

    def _features(self, X: Any) -> Floats:
        samples = as_samples(self._pixels(checked(X)) if is_numeric(X) else as_list(X))
        if not len(samples):
            raise UserError("X must hold a picture, got 0 pictures")
        found = gather(samples, self._way, Silent(), cached=self._keeps)
        if found.skipped:
            index, reason = found.skipped[0]
            raise UserError(f"picture {samples.name(index)} cannot be read: {reason}")
        (matrix,) = found.features.values()
        return matrix

    def _pixels(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        """Arrays other than uint8 from the range seen in `fit` to 0..255."""
        if self.shape_ is not None and X.shape[1:] != self.shape_:
            raise UserError(
                f"X has {int(np.prod(X.shape[1:]))} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: pictures of shape {X.shape[1:]}, fitted on {self.shape_}"
            )
        if X.dtype == np.uint8:
            return X
        low, high = self.range_ or (0.0, 1.0)
        scaled = (X.astype(np.float64) - low) * (255 / max(high - low, 1e-30))
        return np.rint(scaled).clip(0, 255).astype(np.uint8)

    def _find_network(self) -> None:
        reference = names.parse(self.model)
        preprocess = names.resized(names.default_preprocess(reference), self.img_size, self.resize_mode)
        frozen = of_backbone(backbone_of(reference, preprocess, self._weights))
        self._way: Way = way_of(frozen, self._asked, self.engine).way

    @property
    def _asked(self) -> Asked:
        """Which features: what the last layer reads."""
        return Asked()

    @property
    def _weights(self) -> Path | None:
        """A file of weights in place of published ones."""
        return None

    @property
    def _keeps(self) -> bool:
        """Whether features are kept for the next time."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Without the network and its engine, which are found again by name after unpickling."""
        state = dict(super().__getstate__())
        return {key: value for key, value in state.items() if key != "_way"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if any(key.endswith("_") for key in state):
            self._find_network()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


class ImageEmbedder(TransformerMixin, _Frozen):  # type: ignore[misc]
    """Pictures -> features (n, d) of a frozen pretrained network; a scikit-learn transformer.

    `X` is a list of paths or PIL pictures, or an array (n, height, width[, channels]): uint8 as it is, other numbers
    are mapped to 0..255 from the range seen in `fit`. `model` as for `neocog train -m`, `img_size`, `resize_mode` and
    `engine` as there; `layer`, `pooling`, `views` and `weights` as for `neocog embed`, without a layer what the last
    one reads. With `cache` features are kept by content.
    """

    def __init__(
        self,
        model: str = "efficientnet_lite0",
        img_size: int | None = None,
        resize_mode: str | None = None,
        engine: str = "auto",
        weights: str | Path | None = None,
        layer: str | None = None,
        pooling: str = MEAN,
        cache: bool = True,
        views: str = CENTER,
    ):
        self.model = model
        self.img_size = img_size
        self.resize_mode = resize_mode
        self.engine = engine
        self.weights = weights
        self.layer = layer
        self.pooling = pooling
        self.cache = cache
        self.views = views

    def fit(self, X: object, y: object = None) -> ImageEmbedder:
        """Set the network up; nothing is learned from `X`."""
        self.n_features_out_ = self._prepare(X).shape[1]
        return self

    def transform(self, X: object) -> Floats:
        check_is_fitted(self)
        return self._features(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _asked(self) -> Asked:
        return asked_of(self.layer or (), self.pooling, self.views)

    @property
    def _weights(self) -> Path | None:
        return None if self.weights is None else Path(self.weights).expanduser()

    @property
    def _keeps(self) -> bool:
        return self.cache

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        check_is_fitted(self)
        return np.array([f"feature{i}" for i in range(self.n_features_out_)], dtype=object)


class ImageClassifier(ClassifierMixin, _Frozen):  # type: ignore[misc]
    """Pictures -> labels: a frozen pretrained network with logistic regression; a scikit-learn classifier.

    `X` as for `ImageEmbedder`, `y` labels of any type. The strength of the regression is chosen by cross-validation
    inside `fit`. After `fit`: `classes_`, `C_` (that strength), `head_` (the linear layer).
    """

    def __init__(
        self,
        model: str = "efficientnet_lite0",
        img_size: int | None = None,
        resize_mode: str | None = None,
        engine: str = "auto",
        random_state: int = 0,
    ):
        self.model = model
        self.img_size = img_size
        self.resize_mode = resize_mode
        self.engine = engine
        self.random_state = random_state

    def fit(self, X: object, y: Any) -> ImageClassifier:
        """Features of `X`, then logistic regression on them."""
        shape = np.asarray(y).shape
        if len(shape) == 2 and shape[1] > 1:
            raise UserError(
                f"y must be one label per picture, got the shape {shape}; several labels are learned by "
                "make_pipeline(ImageEmbedder(), OneVsRestClassifier(LogisticRegression()))"
            )
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise UserError(f"a classifier needs two classes or more, got one class: {classes[:1].tolist()}")
        features = self._prepare(X)
        if len(features) != len(labels):
            raise UserError(
                f"X and y must be equally long, got {len(features)} pictures and {len(labels)} labels"
            )
        fit = fit_logistic(features, labels.astype(np.int64), len(classes), self.random_state)
        self.classes_ = classes
        self.C_ = fit.C
        self.head_: Head = fit.head
        return self

    def predict_proba(self, X: object) -> Floats:
        """Probabilities (n, classes) in the order of `classes_`."""
        check_is_fitted(self)
        return self.head_.probabilities(self._features(X))

    def decision_function(self, X: object) -> Floats:
        """Logits (n, classes); with two classes the second's minus the first's (n,)."""
        check_is_fitted(self)
        logits = self.head_.logits(self._features(X))
        return np.asarray(logits[:, 1] - logits[:, 0], np.float32) if len(self.classes_) == 2 else logits

    def predict(self, X: object) -> NDArray[Any]:
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def is_numeric(X: Any) -> bool:
    """Whether `X` is one array of numbers, or scikit-learn's checks must say why it is none."""
    if hasattr(X, "toarray"):  # a sparse matrix
        return True
    return isinstance(X, np.ndarray) and X.dtype.kind in "uifcb"


def checked(X: Any) -> NDArray[Any]:
    """An array (n, height, width[, channels]) of finite real numbers."""
    array: NDArray[Any] = check_array(X, allow_nd=True, dtype="numeric", ensure_min_features=0)
    if 0 in array.shape:
        raise UserError(
            f"0 feature(s) (shape=({len(array)}, 0)) while a minimum of 1 is required: pictures need pixels"
        )
    if array.ndim not in (3, 4):
        shapes = "(n, height, width) or (n, height, width, channels)"
        raise UserError(f"X must be {shapes}, got {array.shape}. Reshape your data")
    return array


def as_list(X: Any) -> Any:
    """A pandas Series or an array of paths as a list."""
    return X.tolist() if hasattr(X, "tolist") else X
