"""neocog see embedding MODEL|RUN|FEATURES DATA.."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli import features, loading, reading
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import AsJson, Output, show


@with_groups
def embedding(
    source: Annotated[
        str,
        Argument(
            help="a model's name, a run, classical:NAME, or a file that neocog embed wrote",
            metavar="MODEL|RUN|FEATURES",
        ),
    ],
    data: Annotated[
        list[str] | None,
        Argument(help="pictures; several are domains; of FEATURES its own if not given", metavar="DATA.."),
    ] = None,
    wanted: features.Features = features.PLAIN,
    method: Annotated[str, Option(help="tsne, umap or pca")] = "tsne",
    color: Annotated[
        str | None,
        Option(help="label, part, domain or group; label, and domain of several DATA, if not given"),
    ] = None,
    pictures: Annotated[int, Option("-n", "--pictures", help="shown at most, as many of each class")] = 600,
    seed: Annotated[int, Option(help="of t-SNE and UMAP")] = 0,
    labelled: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    learn_from: features.LearnFrom = None,
    output: Output = None,
    trained: loading.Trained = loading.TRAINED,
    as_json: AsJson = False,
) -> None:
    """Pictures where their features put them: t-SNE of any layer with thumbnails, and 10-NN purity."""
    from neocog.api.see.plane.embedding import embedding as see

    machine = trained.options()
    run_model = machine.pop("model")
    show(
        "embedding",
        output,
        as_json,
        lambda told: see(
            source,
            *(data or ()),
            method=method,  # type: ignore[arg-type]  # the view checks the names
            color=color,  # type: ignore[arg-type]
            pictures=pictures,
            seed=seed,
            strict=strict,
            learn_from=learn_from,
            run_model=run_model,
            **wanted.options(),
            **machine,
            **labelled.options(),
            progress=told,
        ),
    )
