"""What computes features, once a name has been looked up."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.api.embedding.origin import Origin
from neocog.inference.layer_features import Way


@dataclass(frozen=True)
class Ready:
    """What computes features, and what they are of."""

    way: Way
    origin: Origin
    engine: str
