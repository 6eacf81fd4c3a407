"""The view `embedding`: pictures in the plane, by the features of any layer, and whether neighbours are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack, cast, get_args

import numpy as np
from numpy.typing import NDArray

from neocog.api.alone import demand_alone
from neocog.api.embedding.options import EmbedOptions, PictureFeatureOptions
from neocog.api.see.given import demand_options, demand_seed
from neocog.api.see.plane.figures import about_of, figures_of
from neocog.api.see.plane.pictured import Color, Pictured, pictured
from neocog.api.see.seen import Facts, Seen
from neocog.api.thumbnails import thumbnail
from neocog.draw.atlas import Spot, dotted, thumbnails
from neocog.draw.gallery import Gallery, Plate, Room, file_stem
from neocog.draw.text import count, in_percent
from neocog.draw.tiles import Pixels
from neocog.errors import UserError, unknown
from neocog.inference.network import Floats
from neocog.inside.embedding import COMPONENTS, FEWEST, NEIGHBOURS, Purity, plane, purity
from neocog.progress import Progress, Silent

Method = Literal["tsne", "umap", "pca"]
PICTURES = 600
"""shown where nothing else is said: more hardly find room"""
SIDE = 64  # pixels of a thumbnail's longer side
CALLED = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
GROUPED = {"label": "class", "part": "part", "domain": "domain", "group": "group"}


@dataclass(frozen=True, eq=False)
class Mapped:
    """A layer's pictures in the plane."""

    points: NDArray[np.float32]
    """(n, 2)"""
    numbers: int
    """of a picture in this layer"""
    kept: float
    """share of the variance in the principal components that the plane is made from"""
    purity: dict[str, tuple[Purity, Purity]]
    """by what pictures are coloured: among the features, in the plane; empty where too few pictures have a colour"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Atlas(Seen):
    """Pictures in the plane."""

    pictures: Pictured
    """with their features, in the order of the points"""
    layers: Mapping[str, Mapped]


class EmbeddingOptions(PictureFeatureOptions, total=False):
    """What one may say about the features and the pictures, by keyword."""

    run_model: str | None
    """FILE.py:FUNCTION of a run that has one, to trust it on this machine"""


def embedding(
    model: str | Path,
    *data: object,
    method: Method = "tsne",
    color: Color | None = None,
    pictures: int = PICTURES,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[EmbeddingOptions],
) -> Atlas:
    """Pictures of `data` where their features put them: `model` is one's name, a run, or a file `neocog embed` wrote.

    Several `data` are domains. `method` is `tsne`, `umap` or `pca`; `color` one of label, part, domain and group, by
    default the label, and the domain, too, where there are several. At most `pictures` are shown, as many of each
    class. `EmbeddingOptions` says what else may be given, `layers` first of all. Raises `UserError` in words.
    """
    demand_options(embedding, options, EmbeddingOptions)
    demand_alone("see")
    demand_seed(seed, bits=32)  # as scikit-learn takes them
    _demand_asked(method, color, len(data), pictures)
    told = progress or Silent()
    found = pictured(model, data, pictures, told, _embed_options(options))
    if len(found.names) < FEWEST:
        raise UserError(
            f"an embedding needs at least {FEWEST} pictures, got {len(found.names)} that can be read; give more DATA"
        )
    colours = _colours(found, color)
    layers = {}
    with told.step(CALLED[method], len(found.features)) as advance:
        for layer, rows in found.features.items():
            layers[layer] = _mapped(rows, found, colours, method, seed)
            advance(1)
    return Atlas(
        about=about_of(found),
        gallery=_gallery(found, layers, colours, method),
        figures=figures_of(found, layers, method, seed),
        pictures=found,
        layers=layers,
    )


def _embed_options(options: EmbeddingOptions) -> EmbedOptions:
    others = {name: value for name, value in options.items() if name != "run_model"}
    return cast("EmbedOptions", {**others, "model": options.get("run_model")})


def _demand_asked(method: str, color: str | None, data: int, pictures: int) -> None:
    """UserError for what cannot be drawn, whatever the pictures are, before features are computed."""
    if method not in CALLED:
        raise unknown("method", method, CALLED)
    if color is not None and color not in get_args(Color):
        raise unknown("color", color, get_args(Color))
    if color == "domain" and data < 2:
        raise UserError(f"color domain needs several DATA, each of which is one, got {data}; name several")
    if pictures < FEWEST:
        raise UserError(f"at least {FEWEST} pictures must be shown, got {pictures}")


def _colours(found: Pictured, wanted: Color | None) -> tuple[Color, ...]:
    """What pictures are coloured by."""
    if wanted is None:
        chosen: tuple[Color, ...] = ("label", "domain")
        return tuple(colour for colour in chosen if colour in found.said)
    if wanted not in found.said:
        raise UserError(
            f"color {wanted} needs pictures with a {wanted}, {found.data[0]} says none; "
            f"choose {', '.join(found.said) or 'none'}"
        )
    return (wanted,)


def _mapped(rows: Floats, found: Pictured, colours: tuple[str, ...], method: str, seed: int) -> Mapped:
    (points, kept), pure = plane(rows, method, seed), {}
    for colour in colours:
        groups, classes = found.groups(colour), len(found.order[colour])
        if (groups >= 0).sum() >= FEWEST:
            pure[colour] = (purity(rows, groups, classes), purity(points, groups, classes))
    return Mapped(points, rows.shape[1], kept, pure)


def _gallery(found: Pictured, layers: Mapping[str, Mapped], colours: tuple[str, ...], method: str) -> Gallery:
    small = [thumbnail(found.samples, i, SIDE) for i in range(len(found.names))]
    rooms = [
        room for layer, one in layers.items() for room in _rooms(layer, one, found, colours, small, method)
    ]
    gone = [f"{name}: {reason}, left out" for name, reason in found.skipped]
    return Gallery(
        over="Embedding",
        title=f"{found.origin.model} on {', '.join(found.data)}",
        facts=_facts(found, layers, method),
        rooms=tuple(rooms),
        notes=(*_notes(found, method), *gone[:20]),
    )


def _facts(found: Pictured, layers: Mapping[str, Mapped], method: str) -> Facts:
    shown = f"{len(found.names):,}" + (f" of {found.of:,}" if found.of > len(found.names) else "")
    size = about_of(found).input
    facts = [("weights", found.origin.source), ("pictures", shown)]
    if size is not None:
        facts.insert(0, ("input", "x".join(map(str, size))))
    if found.skipped:
        facts.append(("cannot be read", count(len(found.skipped), "picture")))
    for layer, one in layers.items():
        facts.append((layer, f"{count(one.numbers, 'number')} a picture"))
        for colour, (among, drawn) in one.purity.items():
            name = f"{NEIGHBOURS}-NN purity, {GROUPED[colour]}"
            shares = (in_percent(share) for share in (among.mean, drawn.mean, among.chance))
            words = "{} among the features, {} in the plane, {} by chance".format(*shares)
            facts.append((name if len(layers) == 1 else f"{name}, {layer}", words))
    return tuple(facts)


def _notes(found: Pictured, method: str) -> tuple[str, ...]:
    start = f"the first {COMPONENTS} principal components of the features"
    how = {
        "tsne": f"t-SNE (van der Maaten and Hinton 2008) of {start}, perplexity 30, with a fixed seed. Only "
        "neighbourhoods mean something: sizes of groups and distances between them do not.",
        "umap": f"UMAP (McInnes, Healy and Melville 2018) of {start}, 15 neighbours, with a fixed seed. Distances "
        "between groups mean little.",
        "pca": "The first two principal components of the features: a projection, so that distances can only shrink.",
    }
    chosen = (
        f"Of {found.of:,} pictures {len(found.names):,} are shown, as many of each class and domain as there are, "
        "evenly spaced; the same ones at each call."
    )
    pure = (
        f"{NEIGHBOURS}-NN purity: of the {NEIGHBOURS} nearest shown pictures the share that is of the same kind, the "
        "mean over all pictures, by Euclidean distance. In the plane it cannot tell more than the features do, but "
        "t-SNE may flatter: trust the figure of the features."
    )
    return (how[method], *([chosen] if found.of > len(found.names) + len(found.skipped) else []), pure)


def _rooms(
    layer: str,
    one: Mapped,
    found: Pictured,
    colours: tuple[str, ...],
    small: list[Pixels | None],
    method: str,
) -> list[Room]:
    shown = colours or ("",)
    spots = {colour: _spots(one.points, found, colour) for colour in shown}
    plates = [
        Plate(
            name=f"{file_stem(layer)}-{colour or 'dots'}",
            title=f"{CALLED[method]} of {layer}" + (f", by {GROUPED[colour]}" if colour else ""),
            caption=_dots_caption(one, colour, method),
            svg=dotted(_title(layer, colour), spots[colour], found.order.get(colour, ())),
        )
        for colour in shown
    ]
    lacking = sum(picture is None for picture in small)
    plates.append(
        Plate(
            name=f"{file_stem(layer)}-thumbnails",
            title="The pictures at their places",
            caption="Each picture in a cell of its own, as near to its place as all cells together allow; frames are "
            f"coloured as in the first plot.{f' {lacking:,} cannot be read any more.' if lacking else ''}",
            svg=thumbnails(f"Pictures by {layer}", spots[shown[0]], small, found.order.get(shown[0], ())),
        )
    )
    tables = [_table(layer, colour, one.purity[colour], found.order[colour]) for colour in one.purity]
    return [Room(title=layer, plates=tuple(plates)), *tables]


def _dots_caption(one: Mapped, colour: str, method: str) -> str:
    many = min(2 if method == "pca" else COMPONENTS, one.numbers, len(one.points))
    own = f"A dot for each picture; point at one to read its name. {count(many, 'principal component')} hold "
    own += f"{in_percent(one.kept)} of the variance of {count(one.numbers, 'number')}. "
    own += "Neither axis has a unit; both have one scale."
    if colour in one.purity:
        among, drawn = one.purity[colour]
        own += f" {NEIGHBOURS}-NN purity {in_percent(among.mean)} among the features, {in_percent(drawn.mean)} here."
    return own


def _table(layer: str, colour: str, pure: tuple[Purity, Purity], names: tuple[str, ...]) -> Room:
    among, drawn = pure
    ranked = np.argsort(np.nan_to_num(among.by_class, nan=2.0), kind="stable")
    return Room(
        title=f"{layer}: which {GROUPED[colour]} keeps together",
        words=f"Of the {NEIGHBOURS} nearest pictures the share of the same {GROUPED[colour]}; the weakest first.",
        header=(GROUPED[colour], "pictures", "among the features", "in the plane"),
        rows=tuple(
            (names[i], f"{among.counts[i]:,}", in_percent(among.by_class[i]), in_percent(drawn.by_class[i]))
            for i in ranked.tolist()
            if among.counts[i]
        ),
    )


def _spots(points: NDArray[np.float32], found: Pictured, colour: str) -> list[Spot]:
    nothing = np.full(len(points), "")
    groups = found.groups(colour) if colour else np.full(len(points), -1)
    labels = found.said.get(colour, nothing)
    return [
        Spot(float(x), float(y), int(group), str(label), name)
        for (x, y), group, label, name in zip(points, groups, labels, found.names, strict=True)
    ]


def _title(layer: str, colour: str) -> str:
    return layer + (f" by {GROUPED[colour]}" if colour else "")
