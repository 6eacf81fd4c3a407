"""What classical methods learned, kept by what they learned it from: arrays alone, found as long as they are whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from neocog import files, runtime
from neocog.errors import UserError

State = dict[str, NDArray[Any]]
COUNT, SUM = "pictures", "sha256"


def find(key: str, transformer: Any) -> int | None:
    """Give `transformer` what was learned under `key`; from how many pictures, None where that is not there whole."""
    try:
        learners = list(_learners(transformer))
        if not learners:
            return None
        kept = load_tensors(_place(key).read_bytes())
        total = kept.pop(SUM)
        if _sum(kept) != total.tobytes():
            return None
        for name, learner in learners:
            _restore(learner, {k.removeprefix(name): v for k, v in kept.items() if k.startswith(name)})
    except Exception:  # whatever is wrong with a cached file, it is learned again
        return None
    return int(kept[COUNT][0])


def keep(key: str, transformer: Any, pictures: int) -> None:
    """Keep what `transformer` learned from so many pictures."""
    state = {f"{name}{k}": v for name, one in _learners(transformer) for k, v in _state(one).items()}
    state[COUNT] = np.array([pictures])
    place = _place(key)
    try:
        files.make_folder(place.parent)
        files.write_bytes(place, save_tensors({**state, SUM: np.frombuffer(_sum(state), np.uint8)}))
    except UserError:  # without a place to keep it, it is learned each time
        pass


def _place(key: str) -> Path:
    return runtime.cache_folder() / "words" / f"{key}.safetensors"


def _sum(state: State) -> bytes:
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return total.digest()


def _learners(transformer: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The parts that learn something, each with a name of its own, which ends in a stroke."""
    from sklearn.base import clone

    parts = list(getattr(transformer, "transformer_list", ()))
    if hasattr(transformer, "feature"):
        if not hasattr(transformer, "feature_"):  # not fitted yet, as what is found is to be put there
            transformer.feature_ = clone(transformer.feature)
        parts.append(("feature", transformer.feature_))
    for own, part in parts:
        yield from _learners(part, f"{name}{own}/")
    if _fields(transformer):
        yield f"{name}/", transformer


def _fields(learner: Any) -> tuple[str, ...]:
    """Names of the arrays that a method learns."""
    from neocog.classical.fisher import FisherVector
    from neocog.classical.jarrett.features import JarrettFeatures
    from neocog.classical.kernels.balanced import Balanced
    from neocog.classical.parts.cells import AlignedCells
    from neocog.classical.words import BagOfWords

    if isinstance(learner, JarrettFeatures):
        return tuple(f"{what}{i}" for i in range(len(learner.stages)) for what in ("kernels", "gains"))
    known: dict[type, tuple[str, ...]] = {
        BagOfWords: ("words",),
        Balanced: ("length",),
        AlignedCells: ("palette",),
        FisherVector: ("mean", "components", "weights", "means", "variances"),
    }
    return known.get(type(learner), ())


def _state(learner: Any) -> State:
    if hasattr(learner, "banks_"):
        values = tuple(array for bank in learner.banks_ for array in bank)
    elif hasattr(learner, "mixture_"):
        projection, mixture = learner.projection_, learner.mixture_
        values = projection.mean_, projection.components_, mixture.weights, mixture.means, mixture.variances
    else:
        values = tuple(getattr(learner, f"{name}_") for name in _fields(learner))
    pairs = zip(_fields(learner), map(np.asarray, values), strict=True)
    return {name: np.array(value, order="C") for name, value in pairs}


def _restore(learner: Any, state: State) -> None:
    """Set what `_state` gave; raises where that is something else."""
    values = [np.array(state[name]) for name in _fields(learner)]
    if "kernels0" in _fields(learner):
        learner.banks_ = list(zip(values[::2], values[1::2], strict=True))
        return
    if "mean" not in _fields(learner):
        for name, value in zip(_fields(learner), values, strict=True):
            setattr(learner, f"{name}_", value if value.ndim else value.item())
        return
    from sklearn.decomposition import PCA

    from neocog.classical.fisher import Mixture

    learner.projection_ = PCA(learner.components)
    learner.projection_.mean_, learner.projection_.components_ = values[:2]
    learner.mixture_ = Mixture(*values[2:])
