"""How figures were got, in words that another person can repeat it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neocog.draw.text import count


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The views of a picture, what became of their answers, and what computed them."""

    protocol: str
    """its name: center, 10-crop, ..."""
    in_words: str
    """what the views are"""
    engine: str
    precision: str
    views: int = 1
    """of each picture"""
    averaged: Literal["softmax", "logits"] = "softmax"
    """what the mean was taken of, over views and over members: what comes out of the softmax, or what goes in"""
    members: tuple[str, ...] = ()
    """networks of an ensemble; empty for one network"""
    soup: bool = False
    """whether the members' weights were averaged into one network"""
    answers: str = ""
    """which classes were allowed as an answer, where not all were"""
    right_if: str = ""
    """which answers count as right, where it is not the one true class"""
    unknown: tuple[tuple[str, int], ...] = ()
    """classes that the network does not know, and how many pictures they have"""
    seed: int | None = None
    """of the bootstrap; None where there is none"""
    repeats: int = 2000
    """of the bootstrap"""

    def sentence(self) -> str:
        """What happened to a picture."""
        seen = "once" if self.views == 1 else f"in {self.views:,} views"
        said = f"Each picture was seen {seen} ({self.protocol}): {self.in_words.rstrip('.')}."
        over = [f"the {self.views:,} views"] if self.views > 1 else []
        over += [f"the {len(self.members):,} networks"] if len(self.members) > 1 and not self.soup else []
        mean = {
            "softmax": "the probabilities were averaged",
            "logits": "the logits were averaged, before the softmax or sigmoid",
        }[self.averaged]
        if over:
            said += f" Over {' and '.join(over)} {mean}."
        return said + (
            f" It is one network: the mean of the weights of {len(self.members):,}." if self.soup else ""
        )

    def facts(self, data: str, n: int, skipped: int, quarantined: int) -> list[tuple[str, str]]:
        """Name and value of all that is to be told, beside the sentence."""
        unknown = ", ".join(f"{name} ({count(k, 'picture')})" for name, k in self.unknown)
        seed = f"95 %; by bootstrap over pictures: {self.repeats:,} resamples, percentiles, seed {self.seed}"
        rows = [
            ("Data", data),
            ("Pictures", f"{n:,} scored, {skipped:,} skipped, {quarantined:,} in quarantine"),
            ("Protocol", f"{self.protocol}, {count(self.views, 'view')} of a picture"),
            ("Weights averaged of" if self.soup else "Ensemble", "; ".join(self.members)),
            ("Engine", f"{self.engine}, {self.precision}"),
            ("Answers allowed", self.answers),
            ("Counted as right", self.right_if),
            ("Unknown to the network", f"{unknown}: always wrong" if unknown else ""),
            ("Intervals", seed if self.seed is not None else ""),
        ]
        return [row for row in rows if row[1]]
