"""What happened in a run: `events.jsonl`, one JSON object per line, and the figures for TensorBoard."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from neocog.errors import UserError
from neocog.files import make_folder, write_bytes

NAME = "events.jsonl"
Scalars = Callable[[int, Mapping[str, float]], None]
"""takes a step and its figures by name"""


class Events:
    """Appends to `events.jsonl` in a folder. A line that a crash left unfinished is dropped on opening."""

    def __init__(self, folder: Path):
        self.path = make_folder(folder) / NAME
        self._file = _opened(self.path)
        os.ftruncate(self._file, sum(map(len, _lines(self.path))))

    def add(self, kind: str, **fields: Any) -> None:
        """One line {"time": UTC, "kind": kind, ...}, in the file when this returns; NaN and infinities as strings.

        Raises UserError where the disk refuses; nothing of the line is left then.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(_strict({"time": now, "kind": kind, **fields}), allow_nan=False).encode() + b"\n"
        before = self.path.stat().st_size
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise _refused(self.path, error) from error

    def trim(self, step: int) -> None:
        """Remove the lines whose "step" is above `step`, where a run goes on from, so that none is told twice."""
        lines = _lines(self.path)
        events = read_events(self.path.parent)
        kept = [line for line, event in zip(lines, events, strict=True) if event.get("step", 0) <= step]
        if len(kept) < len(lines):
            self.close()
            write_bytes(self.path, b"".join(kept))
            self._file = _opened(self.path)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def read_events(folder: Path) -> list[dict[str, Any]]:
    """The events of a run, also while it goes on; none where it has no log.

    Raises UserError for a line that is no JSON object, which only another program can have written.
    """
    path = folder / NAME
    return [_event(path, number, line) for number, line in enumerate(_lines(path), 1)]


@contextmanager
def scalars_to(folder: Path, after: int = 0) -> Iterator[Scalars]:
    """Writes figures where TensorBoard shows them; it forgets what an earlier run told about steps above `after`.

    Needs the extra `tensorboard`, or tensorboardX; raises UserError without.
    """
    writer = _summary_writer()(str(make_folder(folder)), purge_step=after + 1 if after else None)

    def add(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()  # it would keep two minutes' figures, and a killed run would lose them

    try:
        yield add
    finally:
        writer.close()


def _summary_writer() -> Any:
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        with suppress(ImportError):
            return import_module(module).SummaryWriter
    raise UserError(
        "figures for TensorBoard need the package tensorboard, which is not installed; "
        "pip install 'neocog[tensorboard]', or leave them out: metrics.csv has them too"
    )


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise _refused(path, error) from error


def _lines(path: Path) -> list[bytes]:
    """The lines that were written to their end."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [line + b"\n" for line in lines[:-1]]


def _event(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise UserError(f"each line of {path} must be a JSON object, but line {number} is not; remove it")
    return event


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity; `float` reads them from strings."""
    if isinstance(value, float) and not isfinite(value):
        return repr(float(value))
    if isinstance(value, Mapping):
        return {key: _strict(part) for key, part in value.items()}
    return [_strict(part) for part in value] if isinstance(value, list | tuple) else value


def _refused(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror}; free some space or choose another place")
