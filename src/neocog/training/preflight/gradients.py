"""Does every weight learn, and by a step of sensible size?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neocog.training.optimizers.make import Measures, make_optimizer
from neocog.training.preflight.finding import Finding, Subject, count, error, some, warning
from neocog.training.preflight.trial import Seen, Trial, forward, watched

SILENT = 0.9  # share of a layer's units that never fire


def something_learns(subject: Subject) -> Iterator[Finding]:
    if not any(p.requires_grad for p in subject.net.parameters()):
        yield error(
            "every parameter of the network is frozen, so nothing can learn; leave the last layer out of --freeze"
        )


def gradients_arrive(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Every parameter that is to learn has a gradient, and a finite one."""
    trained = _trained(trial.net)
    if not trial.loss.requires_grad:
        yield error(
            "the loss does not depend on any parameter that is to learn: the network detaches its output or runs "
            "under no_grad"
        )
        return
    lost = [name for name, p in trained.items() if p.grad is None]
    if lost:
        yield warning(
            f"{count(len(lost), 'parameter')} got no gradient, so the loss does not depend on what they compute: "
            f"{some(lost)}; a branch is unused, or its output is detached"
        )
    broken = [name for name, p in trained.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if broken:
        yield error(
            f"the gradient of {some(broken)} is NaN or Inf in the first step, though the loss is finite; look for "
            "sqrt, log or a division at 0"
        )


def layers_are_alive(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """Units fire, and weights get a gradient other than 0. Changes the trial's network.

    What is 0 on purpose, such as the last scale of a residual branch or a fresh last layer, stops gradients and
    silences units, too, so a suspicion is tried again with random values in its place.
    """
    silent, stopped = _silent(trial.seen), _stopped(trial.net)
    if silent or stopped:
        again = _without_zeros(subject, trial)
        silent = {name: share for name, share in _silent(again).items() if name in silent}
        stopped = [name for name in _stopped(trial.net) if name in stopped]
    if silent:
        name, share = max(silent.items(), key=lambda item: item[1])
        yield warning(
            f"{share:.0%} of the units behind {name} are 0 for every picture of a batch, so what feeds them cannot "
            "learn (dead ReLU): check first weights, biases and the scale of the input"
        )
    elif stopped:
        yield warning(
            f"the gradient of {some(stopped)} is exactly 0: nothing that these layers compute reaches the loss (dead "
            "units, a multiplication by 0, or all inputs 0)"
        )


def _silent(seen: Seen) -> dict[str, float]:
    return {name: share for name, share in seen.silent.items() if share > SILENT}


def _stopped(net: nn.Module) -> list[str]:
    return [
        name for name, p in _trained(net).items() if p.grad is not None and p.dim() > 1 and not p.grad.any()
    ]


def _without_zeros(subject: Subject, trial: Trial) -> Seen:
    """Another forward and backward, with random values in parameters that are 0 throughout."""
    net, targets = trial.net, subject.sample.targets.to(trial.x.device)
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.1)
    net.zero_grad(set_to_none=True)
    with watched(net) as seen:
        logits = forward(net, trial.x).float()
    subject.sample.criterion(logits, targets).mean().backward()  # type: ignore[no-untyped-call]
    return seen


def step_is_small(subject: Subject, trial: Trial) -> Iterator[Finding]:
    """One step at the highest rate changes no weight by more than its own size. Changes the trial's network."""
    optimizer = make_optimizer(trial.net, subject.recipe, subject.head)
    if isinstance(optimizer, Measures):
        targets = subject.sample.targets.to(trial.x.device)
        optimizer.measure(trial.net, [(trial.x, targets)], subject.sample.criterion)
    for group in optimizer.param_groups:
        group["lr"] = subject.recipe.lr * group["scale"]
    weights = {name: p for name, p in _trained(trial.net).items() if p.dim() > 1 and p.grad is not None}
    before = dict(subject.net.named_parameters())
    if subject.recipe.clip is not None:
        nn.utils.clip_grad_norm_(trial.net.parameters(), subject.recipe.clip)
    optimizer.step()
    moved = {name: _relative(p, before[name]) for name, p in weights.items() if before[name].any()}
    name, most = max(moved.items(), key=lambda item: item[1], default=("", 0.0))
    if not most <= 1:
        yield warning(
            f"one step at lr {subject.recipe.lr:g} changes {name} by {most:.2g} times its own size, where 0.001 is "
            "usual: training will likely diverge; take a smaller --lr, or --find-lr"
        )


def _relative(after: Tensor, before: Tensor) -> float:
    return float((after.detach() - before.detach()).norm() / before.detach().norm())


def _trained(net: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are to learn, without auxiliary heads, which are off the way from picture to logits."""
    aside = tuple(f"{name}." for name in getattr(net, "aside", ()))
    return {
        name: p
        for name, p in net.named_parameters()
        if p.requires_grad and not name.startswith(aside or "\n")
    }
