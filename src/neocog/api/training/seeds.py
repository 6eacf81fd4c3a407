"""One training run for each of several seeds, and how far their accuracies lie apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import stdev
from typing import Any, Unpack

from neocog import files, runtime
from neocog.api.training.config import config_of
from neocog.api.training.outputs import table
from neocog.api.training.places import run_place
from neocog.api.training.plan import Plan
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.api.training.train import Run, carried_out
from neocog.errors import UserError
from neocog.progress import Progress, Silent

CONFIG = "config.json"


@dataclass(frozen=True)
class SeedRuns:
    """Runs that differ in their seed alone, and the mean of their accuracies."""

    folder: Path
    seeds: tuple[int, ...]
    """of the runs that have come to their end"""
    runs: tuple[Run, ...]
    interrupted: str = ""
    """why there are not as many as were asked for"""

    @property
    def top1(self) -> tuple[float, ...]:
        """The share of held-out pictures that each run names right."""
        return tuple(run.figures["top1"] for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """`top1_std` is the standard deviation with n - 1, `top1_interval` Student's with 95 % confidence."""
        from neocog.experiments.training.interval import interval

        several = len(self.runs) > 1
        found = interval(self.top1) if self.runs else None
        return {
            "folder": str(self.folder),
            "seeds": list(self.seeds),
            "top1": list(self.top1),
            "top1_mean": found.mean if found else None,
            "top1_std": stdev(self.top1) if several else None,
            "top1_interval": [found.low, found.high] if found and isfinite(found.low) else None,
            "n_val": [run.figures["n_val"] for run in self.runs],
            "interrupted": self.interrupted,
        }

    def __str__(self) -> str:
        figures = self.to_json()
        if figures["top1_std"] is None:
            return f"{len(self.runs)} of the runs came to an end; a mean with its spread needs two"
        low, high = figures["top1_interval"]
        return (
            f"accuracy {figures['top1_mean']:.4f} ± {figures['top1_std']:.4f} (mean and standard deviation of "
            f"{len(self.runs)} seeds; 95 % interval of the mean {low:.4f} to {high:.4f})"
        )


def train_seeds(
    data: object,
    model: str | None = None,
    *,
    seeds: int,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[PlanOptions],
) -> SeedRuns:
    """Train with `seeds` seeds from `seed` on, each in a folder of its own in `output`: `seed-0`, `seed-1`, ...

    A seed decides the split (where the data have none), the first weights and the order of the pictures; so the spread
    is over all three. Everything else is as `train` has it. `resume`, `auto` in `output` or a folder in that one, keeps
    the runs that are done and goes on with the one that is not. `seeds.json` and `seeds.csv` have the figures.
    """
    if seeds < 2:
        raise UserError(f"seeds must be at least 2, to see a spread, got {seeds}; leave it out for one run")
    if runtime.launched():
        raise UserError("several seeds run in one process; leave torchrun out, or give one --seed at a time")
    if options.get("time") is not None:
        raise UserError(
            "--time plans one run; give --epochs with --seeds, or a --config that --time has planned"
        )
    told = Timed(progress or Silent())
    plan = planned(data, model, options, told)
    folder = _folder(plan, output, resume, told)
    _demand_same(folder, plan)
    done: dict[int, Run] = {}
    for seed, run in _each(plan, folder, range(plan.seed, plan.seed + seeds), resume is not None, told):
        if run.interrupted:
            return _written(SeedRuns(folder, tuple(done), tuple(done.values()), run.interrupted))
        done[seed] = run
        told.say(f"seed {seed}: top-1 {run.figures['top1']:.4f}")
    return _written(SeedRuns(folder, tuple(done), tuple(done.values())))


def _each(plan: Plan, folder: Path, seeds: range, resume: bool, told: Timed) -> Iterator[tuple[int, Run]]:
    for seed in seeds:
        own = folder / f"seed-{seed}"
        here = replace(plan, seed=seed, decisions=plan.decisions if seed == seeds[0] else ())
        goes_on = "auto" if resume and own.exists() else None
        yield seed, carried_out(here, own, goes_on, Timed(told))


def _folder(plan: Plan, output: str | Path | None, resume: str | Path | None, told: Progress) -> Path:
    """The folder of all runs."""
    if resume is None:
        return run_place(output, None, plan, told).folder
    if resume == "auto" and output is None:
        raise UserError("--seeds with --resume auto needs --output, the folder that the runs are in")
    folder = Path(output if resume == "auto" and output is not None else resume).expanduser()
    return files.make_folder(folder)


def _demand_same(folder: Path, plan: Plan) -> None:
    """The runs in one folder have one configuration, which is kept beside them."""
    own = json.dumps({**config_of(plan), "seed": None, "run": None}, indent=2, ensure_ascii=False) + "\n"
    place = folder / CONFIG
    if place.is_file() and place.read_text("utf-8") != own:
        raise UserError(
            f"{folder} has runs of another configuration (its {CONFIG}); give the same flags, or another --output"
        )
    files.write_text(place, own)


def _written(found: SeedRuns) -> SeedRuns:
    rows = [
        (seed, run.figures["top1"], run.figures["n_val"])
        for seed, run in zip(found.seeds, found.runs, strict=True)
    ]
    files.write_text(found.folder / "seeds.csv", table(("seed", "top1", "n_val"), rows))
    files.write_text(found.folder / "seeds.json", json.dumps(found.to_json(), indent=2) + "\n")
    return found
