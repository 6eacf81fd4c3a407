"""What a calibrated run promised, beside what it did on other pictures."""

from __future__ import annotations

import numpy as np

from neocog.api.evaluating.answering import PLAIN
from neocog.api.evaluating.scored import Scored
from neocog.bundle import Calibration
from neocog.evaluation.conformal import Coverage, answer_sets, measured, threshold

WANTED = (0.8, 0.9, 0.95, 0.99)


def coverage_of(scored: Scored, kept: Calibration | None) -> tuple[Coverage, ...]:
    """How often sets of classes held the true one, for each coverage that the calibration is large enough for.

    Of pictures of classes that the run knows, which neither trained nor calibrated it. Nothing where it is not
    calibrated (`kept` is None), where none is left, and where the answers are not those that were calibrated: other
    views, other networks, fewer classes, label sets.
    """
    how = scored.how
    otherwise = how.protocol != PLAIN or len(how.members) > 1 or how.subset is not None or how.label_sets
    if kept is None or otherwise:
        return ()
    seen = {row.tobytes() for row in kept.hashes}
    new = np.array([row.tobytes() not in seen for row in scored.hashes], bool) & ~scored.trained
    new &= scored.labels < scored.probabilities.shape[1]
    if not new.any():
        return ()
    rows, labels, n = scored.probabilities[new], scored.labels[new], len(kept.scores)
    return tuple(
        measured(answer_sets(rows, threshold(kept.scores, wanted)), labels, wanted, n)
        for wanted in WANTED
        if wanted * (n + 1) <= n
    )
