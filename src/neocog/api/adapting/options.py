"""What may be asked of an adaptation, checked once at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.adaptation.methods import METHODS
from neocog.api.embedding.classical import entries_of, is_classical
from neocog.api.embedding.options import FeatureOptions
from neocog.api.see.given import demand_seed
from neocog.errors import UserError, unknown
from neocog.probing.kinds import GROUPS, KINDS

ADABN = "adabn"
BEHIND = "svm"
"""the classifier behind a method, as in the papers"""
NAMES = {
    "daume": "Daumé III (2007)",
    "mmdt": "Hoffman et al. (2013)",
    "gfk": "Gong et al. (2012)",
    "coral": "Sun et al. (2016)",
    "subspace": "Fernando et al. (2013)",
    "dlid": "Chopra et al. (2013)",
    ADABN: "Li et al. (2017)",
}
"""rows of the table by method, as the lecture names them"""
OWN = ("S", "T", "ST", "mmdt")
"""methods whose classifiers are given"""
KIND_NAMES = {"logreg": "Logistic Reg.", "svm": "SVM"}


class AdaptOptions(FeatureOptions, total=False):
    """What `adapt` takes by keyword."""

    domains: object
    """one data set that holds both domains; `source` and `target` are then what its column `domain` says"""
    labels_per_class: int
    """labelled pictures of each class in the target, 3 if not given; 0 for the unsupervised protocol"""
    source_per_class: int | None
    """pictures of each class in the source; 20 if not given, 8 where a class has fewer than 20"""
    splits: int
    """how often is drawn, 5 times if not given"""
    seed: int
    methods: str | Sequence[str]
    """of `adaptation.methods.METHODS` and adabn; all if not given"""
    beside: str | Sequence[str]
    """classical methods, `classical:NAME`, each a further column of the table"""
    behind: str | None
    """of `probing.kinds.KINDS`, the classifier behind a method; svm if not given"""


@dataclass(frozen=True)
class Row:
    """A row of the table: a method with a classifier."""

    name: str
    method: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    labels_per_class: int = 3
    source_per_class: int | None = None
    splits: int = 5
    seed: int = 0
    rows: tuple[Row, ...] = ()
    explicit: bool = False
    """whether methods were named, so that one that cannot be had is an error and no note"""

    def __post_init__(self) -> None:
        demand_seed(self.seed, bits=31)  # further draws add to it, and scikit-learn takes 32 bits
        if self.labels_per_class < 0:
            raise UserError(f"labels per class must be 0 (unsupervised) or more, got {self.labels_per_class}")
        for name, value in (("source pictures per class", self.source_per_class), ("splits", self.splits)):
            if value is not None and value < 1:
                raise UserError(f"{name} must be 1 or more, got {value}")


def names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names one by one, each once: `"a,b"`, `["a", "b"]` and `["a,b"]` are the same."""
    several = [given] if isinstance(given, str) else given or ()
    each = (name.strip() for one in several for name in one.split(","))
    return tuple(dict.fromkeys(name for name in each if name))


def asked(options: AdaptOptions) -> Asked:
    """What was asked, as the verb works with it; UserError for what makes no sense."""
    named = names(options.get("methods"))
    for name in named:
        if name not in (*METHODS, ADABN):
            raise unknown("method of adaptation", name, (*METHODS, ADABN))
    for name in names(options.get("beside")):
        _demand_classical(name)
    labels = options.get("labels_per_class", 3)
    chosen = [name for name in (*METHODS, ADABN) if not named or name in named]
    without = [name for name in chosen if labels == 0 and name != ADABN and METHODS[name].needs != "source"]
    if named and without:
        raise UserError(
            f"{', '.join(without)} learns from labels of the target, but none are given; "
            "ask for --labels-per-class 1 or more, or leave it out"
        )
    behind = _behind(options.get("behind"), [name for name in chosen if name not in without])
    return Asked(
        labels_per_class=labels,
        source_per_class=options.get("source_per_class"),
        splits=options.get("splits", 5),
        seed=options.get("seed", 0),
        rows=tuple(row for name in chosen if name not in without for row in _rows(name, behind)),
        explicit=bool(named),
    )


def _demand_classical(name: str) -> None:
    """UserError for what cannot stand beside the network; before any feature is computed."""
    if not is_classical(name):
        raise UserError(
            f"what stands beside the network is a classical method, classical:NAME, got {name}; name one so"
        )
    entries_of(name)


def _behind(given: str | None, methods: Sequence[str]) -> str:
    """The classifier behind the methods. UserError for an unknown one, and where it would stand behind none."""
    if given is None:
        return BEHIND
    if given not in KINDS:
        raise unknown("classifier", given, KINDS)
    if given not in GROUPS["all"]:
        raise UserError(
            f"{given} compares histograms, whose numbers are 0 or more, but methods map features to numbers of either "
            "sign; take another classifier, as svm or rbf-svm"
        )
    if all(method in OWN for method in methods):
        raise UserError(
            f"a classifier stands behind a method that maps features, but {', '.join(methods)} have their own, got "
            f"behind {given}; leave it out, or ask for another method, as coral"
        )
    return given


def _rows(method: str, behind: str) -> list[Row]:
    if method in ("S", "T", "ST"):
        return [Row(f"{KIND_NAMES[kind]} ({method})", method, kind) for kind in KIND_NAMES]
    rows = [Row(NAMES[method], method, behind)]
    if method == "gfk":
        rows.append(Row(f"{NAMES[method]}, 1-NN", method, "1-nn"))
    return rows
