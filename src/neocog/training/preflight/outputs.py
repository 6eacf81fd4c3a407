"""What the network answers at the start: logits, one for each class, that say nothing yet."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neocog.analysis.smallest import fitting_size
from neocog.errors import UserError
from neocog.training.preflight.finding import Finding, Subject, by, error, first_line, warning
from neocog.training.preflight.trial import Fails, Trial, forward

SHOWN = 4  # pictures are enough to see whether two answers are the same


def why_it_fails(subject: Subject, x: Tensor, fails: Fails) -> Finding:
    """A line for a forward that raised: one number in a channel of a batch norm, a size, or what torch said."""
    lone = [name for name, numbers in fails.seen.numbers.items() if numbers * len(x) < 2]
    if lone:
        return error(
            f"the batch norm {lone[0]} gets one number in a channel from {len(x)} picture, which has no variance; use "
            "a larger --batch-size, larger pictures, or --freeze-bn"
        )
    said = first_line(fails.reason)
    fitting = _fitting(subject.net, tuple(x.shape[1:]), said)
    return error(f"the network does not run on pictures of {by(x.shape[1:])}: {said}{fitting}")


def _fitting(net: nn.Module, size: tuple[int, ...], said: str) -> str:
    try:
        found = fitting_size(net, size, said)
    except UserError:
        return ""
    return "" if found is None or found == size else f"; {by(found)} would do, see --img-size"


def logits_have_shape(subject: Subject, trial: Trial) -> Iterator[Finding]:
    n, k, logits = len(trial.x), len(subject.classes), trial.logits
    if not isinstance(logits, Tensor):
        yield error(f"the network must return one tensor of logits, it returned {type(logits).__name__}")
    elif logits.shape != (n, k):
        yield error(
            f"the network must give logits ({n}, {k}), pictures by classes, it gave {tuple(logits.shape)}; "
            f"exchange its last layer for one with {k} outputs"
        )
    elif not torch.isfinite(logits).all():
        yield error(
            "the network answers NaN or Inf before it has learned anything; a weight or the input is out of range"
        )


def logits_are_logits(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Not yet probabilities: the loss takes the softmax itself, and a second one flattens every gradient."""
    logits, bce = trial.logits.detach().double(), subject.recipe.loss == "bce"
    shares = bool(((logits >= 0) & (logits <= 1)).all())
    if bce:
        # before it has learned, a sigmoid answers about a half, and a linear layer about 0, which may lie above 0, too
        if shares and bool(((logits.mean(0) - 0.5).abs() < 0.25).all()):
            yield error(
                "all answers of the network lie in 0..1, so it seems to end in a sigmoid, which the loss bce applies "
                "itself; take the sigmoid out of the network"
            )
    elif shares and bool(torch.isclose(logits.sum(1), torch.ones(()).double(), atol=1e-3).all()):
        yield error(
            "the network gives probabilities (each row sums to 1), and the loss applies softmax a second time, which "
            "flattens its gradient; take the softmax out of the network"
        )
    elif bool((logits <= 0).all()) and bool((logits.logsumexp(1).abs() < 1e-3).all()):
        yield warning(
            "the network gives logarithms of probabilities (a log_softmax at its end); cross-entropy stays the same, "
            "but other losses and what reads logits do not: take it out"
        )


def loss_starts_sensibly(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Near what it is for a network that says nothing, log(classes) for cross-entropy, or below.

    A last layer that was fitted on pictures as they are may be wrong, and sure, of what augmentation makes of them.
    """
    loss = float(trial.loss.detach())
    if not torch.isfinite(trial.loss):
        yield error(f"the loss of the first batch is {loss}; labels or class weights are out of range")
        return
    if subject.recipe.loss == "lenet-map":  # reads distances, of which 0 does not say nothing
        return
    silent = torch.zeros_like(trial.logits)
    targets = subject.sample.targets.to(silent.device)
    blank = float(subject.sample.criterion(silent, targets).mean())
    if loss > 2 * blank + 2 and subject.recipe.head_start:
        yield warning(
            f"the first loss is {loss:.3g}, where a network that has learned nothing has {blank:.3g}: the probe that "
            "training begins with is fitted on the pictures as they are, and is often wrong where augmentation changes "
            "them; take less of it (--no-flip, a larger --img-size), or --no-head-start"
        )
    elif loss > 2 * blank + 2:
        yield warning(
            f"the first loss is {loss:.3g}, where a network that has learned nothing should be near {blank:.3g}: it is "
            "sure of random answers; check the scale of the input and of the first weights"
        )


@torch.no_grad()
def same_twice(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """From the same generators and buffers the network must say the same, or no checkpoint can repeat a run."""
    net, x = trial.net, trial.x[:SHOWN]
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    first = forward(net, x)
    for buffer, before in buffers:
        buffer.copy_(before)
    if not torch.allclose(first, forward(net, x), rtol=0, atol=0, equal_nan=True):
        yield warning(
            "in training mode the network answers differently though torch's, numpy's and Python's generators start "
            "alike: it draws from elsewhere or counts its calls, so a resumed run will differ from an uninterrupted one"
        )
