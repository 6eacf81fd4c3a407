"""How answers are got: what one asks of `eval`, and what the figures say about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from neocog.api.evaluating.answering import PLAIN


@dataclass(frozen=True)
class How:
    """The way from pictures to answers, for whoever reads the figures."""

    protocol: str = PLAIN
    """a name of `PROTOCOLS`, or dense"""
    views: int = 1
    """of a picture"""
    average: str = "softmax"
    """what is averaged over views and members: softmax, or logits"""
    members: tuple[str, ...] = ()
    """the classifiers"""
    soup: bool = False
    """whether the members' weights were averaged into one network"""
    engine: str = ""
    subset: int | None = None
    """classes that answers were restricted to; None without such a restriction"""
    label_sets: str = ""
    """the file that says which answers are right; empty where the data's labels do"""
    temperature: float | None = 1.0
    """that logits are divided by; None where the members have different ones"""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"members": list(self.members)}

    def __str__(self) -> str:
        views = (
            f"{self.protocol}: 1 view"
            if self.views == 1
            else f"{self.protocol}: {self.views} views of a picture"
        )
        said = [views]
        many = len(self.members) > 1
        if self.soup:
            said.append(f"the weights of {len(self.members)} averaged")
        elif many:
            said.append(f"{len(self.members)} classifiers")
        if self.views > 1 or (many and not self.soup):
            said.append(f"{'probabilities' if self.average == 'softmax' else 'logits'} averaged")
        if self.subset is not None:
            said.append(f"answers among {self.subset} class{'es' * (self.subset != 1)}")
        if self.label_sets:
            said.append(f"right by {self.label_sets}")
        if self.temperature is None:
            said.append("each at its own temperature")
        elif self.temperature != 1:
            said.append(f"temperature {self.temperature:.3f}")
        return ", ".join([*said, f"engine {self.engine}"])
