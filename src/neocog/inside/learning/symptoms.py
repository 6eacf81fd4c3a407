"""What is suspicious about a network that was looked through, in words, with the threshold of each suspicion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite

from neocog.draw.text import in_percent
from neocog.inside.learning.health import Health, LayerState

DEAD = 0.5
"""share of a layer's rectified channels that no picture makes active"""
SATURATED = 0.9
"""share of a layer's activations with hardly any slope"""
VANISHING = 1e-3
"""of the last layer's gradient, relative to the weights, what the first one gets; above its inverse it explodes"""
MOVED = 0.5
"""running deviations by which the means of a batch norm are off"""
FACTOR = 4.0
"""by which the variances of a batch norm are off"""
RISEN = 1.25
"""times the least held-out loss"""
LISTED = 3  # layers that a sentence names

Named = Callable[[str], str]
"""a module's name -> what the reader calls it"""


def symptoms(health: Health, named: Named = str) -> tuple[str, ...]:
    """A sentence for each; none for a sound network."""
    return (
        *_not_finite(health, named),
        *_dead(health, named),
        *_saturated(health, named),
        *_gradients(health, named),
        *_drifted(health, named),
    )


def curve_symptoms(held_out: Sequence[tuple[int, float]]) -> tuple[str, ...]:
    """Of the held-out losses (epoch, loss) of a run."""
    odd = [epoch for epoch, loss in held_out if not isfinite(loss)]
    if odd:
        return (
            f"The held-out loss was no number after epoch {odd[0]}: the run diverged; take a smaller --lr.",
        )
    if len(held_out) < 2:
        return ()
    best, least = min(held_out, key=lambda row: row[1])
    last, loss = held_out[-1]
    if loss <= RISEN * least:
        return ()
    return (
        f"The held-out loss rose from {least:.3g} after epoch {best} to {loss:.3g} after epoch {last}, by more than "
        f"{100 * (RISEN - 1):g} %: the network learns pictures by heart. Stop earlier, augment more, or keep the best "
        "epoch.",
    )


def _not_finite(health: Health, named: Named) -> Iterator[str]:
    layers = [one for one in health.layers if one.learned and not isfinite(one.learned.size)]
    if layers:
        yield f"The weights of {_some(layers, named)} hold NaN or infinity: the run diverged; take a smaller --lr."
    elif not isfinite(health.loss):
        yield f"The loss on these pictures is {health.loss}: look at the weights and at the scale of the input."


def _dead(health: Health, named: Named) -> Iterator[str]:
    dead = [one for one in health.layers if one.passed and (one.passed.dead or 0.0) > DEAD]
    if dead:
        worst = max(dead, key=lambda one: one.passed.dead or 0.0 if one.passed else 0.0)
        share = worst.passed.dead if worst.passed else 0.0
        yield (
            f"Dead ReLUs: of {_some(dead, named)} more than {100 * DEAD:g} % of the channels are 0 for each of the "
            f"{health.pictures:,} pictures ({in_percent(share or 0.0)} of {named(worst.module)}), so what feeds them "
            "cannot learn. Take a smaller --lr, look at large negative biases and at the scale of the input."
        )


def _saturated(health: Health, named: Named) -> Iterator[str]:
    flat = [
        one
        for one in health.layers
        if one.passed and not one.passed.gate and (one.passed.saturated or 0.0) > SATURATED
    ]
    if flat:
        worst = max(flat, key=lambda one: one.passed.saturated or 0.0 if one.passed else 0.0)
        assert worst.passed is not None
        yield (
            f"Saturated units: of {_some(flat, named)} more than {100 * SATURATED:g} % of the activations lie where "
            f"{worst.passed.kind} has less than 5 % of its slope ({in_percent(worst.passed.saturated or 0.0)} of "
            f"{named(worst.module)}), so hardly any gradient passes. Smaller first weights, batch norm, or ReLU."
        )


def _gradients(health: Health, named: Named) -> Iterator[str]:
    relative = [(one, one.learned.relative) for one in health.layers if one.learned]
    known = [(one, size) for one, size in relative if size is not None and isfinite(size)]
    none = [one for one, size in known if size == 0]
    moving = [(one, size) for one, size in known if size > 0]
    if none:
        yield (
            f"No gradient reaches the weights of {_some(none, named)}: nothing that they compute has a say in the "
            "loss. Look for dead units behind them, or a multiplication by 0."
        )
    if len(moving) < 2:
        return
    (first, low), (last, high) = moving[0], moving[-1]
    share = low / high
    ends = (named(first.module), named(last.module))
    beside = f"{ends[0]} gets {share:.1e} times the gradient of {ends[1]}, each relative to its weights"
    if share < VANISHING:
        yield (
            f"Vanishing gradients: {beside}, less than {VANISHING:g}, so the first layers hardly learn. ReLU in place "
            "of tanh or sigmoid, batch norm, or residual connections."
        )
    elif share > 1 / VANISHING:
        yield (
            f"Exploding gradients: {beside}, more than {1 / VANISHING:g}, so steps that suit the last layer are too "
            "large for the first. Batch norm, smaller first weights, or --clip."
        )


def _drifted(health: Health, named: Named) -> Iterator[str]:
    off = [one for one in health.drifts if one.moved > MOVED or one.factor > FACTOR]
    if off:
        worst = max(off, key=lambda one: max(one.moved / MOVED, one.factor / FACTOR))
        names = [named(one.module) for one in off]
        yield (
            f"Batch-norm statistics do not fit these pictures in {_listed(names)} of {len(health.drifts)}: of "
            f"{named(worst.module)} means are off by {worst.moved:.2g} deviations (more than {MOVED:g} is much) and "
            f"variances by a factor of {worst.factor:.2g} (more than {FACTOR:g} is). Other pictures than those learned "
            "from, another preprocessing, or statistics that did not follow the weights; `neocog adapt` with adabn "
            "takes them anew."
        )


def _some(layers: Sequence[LayerState], named: Named) -> str:
    return _listed([named(one.module) for one in layers])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
