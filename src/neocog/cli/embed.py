"""neocog embed MODEL|RUN DATA -o FILE"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json


def embed(
    source: Annotated[
        str, Argument(help="a model's name, the folder of a run, or classical:NAME", metavar="MODEL|RUN")
    ],
    data: reading.Data,
    output: Annotated[
        Path, Option("-o", "--output", help="the file: .npz, .parquet or .safetensors", metavar="FILE")
    ],
    layers: Annotated[
        list[str] | None,
        Option(
            "--layer",
            metavar="NAME",
            help="fc6, decaf7, blocks.11 ..; repeatable; what the last layer reads if not given",
        ),
    ] = None,
    pooling: Annotated[str, Option(help="of maps and tokens: mean, flat, max, gem or token")] = "mean",
    views: Annotated[
        str, Option(help="views of a picture to average: center, flip, 5-crop, 10-crop ..")
    ] = "center",
    weights: Annotated[Path | None, Option(help="file of a model's weights")] = None,
    img_size: Annotated[int | None, Option(help="side of the network's input in pixels")] = None,
    resize_mode: Annotated[
        str | None, Option(help="crop, pad or squash (the whole picture, warped, as DeCAF does)")
    ] = None,
    dtype: Annotated[str, Option(help="float32, or float16 for half the space")] = "float32",
    part: reading.Part = None,
    split: reading.Split = None,
    no_cache: Annotated[
        bool, Option("--no-cache", help="neither look features up nor keep them for the next time")
    ] = False,
    model: loading.Model = None,
    download: loading.Download = False,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    learn_from: Annotated[
        str | None,
        Option(help="for classical:NAME, pictures to learn its words from", metavar="DATA", hidden=True),
    ] = None,
    columns: Annotated[str, Option(help="a table's columns by role: path=..,label=..", hidden=True)] = "",
    fold: reading.Fold = None,
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    decoding: loading.Decoding = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
) -> None:
    """Write the features of pictures into a file: of any layer of any network, with labels, paths and hashes."""
    from neocog.api.embedding.embed import embed as run_embed

    told = Console()
    found = run_embed(
        source,
        data,
        output=output,
        layers=layers or (),
        pooling=pooling,
        views=views,
        weights=weights,
        img_size=img_size,
        resize_mode=resize_mode,
        dtype=dtype,
        part=part,
        cache=not no_cache,
        model=model,
        download=download,
        strict=strict,
        learn_from=learn_from,
        decoding=decoding,
        engine=engine,
        device=device,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=told,
    )
    for path, reason in found.skipped:
        told.say(f"skipped {path}: {reason}")
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    out(f"features  {output}")
