"""The view `attention`: what each head of each layer looks at, all layers at once, and how far attention reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.given import demand_options
from neocog.api.see.opened import Opened, View, in_words, opened, picture, view_of
from neocog.api.see.seen import Seen
from neocog.api.see.tokens.data import AttentionOptions, Over, averaged_over
from neocog.api.see.tokens.grid import grid_of
from neocog.api.see.tokens.page import page
from neocog.api.see.tokens.positions import alike_positions, in_figures
from neocog.data.quarantine import demand_readable
from neocog.errors import Unreadable, UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.attention.attention import Attended
    from neocog.inside.attention.attention import Attention as Forward
    from neocog.inside.attention.spread import Spread
    from neocog.inside.tokens import Patches

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reach:
    """The spread of every layer, averaged over pictures."""

    layers: tuple[Spread, ...]
    even: float
    """the distance in pixels of attention that is even over all tokens"""
    pictures: int
    source: str
    """of which pictures, in words"""
    of_data: bool
    """whether they are those of data, not the picture alone"""
    skipped: tuple[tuple[str, str], ...] = ()
    """(name, reason) of those that cannot be read"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Attention(Seen):
    """What the layers of a network look at in a picture."""

    layers: tuple[str, ...]
    """the modules that attend, in order"""
    weights: tuple[NDArray[np.float32], ...]
    """for each layer (heads, tokens, tokens): how much of each token (last side) each query takes"""
    tokens: NDArray[np.int64]
    """(rows, columns): which token each patch is"""
    class_token: int | None
    rollout: Floats
    """(rows, columns): the share of each patch in what is looked from, through all layers"""
    positions: Floats | None
    """(rows, columns, rows, columns): the cosine between two positions; None where the network adds none"""
    reach: Reach


class Asked(NamedTuple):
    """Who looks."""

    token: int | None
    """whose attention is shown; None for the mean over all tokens"""
    words: str
    at: tuple[int, int] | None
    """row and column of its patch"""


@dataclass(frozen=True, eq=False)
class Looked:
    """All that the page and the figures are made of."""

    view: View
    seen: Forward
    layers: tuple[Attended, ...]
    """those of `seen` in which all tokens look at all"""
    patches: Patches
    asked: Asked
    rollout: Floats
    """(rows, columns)"""
    positions: Floats | None
    """(rows, columns, rows, columns): how alike they are"""
    reach: Reach
    renormalised: bool


def attention(
    model: object,
    image: object = None,
    *,
    data: object = None,
    pictures: int = 128,
    at: tuple[int, int] | None = None,
    renormalise: bool = False,
    progress: Progress | None = None,
    **options: Unpack[AttentionOptions],
) -> Attention:
    """What each head looks at in `image`, by the class token or by the patch at row and column `at`.

    Without a class token the mean over all tokens is shown. The mean distance of attention is that of `image`, or the
    mean over at most so many `pictures` of `data`, evenly spaced; `renormalise` leaves the class token's share out of
    it. `AttentionOptions` has what else may be said. UserError for networks without attention, or with attention in
    windows only.
    """
    demand_options(attention, options, AttentionOptions)
    from neocog.inside.attention.attention import attend
    from neocog.inside.attention.rollout import read_by_the_head, rollout

    told = progress or Silent()
    network = opened(model, told, options)
    over, view = averaged_over(data, pictures, options, told), picture(network, image)
    with in_words(network):
        seen = attend(network.net, view.x)
    layers = over_all_tokens(seen.layers, network.title)
    patches = grid_of(network, layers[0].shape[0])
    asked, weights = _asked(at, patches), [layer.weights[0] for layer in layers]
    rolled = read_by_the_head(rollout(weights), asked.token)[patches.tokens]
    if over is None:
        reach = _over_one(view, weights, patches, renormalise)
    else:
        reach = _over_pictures(network, over, patches, renormalise, told)
    positions = alike_positions(network, patches)
    return _seen(network, Looked(view, seen, layers, patches, asked, rolled, positions, reach, renormalise))


def _seen(network: Opened, looked: Looked) -> Attention:
    reach = looked.reach
    return Attention(
        about=about(network, "attention", (reach.source,) if reach.of_data else (), reach.skipped),
        gallery=page(network, looked),
        figures=_figures(looked),
        layers=tuple(layer.layer for layer in looked.layers),
        weights=tuple(layer.weights[0] for layer in looked.layers),
        tokens=looked.patches.tokens,
        class_token=looked.patches.class_token,
        rollout=looked.rollout,
        positions=looked.positions,
        reach=reach,
    )


