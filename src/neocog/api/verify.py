"""The verb `verify`: does a run still compute what it computed when it was made?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neocog.api.networks import find_run, load_classifier
from neocog.bundle import check_snapshot, read_calibration, read_golden, snapshots
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.inference.engines import TOLERANCE, choose


@dataclass(frozen=True)
class Verdict:
    """The largest difference of a probability per engine, on the photographs that the bundle carries."""

    run: str
    differences: dict[str, float]
    pictures: int
    tolerance: float

    @property
    def ok(self) -> bool:
        return all(off <= self.tolerance for off in self.differences.values())

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "ok": self.ok, "pictures": self.pictures, "differences": self.differences}

    def table(self) -> Table:
        rows = tuple((name, off, off <= self.tolerance) for name, off in self.differences.items())
        return Table(("engine", "largest difference", "same"), rows)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def verify(run: str | Path, *, model: str | None = None, tolerance: float = 2 * TOLERANCE) -> Verdict:
    """Replay the golden self-test of `run` on every engine that runs here; also checks each file's SHA-256.

    The pictures go the whole way: decoding, resizing, network, softmax or sigmoid. The tolerance is twice that of an
    engine, since the stored answers and the replayed ones may each be one engine's tolerance away from torch's.
    """
    folder = find_run(run)
    if folder is None:
        raise UserError(f"{run} is a published model without a self-test; give the folder of a run")
    loaded, golden = load_classifier(folder, model), read_golden(folder)
    read_calibration(folder)  # a damaged one is told here, too
    for _, path in snapshots(folder):
        check_snapshot(path)
    head = replace(loaded.head, temperature=1.0)  # the answers were stored before any calibration
    pixels = np.stack([loaded.network.preprocess(picture) for picture in golden.pictures])
    differences = {}
    for name in ("torch", "auto"):
        engine = choose(loaded.network, head, name).engine
        given = head.probabilities(engine(pixels))
        differences[engine.name] = float(np.abs(given - golden.probabilities).max())
    return Verdict(str(run), differences, len(golden.pictures), tolerance)
