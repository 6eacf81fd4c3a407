"""What an ensemble brings beside the best of its members, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from neocog.api.evaluating.answering import Member
from neocog.api.evaluating.cost import cost_of
from neocog.api.evaluating.scored import Scored
from neocog.evaluation.paired import Paired, compared


@dataclass(frozen=True)
class Gain:
    """An ensemble beside its best member, on the same pictures."""

    best: str
    """the member with the highest accuracy; of equals the first"""
    paired: Paired
    """the ensemble first, the member second"""
    macs: tuple[int | None, ...]
    """multiply-adds of each member for a picture, all views together; None where they are not counted"""
    times: float | None
    """multiply-adds of all over those of the best; None where they are not counted"""

    def to_json(self) -> dict[str, Any]:
        return {"best": self.best, **asdict(self.paired), "verdict": self.paired.verdict, "times": self.times}

    def __str__(self) -> str:
        low, high = (100 * end for end in self.paired.interval)
        said = {"first": "better", "second": "worse"}.get(self.paired.verdict, self.paired.verdict)
        work = "" if self.times is None else f", for {self.times:.1f} times the multiply-adds"
        return (
            f"beside {self.best}, the best of them: {100 * self.paired.difference:+.1f} points (95 % interval "
            f"{low:+.1f} to {high:+.1f}), p = {self.paired.p:.2g}, {said}{work}"
        )


def gain_of(scored: Scored, members: Sequence[Member]) -> Gain | None:
    """None where there is one member."""
    if not scored.members:
        return None
    places = range(len(members))
    best = max(places, key=lambda i: scored.members[i][1].top1)
    name, own = scored.members[best]
    macs = tuple(cost_of(members[i].loaded, scored.members[i][1].how).macs for i in places)
    total, one = summed(macs), macs[best]
    times = total / one if total and one else None
    return Gain(name, compared(scored.right, own.right), macs, times)


def summed(macs: Sequence[int | None]) -> int | None:
    """None where one is not counted."""
    counted = [count for count in macs if count is not None]
    return sum(counted) if len(counted) == len(macs) else None
