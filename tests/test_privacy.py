"""The main job in a fresh home: nothing connects, nothing is written outside our own cache and the run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from neocog.data.builtin import HERE

WATCH = '''
"""Loaded by every Python process of the job, forked ones included: notes sockets, forks and files opened to write."""
import json, os, sys

LOG = os.environ["WATCH_LOG"]


def hook(event, arguments):
    if event.startswith("socket.") or event in ("os.fork", "os.forkpty", "subprocess.Popen", "os.system"):
        note(event, repr(arguments)[:200])
    elif event == "open" and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = arguments
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
            isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes:
            note(event, os.fsdecode(path))
    elif event in ("os.mkdir", "os.rename", "os.symlink"):
        note(event, os.fsdecode(arguments[1 if event != "os.mkdir" else 0]))


busy = False


def note(event, what):
    global busy
    if busy or what == LOG:
        return
    busy = True
    try:
        handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (json.dumps([event, what]) + "\\n").encode())
        os.close(handle)
    finally:
        busy = False


sys.addaudithook(hook)
'''


def watched(folder: Path, *commands: list[str]) -> list[tuple[str, str]]:
    """What the commands did, run one after the other in `folder` with a home of their own."""
    home, work, log = folder / "home", folder / "work", folder / "log"
    for place in (home, work, folder / "hook", folder / "temporary"):
        place.mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(WATCH)
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "TF_BUILD", "JENKINS_URL", "NEOCOG_CACHE")}
    kept |= {"HOME": str(home), "PYTHONPATH": str(folder / "hook"), "WATCH_LOG": str(log)}
    # Python tries its temporary folder with a file there, as soon as any library asks for its name (torch loads dill)
    kept |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "temporary")}
    kept.pop("XDG_CACHE_HOME", None)
    for command in commands:
        done = subprocess.run([sys.executable, *command], cwd=work, env=kept, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def test_the_watcher_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """A plain `import openvino` forks, writes into the home folder and sends."""
    seen = watched(
        tmp_path, ["-c", "import socket; socket.socket(); open('x', 'w').close(); import os; os.fork()"]
    )
    assert {"socket.__new__", "open", "os.fork"} <= {event for event, _ in seen}


def test_the_main_job_connects_to_nothing_and_writes_only_into_its_cache_and_run(tmp_path: Path) -> None:
    picture = str(HERE / "whole" / "rocket.jpg")
    seen = watched(
        tmp_path,
        ["-m", "neocog", "train", "builtin/photos"],
        ["-m", "neocog", "predict", "runs/last", picture],
        ["-m", "neocog", "doctor"],
    )
    events = {event for event, _ in seen}
    assert "open" in events, "nothing was noted: the watcher does not work"
    connecting = [(event, what) for event, what in seen if event.startswith("socket.") or event == "os.fork"]
    assert not connecting
    home, work = tmp_path / "home", tmp_path / "work"
    allowed = [home / ".cache" / "neocog", work / "runs", tmp_path / "temporary"]
    elsewhere = set()
    for event, what in seen:
        if event not in ("open", "os.mkdir", "os.rename", "os.symlink") or what.startswith(
            ("/dev/", "/proc/")
        ):
            continue
        path = (work / what).resolve()
        if not any(path.is_relative_to(place) for place in allowed) and path != (home / ".cache"):
            elsewhere.add((event, what))
    assert not elsewhere
    assert not list((tmp_path / "temporary").iterdir())
    assert sorted(path.name for path in home.iterdir()) == [".cache"]
    assert sorted(path.name for path in (home / ".cache").iterdir()) == ["neocog"]
    assert sorted(path.name for path in work.iterdir()) == ["runs"]
