"""What the lecture claims: a printed value, where it stands, what it counts, and how it is recomputed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

Value = int | float | Fraction | str

NUMBER = re.compile(r"\d[\d,]*(\.\d+)?")
RULE = re.compile(r"(half up to|cut to|more than) (\d+(?:\.\d+)?)")


class Verdict(StrEnum):
    """What became of a claim."""

    MATCH = "match"
    """recomputed, it is the printed value"""
    MISPRINT = "misprint"
    """the lecture is wrong, for a reason that is known"""
    CONTESTED = "contested"
    """as printed it is right or cannot be checked, but another figure has as good a claim to the cell"""
    UNREAD = "unread"
    """the figure is the lecture's alone: its source could not be read"""
    MISMATCH = "mismatch"
    """recomputed, it is neither what is printed nor what was said to be right"""


@dataclass(frozen=True)
class Rounding:
    """How an exact number became a printed one."""

    rule: str = "exact"
    """`exact`; `half up to STEP`; `cut to STEP`; `more than BOUND`, for words like "most"; `text`, letter by letter"""
    unit: Fraction = Fraction(1)
    """what the printed number counts: 1024 for KB, 1000 for K"""

    def __post_init__(self) -> None:
        assert self.rule in ("exact", "text") or RULE.fullmatch(self.rule), self.rule

    def scaled(self, value: Value) -> Value:
        """`value` in the printed number's unit."""
        return value if isinstance(value, str) else Fraction(value) / self.unit

    def agrees(self, value: Value, printed: str) -> bool:
        """Whether `value` is printed as `printed`; of a number what stands around it is not read: ~600K, 49K²."""
        scaled = self.scaled(value)
        if self.rule == "text" or isinstance(scaled, str):
            return scaled == printed
        rule = RULE.fullmatch(self.rule)
        if rule is None:
            return scaled == number(printed)
        kind, step = rule[1], Fraction(rule[2])
        if kind == "more than":
            return scaled > step
        half = Fraction(1, 2) if kind == "half up to" else 0
        return math.floor(Fraction(scaled) / step + half) * step == number(printed)


def number(printed: str) -> Fraction | None:
    """The first number in `printed`, None where there is none."""
    found = NUMBER.search(printed)
    return Fraction(found[0].replace(",", "")) if found else None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One printed value and how to recompute it."""

    name: str
    """table/row/column"""
    row: str
    column: str
    where: str
    """the place in the lecture"""
    source: str
    """whose figure it is"""
    printed: str
    convention: str
    """what is counted, and how"""
    rounding: Rounding
    ours: Callable[[], Value | None]
    """recomputes it; None where there no longer is such a thing"""
    corrected: str = ""
    """what should have been printed, of a misprint"""
    erratum: str = ""
    """why the lecture is wrong; empty where it is right"""
    note: str = ""
    contested: str = ""
    """why another figure, `otherwise`, could as well stand there; empty where none could"""
    otherwise: str = ""
    other: Callable[[], Value | None] | None = None
    """recomputes the other figure"""
    unread: str = ""
    """why there is nothing to compare with; empty where there is"""

    def judge(self) -> Judgement:
        """Recompute and compare. An erratum that is none, since ours is what is printed, is a mismatch."""
        value = self.ours()
        if self.contested:
            return self._weigh(value)
        if self.unread:  # a mark on what has been read is wrong
            return Judgement(self, value, Verdict.UNREAD if value is None else Verdict.MISMATCH)
        right = value is not None and self.rounding.agrees(value, self.printed)
        mended = value is not None and self.rounding.agrees(value, self.corrected)
        if not self.erratum:
            verdict = Verdict.MATCH if right else Verdict.MISMATCH
        else:
            verdict = Verdict.MISPRINT if mended and not right else Verdict.MISMATCH
        return Judgement(self, value, verdict)

    def _weigh(self, value: Value | None) -> Judgement:
        """Contested only if what is printed is not refuted, and the other figure is recomputed and differs from it."""
        other = self.other() if self.other else None
        differs = other is not None and not self.rounding.agrees(other, self.printed)
        confirmed = differs and other is not None and self.rounding.agrees(other, self.otherwise)
        refuted = value is not None and not self.rounding.agrees(value, self.printed)
        return Judgement(self, value, Verdict.CONTESTED if confirmed and not refuted else Verdict.MISMATCH)


@dataclass(frozen=True)
class Judgement:
    """A claim, what it came to here, and the verdict."""

    claim: Claim
    value: Value | None
    verdict: Verdict

    @property
    def scaled(self) -> Value | None:
        """Our value in the unit of the printed one, not rounded."""
        return None if self.value is None else self.claim.rounding.scaled(self.value)

    @property
    def exact(self) -> bool:
        """Whether nothing had to be rounded."""
        claim = self.claim
        words = claim.rounding.rule == "text" or claim.rounding.rule.startswith("more than")
        return self.scaled is not None and (words or self.scaled == number(claim.printed))


@dataclass(frozen=True)
class Sheet:
    """The claims that stand together in one place, such as a table."""

    name: str
    title: str
    claims: tuple[Claim, ...]
    remark: str = ""
    """what else there is to say"""
    beside: str = "ours"
    """what stands beside the printed: `ours`, computed here, or `published`, only read"""


@dataclass(frozen=True)
class Facts:
    """A table of what else is known or was computed, beside which nothing is printed in the lecture."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """Something that recomputes what the lecture prints."""

    about: str
    """in one line"""
    sheets: Callable[[], tuple[Sheet, ...]]
    """its claims; each is recomputed when it is judged"""
    facts: Callable[[], tuple[Facts, ...]] = tuple
    plots: Callable[[], dict[str, str]] = dict
    """SVGs by name; with any, the experiment can be written into a folder"""
    preface: str = ""
    """Markdown above them, title included"""
