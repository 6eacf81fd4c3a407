"""Sums as pages and figures show them: grids of numbers, tables of what is added, the steps behind, the pool."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.draw.gallery import Plate, Room
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.numbers import Grid, equations
from neocog.draw.numbers import number as number
from neocog.draw.text import size_text
from neocog.draw.tiles import signed

if TYPE_CHECKING:
    from neocog.inside.sums.arithmetic import Pooled
    from neocog.inside.sums.terms import Arithmetic

DRAWN = 3
"""channels whose numbers are drawn, the largest sums first"""
READABLE = 11
"""columns of a grid whose numbers can still be read"""
LISTED = 16
"""rows of a table of what is added"""
COLOURED = "Each grid is coloured by its own largest number: blue below 0, white 0, red above."
NUMBERS = 4096
"""of a window that are among the figures, at most"""
NOTES = (
    "The sum is computed here from the numbers that the network's operation read, in double precision, and compared "
    "with what the network itself has there.",
    "Exact receptive fields follow from the kernels, strides and paddings of all layers before.",
)
WORDS = {"conv2d": "convolution", "linear": "linear layer"}


def reads(sum_: Arithmetic) -> str:
    """How many numbers go into a sum."""
    channels, height, width = sum_.window.shape
    shape = size_text(sum_.window.shape) if (channels, height) != (1, 1) else f"{width:,}"
    return f"{shape} numbers, by {sum_.layer or sum_.kind} ({_kind(sum_)})"


def _kind(sum_: Arithmetic) -> str:
    if sum_.kernel is None:
        return "maximum"
    return WORDS.get(sum_.kind, "sum" if float(sum_.kernel.flat[0]) == 1 else "average")


def rooms(sum_: Arithmetic, names: tuple[str, ...]) -> tuple[Room, ...]:
    """The window times the kernel, what is added, and the steps from there to the unit's value."""
    if sum_.kernel is None:
        return (_maximum_room(sum_), *_steps_room(sum_))
    return (*_products_room(sum_, names), _sum_room(sum_, names), *_steps_room(sum_))


def _by_size(sum_: Arithmetic) -> list[int]:
    """The channels, the largest sums first, whatever their sign."""
    return [int(i) for i in np.argsort(-np.abs(sum_.products.sum(axis=(1, 2))), kind="stable")]


def _products_room(sum_: Arithmetic, names: tuple[str, ...]) -> tuple[Room, ...]:
    count, height, width = sum_.window.shape
    if height * width == 1 or height == 1 and width > READABLE:
        return ()
    chosen = sorted(_by_size(sum_)[:DRAWN])
    which = (
        f"the {len(chosen)} of {count} channels whose sums are the largest"
        if count > DRAWN
        else "all channels"
    )
    drawn = _grids if max(height, width) <= READABLE else _pictures
    padding = "" if sum_.inside.all() else " Dashes are padding, which counts as 0."
    plate = Plate(
        name="products",
        title="Window × kernel = products",
        caption=f"Number by number, for {which}, as the network's operation read them. {COLOURED}{padding}",
        svg=drawn(sum_, names, chosen),
    )
    words = "What lies under the window is multiplied with the kernel, number by number."
    return (Room(title="Kernel times window", words=words, plates=(plate,)),)


def _grids(sum_: Arithmetic, names: tuple[str, ...], chosen: list[int]) -> str:
    assert sum_.kernel is not None
    rows: list[list[Grid | str]] = []
    for i in chosen:
        total = number(float(sum_.products[i].sum()), 4)
        rows.append(
            [
                Grid(name=f"{names[i]}: window", values=sum_.window[i], there=sum_.inside),
                "×",
                Grid(name="kernel", values=sum_.kernel[i]),
                "=",
                Grid(name="products", values=sum_.products[i], after=f"; sum {total}", there=sum_.inside),
            ]
        )
    return equations("window times kernel", rows)


def _pictures(sum_: Arithmetic, names: tuple[str, ...], chosen: list[int]) -> str:
    """Windows too large for numbers as colours."""
    assert sum_.kernel is not None
    shown = []
    for i in chosen:
        parts = zip(
            ("window", "kernel", "products"), (sum_.window[i], sum_.kernel[i], sum_.products[i]), strict=True
        )
        shown += [Tile(pixels=signed(values), label=f"{names[i]}: {word}") for word, values in parts]
    return Sheet(title="window times kernel", tiles=shown, columns=3, side=200.0).svg()


def _sum_room(sum_: Arithmetic, names: tuple[str, ...]) -> Room:
    assert sum_.kernel is not None
    alone = sum_.window.shape[1:] == (1, 1) or sum_.window.shape[:2] == (1, 1)
    rows = _numbers(sum_, names) if alone else _channels(sum_, names)
    ends = [
        ("bias", sum_.bias),
        ("sum", sum_.total),
        ("in the network", sum_.tensor),
        ("difference", sum_.difference),
    ]
    blank = ("",) * (2 if alone else 0)
    rows += [
        (name, *blank, number(value, 3) if name == "difference" else number(value)) for name, value in ends
    ]
    header = ("read", "input", "weight", "product") if alone else ("read", "sum of products")
    words = (
        "What is added, the largest part first. The sum by hand equals the number that the network computed, but for "
        f"rounding: they are {sum_.difference:.1e} apart."
    )
    return Room(title="The sum", words=words, header=header, rows=tuple(rows))


