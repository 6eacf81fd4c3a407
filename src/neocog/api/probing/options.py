"""What may be asked of a probe, checked once at the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neocog.api.embedding.options import FeatureOptions
from neocog.api.see.given import demand_seed
from neocog.data.views.protocols import PROTOCOLS as VIEWS
from neocog.errors import UserError, unknown
from neocog.probing.choose import FOLDS
from neocog.probing.combined import KERNELS, OF_COUNTS, WEIGHTINGS
from neocog.probing.kinds import GROUPS, KINDS
from neocog.probing.part_features import PART_FEATURES
from neocog.probing.protocols import PROTOCOLS, Protocol
from neocog.probing.scale import SCALES
from neocog.probing.splits import Draw

SHARE = 0.2  # of each class, that judges


class ProbeOptions(FeatureOptions, total=False):
    """What may be asked of a probe."""

    kinds: str | Sequence[str]
    """of `probing.kinds.KINDS`, or of its `GROUPS`: usual if not given, decaf, all; `one-vs-one` of cells of parts"""
    combine: str | Sequence[str]
    """of `probing.combined.WEIGHTINGS`: how kernels of all layers or parts are weighed in a sum; none if not given"""
    kernel: str | Sequence[str]
    """of `probing.combined.KERNELS`, of all that are summed, or `NAME=KERNEL` of one; rbf if not given"""
    boxes: str | Path | None
    """a table of boxes of parts of the pictures, or of places; or head-body, of data with CUB-200-2011's 15 places"""
    protocol: str | None
    """of `probing.protocols.PROTOCOLS`: what a paper does; nothing else about splits may be asked then, but the seed"""
    per_class: int | None
    """pictures of each class that train, drawn anew for each split; the others judge"""
    judged_per_class: int | None
    """pictures of each class that judge, at most"""
    splits: int | None
    """how often is drawn: 5 times where `per_class` or `shots` is given, else once"""
    shots: Sequence[int]
    """several numbers of pictures per class, for a curve: those of the smaller numbers are among the larger ones'"""
    fewer: bool
    """whether a class with fewer pictures than asked for trains with what it has"""
    val_fraction: float | None
    """share of each class that judges, where the data have no part that does and nothing per class is asked: 0.2"""
    folds: int | None
    """of the cross-validation that chooses a strength; 5 if not given"""
    scale: str
    """of `probing.scale.SCALES`"""
    seed: int
    save: str | Path | None
    """folder for the best linear classifier on the last layer's features, as a run that predicts"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked, with what follows from it."""

    kinds: tuple[str, ...]
    protocol: Protocol | None
    draw: Draw | None
    """None where the parts of the data divide it, or a share of it judges"""
    splits: int
    shots: tuple[int, ...]
    """in ascending order; empty where no curve was asked for"""
    val_fraction: float | None
    """None where it was not asked for"""
    folds: int
    scale: str
    seed: int
    save: Path | None
    combine: tuple[str, ...] = ()
    """how the kernels in a sum are weighed, a classifier each"""
    kernels: Mapping[str, str] = field(default_factory=dict)
    """name of features -> kernel; that of "" is of all others"""
    boxes: str = ""
    """where parts of the pictures lie: a file, or the data's own"""

    @property
    def figure(self) -> str:
        """What is compared: balanced, the mean per-class accuracy, or top1."""
        return self.protocol.figure if self.protocol else "balanced"


OF_SPLITS = ("per_class", "judged_per_class", "splits", "shots", "val_fraction", "folds")


def asked_for(options: ProbeOptions) -> Asked:
    """The options as one checked whole; UserError in words where they do not go together."""
    seed = options.get("seed", 0)
    demand_seed(seed, bits=31)  # those of the splits follow it, and scikit-learn takes 32 bits
    protocol = _protocol(options)
    shots = tuple(sorted(set(options.get("shots", ()))))
    draw = _draw(options, protocol, shots)
    scale = options.get("scale", "standard")
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    share, folds = options.get("val_fraction"), options.get("folds")
    _demand_heeded(share, draw, options.get("fewer", False))
    if folds is not None and folds < 2:
        raise UserError(f"folds must be 2 or more, got {folds}")
    save, boxes = options.get("save"), options.get("boxes")
    kinds = _kinds(listed(options.get("kinds") or (protocol.kinds if protocol else "usual")))
    _demand_readable(kinds, scale, boxes, protocol)
    combine = _combine(listed(options.get("combine") or ()), scale)
    return Asked(
        kinds=kinds,
        protocol=protocol,
        draw=draw,
        splits=draw.splits if draw else (options.get("splits") or 1),
        shots=shots,
        val_fraction=share,
        folds=FOLDS if folds is None else folds,
        scale=scale,
        seed=seed,
        save=None if save is None else Path(save).expanduser(),
        combine=combine,
        kernels=_kernels(listed(options.get("kernel") or ()), combine, scale),
        boxes="" if boxes is None else str(boxes),
    )


