"""The page of the view `attention`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.opened import Opened
from neocog.api.see.seen import Facts, gallery
from neocog.api.see.sized import sized
from neocog.api.see.tokens.positions import OWN, alike_plate
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Gallery, Plate, Room
from neocog.draw.heads import heads
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.text import count, in_percent, size_text
from neocog.draw.tiles import Pixels, outlined, overlaid, rgb

if TYPE_CHECKING:
    from neocog.api.see.tokens.attention import Looked, Reach
    from neocog.inside.attention.attention import Attended
    from neocog.inside.attention.spread import Spread
    from neocog.inside.tokens import Patches

LARGE, SMALL = 448, 112
"""pixels of a picture's longer side: alone, and beside others"""
LINE = 5
SCALE = "It glows over the picture in grey: bright is its largest number, dark is 0."


def page(network: Opened, looked: Looked) -> Gallery:
    """Everything that `looked` holds, as pictures."""
    return gallery(
        "Attention",
        network,
        (_whole(looked), _by_head(looked), _reaching(looked), *_positions(looked)),
        facts=_facts(network, looked),
        notes=_notes(looked),
    )


def _facts(network: Opened, looked: Looked) -> Facts:
    reach = looked.reach
    kinds = sorted({layer.weights.shape[1] for layer in looked.layers})
    first, last = reach.layers[0].distance.mean(), reach.layers[-1].distance.mean()
    return (
        ("picture", called(looked.view)),
        *_answer(network, looked.seen.output),
        ("tokens", _tokens(looked.patches)),
        ("layers", f"{_layers(looked)}, heads: {', '.join(map(str, kinds))}"),
        (
            "mean distance",
            f"{first:.1f} pixels in the first layer, {last:.1f} in the last, over {_over(reach)}",
        ),
        ("of even attention", f"{reach.even:.1f} pixels"),
        ("check", _checked(looked.layers)),
        *((("skipped", f"{len(reach.skipped):,} that cannot be read"),) if reach.skipped else ()),
    )


def _over(reach: Reach) -> str:
    return f"{count(reach.pictures, 'picture')} of {reach.source}" if reach.of_data else "this picture"


def _tokens(patches: Patches) -> str:
    (rows, columns), (height, width) = patches.grid, patches.step
    others = len(patches.others)
    more = {0: "no class token", 1: "and a class token"}.get(others, f"and {others} tokens without a place")
    return f"{size_text((rows, columns))} patches of {size_text((height, width))} pixels, {more}"


def _layers(looked: Looked) -> str:
    shown, every = len(looked.layers), len(looked.seen.layers)
    return f"{shown}" if shown == every else f"{shown} of {every}, the others are among fewer or other tokens"


def _checked(layers: Sequence[Attended]) -> str:
    """How far the weights are from those that the network used."""
    off = [layer.off for layer in layers if layer.off is not None]
    if not off:
        return "the weights are the network's own softmax, multiplied with the values by itself"
    return f"weights times values are the layers' own output to {max(off):.0e}"


def _answer(network: Opened, output: Any) -> Facts:
    """The class whose output is the largest, where the outputs are known classes."""
    if not network.classes or getattr(output, "shape", None) != (1, len(network.classes)):
        return ()
    return (("answer", network.class_name(int(output.argmax()))),)


def _whole(looked: Looked) -> Room:
    large = sized(rgb(looked.view.pixels), LARGE, LARGE)
    asked = looked.asked
    last = _maps(looked.layers[-1], looked).mean(axis=0)
    own = asked.at is not None
    return Room(
        title="The whole network",
        words=f"Looked at from {asked.words}.",
        plates=(
            Plate(
                name="picture",
                title="The picture",
                caption=as_it_gets(looked.view) + (" The square is the patch that looks." if own else ""),
                pixels=_marked(large, looked),
            ),
            Plate(
                name="rollout",
                title="Attention rollout",
                caption=f"How much of each patch arrives at {asked.words}, through all layers: (A + 1) / 2 of each "
                f"layer's mean over heads, multiplied (Abnar and Zuidema 2020). {SCALE}",
                pixels=overlaid(large, looked.rollout),
            ),
            Plate(
                name="last_layer",
                title="The last layer",
                caption=f"What {asked.words} takes from each patch there, the mean over heads. {SCALE}",
                pixels=overlaid(large, last),
            ),
        ),
        small=True,
    )