def _channels(sum_: Arithmetic, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    sums, order = sum_.products.sum(axis=(1, 2)), _by_size(sum_)
    rows = [(names[i], number(float(sums[i]))) for i in order[:LISTED]]
    left = order[LISTED:]
    if left:
        rows.append((f"the other {len(left)} channels", number(float(sums[left].sum()))))
    return list(rows)


def _numbers(sum_: Arithmetic, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    assert sum_.kernel is not None
    window, kernel, products = (a.reshape(-1) for a in (sum_.window, sum_.kernel, sum_.products))
    order = np.argsort(-np.abs(products), kind="stable")
    rows: list[tuple[str, ...]] = []
    for i in order[:LISTED]:
        name = names[i] if len(names) == len(products) else f"number {i}"
        rows.append((name, *(number(float(a[i])) for a in (window, kernel, products))))
    left = order[LISTED:]
    if len(left):
        rows.append((f"the other {len(left):,}", "", "", number(float(products[left].sum()))))
    return rows


def _maximum_room(sum_: Arithmetic) -> Room:
    assert sum_.winner is not None
    row, column = sum_.winner
    where = sum_.first[0] + row * sum_.spacing[0], sum_.first[1] + column * sum_.spacing[1]
    plate = Plate(
        name="maximum",
        title="The window of the pool",
        caption=f"The largest number, framed, is {number(sum_.total)}, from row {where[0]}, column {where[1]} of "
        f"the map below; the network has {number(sum_.tensor)}. {COLOURED}",
        svg=equations(
            "pool", [[Grid(name="window", values=sum_.window[0], there=sum_.inside, won=sum_.winner)]]
        ),
    )
    words = (
        "A max pool passes on the largest number under its window, and forgets where in the window it was."
    )
    return Room(title="The maximum", words=words, plates=(plate,))


def _steps_room(sum_: Arithmetic) -> tuple[Room, ...]:
    if not sum_.steps:
        return ()
    rows = [("sum" if sum_.kernel is not None else "maximum", "", number(sum_.total), number(sum_.tensor))]
    rows += [(step.name, step.words, number(step.value), number(step.tensor)) for step in sum_.steps]
    words = "What becomes of the sum, x, on its way to the unit's value. Each line starts from the one above."
    header = ("step", "formula", "by hand", "in the network")
    return (Room(title="From the sum to the unit", words=words, header=header, rows=tuple(rows)),)


def pool_room(pooled: Pooled | None) -> tuple[Room, ...]:
    """What the pool behind the layer makes of the unit."""
    if pooled is None or max(pooled.arithmetic.window.shape[1:]) > READABLE:
        return ()
    sum_ = pooled.arithmetic
    if sum_.kernel is None:
        won = pooled.place == sum_.winner
        said = "it is the largest there and is passed on" if won else "another one is larger and is passed on"
        counted = f" It lies in {pooled.windows} of the pool's windows and wins {pooled.wins}."
    else:
        said, counted = f"the {_kind(sum_)} of all is passed on", ""
    plate = Plate(
        name="pool",
        title=f"The window of {sum_.layer or 'the pool'} at row {pooled.at[0]}, column {pooled.at[1]}",
        caption=f"The unit has a dark frame; {said}: {number(sum_.total)}, in the network "
        f"{number(sum_.tensor)}.{counted}"
        + (" The largest has an orange frame." if sum_.kernel is None else "")
        + f" {COLOURED}",
        svg=equations(
            "pool",
            [
                [
                    Grid(
                        name="window",
                        values=sum_.window[0],
                        there=sum_.inside,
                        won=sum_.winner,
                        own=pooled.place,
                    )
                ]
            ],
        ),
    )
    words = "The next layer that reads the unit is a pool: it looks at a window of the map."
    return (Room(title="The pool behind it", words=words, plates=(plate,)),)


def figures(sum_: Arithmetic) -> dict[str, Any]:
    """As JSON has them; a window of more than `NUMBERS` numbers is left out."""
    small = sum_.window.size <= NUMBERS
    return {
        "kind": sum_.kind,
        "layer": sum_.layer,
        "channels": list(sum_.channels),
        "first": list(sum_.first),
        "spacing": list(sum_.spacing),
        "window": _nested(sum_.window) if small else None,
        "kernel": None if sum_.kernel is None or not small else _nested(sum_.kernel),
        "winner": None if sum_.winner is None else list(sum_.winner),
        "bias": sum_.bias,
        "sum": sum_.total,
        "tensor": sum_.tensor,
        "difference": sum_.difference,
        "steps": [
            {"kind": s.kind, "formula": s.words, "value": s.value, "tensor": s.tensor} for s in sum_.steps
        ],
    }


def pool_figures(pooled: Pooled | None) -> dict[str, Any] | None:
    """As JSON has them."""
    if pooled is None:
        return None
    own = {
        "at": list(pooled.at),
        "place": list(pooled.place),
        "windows": pooled.windows,
        "wins": pooled.wins,
    }
    return own | figures(pooled.arithmetic)


def _nested(values: Any) -> Any:
    """Lists of lists; None for what is not finite, as the padding of a maximum."""
    if isinstance(values, np.ndarray):
        return [_nested(part) for part in values]
    return float(values) if isfinite(values) else None
