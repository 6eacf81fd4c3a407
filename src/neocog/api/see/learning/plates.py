"""What the view `training` shows: plates and tables of curves, of the loss around the weights, and of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.learning.landscape import Landscape
from neocog.api.see.learning.learned import Curves, Points
from neocog.api.see.wording import DEAD
from neocog.draw.by_layer import Figures, Histogram, figures, histograms
from neocog.draw.gallery import Plate, Room
from neocog.draw.text import in_percent
from neocog.draw.tiles import glowing, resized
from neocog.draw.trends import Trend, trends

if TYPE_CHECKING:
    from neocog.inside.learning.health import Health, LayerState
    from neocog.inside.learning.layer_watch import Drift

GRID = 420  # pixels of a side
NONE = "–"
HEADER = (
    "layer",
    "channels",
    "non-linearity",
    "mean ± deviation",
    "zeros",
    "dead channels",
    "saturated",
    "weights",
    "gradient",
)
Named = Callable[[str], str]


def learning_rooms(curves: Curves) -> Iterator[Room]:
    """None where the run had no epochs."""
    figure = curves.figure_name.removeprefix("eval_")
    percent = tuple((x, 100 * y) for x, y in curves.figure)
    plates = (
        _curve(
            "loss",
            "Loss by epoch",
            "The mean over the training pictures while they were learned from, augmented as the recipe says, and over "
            "the held-out pictures after the epoch. A gap that widens is learning by heart.",
            [("training", curves.train), ("held out", curves.held_out)],
        ),
        _curve(
            "figure",
            f"{figure} by epoch, in percent",
            "On the held-out pictures after each epoch.",
            [(f"{figure}, held out", percent)],
            most=100.0,
        ),
        _curve(
            "rate",
            "Learning rate by epoch",
            "That of each epoch's last step.",
            [("learning rate", curves.rate)],
        ),
        _curve(
            "steps",
            "Training loss by step",
            "Of single steps, as events.jsonl has them: its jumps are the differences between batches.",
            [("loss", curves.steps)],
        ),
    )
    if any(plates):
        yield Room(title="How it learned", plates=tuple(plate for plate in plates if plate))


def _curve(
    name: str, title: str, caption: str, lines: Sequence[tuple[str, Points]], most: float = inf
) -> Plate | None:
    """None where no line has two points."""
    if all(len(points) < 2 for _, points in lines):
        return None
    across = "step" if name == "steps" else "epoch"
    drawn = [_trend(label, points) for label, points in lines]
    return Plate(
        name=name,
        title=title,
        caption=caption,
        svg=trends(title.partition(" by ")[0], across, drawn, whole=True, most=most),
    )


def _trend(label: str, points: Points) -> Trend:
    return Trend(label, tuple((float(x), y, y, y) for x, y in points))


def landscape_rooms(landscape: Landscape) -> Iterator[Room]:
    """The slices, the plane where there is one, and the line from an earlier state."""
    lines = [
        _line(f"direction {i + 1}", landscape.steps, losses) for i, losses in enumerate(landscape.slices)
    ]
    plates = [
        Plate(
            name="landscape",
            title="Slices through the loss",
            caption=f"The loss on {landscape.pictures:,} pictures when all weights are moved along a random direction. "
            "At 0 are the run's own weights; at 1 each filter has moved by its own length, so that networks can be "
            "compared. A wide valley is robust to small changes of the weights.",
            svg=trends("Loss along random directions", "step", lines, whole=True),
        )
    ]
    if landscape.grid is not None and np.isfinite(landscape.grid).any():
        plates.append(_grid(landscape.grid))
    yield Room(
        title="The loss around the weights",
        words="Directions are normalised by filter (Li et al. 2018, section 4); biases and norms stay as they are.",
        plates=tuple(plates),
    )
    if landscape.line is not None and landscape.shares is not None:
        yield _line_room(landscape.epoch, landscape.shares, landscape.line)


def _line_room(epoch: int | None, shares: NDArray[np.float64], losses: NDArray[np.float64]) -> Room:
    plate = Plate(
        name="line",
        title=f"From epoch {epoch} to the end",
        caption=f"The loss on the straight line from the weights after epoch {epoch}, at 0, to those of the run, at 1, "
        "and a little beyond both. A line that falls without a bump means that no barrier lies between them "
        "(Goodfellow, Vinyals and Saxe 2015).",
        svg=trends("Loss on the line", "share of the way", [_line("loss", shares, losses)], whole=True),
    )
    return Room(title="From an earlier epoch", plates=(plate,))


def _line(label: str, steps: NDArray[np.float64], losses: NDArray[np.float64]) -> Trend:
    rows = zip(steps.tolist(), losses.tolist(), strict=True)
    return Trend(label, tuple((x, y, y, y) for x, y in rows))


def _grid(grid: NDArray[np.float64]) -> Plate:
    logs = np.log10(np.where(np.isfinite(grid), grid, np.nanmax(grid[np.isfinite(grid)])).clip(min=1e-6))
    low, high = float(logs.min()), float(logs.max())
    pixels = resized(glowing(high + low - logs[::-1], low, high), GRID, GRID)
    return Plate(
        name="plane",
        title="The loss over two directions",
        caption=f"The run's weights are in the middle; right and up are one filter's length away. Bright is low: from "
        f"{10**low:.3g} to {10**high:.3g}, on a logarithmic scale, {len(grid)} by {len(grid)} points joined smoothly.",
        pixels=pixels,
    )


def health_rooms(health: Health, named: Named) -> Iterator[Room]:
    """Gradients and activations by layer, weights as histograms, statistics of batch norms."""
    learned = [one for one in health.layers if one.learned is not None]
    yield Room(
        title="Layer by layer",
        words=f"In evaluation, on {health.pictures:,} pictures at once. {DEAD}",
        plates=_layer_plates(learned, named) if learned else (),
        header=HEADER,
        rows=tuple(_row(one, named) for one in health.layers),
    )
    if health.drifts:
        yield _drift_room(health.drifts, named)


def _layer_plates(learned: Sequence[LayerState], named: Named) -> tuple[Plate, ...]:
    gradients = Plate(
        name="gradients",
        title="Gradients by layer",
        caption="The gradient of the mean loss on the pictures with respect to each layer's weights, and the same in "
        "units of these weights (root mean squares), the first layer on top, on a logarithmic axis. Points that wander "
        "to the left as they go up are vanishing gradients.",
        svg=figures(
            "Gradients", ("gradient", "gradient / weights"), [_gradient_row(one, named) for one in learned]
        ),
    )
    weights = Plate(
        name="weights",
        title="Weights by layer",
        caption="How each layer's weights lie between the largest absolute value and its negative, each row scaled to "
        "its own width and height; at the right their root mean square.",
        svg=histograms("Weights", [_histogram(one, named) for one in learned]),
    )
    return gradients, weights


def _gradient_row(one: LayerState, named: Named) -> Figures:
    assert one.learned is not None
    return Figures(named(one.module), (one.learned.gradient, one.learned.relative))


def _histogram(one: LayerState, named: Named) -> Histogram:
    assert one.learned is not None
    found = one.learned
    return Histogram(named(one.module), tuple(found.counts.tolist()), found.reach, f"{found.size:.2g}")


def _row(one: LayerState, named: Named) -> tuple[str, ...]:
    passed, learned = one.passed, one.learned
    behind: Sequence[str] = (NONE,) * 5
    if passed is not None:
        behind = (
            passed.kind + (" (gate)" if passed.gate else ""),
            f"{passed.mean:.3g} ± {passed.deviation:.3g}",
            in_percent(passed.zeros) if passed.dead is not None else NONE,
            NONE if passed.dead is None else f"{int((~passed.active).sum()):,} ({in_percent(passed.dead)})",
            NONE if passed.saturated is None else in_percent(passed.saturated),
        )
    gradient = None if learned is None else learned.gradient
    return (
        named(one.module),
        f"{one.channels:,}",
        *behind,
        NONE if learned is None else f"{learned.size:.2g}",
        NONE if gradient is None or not isfinite(gradient) else f"{gradient:.1e}",
    )


def _drift_room(drifts: Sequence[Drift], named: Named) -> Room:
    rows = [Figures(named(one.module), (one.moved, one.factor)) for one in drifts]
    plate = Plate(
        name="batch-norm",
        title="Batch norm: what it remembers, and these pictures",
        caption="How far the means of what reaches each batch norm now are from the running ones, in running "
        "deviations, and the factor by which variances are off, up or down (1 is none); both root mean squares over "
        "the channels, on a logarithmic axis. Statistics of single channels of few pictures jump, so small values mean "
        "nothing.",
        svg=figures("Batch norm", ("means off, in deviations", "factor of the variances"), rows),
    )
    return Room(
        title="Batch norm",
        plates=(plate,),
        header=("layer", "channels", "means off", "variances off by", "channel farthest off"),
        rows=tuple(
            (
                named(one.module),
                f"{len(one.shift):,}",
                f"{one.moved:.2g}",
                f"× {one.factor:.2f}",
                f"{int(one.shift.argmax())}, by {one.shift.max():.2g} deviations",
            )
            for one in drifts
        ),
    )
