"""Weights after single epochs stay in a run and are classifiers of their own."""

import hashlib
import shutil
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
    kept = sorted((run / "snapshots").iterdir())
    sums = [hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in kept]
    assert [path.name for path in kept] == [
        f"epoch-{i:04d}-{s}.safetensors" for i, s in zip((2, 3), sums, strict=True)
    ]
    bundle, last = load_file(run / "model.safetensors"), load_file(kept[1])
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


def test_a_damaged_one_is_refused_and_seen_by_verify(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (path,) = (tmp_path / "run" / "snapshots").glob("epoch-0002-*")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for opened in (lambda: neocog.load(f"{tmp_path}/run@2"), lambda: neocog.verify(tmp_path / "run")):
        with pytest.raises(UserError, match="epoch-0002.* is damaged"):
            opened()
    neocog.load(f"{tmp_path}/run@3")


def test_a_recipe_without_epochs_refuses_them() -> None:
    with pytest.raises(UserError, match="snapshots is for recipes that train all weights"):
        neocog.train("builtin/photos", snapshots=2)


def test_those_of_an_attempt_that_went_back_are_removed(tmp_path: Path) -> None:
    options = {"epochs": 2, "snapshots": 2, "save_every": 0.0}
    stopped = neocog.train(
        "builtin/digits", "lenet5_modern", output=tmp_path / "run", time_limit=0.001, **options
    )
    assert stopped.interrupted
    (tmp_path / "run" / "snapshots").mkdir()
    for name in ("epoch-0009-00000000.safetensors", "epoch-0001-00000000.safetensors"):
        (tmp_path / "run" / "snapshots" / name).write_bytes(b"")
    neocog.train("builtin/digits", "lenet5_modern", output=tmp_path / "run", resume="auto", **options)
    kept = sorted(path.name for path in (tmp_path / "run" / "snapshots").iterdir())
    assert [name[:10] for name in kept] == ["epoch-0001", "epoch-0002"]
    assert "00000000" not in kept[0]
