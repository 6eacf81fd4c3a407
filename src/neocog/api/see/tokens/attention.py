"""The view `attention`: what each head of each layer looks at, all layers at once, and how far attention reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.keywords import demand_known
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture, view_of
from neocog.api.see.seen import Seen
from neocog.api.see.tokens.grid import grid_of
from neocog.api.see.tokens.page import page
from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.attention.attention import Attended
    from neocog.inside.attention.attention import Attention as Forward
    from neocog.inside.tokens import Patches

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """How far a layer's attention reaches, and over how many tokens."""

    distance: Floats
    """(heads,), in pixels"""
    entropy: Floats
    """(heads,), in bits, the mean over queries"""
    on_others: Floats
    """(heads,): share that patches give to tokens without a place, such as the class token"""


@dataclass(frozen=True, eq=False)
class Reach:
    """The spread of every layer, averaged over pictures."""

    layers: tuple[Spread, ...]
    even: float
    """the distance in pixels of attention that is even over all tokens"""
    pictures: int
    source: str
    """of which pictures, in words"""
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
    reach: Reach
    renormalised: bool


def attention(
    model: object,
    image: object = None,
    *,
    data: object = None,
    n: int = 128,
    query: tuple[int, int] | None = None,
    renormalise: bool = False,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Attention:
    """What each head looks at in `image`, by the class token or by the patch at row and column `query`.

    Without a class token the mean over all tokens is shown. The mean distance of attention is that of `image`, or the
    mean over `n` pictures of `data`, evenly spaced; `renormalise` leaves the class token's share out of it. UserError
    for networks without attention, or with attention in windows only.
    """
    demand_known("see attention", options, OpenOptions.__annotations__)
    from neocog.inside.attention.attention import attend
    from neocog.inside.attention.rollout import read_by_the_head, rollout

    told = progress or Silent()
    network = opened(model, told, options)
    view = picture(network, image)
    seen = attend(network.net, view.x)
    layers = over_all_tokens(seen.layers, network.title)
    patches = grid_of(network, layers[0].shape[0])
    asked = _asked(query, patches)
    weights = tuple(layer.weights[0] for layer in layers)
    rolled = rollout(weights)
    from_here = read_by_the_head(rolled, asked.token)[patches.tokens]
    if data is None:
        spread = tuple(spread_of(one, patches, renormalise) for one in weights)
        reach = Reach(spread, _even(patches, renormalise), 1, view.name)
    else:
        reach = _over_pictures(network, data, n, patches, renormalise, told)
    looked = Looked(view, seen, layers, patches, asked, from_here, reach, renormalise)
    return Attention(
        gallery=page(network, looked),
        figures=_figures(network, looked),
        layers=tuple(layer.layer for layer in layers),
        weights=weights,
        tokens=patches.tokens,
        class_token=patches.class_token,
        rollout=from_here,
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


def _asked(query: tuple[int, int] | None, patches: Patches) -> Asked:
    if query is None:
        token = patches.class_token
        return Asked(token, "all tokens, on average" if token is None else "the class token", None)
    rows, columns = patches.grid
    if len(query) != 2 or not (0 <= query[0] < rows and 0 <= query[1] < columns):
        raise UserError(
            f"query must be a row from 0 to {rows - 1} and a column from 0 to {columns - 1} of the patches, "
            f"got {','.join(map(str, query))}"
        )
    row, column = query
    return Asked(int(patches.tokens[row, column]), f"the patch in row {row}, column {column}", (row, column))


def spread_of(weights: NDArray[Any], patches: Patches, renormalise: bool) -> Spread:
    """Of one layer's weights (heads, tokens, tokens)."""
    from neocog.inside.attention.distance import attention_distance, entropy

    given = weights[:, patches.tokens.ravel()][:, :, list(patches.others)]
    return Spread(
        attention_distance(weights, patches.tokens, patches.step, renormalise),
        entropy(weights).mean(axis=1),
        given.sum(axis=2, dtype=np.float64).mean(axis=1),
    )


def _even(patches: Patches, renormalise: bool) -> float:
    count = patches.tokens.size + len(patches.others)
    return float(spread_of(np.full((1, count, count), 1 / count), patches, renormalise).distance[0])


def _over_pictures(
    network: Opened, data: object, n: int, patches: Patches, renormalise: bool, told: Progress
) -> Reach:
    """The mean over `n` pictures, evenly spaced in the order of the data; those that cannot be read are left out."""
    from neocog.inside.attention.attention import attend

    if n < 1:
        raise UserError(f"n must be at least one picture, got {n}")
    dataset = open_dataset(data)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(n, len(dataset))).round().astype(int))
    totals: list[list[Floats]] = []
    skipped: list[tuple[str, str]] = []
    with told.step("attention", len(chosen)) as advance:
        for i in map(int, chosen):
            name = dataset.samples.name(i)
            try:
                view = view_of(network, name, dataset.samples.read(i))
            except Unreadable as reason:
                skipped.append((name, str(reason)))
                continue
            layers = over_all_tokens(attend(network.net, view.x).layers, network.title)
            new = [list(spread_of(one.weights[0], patches, renormalise)) for one in layers]
            totals = _added(totals, new)
            advance(1)
    read = len(chosen) - len(skipped)
    if not read:
        raise UserError(f"no picture of {dataset.name} can be read ({': '.join(skipped[0])})")
    means = tuple(Spread(*(total / read for total in layer)) for layer in totals)
    return Reach(means, _even(patches, renormalise), read, dataset.name, tuple(skipped))


def _added(totals: list[list[Floats]], new: list[list[Floats]]) -> list[list[Floats]]:
    if not totals:
        return new
    return [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(totals, new, strict=True)]


def _figures(network: Opened, looked: Looked) -> dict[str, Any]:
    patches, reach = looked.patches, looked.reach
    return {
        "model": network.title,
        "weights": network.source,
        "picture": looked.view.name,
        "grid": list(patches.grid),
        "patch": list(patches.step),
        "class_token": patches.class_token,
        "from": looked.asked.words,
        "rollout": looked.rollout.tolist(),
        "pictures": reach.pictures,
        "skipped": [{"path": path, "reason": reason} for path, reason in reach.skipped],
        "renormalised": looked.renormalised,
        "even_distance": reach.even,
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
