"""Where the positions of a tensor lie after its sides were joined or split."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Places = tuple[frozenset[int], ...]


def carried(places: Places, before: Sequence[int], after: Sequence[int]) -> tuple[Places, bool]:
    """Where positions lie after a reshape, and whether they were not mixed with other sides."""
    moved: dict[int, frozenset[int]] = {}
    pure = True
    for old, new in blocks(before, after):
        held = [side for side in old if any(side in place for place in places)]
        for side in held:
            moved[side] = frozenset(new)
        pure = pure and (not held or all(side in held or before[side] == 1 for side in old))
    return tuple(
        frozenset[int]().union(*(moved.get(s, frozenset()) for s in place)) for place in places
    ), pure


def blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of sides of two shapes that hold the same numbers."""
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, new = [i] if i < len(before) else [], [j] if j < len(after) else []
        i, j = i + len(old), j + len(new)
        while prod(before[s] for s in old) != prod(after[s] for s in new):
            if prod(before[s] for s in old) < prod(after[s] for s in new):
                old.append(i)
                i += 1
            else:
                new.append(j)
                j += 1
        found.append((old, new))
    return found