def _by_head(looked: Looked) -> Room:
    small = sized(rgb(looked.view.pixels), SMALL, SMALL)

    def plate(number: int, layer: Attended) -> Plate:
        maps = _maps(layer, looked)
        whose = ("mean", *(f"head {i + 1}" for i in range(len(maps))))
        shown = zip(whose, (maps.mean(axis=0), *maps), strict=True)
        tiles = [Tile(pixels=overlaid(small, one), label=label, photograph=True) for label, one in shown]
        return Plate(
            name=f"layer_{number:02}",
            title=f"Layer {number}",
            caption=f"{layer.layer}: the mean over heads, then head 1 to {len(maps)}, each on a scale of its own.",
            sheet=Sheet(title=f"Layer {number}", tiles=tiles, columns=len(tiles)),
        )

    return Room(
        title="Head by head",
        words=f"How much {looked.asked.words} takes from each patch, layer by layer. Each picture has a scale of its "
        "own, from 0, dark, to its largest number, bright: an even head is bright all over.",
        plates=tuple(plate(i + 1, layer) for i, layer in enumerate(looked.layers)),
    )


def _reaching(looked: Looked) -> Room:
    reach = looked.reach
    how = (
        "brought to one among patches"
        if looked.renormalised
        else "the class token's share counts as 0 pixels"
    )
    plot = heads(
        "Mean attention distance",
        ("layer", "pixels"),
        [spread.distance.tolist() for spread in reach.layers],
        (reach.even, f"even attention, {reach.even:.1f} pixels"),
    )
    tokens = looked.layers[0].shape[1]
    return Room(
        title="How far attention reaches",
        words=f"Mean over {_over(reach)}. Entropy is that of a row of attention: 0 bits where all of it is on one "
        f"token, {np.log2(tokens):.2f} where it is even over {tokens}.",
        plates=(
            Plate(
                name="distance",
                title="Mean attention distance",
                caption="A dot for each head: the distance in pixels between a patch and those it looks at, weighted "
                f"by attention, averaged over all patches ({how}). Dosovitskiy et al. (2021), figure 7, right; the "
                "paper averages over 128 pictures. The dashed line is attention that is even over all tokens.",
                svg=plot,
            ),
        ),
        header=("layer", "module", "heads", "distance (pixels)", "entropy (bits)", "on class tokens"),
        rows=tuple(
            _row(i + 1, *both) for i, both in enumerate(zip(looked.layers, reach.layers, strict=True))
        ),
    )


def _positions(looked: Looked) -> tuple[Room, ...]:
    """None where the network adds no positions to its tokens."""
    if looked.positions is None:
        return ()
    words = (
        "What the network adds to its tokens to tell where they are, the same for every picture. `neocog see "
        "positions` sets it beside sines and cosines, and shows the numbers themselves."
    )
    return (Room(title="How alike positions are", words=words, plates=(alike_plate(OWN, looked.positions),)),)


def _row(number: int, layer: Attended, spread: Spread) -> tuple[str, ...]:
    return (
        str(number),
        layer.layer,
        str(len(spread.distance)),
        _span(spread.distance, "{:.1f}"),
        _span(spread.entropy, "{:.2f}"),
        in_percent(float(spread.on_others.mean())),
    )


def _span(numbers: NDArray[Any], form: str) -> str:
    """The mean over heads, and from which to which they go."""
    least, most, mean = (form.format(number) for number in (numbers.min(), numbers.max(), numbers.mean()))
    return mean if least == most else f"{mean} ({least} to {most})"


def _maps(layer: Attended, looked: Looked) -> NDArray[Any]:
    """(heads, rows, columns): what is taken from each patch."""
    weights, token = layer.weights[0], looked.asked.token
    row = weights.mean(axis=1) if token is None else weights[:, token]
    return np.asarray(row[:, looked.patches.tokens])


def _marked(large: Pixels, looked: Looked) -> Pixels:
    if looked.asked.at is None:
        return large
    share = large.shape[0] / looked.view.pixels.shape[0]
    top, left, bottom, right = (round(side * share) for side in looked.patches.box(*looked.asked.at))
    return outlined(large, (top, left, bottom, right), line=LINE)


def _notes(looked: Looked) -> tuple[str, ...]:
    left_out = [layer for layer in looked.seen.layers if all(layer is not one for one in looked.layers)]
    listed = ", ".join(f"{layer.layer} ({size_text(layer.shape)})" for layer in left_out)
    return (
        "Attention was read from outside in one forward, whose output is the same bits as without it.",
        "Rollout leaves out MLPs, norms and what the values hold: it says where information could come from, not what "
        "it is used for.",
        *((f"Left out, since not all tokens look at all: {listed}.",) if left_out else ()),
    )
