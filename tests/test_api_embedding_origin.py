"""What features are of: a digest for each layer, whatever else lies in the file, and what a file says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import neocog
from door import neocog as neocog_command
from neocog import UserError, read_features
from neocog.api.embedding.origin import Origin
from neocog.api.embedding.ways import of_loaded
from neocog.api.networks import loaded_from
from neocog.bundle import read_bundle
from neocog.inference.layer_features import code_of

LENET: dict[str, Any] = {"engine": "torch"}
ORIGIN = Origin(
    "net", "code 1", {"a": "1" * 64, "b": "2" * 64}, "mean", "center", {"size": [8, 8]}, "float32", "run"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures of two classes."""
    rng = np.random.default_rng(0)
    for i in range(6):
        path = tmp_path / "data" / ("ant", "bee")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path


def made(place: Path, *layers: str, **options: Any) -> Any:
    return neocog.embed("lenet5_modern", place / "data", layers=layers, **{**LENET, **options})


def test_only_the_layers_that_are_used_are_compared(place: Path) -> None:
    """The file's other layer depends on the last one's weights, which the query's layer does not."""
    neocog_command(
        "embed",
        "lenet5_modern",
        "data",
        "--layer",
        "F6",
        "--layer",
        "fc5",
        "-o",
        "l.npz",
        "--engine",
        "torch",
        cwd=place,
    )
    words = (
        "retrieve",
        "l.npz",
        "data",
        "data/ant/0.png",
        "--layer",
        "F6",
        "-k",
        1,
        "--keep-copies",
        "--engine",
        "torch",
    )
    found = json.loads(neocog_command(*words, "--json", cwd=place).stdout)
    assert "ant/0.png" in json.dumps(found)
    whole = read_features(place / "l.npz").origin
    assert len(set(whole.digests.values())) == 2
    assert whole.of(["F6"]) == made(place, "F6").origin
    whole.of(["F6"]).demand_like(made(place, "F6").origin, "f.npz")


def test_the_order_of_layers_changes_nothing(place: Path) -> None:
    one, other = made(place, "F6", "C3").origin, made(place, "C3", "F6").origin
    assert one.layers == ("F6", "C3") and one.key() == other.key()
    one.demand_like(other, "f.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"}, {"code": "code 1, mirrored"}, {"digests": {"a": "1" * 64}}, {"pooling": "max"},
        {"digests": {"a": "1" * 64, "b": "3" * 64}}, {"views": "flip"}, {"preprocess": {"size": [9, 9]}},
        {"dtype": "float16"},
    ],
)  # fmt: skip
def test_whatever_changes_features_changes_their_key(change: dict[str, Any]) -> None:
    other = replace(ORIGIN, **change)
    assert other.key() != ORIGIN.key()
    if change == {"dtype": "float16"}:  # three digits are enough to compare
        ORIGIN.demand_like(other, "f.npz")
        return
    with pytest.raises(
        UserError, match=r"f\.npz is of (model|code|weights|layers|pooling|views|preprocessing) "
    ):
        ORIGIN.demand_like(other, "f.npz")


def test_the_source_in_words_is_no_part_of_the_key() -> None:
    assert replace(ORIGIN, source="elsewhere").key() == ORIGIN.key()


def test_other_weights_are_named_by_their_layer() -> None:
    other = replace(ORIGIN, digests={**ORIGIN.digests, "b": "3" * 64}, source="the run r")
    with pytest.raises(
        UserError, match=r"of weights b 333333333333 \(the run r\), not b 222222222222 \(run\)"
    ):
        ORIGIN.demand_like(other, "f.npz")


def test_a_runs_mirroring_is_part_of_the_origin(place: Path) -> None:
    """The same weights, with the mean over a picture and its mirror image and without."""
    run = neocog.train(
        place / "data", model="lenet5_modern", recipe="probe", output=place / "run", engine="torch"
    )
    bundle = read_bundle(run.folder)
    both = [
        of_loaded(
            loaded_from(replace(bundle, card=replace(bundle.card, mirrored=mirrored)), run.folder)
        ).network
        for mirrored in (False, True)
    ]
    assert both[0].digest == both[1].digest and code_of(both[0]) != code_of(both[1])
    assert neocog.embed(run.folder, place / "data", **LENET).origin.code == code_of(both[0])


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The file with `change` applied to what it says about itself."""
    with np.load(path) as file:
        kept = dict(file)
    about = json.loads(str(kept["about"][0]))
    change(about)
    np.savez(path, **{**kept, "about": np.array([json.dumps(about)])})


def test_a_file_that_says_nothing_of_the_code_may_be_compared(place: Path) -> None:
    now = made(place, "F6", output=place / "f.npz")
    rewritten(place / "f.npz", lambda about: about["origin"].update(code=""))
    found = read_features(place / "f.npz")
    found.origin.demand_like(now.origin, "f.npz")
    now.origin.demand_like(found.origin, "f.npz")
    with pytest.raises(UserError, match="of pooling max, not mean"):
        found.origin.demand_like(replace(now.origin, pooling="max"), "f.npz")


def test_a_newer_file_is_refused_by_its_format(place: Path) -> None:
    made(place, "F6", output=place / "n.npz")
    rewritten(place / "n.npz", lambda about: about.update(format=2))
    with pytest.raises(UserError, match="is of format 2, which a newer neocog writes"):
        read_features(place / "n.npz")
