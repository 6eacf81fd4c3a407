"""Before a picture is shown: do the labels, the classes and the last layer go together?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from neocog.training.preflight.finding import Finding, Subject, count, error, some, warning

MOST_OF_ALL = 0.9  # share of one class above which naming it always is a good answer
CHARACTERS = {*"0123456789abcdefghijklmnopqrstuvwxyz"}
DIGIT_WORDS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}


def labels_fit(subject: Subject) -> Iterator[Finding]:
    """Labels name classes, and there is more than one to tell apart."""
    labels, k = subject.sample.labels, len(subject.classes)
    if len(labels) == 0:
        yield error("there is no training picture; give more data or a smaller --val-fraction")
    elif labels.ndim == 2:
        yield from _soft(labels, k)
    elif labels.min() < 0 or labels.max() >= k:
        wrong = labels[(labels < 0) | (labels >= k)]
        yield error(
            f"labels must be 0..{k - 1} for {k} classes, got {int(wrong[0])} ({count(len(wrong), 'picture')}); "
            "a loss on them reads past the last class: number the classes from 0"
        )
    else:
        yield from _balance(subject, np.bincount(labels.astype(np.int64), minlength=k))


def _soft(labels: np.ndarray[tuple[int, ...], np.dtype[np.generic]], k: int) -> Iterator[Finding]:
    values = labels.astype(np.float64)
    if labels.shape[1] != k:
        yield error(
            f"labels have {labels.shape[1]} columns for {k} classes; there must be a column for each class"
        )
    elif not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        yield error(
            "labels with a column per class must be shares from 0 to 1; some are not, so the loss has no least "
            "value: check where the labels come from"
        )


def _balance(subject: Subject, counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Iterator[Finding]:
    classes, share = subject.classes, counts.max() / counts.sum()
    largest = classes[int(counts.argmax())]
    if share == 1 and len(classes) > 1:
        yield error(
            f"all training pictures are of the class {largest!r}, so there is nothing to tell apart; add pictures "
            "of the others"
        )
        return
    missing = [name for name, n in zip(classes, counts, strict=True) if n == 0]
    if missing:
        yield warning(
            f"no training picture of {some(map(repr, missing))}: the network will never name what it has not "
            "seen; add pictures or remove the class"
        )
    recipe = subject.recipe
    if share > MOST_OF_ALL and recipe.class_weights == "none" and not recipe.balanced:
        yield warning(
            f"{share:.1%} of the training pictures are {largest!r}, so a network that looks at nothing is right as "
            "often; use --class-weights auto or --balanced, and judge by balanced accuracy"
        )


def targets_fit(subject: Subject) -> Iterator[Finding]:
    """The batch's targets have a form that the loss takes."""
    targets, n, k = subject.sample.targets, len(subject.sample.pixels), len(subject.classes)
    if targets.is_floating_point():
        fits, form = targets.shape == (n, k), f"shares ({n}, {k})"
    else:
        fits, form = targets.shape == (n,), f"labels ({n},)"
    if not fits:
        yield error(
            f"the targets of a batch of {n} pictures must be {form}, got {tuple(targets.shape)}; a loss may "
            "broadcast them and learn nonsense"
        )
    elif not targets.is_floating_point() and n and _outside(targets, k):
        yield error(
            f"the targets of a batch must lie in 0..{k - 1} for {k} classes, got {targets.tolist()[:8]}"
        )


def _outside(targets: Tensor, k: int) -> bool:
    return bool(targets.min() < 0 or targets.max() >= k)


def head_fits(subject: Subject) -> Iterator[Finding]:
    """The last layer has a row for each class."""
    if not subject.head:
        return
    try:
        layer = subject.net.get_submodule(subject.head)
    except AttributeError:
        yield error(f"the network has no layer {subject.head!r} that could be its last; name the right one")
        return
    weight = getattr(layer, "weight", None)
    k = len(subject.classes)
    if isinstance(layer, nn.Linear | nn.Conv2d) and isinstance(weight, Tensor) and len(weight) != k:
        yield error(
            f"the last layer {subject.head} answers for {len(weight)} classes, the data have {k}; exchange it: "
            f"reset_classifier({k})"
        )


def held_out_judges(subject: Subject) -> Iterator[Finding]:
    if subject.sample.held_out == 0:
        text = "no picture is held out, so nobody will know how good the network is; give a --val-fraction"
        needs = f", and the best epoch cannot be found by {subject.recipe.best_by}"
        yield error(text + needs) if subject.recipe.best_by else warning(text)


def flips_keep_meaning(subject: Subject) -> Iterator[Finding]:
    """Mirroring must not make one class from another, or something that is in none."""
    augment = subject.recipe.augment
    names = {name.strip().lower() for name in subject.classes}
    flag = "flip" if augment.flip else "vflip"
    if not (augment.flip or augment.vflip):
        return
    if names <= CHARACTERS or names <= DIGIT_WORDS:
        yield warning(
            f"the classes are digits or letters and {flag} mirrors half of their pictures: a 2, an R are none any "
            f"more, b becomes d; train with --no-{flag}"
        )
    words = {name: re.split(r"[^a-z]+", name) for name in names}
    sides = ("left", "right") if augment.flip else ("up", "down")
    pair = [next((name for name, parts in words.items() if side in parts), None) for side in sides]
    if all(pair):
        yield warning(
            f"{flag} mirrors half of the pictures, which turns {pair[0]!r} into {pair[1]!r} but not its label; train "
            f"with --no-{flag}"
        )
