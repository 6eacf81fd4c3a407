from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.errors import UserError
from neocog.training.resume.events import Events, read_events, scalars_to

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def without_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name != "time"} for event in events]


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


def test_each_event_is_a_line_of_json_with_its_time(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with Events(tmp_path / "run") as events:
        events.add("started", recipe="cpu-quick")
        events.add("epoch", step=10, loss=0.1 + 0.2, top1=None, classes=["é\n", "b"])
        lines = (tmp_path / "run" / "events.jsonl").read_text().splitlines()  # before it is closed
    first, second = map(json.loads, lines)
    assert list(first) == ["time", "kind", "recipe"] and (first["kind"], first["recipe"]) == (
        "started",
        "cpu-quick",
    )
    assert second["loss"] == 0.30000000000000004 and second["classes"] == ["é\n", "b"]
    assert (datetime.fromisoformat(first["time"]) - began).total_seconds() < 60
    assert datetime.fromisoformat(first["time"]).utcoffset() == datetime.now(UTC).utcoffset()


def test_numbers_that_json_lacks_are_strings_that_float_reads(tmp_path: Path) -> None:
    with Events(tmp_path) as events:
        events.add("epoch", step=1, loss=inf, nested={"a": [nan, -inf]})
    text = (tmp_path / "events.jsonl").read_text()
    event = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert (event["loss"], event["nested"]) == ("inf", {"a": ["nan", "-inf"]})
    assert float(event["loss"]) == inf


def test_another_process_goes_on_below(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        with Events(tmp_path) as events:
            events.add("epoch", step=step)
    assert [event["step"] for event in read_events(tmp_path)] == [1, 2, 3]


@given(st.data())
def test_a_torn_last_line_is_dropped_wherever_it_was_torn(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with Events(folder) as events:
        for step in range(3):
            events.add("epoch", step=step, text="é" * step)
    path = folder / "events.jsonl"
    whole = path.read_bytes()
    length = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:length])
    complete = whole[:length].count(b"\n")
    assert [event["step"] for event in read_events(folder)] == list(range(complete))
    with Events(folder) as events:
        events.add("epoch", step=99)
    assert [event["step"] for event in read_events(folder)] == [*range(complete), 99]


@given(st.lists(st.none() | st.integers(0, 9)), st.integers(-1, 10))
def test_going_on_from_a_step_forgets_what_came_after_it(
    tmp_path_factory: pytest.TempPathFactory, at_steps: list[int | None], step: int
) -> None:
    folder = tmp_path_factory.mktemp("trim")
    told = [{"kind": "epoch", **({} if at is None else {"step": at})} for at in at_steps]
    with Events(folder) as events:
        for event in told:
            events.add(**event)
        events.trim(max(step, 0))
        events.add("resumed", step=step)
    expected = [event for event in told if event.get("step") in (None, *range(max(step, 0) + 1))]
    assert without_time(read_events(folder)) == [*expected, {"kind": "resumed", "step": step}]


def test_a_log_without_a_run_is_empty(tmp_path: Path) -> None:
    assert read_events(tmp_path) == []


@pytest.mark.parametrize("line", ["half", "[1]", "3", ""])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    with Events(tmp_path) as events:
        events.add("a")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match="must be a JSON object, but line 2 is not; remove it"):
        read_events(tmp_path)


def test_a_folder_in_place_of_the_log_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(UserError, match="cannot write .*events.jsonl: Is a directory; free some space or"):
        Events(tmp_path)


@posix
def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """A file may be 1,000 bytes: the write that reaches them is cut short, the next refused."""
    code = f"""
import resource, signal
from pathlib import Path
from neocog.training.resume.events import Events
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with Events(Path({str(tmp_path)!r})) as events:
    for step in range(100):
        events.add("epoch", step=step)
"""
    _, stderr = python(code).communicate()
    assert "UserError: cannot write" in stderr and "free some space or choose another place" in stderr
    found = read_events(tmp_path)
    data = (tmp_path / "events.jsonl").read_bytes()
    assert data.endswith(b"}\n") and len(data) <= 1000
    assert [event["step"] for event in found] == list(range(len(found))) and len(found) > 5


@posix
def test_a_killed_writer_leaves_all_that_it_had_told(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from neocog.training.resume.events import Events
events = Events(Path({str(tmp_path)!r}))
for step in range(10**9):
    events.add("epoch", step=step)
    print(step, flush=True)
"""
    process = python(code)
    assert process.stdout and process.stdout.readline() == "0\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    with process:
        whole = process.stdout.read().rpartition("\n")[0]  # a full pipe may cut the last number
        told = [0, *map(int, whole.split())]
    steps = [event["step"] for event in read_events(tmp_path)]
    assert steps[: len(told)] == told and len(steps) <= len(told) + 1


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """As TensorBoard's own reader finds them."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(s.step, s.value) for s in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard_reads_the_figures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with scalars_to(tmp_path) as add:
        add(10, {"loss/train": 0.5, "lr": 0.25})
        add(20, {"loss/train": 0.125})
        while_it_runs = scalars(tmp_path)
    assert while_it_runs == {"loss/train": [(10, 0.5), (20, 0.125)], "lr": [(10, 0.25)]}


@posix
def test_tensorboard_reads_all_that_a_run_had_told_when_it_was_killed(tmp_path: Path) -> None:
    """The writer hands figures to a thread of its own, which may lag behind."""
    pytest.importorskip("tensorboard")
    code = f"""
import os, signal
from pathlib import Path
from neocog.training.resume.events import scalars_to
with scalars_to(Path({str(tmp_path)!r})) as add:
    for step in range(200):
        add(step, {{"loss": step / 8, "top1": step / 256}})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with python(code) as process:
        assert process.wait() == -signal.SIGKILL
    assert scalars(tmp_path) == {
        "loss": [(step, step / 8) for step in range(200)],
        "top1": [(step, step / 256) for step in range(200)],
    }


def test_a_run_that_goes_on_shows_no_step_twice(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for after, at_steps in ((0, (10, 20, 30)), (20, (30, 40))):
        with scalars_to(tmp_path, after) as add:
            for step in at_steps:
                add(step, {"loss": step + after / 64})
        time.sleep(1.1)  # files are named by the second they were begun in, and read in that order
    assert scalars(tmp_path)["loss"] == [(10, 10), (20, 20), (30, 30.3125), (40, 40.3125)]


def test_without_the_package_the_way_to_it_is_told(tmp_path: Path) -> None:
    """Python's own switch makes the packages unfindable: None in sys.modules."""
    code = f"""
import sys
from pathlib import Path
sys.modules["tensorboard"] = sys.modules["tensorboardX"] = None
from neocog.training.resume.events import scalars_to
with scalars_to(Path({str(tmp_path)!r})):
    pass
"""
    _, stderr = python(code).communicate()
    assert stderr.splitlines()[-1] == (
        "neocog.errors.UserError: figures for TensorBoard need the package tensorboard, which is not installed; "
        "pip install 'neocog[tensorboard]', or leave them out: metrics.csv has them too"
    )
