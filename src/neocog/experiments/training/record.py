"""Finished trials in a file, a JSON line each, so that a stopped experiment goes on where it was."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from neocog.errors import UserError
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Record


class Notebook:
    """The trials of one experiment at one scale in `path`. Lines of another scale or version are left alone."""

    def __init__(self, path: Path, scale: Scale):
        self.path = path
        self.made_by = {"scale": asdict(scale), "neocog": version("neocog"), "torch": version("torch")}

    def read(self) -> dict[tuple[str, int], tuple[Record, float]]:
        """Records with the seconds that each took; a line that a stop cut short does not count."""
        found = {}
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            with suppress(json.JSONDecodeError, KeyError, TypeError):
                stored: dict[str, Any] = json.loads(line)
                if stored["made_by"] == self.made_by:
                    key = stored["arm"], stored["seed"]
                    found[key] = Record.from_json(stored["record"]), stored["seconds"]
        return found

    def write(self, arm: str, seed: int, record: Record, seconds: float) -> None:
        """Add a line; it is on the disk when this returns."""
        line = {"arm": arm, "seed": seed, "seconds": seconds, "record": record.to_json()}
        text = json.dumps(line | {"made_by": self.made_by}, allow_nan=False)
        start = "\n" if self._cut_short() else ""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{start}{text}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(
                f"cannot write {self.path}: {error.strerror}; choose another folder or free some space"
            ) from error

    def _cut_short(self) -> bool:
        """Whether the last line has no end, so that the next one must begin with one."""
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
