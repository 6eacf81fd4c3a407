"""What a classifier's answers cost."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.api.evaluating.how import How
from neocog.api.networks import Loaded, module_of
from neocog.inference.dense_engine import DENSE


@dataclass(frozen=True)
class Cost:
    """What a classifier's answers cost."""

    params: int
    macs: int | None
    """multiply-adds of a picture, all of its views together; None for dense ones, which its size decides"""
    rate: float | None = None
    """pictures a second, from the file to the answer, on this machine while it did this"""


def cost_of(loaded: Loaded, how: How, rate: float | None = None) -> Cost:
    """Of one network; a network that looks at each picture and its mirror image does twice the work."""
    from neocog.analysis.table import summarize

    preprocess = loaded.network.preprocess
    table = summarize(module_of(loaded), (preprocess.channels, *preprocess.size), name=loaded.network.name)
    passes = how.views * (2 if loaded.bundle and loaded.bundle.card.mirrored else 1)
    return Cost(table.params, None if how.protocol in DENSE else table.macs_of_one * passes, rate)
