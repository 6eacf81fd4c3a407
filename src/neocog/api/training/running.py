"""How a training run is carried out: on what, watched by whom, and what it keeps meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from neocog.api.wording import seconds
from neocog.data.loading.workers import parse_workers
from neocog.training.resume.saving import Saving

if TYPE_CHECKING:
    from neocog.api.training.plan import Plan


class RunOptions(TypedDict, total=False):
    """What `train` takes by keyword about the machine and the disk."""

    strict: bool
    """a picture that cannot be read is an error instead of being skipped and counted"""
    engine: str
    """that computes features and predictions: auto, openvino or torch"""
    device: str
    """auto, cpu, cuda or mps"""
    workers: int | str
    """that load pictures: a number, threads:N, processes:N, or auto, which measures"""
    precision: str | None
    """of a training step: float32, bfloat16, or None, which measures"""
    compile: bool
    """make one program of the network"""
    recompute: bool
    """less memory: blocks are computed again on the way back"""
    keep: int
    """newest checkpoints that stay"""
    save_every: float
    """seconds from one checkpoint to the next"""
    snapshots: int
    """newest epochs whose weights stay in the run, as `RUN@EPOCH`"""
    time_limit: str | float | None
    """after which the run is saved and ends: 600, "10m", "1h30m\""""
    tensorboard: bool
    """figures for TensorBoard in the run's folder, too"""


RUNNING = tuple(RunOptions.__annotations__)
AS_GIVEN = ("strict", "engine", "device", "precision", "compile", "recompute")


def run_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as fields of a `Plan`."""
    saving = Saving(
        every=options.get("save_every", 120.0),
        keep=options.get("keep", 2),
        snapshots=options.get("snapshots", 0),
        limit=seconds(options.get("time_limit")),
        tensorboard=options.get("tensorboard", False),
    )
    given = {name: options[name] for name in AS_GIVEN if name in options}
    return {**given, "saving": saving, "workers": parse_workers(options.get("workers", "auto"))}


def running_json(plan: Plan) -> dict[str, Any]:
    """The options of a plan as `run_options` takes them."""
    saving, workers = plan.saving, plan.workers
    return {
        **{name: getattr(plan, name) for name in AS_GIVEN},
        "workers": f"{workers.kind}:{workers.count}" if workers else "auto",
        "keep": saving.keep,
        "snapshots": saving.snapshots,
        "save_every": saving.every,
        "time_limit": saving.limit,
        "tensorboard": saving.tensorboard,
    }
