"""Batch norm's five bugs, and layers that stay in the wrong mode.

1. training in evaluation mode; 2. evaluating in training mode; 3. a batch of one; 4. statistics that move while
fine-tuning; 5. weight decay on the scale and the shift.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from neocog.layers.batch_norm import Layer as BatchNorm
from neocog.layers.dropout import Dropout
from neocog.layers.stochastic_depth import StochasticDepth
from neocog.training.preflight.finding import Finding, Subject, count, error, first_line, some, warning
from neocog.training.preflight.trial import Trial

SMALL_BATCH = 8
"""pictures; Wu and He, "Group normalization" (2018), figure 1: ResNet-50's error is 23.6 % with 32 pictures in a batch,
24.8 % with 8, 27.3 % with 4, 34.7 % with 2"""
MODAL = (BatchNorm, _DropoutNd, Dropout, StochasticDepth)
"""layers that compute something else while training"""
SHOWN = 4  # pictures that are asked about twice
CLOSE = 1e-3  # of the spread of the logits: batches of other sizes add up in another order


def trains_in_training_mode(subject: Subject, net: nn.Module) -> Iterator[Finding]:
    """Bug 1. `net` is a copy; it is left in training mode."""
    net.train()
    still = [name for name, layer in _norms(net) if not layer.training and _learns(layer)]
    if still and not (subject.recipe.freeze_bn or subject.recipe.freeze_bn_stats):
        yield error(
            f"{count(len(still), 'batch norm')} stay in evaluation mode after train(): {some(still)}, so their "
            "statistics never follow the weights; mend the network's train(), or say --freeze-bn if it is meant"
        )
    dropping = [name for name, layer in net.named_modules() if _drops(layer) and not layer.training]
    if dropping:
        yield warning(
            f"after train() nothing is dropped by {some(dropping)}, which stay in evaluation mode; mend the network's "
            "train()"
        )


def batches_have_company(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Bug 3: a variance needs two numbers at least, and many to mean something."""
    smallest, seen = subject.smallest_batch, trial.seen.numbers
    if not seen:
        return
    name, numbers = min(seen.items(), key=lambda item: item[1])
    if smallest * numbers < 2:
        yield error(
            f"the smallest batch of an epoch has {count(smallest, 'picture')}, of which the batch norm {name} reads "
            "one number in a channel, which has no variance; use another --batch-size, or --freeze-bn"
        )
    elif smallest < SMALL_BATCH:
        yield warning(
            f"batches of {count(smallest, 'picture')} give batch norm statistics that jump from step to step; take "
            f"{SMALL_BATCH} or more"
            + (", or --freeze-bn to keep those of the pretrained weights" * subject.sample.pretrained)
        )


def statistics_stay(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Bug 4: a frozen batch norm whose running statistics move all the same."""
    moving = [
        name
        for name, layer in _norms(trial.net)
        if name in trial.seen.numbers and _affine(layer) and not _learns(layer)
    ]
    if moving and not subject.recipe.freeze_bn:
        yield warning(
            f"{count(len(moving), 'frozen batch norm')} would still move their running statistics: {some(moving)}; "
            "--freeze-bn keeps them with the weights that they belong to"
        )


def decay_spares_norms(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Bug 5."""
    decayed = [name for name, layer in _norms(trial.net) if _affine(layer) and _learns(layer)]
    recipe = subject.recipe
    if decayed and recipe.decay_all and recipe.weight_decay and not recipe.freeze_bn:
        yield warning(
            f"weight decay {recipe.weight_decay:g} also pulls scale and shift of {count(len(decayed), 'batch norm')} "
            f"to 0 ({some(decayed)}), which switches channels off; leave --decay-all out"
        )


def evaluates_in_evaluation_mode(subject: Subject, net: nn.Module, x: Tensor) -> Iterator[Finding]:
    """Bug 2: a picture's answer must not depend on chance or on the pictures beside it. `net` is a copy."""
    net.eval()
    awake = [name for name, layer in net.named_modules() if isinstance(layer, MODAL) and layer.training]
    bare = [name for name, layer in _norms(net) if layer.running_mean is None]
    if awake:
        yield error(
            f"after eval() {some(awake)} stay in training mode, so a picture's answer depends on chance or on its "
            "companions in the batch; mend the network's eval()"
        )
    elif bare:
        yield error(
            f"{count(len(bare), 'batch norm')} keep no running statistics ({some(bare)}), so a picture's answer "
            "depends on its companions in the batch; build them with track_running_stats=True"
        )
    else:
        yield from _steady(net, x)


@torch.no_grad()
def _steady(net: nn.Module, x: Tensor) -> Iterator[Finding]:
    x = x[:SHOWN]
    together, again = net(x), net(x)
    try:
        alone = net(x[:1])
    except Exception as reason:  # what a user's network raises becomes a line
        yield error(
            f"in evaluation mode the network fails on a single picture, as in prediction: {first_line(reason)}; look "
            "for statistics over the batch in forward (F.batch_norm needs training=self.training)"
        )
        return
    if not torch.equal(together, again):
        yield error(
            "in evaluation mode the network answers differently for the same pictures; something is drawn at random "
            "in forward whatever the mode is (F.dropout needs training=self.training)"
        )
    elif float((together[:1] - alone).abs().max()) > CLOSE * float(
        together.std(correction=0) + together.abs().mean()
    ):
        yield error(
            "in evaluation mode a picture's answer depends on the pictures beside it: alone it gets other logits than "
            "in a batch; look for statistics over the batch in forward (F.batch_norm needs training=self.training)"
        )


def _norms(net: nn.Module) -> Iterator[tuple[str, BatchNorm]]:
    return ((name, layer) for name, layer in net.named_modules() if isinstance(layer, BatchNorm))


def _affine(layer: nn.Module) -> bool:
    return getattr(layer, "weight", None) is not None


def _learns(layer: nn.Module) -> bool:
    """Whether scale or shift are to learn, or there are none."""
    own = list(layer.parameters(recurse=False))
    return not own or any(p.requires_grad for p in own)


def _drops(layer: nn.Module) -> bool:
    return isinstance(layer, _DropoutNd | Dropout | StochasticDepth) and layer.p > 0
