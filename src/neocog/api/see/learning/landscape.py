"""The loss around the weights of a run, and on the way from an earlier state of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import Loaded
from neocog.bundle import read_snapshot, snapshots
from neocog.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

    from neocog.inside.learning.task import Task

DIRECTIONS = 2
PIXELS = 2**20
"""of all pictures together: the loss on them is computed dozens of times"""
LEAST = 24
"""pictures that are taken however large they are"""
REACH = 1.0
"""how far a slice goes: as far as the weights are long, filter by filter"""
BEYOND = 0.25
"""how far the line between two states goes on behind its ends"""


@dataclass(frozen=True, eq=False)
class Landscape:
    """The mean loss on some pictures, at weights that are not the run's own; infinite where it is no number."""

    steps: NDArray[np.float64]
    """(points,)"""
    pictures: int
    """on which the loss was computed"""
    slices: NDArray[np.float64]
    """(directions, points): along random directions, normalised by filter"""
    grid: NDArray[np.float64] | None
    """(n, n), over two of them; None where it was not asked for"""
    epoch: int | None = None
    """of the earliest state that the run kept (`train --snapshots`); None where it kept no other than its own"""
    shares: NDArray[np.float64] | None = None
    """where on the straight line: 0 is that state, 1 the run's own"""
    line: NDArray[np.float64] | None = None
    """the loss there"""

    def to_json(self) -> dict[str, Any]:
        return {
            "pictures": self.pictures,
            "steps": self.steps.tolist(),
            "slices": [_plain(losses) for losses in self.slices],
            "grid": None if self.grid is None else [_plain(losses) for losses in self.grid],
            "epoch": self.epoch,
            "shares": None if self.shares is None else self.shares.tolist(),
            "line": None if self.line is None else _plain(self.line),
        }


def _plain(losses: NDArray[np.float64]) -> list[float | None]:
    return [loss if np.isfinite(loss) else None for loss in losses.tolist()]


def landscape_of(
    loaded: Loaded, net: nn.Module, task: Task, asked: tuple[int, int, int], told: Progress
) -> Landscape:
    """`asked` are the points of a slice, those of a side of the grid or 0 for none, and the seed of the directions."""
    import torch

    from neocog.inside.learning.landscape import plane_losses, random_direction, slice_losses

    points, side, seed = asked
    task = task.some(max(LEAST, PIXELS // (task.x.shape[2] * task.x.shape[3])))
    generator = torch.Generator().manual_seed(seed)
    ways = [random_direction(net, generator) for _ in range(DIRECTIONS)]
    steps = np.linspace(-REACH, REACH, points)
    with told.step("landscape", points * len(ways)) as advance:
        slices = np.stack([slice_losses(net, task, way, steps.tolist(), advance) for way in ways])
    grid = None
    if side:
        places = np.linspace(-REACH, REACH, side).tolist()
        with told.step("grid", side * side) as advance:
            grid = plane_losses(net, task, (ways[0], ways[1]), places, advance)
    return Landscape(steps, len(task.x), slices, grid, *_line(loaded, net, task, points, told))


def _line(
    loaded: Loaded, net: nn.Module, task: Task, points: int, told: Progress
) -> tuple[int | None, NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """From the earliest kept state that is another one."""
    from neocog.inside.learning.landscape import losses_between

    end = net.state_dict()
    first = _earliest(loaded, end)
    if first is None:
        return None, None, None
    epoch, start = first
    inner = np.linspace(0, 1, points)
    shares = np.concatenate([[-BEYOND, -BEYOND / 2], inner, [1 + BEYOND / 2, 1 + BEYOND]])
    with told.step("line", len(shares)) as advance:
        return epoch, shares, losses_between(net, task, (start, end), shares.tolist(), advance)


def _earliest(loaded: Loaded, end: Mapping[str, Tensor]) -> tuple[int, dict[str, Tensor]] | None:
    """The epoch and its weights, without auxiliary heads."""
    import torch

    assert loaded.folder is not None
    for epoch, _ in snapshots(loaded.folder):
        kept = read_snapshot(loaded.folder, epoch)
        state = {name: torch.from_numpy(np.array(kept[name])).to(tensor) for name, tensor in end.items()}
        if any(bool((tensor != end[name]).any()) for name, tensor in state.items()):
            return epoch, state
    return None
