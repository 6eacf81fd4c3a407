"""What the network is shown: is there anything in the pictures, and in the range that networks expect?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from neocog.training.preflight.finding import Finding, Subject, by, count, error, warning

ENLARGED = 4  # times: beyond it the network reads mostly what the resizing made up
FAR_MEAN, SMALL_DEVIATION, LARGE_DEVIATION = 3.0, 0.02, 5.0
"""of all inputs together; ImageNet's own are 0 and 1, white digits on black about -0.8 and 0.5"""


def pictures_show_something(subject: Subject) -> Iterator[Finding]:
    """Not all of one colour, not all the same, and no picture with two answers."""
    flat = subject.sample.pixels.flatten(1)
    n = len(flat)
    if n == 0:
        yield error("the batch to try out is empty; there must be a picture to learn from")
        return
    blank = int((flat.amin(1) == flat.amax(1)).sum())
    if blank == n:
        yield error(
            f"all {n} pictures of a batch are of one plain colour (the first is {int(flat[0, 0])} everywhere), so "
            "there is nothing to see; look at them with `neocog data show` and check the augmentation"
        )
    elif blank > n / 2:
        yield warning(
            f"{blank} of {n} pictures of a batch are of one plain colour; `neocog data show` shows whether the files "
            "or the augmentation make them so"
        )
    elif n > 1 and bool((flat == flat[0]).all()):
        yield error(f"all {n} pictures of a batch are the same one; check what reads the pictures")
    else:
        yield from _contradictions(flat, subject.sample.targets)


def _contradictions(flat: Tensor, targets: Tensor) -> Iterator[Finding]:
    _, group = torch.unique(flat, dim=0, return_inverse=True)
    answers = torch.stack([group.double(), *targets.double().reshape(len(flat), -1).cpu().T.to(group.device)])
    more = len(torch.unique(answers, dim=1).T) - len(torch.unique(group))
    if more:
        yield warning(
            f"{count(more, 'picture')} of a batch of {len(flat)} comes twice with two different labels, which no "
            "network can learn; `neocog data check` finds such copies"
        )


def input_in_range(subject: Subject, x: Tensor) -> Iterator[Finding]:
    """`x` (n, channels, height, width) is finite and of the order of 1."""
    if not torch.isfinite(x).all():
        yield error("normalised pictures hold NaN or Inf; a std of 0 in the preprocessing divides by it")
        return
    mean, deviation = float(x.float().mean()), float(x.float().std(correction=0))
    if abs(mean) > FAR_MEAN or not SMALL_DEVIATION <= deviation <= LARGE_DEVIATION:
        yield warning(
            f"the network's input has mean {mean:.3g} and standard deviation {deviation:.3g}, where 0 and 1 are usual; "
            "first layers then answer out of range: check mean and std of the preprocessing (shares of 0..1)"
        )


def pictures_large_enough(subject: Subject) -> Iterator[Finding]:
    """Pictures that were much smaller than the input cost much and gain nothing.

    Unless the weights are trained already: their filters expect objects of the size that they were trained on, for
    which BiT enlarges 32 pixels to 160 (Kolesnikov et al. 2020, section 3.3).
    """
    stored = subject.sample.stored
    if stored is None or subject.sample.pretrained:
        return
    height, width = subject.sample.pixels.shape[1:3]
    factor = min(height / stored[0], width / stored[1])
    if factor > ENLARGED:
        yield warning(
            f"pictures of {by(stored)} pixels are enlarged {factor:.3g} times to {height}x{width}: each step costs "
            f"{factor**2:.0f} times what their content does; {_smaller(subject)}"
        )


def _smaller(subject: Subject) -> str:
    """A network with a least size has no smaller one to take."""
    if getattr(subject.net, "min_size", 1) >= min(subject.sample.pixels.shape[1:3]):
        return "take a network for small pictures"
    return "take a smaller --img-size, or a network for small pictures"
