"""The page of the view `attention`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.opened import Opened, View
from neocog.api.see.seen import Facts, gallery
from neocog.draw.gallery import Gallery, Plate, Room
from neocog.draw.heads import heads
from neocog.draw.text import percent
from neocog.draw.tiles import Pixels, enlarged, mosaic, outlined, overlaid, resized, rgb

if TYPE_CHECKING:
    from neocog.api.see.attention import Asked, Reach
    from neocog.inside.attention import Attended, Attention
    from neocog.inside.tokens import Patches

LARGE, SMALL = 448, 112
"""pixels of a picture's longer side: alone, and beside others"""
SCALE = "Bright is the largest number of this picture, dark is 0."


def page(
    network: Opened,
    view: View,
    seen: Attention,
    renormalise: bool,
    *,
    layers: tuple[Attended, ...],
    patches: Patches,
    asked: Asked,
    rollout: NDArray[Any],
    reach: Reach,
) -> Gallery:
    rooms = (
        _whole(view, layers, patches, asked, rollout),
        _by_head(view, layers, patches, asked),
        _reaching(layers, reach, renormalise),
    )
    return gallery(
        "attention",
        network,
        rooms,
        facts=_facts(network, view, seen, layers, patches, reach),
        notes=_notes(seen, layers, renormalise),
    )


def _facts(
    network: Opened,
    view: View,
    seen: Attention,
    layers: Sequence[Attended],
    patches: Patches,
    reach: Reach,
) -> Facts:
    rows, columns = patches.grid
    height, width = patches.step
    kinds = sorted({layer.weights.shape[1] for layer in layers})
    first, last = reach.layers[0].distance.mean(), reach.layers[-1].distance.mean()
    over = f"{reach.pictures:,} pictures of {reach.source}" if reach.pictures > 1 else "this picture"
    others = {0: "no class token", 1: "and a class token"}.get(
        len(patches.others), f"and {len(patches.others)} tokens without a place"
    )
    return (
        ("picture", view.name),
        *_answer(network, seen.output),
        ("tokens", f"{rows} x {columns} patches of {height} x {width} pixels, {others}"),
        ("layers", f"{len(layers)}, heads: {', '.join(map(str, kinds))}"),
        ("mean distance", f"{first:.1f} pixels in the first layer, {last:.1f} in the last, over {over}"),
        ("of even attention", f"{reach.even:.1f} pixels"),
        ("check", f"weights times values are the layers' own output to {_off(layers):.0e}"),
        *((("skipped", f"{len(reach.skipped):,} that cannot be read"),) if reach.skipped else ()),
    )


def _off(layers: Sequence[Attended]) -> float:
    return max(layer.off for layer in layers)


def _answer(network: Opened, output: Any) -> Facts:
    """What the network says, where its outputs are known classes."""
    if not network.classes or getattr(output, "shape", None) != (1, len(network.classes)):
        return ()
    shares = output.softmax(1)[0]
    best = int(shares.argmax())
    return (("answer", f"{network.class_name(best)}, {percent(float(shares[best]))} %"),)


