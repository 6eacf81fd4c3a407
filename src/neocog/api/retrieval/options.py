"""What one may ask of features, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from neocog.api.embedding.options import EmbedOptions
from neocog.api.see.given import demand_seed
from neocog.errors import UserError, unknown
from neocog.retrieval.doubtful import PRUNES, RANKS
from neocog.retrieval.space import METRICS


class RetrieveOptions(EmbedOptions, total=False):
    """What may be asked of `retrieve`, beside what is said of the features."""

    k: int | None
    """neighbours of each picture; 9 if not given, or as many as there are"""
    metric: str
    """how near is measured: `cosine` if not given, `l2`"""
    keep_copies: bool
    """whether copies of a query, by content, are neighbours like others"""
    figures: bool
    """whether the pictures are looked for among each other beside lists; they are where nothing else is asked for"""
    outliers: int
    """pictures on each of two lists of those far from the others"""
    mislabels: bool
    """whether doubtful labels are looked for"""
    rank: str
    """the order of the doubtful labels: `self-confidence` if not given, `margin`"""
    prune: str
    """how they are chosen: `joint` if not given, `class`"""
    seed: int
    """of the folds behind them"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be found, and how near is measured; `RetrieveOptions` explains each."""

    k: int = 9
    usual: bool = False
    """whether nobody asked for so many neighbours, and fewer will do where there are not as many pictures"""
    metric: str = "cosine"
    keep_copies: bool = False
    figures: bool = True
    outliers: int = 0
    mislabels: bool = False
    rank: str = "self-confidence"
    prune: str = "joint"
    seed: int = 0

    def __post_init__(self) -> None:
        demand_seed(self.seed)
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

    @property
    def among_themselves(self) -> bool:
        """Whether the neighbours of every picture are needed."""
        return self.figures or self.outliers > 0

    def of(self, pictures: int, name: str, queries: bool) -> Asked:
        """With no more neighbours than `pictures` can give; UserError where more were asked for."""
        if not (queries or self.among_themselves):
            return self
        alone = self.among_themselves
        most = pictures - alone
        if self.k <= most:
            return self
        if not most:
            raise UserError(f"each picture is looked for among the others, {name} has one; add pictures")
        if self.usual:
            return replace(self, k=most)
        others = "other pictures" if alone else "pictures"
        raise UserError(
            f"k must be at most the number of {others}, {most:,} in {name}, got {self.k}; give fewer"
        )


OF_NEIGHBOURS = ("k", "metric", "keep_copies")
OF_LABELS = ("rank", "prune")
OWN = ("k", "metric", "keep_copies", "figures", "outliers", "mislabels", "rank", "prune", "seed")


def asked_for(options: RetrieveOptions, queries: bool) -> tuple[Asked, EmbedOptions]:
    """What is to be found, and what is said of the features. UserError in words."""
    given: Mapping[str, Any] = {name: options.get(name) for name in OWN if options.get(name) is not None}
    if queries and given.get("figures"):
        raise UserError(
            "figures are of every picture among the others, a QUERY was given, too; leave one of them out"
        )
    listed = queries or given.get("outliers") or given.get("mislabels")
    asked = Asked(**{**given, "figures": bool(given.get("figures")) or not listed}, usual="k" not in given)
    if not (queries or asked.among_themselves):
        way = "--figures asks for them, too; or leave it out"
        _demand_usual(given, OF_NEIGHBOURS, "is of neighbours, doubtful labels need none", way)
    if not asked.mislabels:
        way = "ask for --mislabels, too, or leave it out"
        _demand_usual(given, OF_LABELS, "is of doubtful labels, none are looked for", way)
    rest = {name: value for name, value in options.items() if name not in OWN}
    return asked, cast("EmbedOptions", rest)


def _demand_usual(given: Mapping[str, Any], names: Sequence[str], why: str, way: str) -> None:
    """UserError for the first of `names` of which something else than usual is said, which nothing would heed."""
    for name in names:
        if name in given and given[name] != getattr(Asked, name):
            raise UserError(f"{name} {why}, got {given[name]}; {way}")
