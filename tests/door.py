"""The command through its real door: a process of its own, with the arguments that a person types.

Importing torch and OpenVINO takes longer than most commands, so the processes are forks of one that has imported them
and done nothing else. Where the system cannot fork, each starts from nothing.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

FORKS = "forkserver" in multiprocessing.get_all_start_methods()
PROCESSES = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:
    PROCESSES.set_forkserver_preload(
        [
            "neocog.api.training.train",
            "neocog.api.evaluating.evaluate",
            "torch",
            "torch._dynamo",
            "openvino",
            "sklearn",
        ]
    )
TIMEOUT = 300  # seconds


def neocog(
    *arguments: object, cwd: Path, stdin: str = "", ok: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the command; unless told otherwise it must succeed. It never shows a traceback."""
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        streams[0].write_text(stdin, "utf-8", "surrogateescape")
        words = ["neocog", *map(str, arguments)]
        process = PROCESSES.Process(target=_command, args=(words, cwd, dict(os.environ), streams))
        process.start()
        process.join(TIMEOUT)
        late = process.exitcode is None
        process.kill()
        process.join()
        out, err = (path.read_bytes().decode("utf-8", "surrogateescape") for path in streams[1:])
    done = subprocess.CompletedProcess(words, process.exitcode or 0, out, err)
    assert not late, f"{words} took more than {TIMEOUT} s\n{err}"
    assert "Traceback" not in done.stderr, done.stderr
    assert not ok or done.returncode == 0, done.stderr
    return done


def refused(*arguments: object, cwd: Path) -> str:
    """What a wrong command says: exit code 2, nothing on stdout, one last line."""
    done = neocog(*arguments, cwd=cwd, ok=False)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert not done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("neocog: ")
    return last.removeprefix("neocog: ")


def _command(words: list[str], cwd: Path, environment: Mapping[str, str], streams: list[Path]) -> None:
    """What `python -m neocog` does, in the process that this is."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    flags = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_TRUNC] * 2)
    for number, (path, flag) in enumerate(zip(streams, flags, strict=True)):
        os.dup2(os.open(path, flag, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (open(n, "r" if n == 0 else "w", closefd=False) for n in range(3))  # noqa: PTH123, SIM115
    sys.argv = words
    from neocog.cli.main import run

    try:
        run()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
