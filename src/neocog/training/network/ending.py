"""Which weights a run leaves in its network."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from neocog.data.loading.loader import Loader
from neocog.data.loading.order import Order
from neocog.data.loading.pictures import Labelled
from neocog.layers.batch_norm import Layer, precise_batch_norm
from neocog.training.network.freezing import norms_in_use
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.interruption import SOON_KILLED
from neocog.training.state import State

PRECISE_PICTURES = 10_000  # over which batch norm's statistics are measured anew


def end_of_run(
    state: State,
    train: Labelled,
    recipe: Recipe,
    whole: Callable[[Tensor], Tensor],
    interrupted: str = "",
) -> int | None:
    """Put the best epoch's weights, else the average, into the network; the epoch, where `best_by` chose one.

    `whole` makes of training pictures what the network is judged on. Where the run was `interrupted` by one who kills
    it soon, there is no time, and nothing is done.
    """
    chosen = None
    if interrupted in SOON_KILLED:
        return None
    if state.best:
        state.net.load_state_dict(dict(state.best.tensors))
        chosen = state.best.epoch
    elif state.average:
        state.average.put_into(state.net)
    if recipe.precise_bn:
        measure_statistics(state.net, train, recipe, whole)
    return chosen


def measure_statistics(
    net: nn.Module, train: Labelled, recipe: Recipe, whole: Callable[[Tensor], Tensor]
) -> None:
    """Running statistics of the batch norms that are not frozen as true averages over training pictures, unchanged."""
    still = set(norms_in_use(net, recipe))
    if all(layer in still for layer in net.modules() if isinstance(layer, Layer)):
        return
    size = min(len(train), PRECISE_PICTURES)
    order = Order(size=len(train), batch_size=recipe.batch_size, seed=0, length=size)
    with Loader(train, order) as loader:
        precise_batch_norm(net, (whole(batch.pixels) for batch in loader), still)
