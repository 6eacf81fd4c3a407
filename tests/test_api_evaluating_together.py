"""Several real processes that divide the pictures on gloo: the same counts as one, and an end for all."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from door import PROCESSES, _command, neocog
from judged import make_run, save_digits
from neocog.training.processes.distributed import joined
from worlds import LIMIT, free_port, neocog_in_world, variables

EXACT = (
    "top1",
    "top5",
    "top1_interval",
    "n",
    "skipped",
    "leakage",
    "per_class",
    "confused",
    "unknown_classes",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """101 pictures, one of them unreadable, a few of which trained the run."""
    here = tmp_path_factory.mktemp("together")
    make_run(here / "a", 0)
    make_run(here / "b", 1)
    data = save_digits(here / "data", range(50, 150))
    (data / "3" / "0000bad.png").write_text("nothing")
    assert len([*data.rglob("*.png")]) == 101
    save_digits(here / "two", [100])
    (here / "two" / "0").mkdir(exist_ok=True)
    (here / "two" / "0" / "0000bad.png").write_text("nothing")
    return here


def predictions(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return [(row["path"], row["truth"], row["label1"]) for row in csv.DictReader(file)]


def test_two_processes_count_what_one_does(place: Path, tmp_path: Path) -> None:
    words = ("eval", place / "a", place / "data", "--with", place / "b", "--engine", "torch", "--json")
    alone = json.loads(neocog(*words, "-o", tmp_path / "one", cwd=place).stdout)
    (code, out, err), other = neocog_in_world(2, *words, "-o", tmp_path / "both", cwd=tmp_path)
    assert (code, other[0]) == (0, 0), err + other[2]
    assert (other[1], other[2]) == ("", "")  # the first speaks for all
    together = json.loads(out)
    assert {key: together[key] for key in EXACT} == {key: alone[key] for key in EXACT}
    assert (alone["n"], alone["leakage"]["same"], len(alone["skipped"])) == (100, 10, 1)
    assert [one["top1"] for one in together["members"]] == [one["top1"] for one in alone["members"]]
    for name, pair in together["figures"].items():
        assert pair["value"] == pytest.approx(alone["figures"][name]["value"], abs=1e-6)
    assert err.count("0000bad.png") == 1
    assert predictions(tmp_path / "both") == predictions(tmp_path / "one")
    assert (tmp_path / "both" / "confusion.csv").read_text() == (
        tmp_path / "one" / "confusion.csv"
    ).read_text()


def test_three_processes_share_two_pictures_the_first_of_which_nobody_can_read(
    place: Path, tmp_path: Path
) -> None:
    words = ("eval", place / "a", place / "two", "--engine", "torch", "--json")
    alone: dict[str, Any] = json.loads(neocog(*words, cwd=place).stdout)
    (code, out, err), *others = neocog_in_world(3, *words, cwd=tmp_path)
    assert [code, *(other[0] for other in others)] == [0, 0, 0], err
    assert {key: json.loads(out)[key] for key in EXACT} == {key: alone[key] for key in EXACT}
    assert (alone["n"], len(alone["skipped"])) == (1, 1)


def test_what_is_wrong_is_told_once_and_all_end(place: Path, tmp_path: Path) -> None:
    done = neocog_in_world(
        2, "eval", place / "a", place / "data", "--engine", "torch", "--strict", cwd=tmp_path
    )
    assert [code for code, _, _ in done] == [2, 2]
    assert sum(err.count("0000bad.png") for _, _, err in done) == 1
    assert not any(out for _, out, _ in done)


def _dies(environment: Mapping[str, str]) -> None:
    """A process that meets the other and is killed before it has answered a picture."""
    os.environ.update(environment)
    with joined(torch.device("cpu")):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_when_one_is_killed_the_other_says_so_and_ends(place: Path, tmp_path: Path) -> None:
    port = free_port()
    streams = [tmp_path / name for name in ("stdin", "stdout", "stderr")]
    streams[0].touch()
    words = ["neocog", "eval", str(place / "a"), str(place / "data"), "--engine", "torch", "--json"]
    told = (words, place, {**os.environ, **variables(0, 2, port)}, streams)
    living, dying = (
        PROCESSES.Process(target=_command, args=told),
        PROCESSES.Process(target=_dies, args=(variables(1, 2, port),)),
    )
    living.start()
    dying.start()
    dying.join(LIMIT)
    living.join(LIMIT)
    assert (living.exitcode, dying.exitcode) == (2, -signal.SIGKILL)
    assert not streams[1].read_text()
    said = streams[2].read_text()
    assert "all processes must live and answer until the end, this one lost another" in said
    assert "Traceback" not in said
