"""The view `occlusion`: how the probability of a class falls while a grey square covers part of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.keywords import demand_known
from neocog.api.see.evidence.answered import answering, class_of, mean_colour
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import Facts, gallery
from neocog.draw.gallery import Plate, Room
from neocog.draw.tiles import enlarged, glowing, outlined, overlaid, rgb
from neocog.draw.winners import winners
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.evidence.occlusion import Occlusion as Found

LEAST = 336  # pixels of the longer side of a plate


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Occlusion(Lined):
    """What was answered by the place of the square."""

    target: int
    """the class"""
    tops: NDArray[np.int64]
    """first row of the square, for each row of the maps"""
    lefts: NDArray[np.int64]
    """first column of the square, for each column of the maps"""
    square: int
    probability: NDArray[np.float64]
    """of the class: (rows, columns)"""
    winner: NDArray[np.int64]
    """the likeliest class: (rows, columns)"""


def occlusion(
    model: object,
    image: object = None,
    *,
    target: str | int | None = None,
    square: int | None = None,
    stride: int | None = None,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Occlusion:
    """How probable `model` finds a class of a picture while a square of the mean colour covers one part after another.

    Zeiler and Fergus 2014, section 4.2. The `square` has a seventh of the picture's shorter side if not given, and
    moves by a quarter of its own; `target` is the predicted class if not given.
    """
    demand_known("see occlusion", options, OpenOptions.__annotations__)
    from neocog.inside.evidence.occlusion import Square
    from neocog.inside.evidence.occlusion import occlusion as slide

    told = progress or Silent()
    network = opened(model, told, options)
    view, answer = picture(network, image), answering(network)
    answers = answer(view.pixels[None])[0]
    wanted = class_of(network, answers, target)
    side = max(1, round(min(view.pixels.shape[:2]) / 7)) if square is None else square
    step = max(1, side // 4) if stride is None else stride
    found = slide(answer, view.pixels, wanted, Square(side, step, mean_colour(network)), told)
    shown = f"{network.class_name(wanted)} {answers[wanted]:.1%}"
    return Occlusion(
        gallery=gallery(
            "occlusion",
            network,
            (_room(network, view, found, shown),),
            facts=_facts(view, found, shown, step),
        ),
        figures=_figures(network, view, found, wanted, step),
        lines=_lines(network, found),
        target=wanted,
        tops=found.tops,
        lefts=found.lefts,
        square=side,
        probability=found.probability,
        winner=found.winner,
    )


def _facts(view: View, found: Found, shown: str, step: int) -> Facts:
    places = f"{found.square}x{found.square} pixels, moved by {step}: {found.probability.size} places"
    return (("picture", view.name), ("class", shown), ("square", places))


def _lines(network: Opened, found: Found) -> Facts:
    top, left = found.worst
    row, column = np.unravel_index(found.probability.argmin(), found.probability.shape)
    return (
        (
            "lowest probability",
            f"{found.probability[row, column]:.1%} with the square at row {top}, column {left}; "
            f"{_then(network, found, int(found.winner[row, column]))} is likeliest there",
        ),
        ("another class wins", f"at {_changed(found):.0%} of the places"),
    )


def _then(network: Opened, found: Found, winner: int) -> str:
    return ("still " if winner == found.winner_of_the_whole else "then ") + network.class_name(winner)


def _room(network: Opened, view: View, found: Found, shown: str) -> Room:
    sheet, half = enlarged(rgb(view.pixels), LEAST), found.square // 2
    low, high = float(found.probability.min()), float(found.probability.max())
    plates = (
        Plate(
            name="worst",
            title=f"the square that costs most: {low:.1%}",
            caption=f"{view.name}, as the network sees it; uncovered it is {shown}.",
            pixels=_worst(network, view, found),
        ),
        Plate(
            name="probability",
            title=f"probability of {shown.rpartition(' ')[0]}",
            caption=f"By the place of the square's middle, from {half} pixels inside each edge on. Dark is {low:.1%}, "
            f"pale {high:.1%}: what is dark must be seen.",
            pixels=enlarged(glowing(found.probability, low, high), LEAST),
        ),
        Plate(
            name="fall",
            title="what each pixel is worth",
            caption="How much the probability falls, on average over all squares that cover the pixel, over the "
            "picture; dark is no fall or a rise, pale the largest.",
            pixels=overlaid(sheet, found.fall(*view.pixels.shape[:2]).clip(min=0)),
        ),
        Plate(
            name="winner",
            title="likeliest class",
            caption=f"By the place of the square's middle; it is another one at {_changed(found):.0%} of the places.",
            svg=winners("Likeliest class", found.winner, network.class_name),
        ),
    )
    return Room(title=shown, plates=plates, small=True)


def _worst(network: Opened, view: View, found: Found) -> NDArray[np.uint8]:
    """The picture with the square that costs most."""
    from neocog.inside.evidence.occlusion import covered

    pixels = enlarged(rgb(covered(view.pixels, found.worst, found.square, mean_colour(network))), LEAST)
    scale = len(pixels) // len(view.pixels)
    top, left = (place * scale for place in found.worst)
    return outlined(pixels, (top, left, top + found.square * scale, left + found.square * scale))


def _changed(found: Found) -> float:
    """The share of the places at which another class wins than for the whole picture."""
    return float((found.winner != found.winner_of_the_whole).mean())


def _figures(network: Opened, view: View, found: Found, target: int, step: int) -> dict[str, Any]:
    return {
        "picture": view.name,
        "class": network.class_name(target),
        "target": target,
        "probability": found.whole,
        "square": found.square,
        "stride": step,
        "worst": {
            "top": found.worst[0],
            "left": found.worst[1],
            "probability": float(found.probability.min()),
        },
        "tops": found.tops.tolist(),
        "lefts": found.lefts.tolist(),
        "probabilities": found.probability.tolist(),
        "winners": [[network.class_name(int(w)) for w in row] for row in found.winner],
    }