def _whole(
    view: View, layers: Sequence[Attended], patches: Patches, asked: Asked, rollout: NDArray[Any]
) -> Room:
    large = _sized(view.pixels, LARGE)
    last = _maps(layers[-1], patches, asked).mean(axis=0)
    own = asked.at is not None
    return Room(
        title="The whole network",
        words=f"Looked at from {asked.words}.",
        plates=(
            Plate(
                name="picture",
                title="The picture",
                caption="As the network sees it." + (" The square is the patch that looks." if own else ""),
                pixels=_marked(large, view, patches, asked),
            ),
            Plate(
                name="rollout",
                title="Attention rollout",
                caption=f"How much of each patch arrives at {asked.words}, through all layers: (A + 1) / 2 of each "
                f"layer's mean over heads, multiplied (Abnar and Zuidema 2020). {SCALE}",
                pixels=overlaid(large, rollout),
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


def _by_head(view: View, layers: Sequence[Attended], patches: Patches, asked: Asked) -> Room:
    small = _sized(view.pixels, SMALL)

    def plate(number: int, layer: Attended) -> Plate:
        maps = _maps(layer, patches, asked)
        tiles = [overlaid(small, one) for one in (maps.mean(axis=0), *maps)]
        return Plate(
            name=f"layer_{number:02}",
            title=f"Layer {number}",
            caption=f"{layer.layer}: the mean over heads, then head 1 to {len(maps)}",
            pixels=mosaic(tiles, len(tiles)),
        )

    return Room(
        title="Head by head",
        words=f"How much {asked.words} takes from each patch, layer by layer. Each picture has a scale of its own, "
        "from 0, dark, to its largest number, bright: an even head is bright all over.",
        plates=tuple(plate(i + 1, layer) for i, layer in enumerate(layers)),
    )


def _reaching(layers: Sequence[Attended], reach: Reach, renormalise: bool) -> Room:
    over = f"{reach.pictures:,} pictures of {reach.source}" if reach.pictures > 1 else reach.source
    how = "brought to one among patches" if renormalise else "the class token's share counts as 0 pixels"
    plot = heads(
        "Mean attention distance",
        ("layer", "pixels"),
        [spread.distance.tolist() for spread in reach.layers],
        (reach.even, f"even attention, {reach.even:.1f} pixels"),
    )
    tokens = layers[0].shape[1]
    return Room(
        title="How far attention reaches",
        words=f"Mean over {over}. Entropy is that of a row of attention: 0 bits where all of it is on one token, "
        f"{np.log2(tokens):.2f} where it is even over {tokens}.",
        plates=(
            Plate(
                name="distance",
                title="Mean attention distance",
                caption="A dot for each head: the distance in pixels between a patch and those it looks at, weighted "
                f"by attention, averaged over all patches ({how}). Dosovitskiy et al. (2021), figure 7, right; the "
                "paper averages over 128 pictures.",
                svg=plot,
            ),
        ),
        header=("layer", "module", "heads", "distance (pixels)", "entropy (bits)", "on class tokens"),
        rows=tuple(
            (
                str(i + 1),
                layer.layer,
                str(len(spread.distance)),
                _span(spread.distance, "{:.1f}"),
                _span(spread.entropy, "{:.2f}"),
                f"{percent(float(spread.on_others.mean()))} %",
            )
            for i, (layer, spread) in enumerate(zip(layers, reach.layers, strict=True))
        ),
    )


def _span(numbers: NDArray[Any], form: str) -> str:
    """The mean over heads, and from which to which they go."""
    least, most, mean = (form.format(number) for number in (numbers.min(), numbers.max(), numbers.mean()))
    return mean if least == most else f"{mean} ({least} to {most})"


def _maps(layer: Attended, patches: Patches, asked: Asked) -> NDArray[Any]:
    """(heads, rows, columns): what is taken from each patch."""
    weights = layer.weights[0]
    row = weights.mean(axis=1) if asked.token is None else weights[:, asked.token]
    return np.asarray(row[:, patches.tokens])


def _sized(pixels: NDArray[np.uint8], longest: int) -> Pixels:
    """Small pictures by whole pixels, so that each stays a square; large ones smaller."""
    coloured = rgb(pixels)
    height, width = coloured.shape[:2]
    if max(height, width) <= longest:
        return enlarged(coloured, longest)
    share = longest / max(height, width)
    return resized(coloured, max(1, round(height * share)), max(1, round(width * share)))


def _marked(large: Pixels, view: View, patches: Patches, asked: Asked) -> Pixels:
    if asked.at is None:
        return large
    share = large.shape[0] / view.pixels.shape[0]
    top, left, bottom, right = (round(side * share) for side in patches.box(*asked.at))
    return outlined(large, (top, left, bottom, right))


def _notes(seen: Attention, layers: Sequence[Attended], renormalise: bool) -> tuple[str, ...]:
    left_out = [layer for layer in seen.layers if all(layer is not one for one in layers)]
    listed = ", ".join(f"{layer.layer} ({layer.shape[0]} x {layer.shape[1]})" for layer in left_out)
    return (
        "Attention was read from outside in one forward, whose output is the same bits as without it.",
        "Rollout leaves out MLPs, norms and what the values hold: it says where information could come from, not what "
        "it is used for.",
        *((f"Left out, since not all tokens look at all: {listed}.",) if left_out else ()),
        *(("Distances are brought to one among patches, without the class token.",) if renormalise else ()),
    )
