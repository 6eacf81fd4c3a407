"""What is planned for a time fits into it, by sums done here; and the command keeps to its plan."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from door import neocog, refused
from neocog.api.training.budget import Budget, Counts, Kind, Speed, plan_for, smaller_is_vain
from neocog.api.training.measuring import own_side, step_speed
from neocog.api.training.plan import Deadline
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.api.training.train import carried_out
from neocog.data.samples import as_samples
from neocog.errors import UserError
from neocog.progress import Silent
from runs import make_data
from zoo import jpeg

rates = st.floats(0.5, 5000)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["probe", "partial", "full"])
speeds = st.builds(
    Speed,
    kinds,
    st.sampled_from([128, 224]),
    rates,
    rates,
    st.none() | rates,
    st.floats(0, 50),
    st.floats(0, 20),
)
several = st.lists(speeds, min_size=1, max_size=6, unique_by=lambda s: (s.kind, s.size))
counts = st.builds(
    Counts,
    st.integers(1, 10**5),
    st.integers(1, 10**4),
    st.integers(1, 512),
    st.integers(1, 90),
    side=st.sampled_from([28.0, 150.0, 500.0]),
)
times = st.floats(1, 10**5)


def plan_in(left: float, known: Sequence[Speed], pictures: Counts) -> Budget | None:
    try:
        return plan_for(left, known, pictures)
    except UserError as error:
        assert "give more --time" in str(error)
        return None


def work(speed: Speed, epochs: int, pictures: Counts) -> float:
    """Seconds of reading, learning and judging, written out."""
    everything = pictures.train + pictures.held_out
    if speed.kind == "probe":
        return everything * (1 / speed.read + 1 / speed.judge) + speed.fit + speed.closing
    assert speed.learn
    epoch = pictures.train / speed.learn + pictures.held_out / speed.judge
    return everything / speed.read + speed.fit + epochs * epoch + speed.closing


@given(times, several, counts)
def test_what_is_planned_fits(left: float, known: list[Speed], pictures: Counts) -> None:
    budget = plan_in(left, known, pictures)
    assume(budget)
    assert budget
    best = budget.chosen
    assert best.seconds <= left
    assert work(best.speed, best.epochs, pictures) <= best.seconds * (1 + 1e-9)
    assert (best.epochs == 0) == (best.speed.kind == "probe")


@given(times, times, several, counts)
def test_more_time_is_never_worse(a: float, b: float, known: list[Speed], pictures: Counts) -> None:
    """Not fewer epochs of the same way at the same size, and nothing planned for the shorter time is lost."""
    short, long = (plan_in(left, known, pictures) for left in sorted((a, b)))
    assume(short)
    assert short
    assert long
    if short.chosen.speed == long.chosen.speed:
        assert long.chosen.epochs >= short.chosen.epochs
    rank = [choice.speed for choice in long.choices]
    assert rank.index(long.chosen.speed) <= rank.index(short.chosen.speed)


@given(times, several, counts, st.integers(1, 50))
def test_epochs_that_were_given_are_kept(left: float, known: list[Speed], pictures: Counts, n: int) -> None:
    try:
        best = plan_for(left, known, pictures, epochs=n).chosen
    except UserError:
        return
    assert best.epochs in (0, n)
    assert best.epochs == n or best.speed.kind == "probe"


MANY = Counts(train=9600, held_out=2400, batch=64, epochs=15)
AT_224 = [
    Speed("probe", 224, read=1000, judge=100, fit=10, closing=5),
    Speed("partial", 224, read=1000, judge=50, learn=40, closing=10),
    Speed("full", 224, read=1000, judge=50, learn=20, closing=10),
]
AT_128 = [
    Speed("probe", 128, read=2000, judge=300, fit=10, closing=5),
    Speed("partial", 128, read=2000, judge=150, learn=120, closing=10),
    Speed("full", 128, read=2000, judge=150, learn=60, closing=10),
]


@pytest.mark.parametrize(
    ("minutes", "kind", "size", "epochs"),
    [
        # 12,000 pictures: probe at 224 in 147 s; an epoch of all weights at 224 takes 528 s, at 128 px 176 s
        (1.5, "probe", 128, 0),
        (4, "probe", 224, 0),
        (11, "probe", 224, 0),
        (32, "partial", 224, 5),
        (60, "full", 224, 5),
        (1000, "full", 224, 15),
    ],
)
def test_the_way_for_a_time(minutes: float, kind: str, size: int, epochs: int) -> None:
    best = plan_for(60 * minutes, [*AT_224, *AT_128], MANY).chosen
    assert (best.speed.kind, best.speed.size, best.epochs) == (kind, size, epochs)


@pytest.mark.parametrize(
    ("side", "minutes", "kind", "size", "epochs"),
    [
        # at 128 px an epoch of the upper third takes 96 s, of all weights 176 s
        (28, 4, "probe", 224, 0),
        (28, 11, "partial", 128, 5),
        (28, 32, "full", 128, 9),
        (28, 60, "full", 128, 15),  # at 224 px, 5 epochs
        (28, 1000, "full", 224, 15),
        (128, 32, "full", 128, 9),
        (150, 32, "partial", 224, 5),  # at 128 px there is less to see
    ],
)
def test_a_size_that_only_enlarges_waits_for_all_epochs(
    side: float, minutes: float, kind: str, size: int, epochs: int
) -> None:
    pictures = replace(MANY, side=side)
    best = plan_for(60 * minutes, [*AT_224, *AT_128], pictures).chosen
    assert (best.speed.kind, best.speed.size, best.epochs) == (kind, size, epochs)
    vain = smaller_is_vain(60 * minutes, AT_224, pictures, None, smaller=128)
    assert best.speed.size == 224 or not vain
    assert vain == ((side, minutes) in ((28, 1000), (150, 32)))
    assert smaller_is_vain(60 * minutes, AT_224, pictures, None, smaller=128, late=True)
    assert not smaller_is_vain(30, AT_224, pictures, None, smaller=128, late=True)  # nothing fits


def test_own_side_is_the_median_of_the_shorter_sides_of_readable_pictures() -> None:
    pictures = [np.zeros((high, 90, 3), np.uint8) for high in (20, 30, 95)]
    assert own_side(as_samples(pictures)) == 30
    assert own_side(as_samples([*map(jpeg, pictures[:2]), b"no picture"])) == 25
    assert own_side(as_samples([b"no picture"])) == inf


def test_few_pictures_are_not_fine_tuned_on() -> None:
    few = Counts(train=120, held_out=24, batch=64, epochs=15)
    best = plan_for(10**5, AT_224, few)
    assert best.chosen.speed.kind == "probe"
    assert "too few pictures: 30 steps in 15 epochs" in str(best.table())
    assert ceil(120 / 64) * 15 == 30


def test_few_pictures_are_fine_tuned_on_where_that_was_asked_for() -> None:
    """As many epochs as the recipe has, and the time is named only where it is too short."""
    asked = Counts(train=120, held_out=24, batch=64, epochs=15, probe=False)
    full = AT_224[2]
    assert plan_for(10**5, [full], asked).chosen.epochs == 15
    with pytest.raises(UserError, match="give more --time"):
        plan_for(20, [full], asked)


def test_from_random_weights_as_many_epochs_as_fit() -> None:
    scratch = Speed("scratch", 32, read=10**6, judge=10**6, learn=1000, closing=10)
    pictures = Counts(train=1000, held_out=100, batch=100, epochs=20)
    assert plan_for(20, [scratch], pictures).chosen.epochs == 6  # 20 * .85 - 10 - 4 * 100 / 1000
    assert plan_for(10**4, [scratch], pictures).chosen.epochs == 200  # 10 steps an epoch


def test_what_fits_nowhere_is_said() -> None:
    with pytest.raises(
        UserError, match="linear classifier on the frozen network at 128 px, takes about 72 s of"
    ):
        plan_for(20, [*AT_224, *AT_128], MANY)


def test_the_command_plans_shows_and_ends(tmp_path: Path) -> None:
    """So generous a time that the quickest way fits on a busy machine, too."""
    done = neocog("train", "builtin/photos", "--time", "60s", "-o", "out", "--json", cwd=tmp_path)
    assert "*  " in done.stderr and "s left" in done.stderr
    figures = json.loads(done.stdout)
    assert figures["interrupted"] == ""
    assert sum(figures["seconds"].values()) < 60
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_epochs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    said = refused("train", "builtin/digits", "--time", "15s", "--epochs", "100000", cwd=tmp_path)
    assert "all weights from random ones at 32 px, takes about" in said


def test_a_run_that_takes_longer_than_planned_is_finished_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run whose speed was measured far too high: ended by the clock in its first epochs, with a whole bundle."""
    monkeypatch.chdir(tmp_path)
    told = Timed(Silent())
    plan = planned("builtin/digits", None, {"recipe": "digits", "epochs": 10**6}, told)
    late = replace(plan, deadline=Deadline(time.monotonic() + 2, closing=0.5, given="2s"))
    run = carried_out(late, "out", None, told)
    assert run.interrupted == run.figures["interrupted"] == ""
    assert not (tmp_path / "out" / "checkpoints").exists()
    assert neocog("verify", "out", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--time-limit", "5m"), "give --time, which plans a run and ends it, or --time-limit"),
        (("--resume", "auto"), "--time plans anew"),
        (("--seeds", "3"), "--time plans one run"),
        (("--recipe", "neocognitron-1980"), "cannot plan the Neocognitron's own rules"),
        (("--time", "soon"), "a time is a number above 0 with a unit"),
    ],
)
def test_contradictions_are_refused_in_words(flags: tuple[str, ...], words: str, tmp_path: Path) -> None:
    assert words in refused("train", "builtin/digits", "--time", "1m", *flags, cwd=tmp_path)


def test_steps_are_measured_on_pictures_that_show_several_classes(tmp_path: Path) -> None:
    place = make_data(tmp_path)
    rows = [f"data/class{i % 3}/{i:02}.png,{'a|b' if i % 2 else 'b'}" for i in range(24)]
    (tmp_path / "several.csv").write_text("\n".join(["path,labels", *rows]) + "\n")
    options: PlanOptions = {"recipe": "scratch", "img_size": 12, "batch_size": 8}
    plan = planned(tmp_path / "several.csv", f"{place / 'net.py'}:plain", options, Timed(Silent()))
    assert plan.dataset.targets is not None
    found = step_speed("scratch", plan)
    assert found.learn is not None and found.learn > 0
