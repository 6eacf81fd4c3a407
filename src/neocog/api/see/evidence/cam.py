"""The view `cam`: where in the last maps of a network its likeliest classes are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.about import about
from neocog.api.see.evidence.answered import answering, class_of, mean_colour
from neocog.api.see.evidence.baselines import BECOME
from neocog.api.see.evidence.tried import DELETED, RANDOM, REDRAWN, WEIGHTS, Trial, curves, rank_text, trial
from neocog.api.see.given import demand_options, demand_seed
from neocog.api.see.lined import Lined
from neocog.api.see.opened import Opened, OpenOptions, View, opened, picture
from neocog.api.see.seen import gallery
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Plate, Room
from neocog.draw.text import in_percent, size_text
from neocog.draw.tiles import enlarged, overlaid, rgb
from neocog.errors import UserError
from neocog.progress import Advance, Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.evidence.cam import Cams
    from neocog.inside.evidence.last_maps import Maps
    from neocog.inside.evidence.sanity import Deletion

KINDS = ("Grad-CAM", "LayerCAM")
WORDS = {
    "Grad-CAM": "The maps of {layer}, each weighted by the mean of the logit's derivative over all its places, summed, "
    "what is below 0 cut off (Selvaraju et al. 2017).",
    "LayerCAM": "The maps of {layer}, each number weighted by its own derivative where that is above 0, summed "
    "(Jiang et al. 2021).",
}
ACTIVE = (
    "LayerCAM takes positive derivatives alone, so that it follows where the layer is active at all; and that the "
    "picture decides to a good part whatever the weights. Its correlation with random weights is therefore mostly "
    "above Grad-CAM's."
)
LEAST = 336  # pixels of the longer side of an overlay


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cam(Lined):
    """Class activation maps of one picture."""

    layer: str
    targets: tuple[int, ...]
    """the classes"""
    maps: Mapping[str, NDArray[np.float64]]
    """Grad-CAM and LayerCAM: (classes, rows, columns) of the layer"""


@dataclass(frozen=True, eq=False)
class _Found:
    """The map of one kind for one class."""

    kind: str
    map: NDArray[np.float64]
    deletion: Deletion
    rank: float | None


@dataclass(frozen=True, eq=False)
class _Of:
    """A class and its maps."""

    target: int
    shown: str
    """its name and probability"""
    trying: Trial
    found: tuple[_Found, ...]


def cam(
    model: object,
    image: object = None,
    *,
    target: str | int | None = None,
    top: int = 3,
    layer: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpenOptions],
) -> Cam:
    """Grad-CAM and LayerCAM of a picture for the `top` likeliest classes of `model`, or for `target`.

    Of the last layer that knows places if none is named: the last maps of a convolutional network, the tokens that
    the last attention of a transformer reads. Each map comes with the area under its deletion curve and the rank
    correlation with that of a network that learned nothing.
    """
    demand_options(cam, options, OpenOptions)
    demand_seed(seed)
    if top < 1:
        raise UserError(f"top must be at least 1 class, got {top}")
    told = progress or Silent()
    network = opened(model, told, options)
    maps = _maps(network, layer)
    view, answer = picture(network, image), answering(network)
    answers = answer(view.pixels[None])[0]
    likeliest = np.argsort(-answers, kind="stable")[:top].tolist()
    targets = likeliest if target is None else [class_of(network, answers, target)]
    first = trial(view, answer, targets[0], mean_colour(network), seed)
    with told.step("classes", len(targets)) as advance:
        tried = [(first.of(t), f"{network.class_name(t)} {in_percent(answers[t])}") for t in targets]
        found = _judged(network, view, maps, tried, seed, advance)
    return _seen(network, view, maps, found, answers)


def _seen(network: Opened, view: View, maps: Maps, found: Sequence[_Of], answers: NDArray[np.float32]) -> Cam:
    facts = (("picture", called(view)), ("layer", _layer_words(maps)))
    return Cam(
        about=about(network, "cam"),
        gallery=gallery(
            "class activation maps",
            network,
            (*(_room(view, found, i, maps) for i in range(len(KINDS))), _believed(found)),
            facts=facts,
            notes=(DELETED.format(BECOME["mean"]), REDRAWN, ACTIVE),
        ),
        figures=_figures(network, view, maps, found, answers),
        lines=tuple(
            (f"{of.shown}, {f.kind}", of.trying.words(f.deletion, f.rank)) for of in found for f in of.found
        ),
        layer=maps.name,
        targets=tuple(of.target for of in found),
        maps={kind: np.stack([of.found[i].map for of in found]) for i, kind in enumerate(KINDS)},
    )


def _maps(network: Opened, layer: str | None) -> Maps:
    from neocog.inside.evidence.last_maps import last_maps, maps_of

    if layer is None:
        return last_maps(network.net, network.size)
    return maps_of(network.layer(layer), network.net, network.size)


def _judged(
    network: Opened,
    view: View,
    maps: Maps,
    tried: Sequence[tuple[Trial, str]],
    seed: int,
    advance: Advance,
) -> list[_Of]:
    """The maps of each kind for each class, which is tried and called by its name and probability."""
    from neocog.inside.evidence.cam import class_activation
    from neocog.inside.evidence.sanity import randomised

    targets = [one.target for one, _ in tried]
    learned = class_activation(network.net, view.x, maps, targets)
    unlearned = class_activation(randomised(network.net, seed), view.x, maps, targets)
    found = []
    for i, (one, words) in enumerate(tried):
        own = tuple(_found(kind, (learned, unlearned), i, one) for kind in KINDS)
        found.append(_Of(one.target, words, one, own))
        advance(1)
    return found


def _found(kind: str, cams: tuple[Cams, Cams], i: int, trying: Trial) -> _Found:
    from neocog.inside.evidence.cam import stretched_over
    from neocog.inside.evidence.sanity import rank_correlation

    maps = [one.grad_cam(i) if kind == KINDS[0] else one.layer_cam(i) for one in cams]
    on_picture = stretched_over(maps[0], *trying.pixels.shape[:2])
    return _Found(kind, maps[0], trying.deletion(on_picture), rank_correlation(*maps))


def _layer_words(maps: Maps) -> str:
    return f"{maps.name}, {size_text(maps.grid)} {'places' if maps.tokens is None else 'tokens'}"


def _room(view: View, found: Sequence[_Of], i: int, maps: Maps) -> Room:
    """The maps of the i-th kind."""
    sheet, kind = enlarged(rgb(view.pixels), LEAST), KINDS[i]
    whole = Plate(name="picture", title=called(view), caption=as_it_gets(view), pixels=sheet)
    plates = [
        Plate(
            name=f"{kind.lower()}_{of.target}",
            title=of.shown,
            caption=f"{of.trying.words(of.found[i].deletion, of.found[i].rank).capitalize()}.",
            pixels=overlaid(sheet, of.found[i].map),
        )
        for of in found
    ]
    words = (
        f"{WORDS[kind].format(layer=maps.name)} Enlarged smoothly from {size_text(maps.grid)} over the picture; "
        "dark is 0, pale the most, of each class by itself."
    )
    return Room(title=kind, words=words, plates=(whole, *plates) if i == 0 else tuple(plates), small=True)


def _believed(found: Sequence[_Of]) -> Room:
    plots = tuple(
        Plate(
            name=f"deletion_{of.target}",
            title=of.shown,
            caption="The probability as cells of the picture take the mean colour, those with the most evidence first.",
            svg=curves("Deletion", {one.kind: one.deletion for one in of.found}, of.trying.random),
        )
        for of in found
    )
    rows = tuple(
        (
            of.shown,
            one.kind,
            f"{one.deletion.area:.3f}",
            f"{of.trying.random_area:.3f}",
            rank_text(one.rank),
        )
        for of in found
        for one in of.found
    )
    header = ("class", "map", "deletion", RANDOM, WEIGHTS)
    return Room(title="Can it be believed?", plates=plots, header=header, rows=rows)


def _figures(
    network: Opened, view: View, maps: Maps, found: Sequence[_Of], answers: NDArray[np.float32]
) -> dict[str, Any]:
    return {
        "picture": view.name,
        "layer": maps.name,
        "grid": list(maps.grid),
        "classes": [
            {
                "class": network.class_name(of.target),
                "target": of.target,
                "probability": float(answers[of.target]),
                "random_deletion_area": of.trying.random_area,
                "maps": {
                    one.kind: {
                        "deletion_area": one.deletion.area,
                        "rank_correlation_with_random_weights": one.rank,
                    }
                    for one in of.found
                },
            }
            for of in found
        ],
    }
