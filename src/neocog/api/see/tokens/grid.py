"""Where the tokens of a network lie on the picture, for the views that need to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.api.see.opened import Opened
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.inside.tokens import Patches


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
