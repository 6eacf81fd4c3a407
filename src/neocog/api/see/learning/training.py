"""The view `training`: how a run learned, the loss around its weights, and the health of its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from neocog.api.alone import demand_alone
from neocog.api.embedding.ways import of_loaded
from neocog.api.evaluating.options import DataOptions
from neocog.api.networks import Loaded, load_classifier, module_of
from neocog.api.see.about import about
from neocog.api.see.given import demand_options, demand_seed
from neocog.api.see.learning.held_out import FEWEST, Shown, shown_to
from neocog.api.see.learning.landscape import Landscape, landscape_of
from neocog.api.see.learning.learned import Curves, curves_of
from neocog.api.see.learning.plates import health_rooms, landscape_rooms, learning_rooms
from neocog.api.see.opened import Opened, title_of
from neocog.api.see.seen import Seen, gallery
from neocog.draw.text import count
from neocog.errors import UserError
from neocog.progress import Progress, Silent
from neocog.weights.shipped import is_shipped

if TYPE_CHECKING:
    from torch import nn

    from neocog.inside.learning.health import Health
    from neocog.inside.learning.task import Task

PICTURES = 128
POINTS = 15


class TrainingOptions(DataOptions, total=False):
    """What one may say about DATA and the run, by keyword."""

    run_model: str | None
    """FILE.py:FUNCTION of a run that has one, to trust it on this machine"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Training(Seen):
    """How a run learned, and how its network is."""

    curves: Curves
    landscape: Landscape
    health: Health
    suspicious: tuple[str, ...]
    """a sentence for each suspicion; empty of a sound network"""
    pictures: Shown


def training(
    model: str | Path,
    data: object | None = None,
    *,
    pictures: int = PICTURES,
    points: int = POINTS,
    grid: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[TrainingOptions],
) -> Training:
    """The curves of the run `model`, the loss around its weights, and activations, gradients and weights by layer.

    `data` are labelled pictures; without them those that judged the run, where they are still at hand. At most
    `pictures` are taken, as many of each class. A slice has `points` steps; with `grid` the loss over two directions is
    drawn at grid x grid points. Nothing is trained. Raises `UserError` in words.
    """
    demand_options(training, options, TrainingOptions)
    demand_alone("see")
    demand_seed(seed)
    _demand_odd("points", points)
    if grid:
        _demand_odd("grid", grid)
    if pictures < FEWEST:
        raise UserError(f"at least {FEWEST} pictures must be looked at, got {pictures}")
    told = progress or Silent()
    loaded, network = _opened(model, options.get("run_model"))
    assert loaded.folder is not None
    shown = shown_to(network, loaded, data, pictures, told, options)
    health = _examined(network.net, shown.task, told)
    landscape = landscape_of(loaded, network.net, shown.task, (points, grid, seed), told)
    return _seen(network, curves_of(loaded.folder), landscape, health, shown)


def _demand_odd(name: str, given: int) -> None:
    if given < 3 or given % 2 == 0:
        raise UserError(
            f"{name} must be odd, so that the run's weights are in the middle, and 3 at least, got {given}"
        )


def _opened(run: str | Path, run_model: str | None) -> tuple[Loaded, Opened]:
    """The run, and its whole network with the last layer."""
    loaded = load_classifier(run, run_model)
    if loaded.folder is None or is_shipped(loaded.folder):
        kind = "a published model" if loaded.folder is None else "a model that comes with neocog"
        raise UserError(
            f"{run} is {kind}, of whose training nothing is here; give a folder that neocog train made"
        )
    network = Opened(
        loaded.network.name, title_of(loaded), module_of(loaded), loaded.network.preprocess, loaded.classes,
        of_loaded(loaded).source,
    )  # fmt: skip
    return loaded, network


def _examined(net: nn.Module, task: Task, told: Progress) -> Health:
    from neocog.inside.learning.health import examine

    with told.step("layers", len(task.x)) as advance:
        return examine(net, task, advance)


def _seen(network: Opened, curves: Curves, landscape: Landscape, health: Health, shown: Shown) -> Training:
    from neocog.inside.learning.symptoms import curve_symptoms, symptoms

    named = _named(network)
    suspicious = (*curve_symptoms(curves.held_out), *symptoms(health, named))
    rooms = (
        *learning_rooms(curves),
        *landscape_rooms(landscape),
        *health_rooms(health, named),
    )
    taken = f"{health.pictures:,}" + (f" of {shown.of:,}" if shown.of > health.pictures else "")
    facts = [
        ("pictures", f"{taken} of {shown.data}"),
        ("loss on them", f"{health.loss:.4g}"),
        ("suspicious", count(len(suspicious), "thing") if suspicious else "nothing"),
    ]
    if shown.trained:
        facts.append(("trained on", f"{shown.trained:,} of the pictures"))
    if shown.skipped:
        facts.append(("cannot be read", count(len(shown.skipped), "picture")))
    return Training(
        about=about(network, "training", (shown.data,), shown.skipped),
        gallery=gallery(
            "Training",
            network,
            rooms,
            facts=tuple(facts),
            notes=_notes(shown),
            warnings=suspicious,
        ),
        figures=_figures(curves, landscape, health, suspicious, shown),
        curves=curves,
        landscape=landscape,
        health=health,
        suspicious=suspicious,
        pictures=shown,
    )


def _named(network: Opened) -> Callable[[str], str]:
    """A paper's name of a layer for that of the module with its weights, where there is one."""
    try:
        papers = {layer.weights: layer.name for layer in network.layers if layer.weights}
    except UserError:  # a network that cannot be traced is looked through all the same
        papers = {}
    return lambda module: papers.get(module, module)


def _notes(shown: Shown) -> tuple[str, ...]:
    from neocog.inside.learning import symptoms

    notes = [
        "Suspicious is a rectified layer of which more than "
        f"{100 * symptoms.DEAD:g} % of the channels are dead; one of which more than "
        f"{100 * symptoms.SATURATED:g} % of the activations have less than 5 % of the steepest slope, unless it is a "
        "gate; a first layer whose gradient, in units of its weights, is less than "
        f"{symptoms.VANISHING:g} of the last one's, or more than {1 / symptoms.VANISHING:g} times; a batch norm whose "
        f"means are off by more than {symptoms.MOVED:g} running deviations or whose variances by more than a factor "
        f"of {symptoms.FACTOR:g}; a held-out loss that rose by more than {100 * (symptoms.RISEN - 1):g} % above its "
        "least.",
        "Everything is computed in evaluation, with the running statistics of batch norms and without dropout; the "
        "run is not changed.",
    ]
    if shown.strange:
        notes.append(f"Left out: pictures of {', '.join(shown.strange[:10])}, which the model does not know.")
    return (*notes, *(f"{name}: {reason}, left out" for name, reason in shown.skipped[:20]))


def _figures(
    curves: Curves,
    landscape: Landscape,
    health: Health,
    suspicious: tuple[str, ...],
    shown: Shown,
) -> dict[str, Any]:
    return {
        "pictures": health.pictures,
        "of": shown.of,
        "trained_on": shown.trained,
        "loss": health.loss if isfinite(health.loss) else None,
        "suspicious": list(suspicious),
        "curves": curves.to_json(),
        "landscape": landscape.to_json(),
        "layers": [one.to_json() for one in health.layers],
        "batch_norm": [one.to_json() for one in health.drifts],
    }
