"""Where the tokens of a network lie on the picture, for the views that need to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.api.see.opened import Opened
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.inside.tokens import Patches
    from neocog.inside.units import Layer


def grid_of(network: Opened, count: int) -> Patches:
    """The patches among the `count` tokens of `network`; UserError where they are no grid."""
    from neocog.inside.tokens import patches_of

    patches = patches_of(network.net, network.size, count)
    if patches is None:
        raise UserError(
            f"this view needs tokens that are patches of the picture, where the {count} tokens of {network.title} lie "
            "cannot be told; `neocog see saliency` works without"
        )
    return patches


def placed(network: Opened, layer: Layer, at: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """`at` as the units of a layer have it: the row and column of a patch become the number of its token."""
    patches = network.patches(layer) if at is not None and len(at) == 2 else None
    if at is None or patches is None or any(not 0 <= i < n for i, n in zip(at, patches.grid, strict=True)):
        return at
    return (int(patches.tokens[at[0], at[1]]),)
