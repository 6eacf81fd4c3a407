"""The view `occlusion`: how the probability of a class falls while a grey square covers part of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.evidence.answered import (
    answering,
    answering_and_watching,
    class_of,
    mean_colour,
)
from neocog.api.see.evidence.believed import Believed, believed
from neocog.api.see.evidence.followed import NONE, Followed, plates, to_follow
from neocog.api.see.given import demand_options, demand_seed
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import Facts, gallery
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Plate, Room
from neocog.draw.text import in_percent, size_text
from neocog.draw.tiles import enlarged, glowing, outlined, overlaid, rgb
from neocog.draw.winners import winners
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.evidence.occlusion import Answer, Slid
    from neocog.inside.evidence.occlusion import Occlusion as Found
    from neocog.inside.evidence.watched import StrongestMap

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
    activity: NDArray[np.float64] | None
    """mean of the strongest feature map of the last layer with maps: (rows, columns); None where there is none"""


def occlusion(
    model: object,
    image: object = None,
    *,
    target: str | int | None = None,
    square: int | None = None,
    stride: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Occlusion:
    """How probable `model` finds a class of a picture while a square of the mean colour covers one part after another.

    Zeiler and Fergus 2014, section 4.2; with it the mean of the strongest feature map. The `square` has a seventh of
    the picture's shorter side if not given, and moves by a quarter of its own; `target` is the predicted class if not
    given. The map comes with the area under its deletion curve and the rank correlation with that of a network that
    learned nothing; `seed` draws random orders and weights.
    """
    demand_options(occlusion, options, OpenOptions)
    demand_seed(seed)
    from neocog.inside.evidence.occlusion import Square, slid

    told = progress or Silent()
    network = opened(model, told, options)
    view = picture(network, image)
    watched = to_follow(network, view)
    answer = answering(network) if watched is None else answering_and_watching(network, watched)
    probabilities = _probabilities(answer, watched)
    answers = probabilities(view.pixels[None])[0]
    wanted = class_of(network, answers, target)
    side = max(1, round(min(view.pixels.shape[:2]) / 7)) if square is None else square
    covering = Square(side, max(1, side // 4) if stride is None else stride, mean_colour(network))
    moved = slid(answer, view.pixels, covering, told)
    found, followed = moved.of(wanted, len(answers)), _followed(watched, moved)
    tried = believed(network, view, probabilities, found, covering, wanted, seed)
    return _seen(network, view, found, followed, tried, covering.stride)


def _seen(
    network: Opened,
    view: View,
    found: Found,
    followed: Followed | None,
    tried: Believed,
    step: int,
) -> Occlusion:
    target = tried.trying.target
    shown = f"{network.class_name(target)} {in_percent(found.whole)}"
    return Occlusion(
        about=about(network, "occlusion"),
        gallery=gallery(
            "occlusion",
            network,
            (_room(network, view, found, followed, network.class_name(target)), tried.room()),
            facts=_facts(view, found, shown, step),
            notes=(NONE if followed is None else followed.note, *tried.notes),
        ),
        figures={
            **_figures(network, view, found, target, step),
            **tried.to_json(),
            "strongest_map": None if followed is None else followed.to_json(),
        },
        lines=(
            *_lines(network, found),
            *(() if followed is None else followed.lines(found.tops, found.lefts)),
            ("what each pixel is worth", tried.words),
        ),
        target=target,
        tops=found.tops,
        lefts=found.lefts,
        square=found.square,
        probability=found.probability,
        winner=found.winner,
        activity=None if followed is None else followed.means,
    )


def _followed(watched: StrongestMap | None, moved: Slid) -> Followed | None:
    return (
        None if watched is None else Followed(watched, *moved.number(watched.classes + watched.unit.channel))
    )


def _probabilities(answer: Answer, watched: StrongestMap | None) -> Answer:
    """Without the means of maps."""
    return answer if watched is None else lambda pixels: answer(pixels)[:, : watched.classes]


def _facts(view: View, found: Found, shown: str, step: int) -> Facts:
    size = size_text((found.square, found.square))
    places = f"{size} pixels, moved by {step}: {found.probability.size} places"
    return (("picture", called(view)), ("class", shown), ("square", places))


def _lines(network: Opened, found: Found) -> Facts:
    top, left = found.worst
    row, column = np.unravel_index(found.probability.argmin(), found.probability.shape)
    return (
        (
            "lowest probability",
            f"{in_percent(found.probability[row, column])} with the square at row {top}, column {left}; "
            f"{_then(network, found, int(found.winner[row, column]))} is likeliest there",
        ),
        ("another class wins", f"at {in_percent(_changed(found))} of the places"),
    )


def _then(network: Opened, found: Found, winner: int) -> str:
    return ("still " if winner == found.winner_of_the_whole else "then ") + network.class_name(winner)


def _room(network: Opened, view: View, found: Found, followed: Followed | None, name: str) -> Room:
    sheet, half = enlarged(rgb(view.pixels), LEAST), found.square // 2
    low, high = float(found.probability.min()), float(found.probability.max())
    dark, pale = in_percent(low), in_percent(high)
    shown = f"{name} {in_percent(found.whole)}"
    own = (
        Plate(
            name="worst",
            title=f"the square that costs most: {dark}",
            caption=f"{as_it_gets(view)} Framed is the square, of the colour that preprocessing makes 0; without it "
            f"the network says {shown}.",
            pixels=_worst(network, view, found),
        ),
        Plate(
            name="probability",
            title=f"probability of {name}",
            caption=f"By the place of the square's middle, from {half} pixels inside each edge on. Dark is {dark}, "
            f"pale {pale}: what is dark must be seen.",
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
            caption="By the place of the square's middle; it is another one at "
            f"{in_percent(_changed(found))} of the places.",
            svg=winners("Likeliest class", found.winner, network.class_name),
        ),
    )
    more = () if followed is None else plates(network, view, followed, half, LEAST)
    return Room(title=shown, plates=(*own, *more), small=True)


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
