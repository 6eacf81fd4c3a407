"""Weights after single epochs stay in a run and are classifiers of their own."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import neocog
from neocog.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Averaged weights, so that those of an epoch are not those that the next one begins with."""
    folder = tmp_path_factory.mktemp("snapshots") / "run"
    neocog.train(
        "builtin/digits",
        "lenet5_modern",
        output=folder,
        epochs=3,
        snapshots=2,
        average="ema",
        average_decay=0.9,
    )
    return folder


def test_the_newest_stay_and_the_last_is_what_the_run_ended_with(run: Path) -> None:
    kept = sorted(path.name for path in (run / "snapshots").iterdir())
    assert kept == ["epoch-0002.safetensors", "epoch-0003.safetensors"]
    bundle, last = (
        load_file(run / name) for name in ("model.safetensors", "snapshots/epoch-0003.safetensors")
    )
    assert bundle.keys() == last.keys()
    assert all(np.array_equal(bundle[name], last[name]) for name in bundle)


def test_an_epoch_is_a_classifier(run: Path) -> None:
    own, last, before = (
        neocog.load(f"{run}{epoch}").evaluate("builtin/digits", strict=True) for epoch in ("", "@3", "@2")
    )
    assert np.array_equal(own.probabilities, last.probabilities)
    assert not np.allclose(own.probabilities, before.probabilities, atol=1e-3)
    assert last.how.members == (f"{run}@3",)


def test_another_epoch_is_refused_with_those_that_are_there(run: Path) -> None:
    with pytest.raises(UserError, match=r"no weights of epoch 1: it has 2, 3"):
        neocog.load(f"{run}@1")
