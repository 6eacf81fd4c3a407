"""Where a run goes on: in the newest folder of the same run, never in that of another, never beside another process."""

import shutil
from pathlib import Path

import pytest

from neocog.api.training.places import alone_in, run_place
from neocog.api.training.plan import Plan
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.api.training.train import carried_out
from neocog.errors import UserError
from neocog.progress import Silent
from runs import make_data

SAME: PlanOptions = {"recipe": "scratch", "img_size": 12, "batch_size": 8, "workers": 0, "save_every": 0.0}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and in `runs/` one that is done and one that was stopped."""
    place = make_data(tmp_path_factory.mktemp("places"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        carried_out(plan_of(epochs=1), None, None, Timed(Silent()))
        stopped = carried_out(plan_of(epochs=300, time_limit=0.01), None, None, Timed(Silent()))
    assert stopped.interrupted and stopped.folder == Path("runs/data-2")
    return place


def plan_of(model: str = "net.py:small", **further: object) -> Plan:
    options: PlanOptions = {**SAME, **further}  # type: ignore[typeddict-item]
    return planned("data", model, options, Timed(Silent()))


class Heard(Silent):
    """What was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_auto_takes_the_unfinished_run_of_the_same_arguments(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    found = run_place(None, "auto", plan_of(epochs=300), Silent())
    assert (found.folder, found.is_default, found.done) == (Path("runs/data-2"), True, False)


@pytest.mark.parametrize(
    ("model", "changes", "why"),
    [
        ("net.py:plain", {"epochs": 300}, "net.py:plain"),
        ("net.py:small", {"epochs": 301}, "made with recipe epochs 300, got epochs 301"),
        ("net.py:small", {"epochs": 300, "seed": 1}, "made with seed 0, got 1"),
        ("net.py:small", {"recipe": "probe", "batch_size": None, "epochs": None}, "keeps no checkpoints"),
    ],
)
def test_auto_leaves_another_run_alone_and_says_so(
    here: Path, monkeypatch: pytest.MonkeyPatch, model: str, changes: dict[str, object], why: str
) -> None:
    monkeypatch.chdir(here)
    plan, heard = plan_of(model, **changes), Heard()
    place = run_place(None, "auto", plan, heard)
    place.folder.rmdir()  # a new one, empty
    assert any("runs/data-2 is another run" in line and why in line for line in heard.lines)
    for output in (None, "runs/data-2"):
        with pytest.raises(UserError, match=why):
            run_place(output, "auto" if output else "runs/data-2", plan, Silent())
    assert list((here / "runs/data-2/checkpoints").glob("step-*.json"))


def test_a_finished_run_is_not_taken_for_another(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    assert run_place("runs/data-1", "auto", plan_of(epochs=1), Silent()).done
    for plan, why in (
        (plan_of(epochs=2), "the run in runs/data-1 was made with recipe epochs 1, got epochs 2"),
        (plan_of("net.py:plain", epochs=1), "net.py:plain"),
        (plan_of(recipe="probe", batch_size=None), "made with recipe scratch, got probe"),
    ):
        with pytest.raises(UserError, match=why):
            run_place("runs/data-1", "auto", plan, Silent())


def test_auto_says_that_it_found_nothing_and_a_name_that_there_is_nothing(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    plan, heard = plan_of(epochs=7), Heard()
    assert run_place(tmp_path / "new", "auto", plan, heard).folder == tmp_path / "new"
    assert heard.lines == [f"--resume auto: no run to go on with in {tmp_path / 'new'}, so a new one begins"]
    with pytest.raises(UserError, match="there is no run to go on with at nowhere; give the folder of a run"):
        run_place(None, "nowhere", plan, Silent())


def test_auto_takes_the_newest_that_is_not_done(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(here)
    plan = plan_of(epochs=300)
    runs = tmp_path / "runs"
    for name in ("data-2", "data-10"):
        shutil.copytree(here / "runs/data-2", runs / name)
    monkeypatch.chdir(tmp_path)
    assert run_place(None, "auto", plan, Silent()).folder == Path("runs/data-10")
    shutil.copy(
        here / "runs/data-1/run.json", runs / "data-10"
    )  # done, but killed before it removed its checkpoints
    assert run_place(None, "auto", plan, Silent()).folder == Path("runs/data-2")


def test_one_process_at_a_time_is_in_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with alone_in(tmp_path), pytest.raises(UserError, match="another one is at work"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass
