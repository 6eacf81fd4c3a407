"""Where the boxes of a graph lie: layers from top to bottom, and lanes between the boxes for edges that pass them.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981): layers by
the longest path, order by the neighbours' mean place, then places as near to the neighbours' as the order allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GAP = 22.0  # between neighbours of a layer
LANE = 14.0  # width of what passes a layer
SKIP = 1e-4  # weight of an edge that only passes by: it gives way
SWEEPS = 4


@dataclass
class Item:
    """A box, or (`node` < 0) an edge where it passes a layer."""

    node: int
    rank: int
    width: float
    weight: float = 1.0
    x: float = 0.0
    """of the centre"""
    up: list[tuple[int, float]] = field(default_factory=list)
    """neighbours above, each with the weight of the edge"""
    down: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """Centres of boxes, and for each edge the (x, rank) that it goes through, its ends included."""

    x: tuple[float, ...]
    ranks: tuple[int, ...]
    paths: Mapping[tuple[int, int], tuple[tuple[float, int], ...]]


def ranks_of(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each of `n` nodes, 0 on top; every edge leads from a node to a later one."""
    ranks = [0] * n
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        ranks[b] = max(ranks[b], ranks[a] + 1)
    return ranks


def passing(edges: Sequence[tuple[int, int]], ranks: Sequence[int]) -> int:
    """How many lanes the edges need: what makes a drawing crowded."""
    return sum(ranks[b] - ranks[a] - 1 for a, b in edges)


def place(widths: Sequence[float], edges: Sequence[tuple[int, int]]) -> Layout:
    """The layout of boxes of these widths. Boxes of a layer keep `GAP` between them, lanes included."""
    ranks = ranks_of(len(widths), edges)
    items = [Item(i, rank, width) for i, (rank, width) in enumerate(zip(ranks, widths, strict=True))]
    routes = {edge: _route(edge, items, skips(edge, edges)) for edge in edges}
    rows = _rows(items)
    for sweep in range(SWEEPS):
        upward = sweep % 2 == 1
        for row in reversed(rows) if upward else rows:
            row.sort(key=lambda i: _wanted(items[i], items, upward))
            _settle(row, items, upward)
    for row in rows:
        _settle(row, items, upward=False)
    for route in sorted(routes.values(), key=len):
        _straighten(route[1:-1], items, rows)
    paths = {edge: tuple((items[i].x, items[i].rank) for i in route) for edge, route in routes.items()}
    return Layout(tuple(items[i].x for i in range(len(widths))), tuple(ranks), paths)


def skips(edge: tuple[int, int], edges: Sequence[tuple[int, int]]) -> bool:
    """Whether an edge passes by what else its source feeds, on to where branches meet."""
    return sum(a == edge[0] for a, _ in edges) > 1 and sum(b == edge[1] for _, b in edges) > 1


def _route(edge: tuple[int, int], items: list[Item], light: bool) -> list[int]:
    """The items along an edge; what it passes is appended to `items`."""
    a, b = edge
    weight = SKIP if light and items[b].rank - items[a].rank > 1 else 1.0
    route = [a]
    for rank in range(items[a].rank + 1, items[b].rank):
        items.append(Item(-1, rank, LANE, weight))
        route.append(len(items) - 1)
    route.append(b)
    for upper, lower in zip(route, route[1:], strict=False):
        items[upper].down.append((lower, weight))
        items[lower].up.append((upper, weight))
    return route


def _rows(items: Sequence[Item]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(1 + max((item.rank for item in items), default=0))]
    for i in sorted(range(len(items)), key=lambda i: (items[i].weight == SKIP, i)):
        rows[items[i].rank].append(i)
    return rows


def _wanted(item: Item, items: Sequence[Item], upward: bool) -> float:
    """The mean place of the neighbours on one side; its own place where it has none there."""
    near = item.down if upward else item.up
    total = sum(weight for _, weight in near)
    return sum(items[i].x * weight for i, weight in near) / total if near else item.x


def _settle(row: Sequence[int], items: Sequence[Item], upward: bool) -> None:
    """The places nearest to the wanted ones, in weighted squares, that keep order and gaps.

    Isotonic regression by pooling adjacent violators, after the room that the items take is subtracted.
    """
    starts, room = [0.0], 0.0
    for i, j in zip(row, row[1:], strict=False):
        room += (items[i].width + items[j].width) / 2 + GAP
        starts.append(room)
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for i, start in zip(row, starts, strict=True):
        mean, weight, members = _wanted(items[i], items, upward) - start, items[i].weight, 1
        while pools and pools[-1][0] >= mean:
            m, w, n = pools.pop()
            mean, weight, members = (mean * weight + m * w) / (weight + w), weight + w, members + n
        pools.append((mean, weight, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    for i, mean, start in zip(row, means, starts, strict=True):
        items[i].x = mean + start


def _straighten(lane: Sequence[int], items: Sequence[Item], rows: Sequence[Sequence[int]]) -> None:
    """Moves the lane of one edge out to its outermost place where nothing lies there, so that it bends only twice."""
    if len(lane) < 2:
        return
    x = max(items[i].x for i in lane)
    for i in lane:
        others = [items[j] for j in rows[items[i].rank] if j != i and items[j].x > items[i].x]
        if any(other.x - (other.width + LANE) / 2 - GAP < x - 1e-6 for other in others):
            return
    for i in lane:
        items[i].x = x
