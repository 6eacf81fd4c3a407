"""What one may ask of features, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.errors import UserError, unknown
from neocog.retrieval.doubtful import PRUNES, RANKS
from neocog.retrieval.space import METRICS


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be found, and how near is measured."""

    k: int = 9
    """neighbours of each picture"""
    metric: str = "cosine"
    """of `METRICS`"""
    keep_copies: bool = False
    """whether copies of a query, by content, are neighbours like others"""
    outliers: int = 0
    """pictures on each list of outliers"""
    mislabels: bool = False
    """whether doubtful labels are looked for"""
    rank: str = "self-confidence"
    """of `RANKS`, the order of the doubtful labels"""
    prune: str = "joint"
    """of `PRUNES`, how they are chosen"""
    seed: int = 0
    """of the folds"""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"k must be at least 1, got {self.k}")
        if self.outliers < 0:
            raise UserError(f"outliers must be 0 (none) or more, got {self.outliers}")
        if self.metric not in METRICS:
            raise unknown("metric", self.metric, METRICS)
        if self.rank not in RANKS:
            raise unknown("rank of doubtful labels", self.rank, RANKS)
        if self.prune not in PRUNES:
            raise unknown("way to choose doubtful labels, prune,", self.prune, PRUNES)
