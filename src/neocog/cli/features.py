"""The options of every verb that takes features, so that they are worded and named once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from typer import Option

Layers = Annotated[
    list[str] | None,
    Option(
        "--layer",
        "--layers",
        metavar="NAME",
        help="fc6, decaf7, blocks.11 ..; repeatable, or joined by commas; features, which the last layer reads, "
        "if not given",
    ),
]
Pooling = Annotated[
    str, Option(help="of a layer's maps and tokens: mean, flat, max, gem or token", hidden=True)
]
Views = Annotated[
    str,
    Option(help="of a picture, whose features are averaged: center, flip, 5-crop, 10-crop ..", hidden=True),
]
Weights = Annotated[Path | None, Option(help="of MODEL, from this file: .safetensors, .pth, .npz or .onnx")]
ImgSize = Annotated[int | None, Option(help="side of the network's input in pixels", hidden=True)]
ResizeMode = Annotated[
    str | None,
    Option(help="crop, pad or squash (the whole picture, warped, as DeCAF does)", hidden=True),
]
NoCache = Annotated[
    bool, Option("--no-cache", help="neither look features up nor keep them for the next time", hidden=True)
]
LearnFrom = Annotated[
    str | None,
    Option(help="for classical:NAME, pictures to learn its words from", metavar="DATA", hidden=True),
]


@dataclass(frozen=True)
class Features:
    """Which features of a model or run."""

    layers: Layers = None
    pooling: Pooling = "mean"
    views: Views = "center"
    weights: Weights = None
    img_size: ImgSize = None
    resize_mode: ResizeMode = None
    no_cache: NoCache = False

    def options(self) -> dict[str, Any]:
        """As the verbs' functions take them."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        cache = not given.pop("no_cache")
        return {**given, "layers": names(self.layers), "cache": cache}


PLAIN = Features()


def names(given: list[str] | None) -> tuple[str, ...]:
    """Names given one by one or joined by commas."""
    return tuple(name for text in given or () for part in text.split(",") if (name := part.strip()))
