"""Is there room for a step?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from neocog.analysis.memory import constant_bytes, largest_batch, saved_for_backward
from neocog.errors import UserError
from neocog.training.preflight.finding import Finding, Subject, error, warning
from neocog.training.recipes.recipe import Recipe

NEARLY = 0.8  # share of the free memory above which other programs may take what is missing
ONE_NUMBER = ("sgd", "nesterov", "krizhevsky", "sdlm")
"""optimizers that keep one number for each weight; the others keep two"""


def step_fits(subject: Subject, x: Tensor) -> Iterator[Finding]:
    """The bytes of a step, as the analysis counts them, against what is free.

    Counted: gradients, the optimizer's numbers, what autograd keeps; the parameters are there already. A network that
    cannot be traced is not judged.
    """
    free = subject.sample.memory if subject.sample.memory is not None else free_bytes(x.device)
    if free is None:
        return
    size, batch, kept = tuple(x.shape[1:]), subject.recipe.batch_size, _kept(subject.recipe)
    here = sum(p.numel() * p.element_size() for p in subject.net.parameters())
    try:
        needed = constant_bytes(subject.net, kept) + saved_for_backward(subject.net, size, batch) - here
        if needed <= NEARLY * free:
            return
        most = min(largest_batch(subject.net, size, free + here, kept), batch)
    except UserError:
        return
    said = f"a step with {batch} pictures needs about {_gib(needed)}, and {_gib(free)} are free"
    if needed > free:
        way = (
            f"--batch-size {most} fits, with --accumulate for the same step"
            if most
            else "take a smaller network"
        )
        yield error(f"{said}; {way}")
    else:
        yield warning(f"{said}: other programs may take what is missing; a smaller --batch-size is safer")


def free_bytes(device: torch.device) -> int | None:
    """What this process can still take there; None where nobody says (neither Linux nor CUDA)."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    free = [n for n in (_available(), _room_in_group()) if n is not None]
    return min(free) if free and device.type == "cpu" else None


def _available() -> int | None:
    """Linux's MemAvailable: free memory and what it would give back, such as its cache of files."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def _room_in_group() -> int | None:
    """What a container's limit (control groups, version 2) leaves; files that its cache holds count as free."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - int(used) + int(stat.get("inactive_file", 0))


def _kept(recipe: Recipe) -> str:
    if recipe.optimizer not in ONE_NUMBER:
        return "adam"
    return "momentum" if recipe.momentum or recipe.optimizer == "sdlm" else "sgd"


def _gib(size: float) -> str:
    return f"{size / 2**30:,.2f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