def over_all_tokens(layers: Sequence[Attended], title: str) -> tuple[Attended, ...]:
    """The layers in which every token looks at every other; UserError where there are none."""
    if not layers:
        raise UserError(
            f"this view needs attention, {title} computes none that torch's functions show; for convolutions use "
            "`neocog see cam` or `neocog see maps`"
        )
    windowed = next((layer for layer in layers if layer.windows > 1), None)
    if windowed is not None:
        raise UserError(
            f"this view needs attention over the whole picture, {windowed.layer} of {title} attends within "
            f"{windowed.windows} windows of {windowed.shape[1]} tokens; `neocog see cam` shows where it looks"
        )
    square = [layer for layer in layers if layer.shape[0] == layer.shape[1]]
    if not square:
        queries, keys = layers[0].shape
        raise UserError(
            f"this view needs tokens that look at each other, {layers[0].layer} of {title} looks from {queries} at "
            f"{keys} others; `neocog see saliency` works without"
        )
    return tuple(layer for layer in square if layer.shape == square[0].shape)


def _asked(at: tuple[int, int] | None, patches: Patches) -> Asked:
    if at is None:
        token = patches.class_token
        return Asked(token, "all tokens, on average" if token is None else "the class token", None)
    rows, columns = patches.grid
    if len(at) != 2 or not (0 <= at[0] < rows and 0 <= at[1] < columns):
        raise UserError(
            f"a patch is a row from 0 to {rows - 1} and a column from 0 to {columns - 1}, "
            f"got {','.join(map(str, at))}"
        )
    row, column = at
    return Asked(int(patches.tokens[row, column]), f"the patch in row {row}, column {column}", (row, column))


def _over_one(
    view: View, weights: Sequence[NDArray[np.float32]], patches: Patches, renormalise: bool
) -> Reach:
    from neocog.inside.attention.spread import even_distance, spread_of

    spread = tuple(spread_of(one, patches, renormalise) for one in weights)
    return Reach(spread, even_distance(patches, renormalise), 1, view.name, of_data=False)


def _over_pictures(network: Opened, over: Over, patches: Patches, renormalise: bool, told: Progress) -> Reach:
    """The mean over the chosen pictures; those that cannot be read are left out."""
    from neocog.inside.attention.attention import attend
    from neocog.inside.attention.spread import Spread, even_distance, spread_of

    dataset, chosen = over.dataset, over.chosen
    totals: list[list[Floats]] = []
    unread: list[tuple[int, str]] = []
    with told.step("attention", len(chosen)) as advance:
        for i in chosen:
            advance(1)
            try:
                view = view_of(network, dataset.samples.name(i), dataset.samples.read(i))
            except Unreadable as reason:
                unread.append((i, str(reason)))
                continue
            layers = over_all_tokens(attend(network.net, view.x).layers, network.title)
            new = [list(spread_of(one.weights[0], patches, renormalise)) for one in layers]
            totals = _added(totals, new)
    if over.strict:
        demand_readable(dataset, unread)
    skipped = tuple((dataset.short_name(i), reason) for i, reason in unread)
    read = len(chosen) - len(skipped)
    if not read:
        raise UserError(f"no picture of {dataset.name} can be read ({': '.join(skipped[0])})")
    means = tuple(Spread(*(total / read for total in layer)) for layer in totals)
    return Reach(
        means, even_distance(patches, renormalise), read, dataset.name, of_data=True, skipped=skipped
    )


def _added(totals: list[list[Floats]], new: list[list[Floats]]) -> list[list[Floats]]:
    if not totals:
        return new
    return [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(totals, new, strict=True)]


def _figures(looked: Looked) -> dict[str, Any]:
    patches, reach = looked.patches, looked.reach
    return {
        "picture": looked.view.name,
        "grid": list(patches.grid),
        "patch": list(patches.step),
        "class_token": patches.class_token,
        "from": looked.asked.words,
        "rollout": looked.rollout.tolist(),
        "pictures": reach.pictures,
        "renormalised": looked.renormalised,
        "even_distance": reach.even,
        "positions": None if looked.positions is None else in_figures(looked.positions),
        "layers": [
            {
                "layer": layer.layer,
                "distance": spread.distance.tolist(),
                "entropy": spread.entropy.tolist(),
                "on_class_tokens": spread.on_others.tolist(),
                "off": layer.off,
            }
            for layer, spread in zip(looked.layers, reach.layers, strict=True)
        ],
    }