def _demand_readable(
    kinds: Sequence[str], scale: str, boxes: str | Path | None, protocol: Protocol | None
) -> None:
    """UserError where kinds of classifier, what is said of parts and the scale do not go together."""
    of_counts = [name for name in kinds if name not in (*GROUPS["all"], PART_FEATURES)]
    if of_counts and scale == "standard":
        raise UserError(
            f"{of_counts[0]} compares histograms, whose numbers are 0 or more, got scale standard, which makes some "
            "negative; take --scale none, and features that count, as classical:spatial-pyramid"
        )
    if PART_FEATURES in kinds and scale != "none":
        raise UserError(f"{PART_FEATURES} reads cells as they are, got scale {scale}; ask for --scale none")
    if boxes is not None and protocol and protocol.box:
        raise UserError(
            f"the protocol {protocol.name} cuts pictures to their boxes, got boxes {boxes}; leave one out"
        )
    if PART_FEATURES in kinds and boxes is None:
        raise UserError(
            f"{PART_FEATURES} learns from cells of aligned parts, got no places of parts; take classical:cells with "
            "--boxes FILE, whose columns are path, part, x and y"
        )


def _demand_heeded(share: float | None, draw: Draw | None, fewer: bool) -> None:
    """UserError for an option that would change nothing."""
    if share is not None and not 0 < share < 1:
        raise UserError(f"val_fraction must lie between 0 and 1, got {share}")
    if share is not None and draw:
        raise UserError(
            f"val_fraction is for data of which a share judges, got {share}, but with per_class or shots all that do "
            "not train judge; leave one of them out"
        )
    if fewer and not draw:
        raise UserError(
            "fewer is for pictures of each class that are drawn, got none to draw; give per_class too"
        )


def _protocol(options: ProbeOptions) -> Protocol | None:
    name = options.get("protocol")
    if name is None:
        return None
    if name not in PROTOCOLS:
        if name in VIEWS:
            raise UserError(
                f"a protocol says how a paper divides pictures, got the views {name}; ask for --views {name}"
            )
        raise unknown("protocol", name, PROTOCOLS)
    if given := [key for key in OF_SPLITS if options.get(key)]:
        raise UserError(f"the protocol {name} says how pictures are divided; leave {' and '.join(given)} out")
    return PROTOCOLS[name]


def _draw(options: ProbeOptions, protocol: Protocol | None, shots: tuple[int, ...]) -> Draw | None:
    count, splits = options.get("per_class"), options.get("splits")
    if splits is not None and splits < 1:
        raise UserError(f"splits must be 1 or more, got {splits}")
    if shots and count is not None:
        raise UserError("give per_class or shots, not both: shots are several numbers per class")
    if protocol:
        count, splits = protocol.per_class, protocol.splits
    most = protocol.most if protocol else options.get("judged_per_class")
    option = "" if protocol else "--shots" if shots else "--per-class"
    if shots:
        count = shots[-1]
        if shots[0] < 1:
            raise UserError(f"shots must be 1 or more, got {shots[0]}")
    if count is None:
        if most is not None:
            raise UserError("judged_per_class goes with per_class or shots, got neither")
        return None
    return Draw(
        per_class=count,
        splits=splits or 5,
        most=most,
        seed=options.get("seed", 0),
        fewer=options.get("fewer", False),
        option=option,
    )


def listed(given: str | Sequence[str]) -> Sequence[str]:
    """Names as a sequence: one alone is one name."""
    return (given,) if isinstance(given, str) else given


def _kinds(given: Sequence[str]) -> tuple[str, ...]:
    """The kinds named, groups spelled out, each once."""
    found: dict[str, None] = {}
    for name in given:
        if name not in (*KINDS, *GROUPS, PART_FEATURES):
            raise unknown("kind of classifier", name, [*KINDS, *GROUPS, PART_FEATURES])
        found |= dict.fromkeys(GROUPS.get(name, (name,)))
    return tuple(found)


def _combine(given: Sequence[str], scale: str) -> tuple[str, ...]:
    for name in given:
        if name not in WEIGHTINGS:
            raise unknown("way to weigh kernels", name, WEIGHTINGS)
    if given and scale == "l2":
        raise UserError(
            "a sum of kernels takes each kind of features at a length of its own, got scale l2, which brings all of "
            "them together to one; take --scale standard or none"
        )
    return tuple(dict.fromkeys(given))


def _kernels(given: Sequence[str], combine: Sequence[str], scale: str) -> dict[str, str]:
    """Name of features -> kernel, of `KERNEL` and `NAME=KERNEL`."""
    if given and not combine:
        raise UserError(f"kernel is for kernels that are summed, got {given[0]}; ask for --combine, too")
    found: dict[str, str] = {}
    for one in given:
        name, _, kernel = one.rpartition("=")
        if kernel not in KERNELS:
            raise unknown("kernel", kernel, KERNELS)
        if name in found:
            of = name or "all that are not named"
            raise UserError(
                f"there is one kernel of {of}, got {found[name]} and {kernel}; leave one of them out"
            )
        if kernel in OF_COUNTS and scale == "standard":
            raise UserError(
                f"{kernel} compares histograms, whose numbers are 0 or more, got scale standard, which makes some "
                "negative; take --scale none"
            )
        found[name] = kernel
    return found
