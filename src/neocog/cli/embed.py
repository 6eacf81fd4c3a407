"""neocog embed MODEL|RUN DATA -o FILE"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import features, loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups


@with_groups
def embed(
    source: Annotated[
        str, Argument(help="a model's name, the folder of a run, or classical:NAME", metavar="MODEL|RUN")
    ],
    data: reading.Data,
    output: Annotated[
        Path, Option("-o", "--output", help="the file: .npz, .parquet or .safetensors", metavar="FILE")
    ],
    wanted: features.Features = features.PLAIN,
    dtype: Annotated[str, Option(help="float32, or float16 for half the space")] = "float32",
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    learn_from: features.LearnFrom = None,
    trained: loading.Trained = loading.TRAINED,
    as_json: loading.AsJson = False,
) -> None:
    """Write the features of pictures into a file: of any layer of any network, with labels, paths and hashes."""
    from neocog.api.embedding.embed import embed as run_embed

    told = Console()
    found = run_embed(
        source,
        data,
        output=output,
        **wanted.options(),
        dtype=dtype,
        strict=strict,
        learn_from=learn_from,
        **trained.options(),
        **pictures.options(),
        progress=told,
    )
    for path, reason in found.skipped:
        told.say(f"skipped {path}: {reason}")
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    out(f"features  {output}")
