"""The figures of the view `embedding`, as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neocog.api.see.about import About
from neocog.api.see.plane.pictured import Pictured

if TYPE_CHECKING:
    from neocog.api.see.plane.embedding import Mapped


def about_of(found: Pictured) -> About:
    """What the view is of; a classical method has no input of one size."""
    origin = found.origin
    size, channels = origin.preprocess.get("size"), origin.preprocess.get("channels")
    given = None if size is None or channels is None else (int(channels), *map(int, size))
    return About(
        view="embedding",
        model=origin.model,
        weights=origin.source,
        input=given,
        data=found.data,
        skipped=found.skipped,
    )


def figures_of(found: Pictured, layers: Mapping[str, Mapped], method: str, seed: int) -> dict[str, Any]:
    """Which pictures are shown, and where."""
    return {
        "method": method,
        "seed": seed,
        "pictures": len(found.names),
        "shown": [
            {"picture": name, **{colour: str(found.said[colour][i]) for colour in found.said}}
            for i, name in enumerate(found.names)
        ],
        "of": found.of,
        "layers": {layer: _layer_figures(one, found) for layer, one in layers.items()},
    }


def _layer_figures(one: Mapped, found: Pictured) -> dict[str, Any]:
    return {
        "numbers": one.numbers,
        "variance_kept": one.kept,
        "points": [[round(float(x), 4), round(float(y), 4)] for x, y in one.points],
        "purity": {
            colour: {
                "k": among.k,
                "features": among.mean,
                "plane": drawn.mean,
                "chance": among.chance,
                "by_kind": {
                    name: {
                        "pictures": int(among.counts[i]),
                        "features": float(among.by_class[i]),
                        "plane": float(drawn.by_class[i]),
                    }
                    for i, name in enumerate(found.order[colour])
                    if among.counts[i]
                },
            }
            for colour, (among, drawn) in one.purity.items()
        },
    }
