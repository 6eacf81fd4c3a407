"""What the evaluating verbs must not do: leave a temperature out, hide what was trained on, write over other files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neocog
from judged import make_run, save_digits
from neocog.api.evaluating.answering import Member
from neocog.api.evaluating.judge import Asked, judge
from neocog.api.evaluating.scored import Scored
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.evaluation.calibration import tempered
from neocog.progress import Silent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("refused")
    make_run(here / "a", 0, taught=range(40))
    make_run(here / "b", 1, taught=range(40, 100))
    save_digits(here / "data", range(150))
    return here


def by_protocol(place: Path, protocol: str, temperature: float) -> np.ndarray:
    one = neocog.load(place / "a", engine="torch").member()
    loaded = replace(one.loaded, head=replace(one.loaded.head, temperature=temperature))
    member = Member(one.name, loaded, one.engine)
    scored = judge([member], open_dataset(place / "data"), Asked(protocol), Silent())
    assert isinstance(scored, Scored)
    assert scored.how.temperature == temperature
    return scored.probabilities


def test_a_temperature_holds_for_single_views_and_for_whole_pictures(place: Path) -> None:
    """Of one view it is that of the answer; in dense evaluation, which averages passes, one so high leaves nothing."""
    plain, warm = (by_protocol(place, "center", t) for t in (1.0, 2.5))
    np.testing.assert_allclose(warm, tempered(plain, 2.5), atol=1e-5)
    dense, warmer = (by_protocol(place, "dense", t) for t in (1.0, 1e6))
    assert dense.max() > 0.2
    np.testing.assert_allclose(warmer, 0.1, atol=1e-4)


def test_averaged_weights_have_seen_what_each_run_has_seen(place: Path) -> None:
    scored = neocog.evaluate(place / "a", place / "data", ensemble=[place / "b"], soup=True, engine="torch")
    assert isinstance(scored, Scored)
    assert scored.leaked is not None
    assert (scored.leaked.same, scored.leaked.of) == (100, 150)


@pytest.mark.parametrize("verb", ["evaluate", "compare", "robustness"])
def test_results_need_a_folder_of_their_own(place: Path, tmp_path: Path, verb: str) -> None:
    shutil.copytree(place / "a", tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    runs = [place / "a", place / "b"] if verb == "compare" else place / "a"
    with pytest.raises(UserError, match="results need a folder of their own"):
        getattr(neocog, verb)(runs, place / "data", output=tmp_path / "run", engine="torch")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_results_are_written_over_those_of_before(place: Path, tmp_path: Path) -> None:
    for _ in range(2):
        neocog.evaluate(place / "a", place / "data", output=tmp_path / "out", engine="torch")
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize("verb", ["compare", "robustness", "calibrate"])
def test_verbs_of_one_process_say_so_in_several(
    place: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match=f"{verb} runs in one process"):
        getattr(neocog, verb)(place / "a", place / "data")


def test_the_gain_of_an_ensemble_is_that_of_its_pictures(place: Path) -> None:
    scored = neocog.evaluate(place / "a", place / "data", ensemble=[place / "b"], engine="torch")
    assert isinstance(scored, Scored)
    assert scored.gain is not None
    (_, a), (_, b) = scored.members
    best = a if a.right.sum() >= b.right.sum() else b
    assert scored.gain.best == best.how.members[0]
    assert scored.gain.paired.only_first == int((scored.right & ~best.right).sum())
    assert scored.gain.paired.only_second == int((~scored.right & best.right).sum())
    assert scored.gain.times == 2.0  # two networks of one architecture
