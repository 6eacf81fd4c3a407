"""neocog see saliency MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.features import names
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Seed, Target, show

Methods = Annotated[
    list[str] | None,
    Option(
        "--method",
        help="gradient, guided, deconvnet, integrated or smoothgrad; repeatable, or joined by commas",
        show_default="all but deconvnet",
    ),
]
BaselineName = Annotated[
    str,
    Option(help="where integrated gradients begin, and what deleted cells become: black, mean or blurred"),
]
Samples = Annotated[int, Option(help="noisy copies for SmoothGrad")]
Noise = Annotated[float, Option(help="of SmoothGrad, as a share of the picture's range")]


@with_groups
def saliency(
    model: Model,
    image: Picture = None,
    target: Target = None,
    method: Methods = None,
    baseline: BaselineName = "black",
    samples: Samples = 50,
    noise: Noise = 0.15,
    seed: Seed = 0,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Which pixels speak for a class: gradient, guided, integrated gradients, SmoothGrad, with sanity figures."""
    from neocog.api.see.evidence.saliency import saliency as see

    show(
        "saliency",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            target=target,
            methods=names(method),  # type: ignore[arg-type]  # the view checks the names
            baseline=baseline,  # type: ignore[arg-type]
            samples=samples,
            noise=noise,
            seed=seed,
            progress=told,
            **network.options(),
        ),
    )
