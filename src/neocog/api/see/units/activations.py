"""The view `activations`: the non-linearities of networks with their derivatives; it needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.api.alone import demand_alone
from neocog.api.see.about import About
from neocog.api.see.given import several
from neocog.api.see.seen import Seen
from neocog.draw.function import function
from neocog.draw.gallery import Gallery, Plate, Room
from neocog.errors import UserError, unknown

if TYPE_CHECKING:
    from neocog.inside.nonlinearities import Curve, Nonlinearity, Saturation

POINTS = 401


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Activations(Seen):
    """Each function's curve by its name."""

    curves: dict[str, Curve]


def activations(names: str | Sequence[str] = (), *, reach: float = 7.0) -> Activations:
    """The functions called `names`, one or several, all of them if none is given, from -`reach` to `reach`."""
    from neocog.inside.nonlinearities import FLAT, NONLINEARITIES, curve, saturation

    demand_alone("see")
    known, wanted = {one.name: one for one in NONLINEARITIES}, several(names)
    for name in wanted:
        if name not in known:
            raise unknown("non-linearity", name, known)
    if not 0 < reach < float("inf"):
        raise UserError(f"reach must be above 0 and finite, got {reach:g}")
    chosen = [known[name] for name in wanted or known]
    x = np.linspace(-reach, reach, POINTS)
    curves = {one.name: curve(one, x) for one in chosen}
    ends = {one.name: saturation(one) for one in chosen}
    return Activations(
        about=About(view="activations"),
        gallery=_page(chosen, curves, ends, FLAT),
        figures={"functions": _figures(chosen, ends)},
        curves=curves,
    )


def _page(
    chosen: Sequence[Nonlinearity], curves: Mapping[str, Curve], ends: Mapping[str, Saturation], flat: float
) -> Gallery:
    room = Room(
        title="Each function and its derivative",
        words="The line is the function, the dashed line its derivative; the axes are those of the numbers, each plot "
        "with its own.",
        plates=tuple(_plate(one, curves[one.name], ends[one.name], flat) for one in chosen),
        small=True,
        header=(
            "function",
            "formula",
            "from",
            "to",
            "steepest",
            f"slope below {flat:g}",
            "in neocog's models",
        ),
        rows=tuple(_row(one, ends[one.name]) for one in chosen),
    )
    return Gallery(
        over="Activations",
        title="Non-linearities of networks",
        facts=(("functions", ", ".join(curves)),),
        rooms=(room,),
        notes=(
            "Values are torch's, derivatives are autograd's: at a kink the one that networks learn with.",
            f"Where the slope is below {flat:g} a unit is saturated: next to nothing of the gradient comes back.",
        ),
    )


def _plate(one: Nonlinearity, curve: Curve, ends: Saturation, flat: float) -> Plate:
    return Plate(
        name=one.name,
        title=one.name,
        caption=f"{one.formula}. {one.source}. {_saturates(ends, flat)}",
        svg=function(one.name, curve.x.tolist(), curve.value.tolist(), curve.slope.tolist()),
    )


def _saturates(ends: Saturation, flat: float) -> str:
    where = _where(ends)
    return f"Saturates {where}." if where else f"Its slope is nowhere below {flat:g} for good."


def _where(ends: Saturation) -> str:
    """Where the slope stays flat, in words; nothing where it never does."""
    sides = (
        "" if isinf(ends.below) else f"below {ends.below:.3g}",
        "" if isinf(ends.above) else f"above {ends.above:.3g}",
    )
    return " and ".join(side for side in sides if side)


def _row(one: Nonlinearity, ends: Saturation) -> tuple[str, ...]:
    low, high = ("no bound" if isinf(end) else f"{end:g}" for end in one.span)
    return one.name, one.formula, low, high, f"{ends.steepest:.3f}", _where(ends) or "nowhere", one.networks


def _figures(chosen: Sequence[Nonlinearity], ends: Mapping[str, Saturation]) -> dict[str, Any]:
    return {
        one.name: {
            "formula": one.formula,
            "source": one.source,
            "range": [_finite(end) for end in one.span],
            "steepest": ends[one.name].steepest,
            "flat_below": _finite(ends[one.name].below),
            "flat_above": _finite(ends[one.name].above),
            "networks": one.networks,
        }
        for one in chosen
    }


def _finite(number: float) -> float | None:
    """JSON has no infinity."""
    return None if isinf(number) else number
