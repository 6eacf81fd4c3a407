"""The checks in their order: what needs no picture, one batch, one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor, nn

from neocog.training.apart import NotCopied, apart
from neocog.training.network.freezing import freeze
from neocog.training.preflight import batch_norm, gradients, labels, memory, outputs, pixels
from neocog.training.preflight.finding import Check, Finding, Sample, Subject, warning
from neocog.training.preflight.trial import Fails, Trial, put_in_training, trial
from neocog.training.recipes.recipe import Recipe

FEW = 16  # pictures of the batch that are tried out
FIRST: tuple[Check, ...] = (
    labels.labels_fit,
    labels.targets_fit,
    labels.head_fits,
    labels.held_out_judges,
    labels.flips_keep_meaning,
    pixels.pictures_show_something,
    pixels.pictures_large_enough,
    gradients.something_learns,
)
LEARNING = (
    outputs.loss_starts_sensibly,
    outputs.same_twice,
    gradients.gradients_arrive,
    batch_norm.batches_have_company,
    batch_norm.statistics_stay,
    batch_norm.decay_spares_norms,
)


def preflight(
    net: nn.Module, sample: Sample, recipe: Recipe, classes: tuple[str, ...], head: str = ""
) -> tuple[Finding, ...]:
    """What would go wrong in training `net`, found by a few forwards and backwards of one batch, errors first.

    `head` is the name of the last layer, left unchecked where empty. Everything runs on a copy: weights, buffers,
    gradients, modes and all random generators are left as found. An error ends the search where what follows could
    not run. Findings are returned, not raised; UserError only for patterns of the recipe's `freeze` that match nothing.
    """
    few = replace(sample, pixels=sample.pixels[:FEW], targets=sample.targets[:FEW])
    net = getattr(net, "_orig_mod", net)  # what torch.compile wraps
    subject = Subject(net=net, sample=few, recipe=recipe, classes=classes, head=head)
    found = list(_all(subject))
    return tuple(sorted(found, key=lambda finding: finding.kind != "error"))


def _all(subject: Subject) -> Iterator[Finding]:
    first = [finding for check in FIRST for finding in check(subject)]
    yield from first
    if _stops(first):
        return
    x = subject.sample.normalise(subject.sample.pixels)
    shown = [*pixels.input_in_range(subject, x), *memory.step_fits(subject, x)]
    yield from shown
    if _stops(shown):
        return
    try:
        with apart(subject.net) as net:
            yield from list(_tried(subject, net, x))
    except NotCopied as reason:
        yield warning(
            f"one batch could not be tried out before training: {reason}; much that can go wrong will only show later"
        )


def _tried(subject: Subject, net: nn.Module, x: Tensor) -> Iterator[Finding]:
    """Changes `net`, a copy."""
    freeze(net, subject.recipe)
    modes = list(batch_norm.trains_in_training_mode(subject, net))
    yield from modes
    put_in_training(net, subject.recipe)
    try:
        tried = trial(net, x, subject)
    except Fails as fails:
        yield outputs.why_it_fails(subject, x, fails)
        return
    answers = list(outputs.logits_have_shape(subject, tried)) or list(
        outputs.logits_are_logits(subject, tried)
    )
    yield from answers
    if _stops(answers):
        return
    yield from _learns(subject, tried)
    if not modes:
        yield from batch_norm.evaluates_in_evaluation_mode(subject, net, x)


def _learns(subject: Subject, tried: Trial) -> Iterator[Finding]:
    for check in LEARNING:
        found = list(check(subject, tried))
        yield from found
        if _stops(found):
            return
    step = list(gradients.step_is_small(subject, tried))
    yield from step or gradients.layers_are_alive(subject, tried)


def _stops(found: Iterable[Finding]) -> bool:
    return any(finding.kind == "error" for finding in found)
