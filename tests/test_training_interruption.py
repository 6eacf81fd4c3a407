"""Real signals to real processes; what they print is what the interruption said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import neocog
from neocog.training.resume.interruption import Interruption

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
STEPS = """
import signal, sys, time
from neocog.training.resume.interruption import Interruption
with Interruption({limit}) as interruption:
    print("stepping", flush=True)
    while not interruption.asked:
        time.sleep(0.005)
    try:
        print("asked:", interruption.asked, flush=True)
        if {stubborn}:
            time.sleep(60)
    except KeyboardInterrupt:
        print("left at once", flush=True)
print("saved", signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
"""


def started(
    limit: float | None = None, stubborn: bool = False, ignoring: bool = False
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STEPS.format(limit=limit, stubborn=stubborn)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(neocog.__file__).parents[1])},
        # whatever this suite was started with: in the background SIGINT is ignored
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN if ignoring else signal.SIG_DFL),
    )
    assert process.stdout and process.stdout.readline() == "stepping\n"
    return process


def rest(process: subprocess.Popen[str]) -> list[str]:
    """The lines that are left; `communicate` would lose those that came with the last one that was read."""
    with process:
        assert process.stdout
        return process.stdout.read().splitlines()


@posix
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SIGINT", "interrupted"),
        ("SIGTERM", "terminated by SIGTERM"),
        ("SIGUSR1", "asked to stop by SIGUSR1"),
    ],
)
def test_a_signal_lets_the_step_end(name: str, reason: str) -> None:
    process = started()
    process.send_signal(getattr(signal, name))
    assert rest(process) == [f"asked: {reason}", "saved True"]
    assert process.returncode == 0


@posix
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_after_that_leaves_at_once(first: signal.Signals) -> None:
    process = started(stubborn=True)
    process.send_signal(first)
    assert process.stdout and process.stdout.readline().startswith("asked: ")
    process.send_signal(signal.SIGINT)
    assert rest(process) == ["left at once", "saved True"]


@posix
def test_a_second_sigterm_is_no_hurry() -> None:
    """Launchers repeat it; a run that is saving must not be broken off by it."""
    process = started(stubborn=True)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert rest(process) == ["asked: terminated by SIGTERM", "left at once", "saved True"]


@posix
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored() -> None:
    process = started(ignoring=True)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert rest(process) == ["asked: terminated by SIGTERM", "saved False"]


@posix
def test_the_time_allowed_runs_out() -> None:
    process = started(limit=0.05)
    assert rest(process) == ["asked: the time limit of 0.05 s is over", "saved True"]


@pytest.mark.parametrize(("limit", "words"), [(0, "0 s"), (1e-9, "1e-09 s")])
def test_no_time_at_all_is_over_at_once(limit: float, words: str) -> None:
    with Interruption(limit) as interruption:
        assert interruption.asked == f"the time limit of {words} is over"


def test_the_clock_starts_on_entering() -> None:
    interruption = Interruption(0.2)
    time.sleep(0.25)
    with interruption:
        assert interruption.asked == ""


def test_without_signal_or_limit_nothing_is_asked() -> None:
    with Interruption() as interruption:
        assert interruption.asked == ""


@posix
def test_handlers_of_before_are_back_even_after_an_error() -> None:
    def mine(number: int, frame: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGUSR1, mine)
    try:
        with pytest.raises(ZeroDivisionError), Interruption():
            assert signal.getsignal(signal.SIGUSR1) is not mine
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGUSR1) is mine
    finally:
        signal.signal(signal.SIGUSR1, before)


NESTED = """
import signal
from neocog.training.resume.interruption import Interruption
with Interruption() as outer:
    with Interruption() as inner:
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGUSR1)
    print(inner.asked, outer.asked, sep=", ")
"""


@posix
def test_one_inside_another_hands_back() -> None:
    """In a process of its own: a library that other tests load may have handlers that are not Python's."""
    done = subprocess.run(
        [sys.executable, "-c", NESTED],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(neocog.__file__).parents[1])},
        check=False,
    )
    assert done.stdout == "terminated by SIGTERM, asked to stop by SIGUSR1\n", done.stderr


def test_outside_the_main_thread_the_time_counts_alone() -> None:
    seen: list[str] = []

    def run() -> None:
        before = signal.getsignal(signal.SIGINT)
        with Interruption(0) as interruption:
            assert signal.getsignal(signal.SIGINT) is before
            seen.append(interruption.asked)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == ["the time limit of 0 s is over"]
