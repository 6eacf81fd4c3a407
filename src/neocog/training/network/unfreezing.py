"""Which blocks of a network learn in which epoch: the last layer first, then one block more after the other."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from neocog.layers.batch_norm import Layer as BatchNorm
from neocog.training.network.freezing import held_still
from neocog.training.optimizers.groups import layer_blocks
from neocog.training.recipes.recipe import Recipe
from neocog.training.state import State


def blocks_learning(recipe: Recipe, epoch: int, blocks: int) -> int:
    """How many of a network's `blocks`, counted from the last layer, learn in `epoch`, from 0.

    The last layer alone learns for `head_epochs` (fastai's `freeze_epochs`), or for `unfreeze` epochs if these are
    more. Then comes the block before it, and another one every `unfreeze` epochs, or all at once where that is 0. With
    1 this is the gradual unfreezing of Howard and Ruder, "Universal language model fine-tuning for text classification"
    (2018), section 3.3; with 0.5 two blocks come with each epoch.
    """
    alone = max(float(recipe.head_epochs), recipe.unfreeze)
    if not alone or (epoch >= alone and not recipe.unfreeze):
        return blocks
    if epoch < alone:
        return 1
    # the small part: 3 epochs of 0.1 are 30 blocks, not 29
    return min(blocks, 2 + int((epoch - alone) / recipe.unfreeze + 1e-9))


def let_learn(state: State, recipe: Recipe, head: str, epoch: int, say: Callable[[str], None]) -> None:
    """Let the last blocks learn in `epoch`, as `blocks_learning` has it, but for what is frozen, which stays so.

    Batch norms of the blocks that wait use their running statistics, like those that are frozen; `net.train()` undoes
    it, so this is called after each. `say` is told where more learn than in the epoch before.
    """
    held_still(state.net, recipe)
    if not recipe.gradual:
        return
    blocks = layer_blocks(state.net, head)
    count = blocks_learning(recipe, epoch, len(blocks))
    awake = {name for block in blocks[len(blocks) - count :] for name in block}
    own = {id(p) for group in state.optimizer.param_groups for p in group["params"]}
    for name, parameter in state.net.named_parameters():
        if id(parameter) in own:
            parameter.requires_grad_(name in awake)
    _hold(state.net, awake)
    if not epoch or count > blocks_learning(recipe, epoch - 1, len(blocks)):
        say(f"epoch {epoch + 1}: {count} of {len(blocks)} blocks learn, counted from the last layer")


def _hold(net: nn.Module, awake: set[str]) -> None:
    for name, layer in net.named_modules():
        if isinstance(layer, BatchNorm) and layer.weight is not None and f"{name}.weight" not in awake:
            layer.eval()
