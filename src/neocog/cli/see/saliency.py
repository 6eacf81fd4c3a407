"""neocog see saliency MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Target, show

Methods = Annotated[
    list[str] | None,
    Option(
        "--method",
        help="gradient, guided, deconvnet, integrated or smoothgrad; repeat for several",
        show_default="all but deconvnet",
    ),
]
BaselineName = Annotated[
    str,
    Option(help="where integrated gradients begin, and what deleted cells become: black, mean or blurred"),
]
Samples = Annotated[int, Option(help="noisy copies for SmoothGrad")]
Noise = Annotated[float, Option(help="of SmoothGrad, as a share of the picture's range")]
Seed = Annotated[int, Option(help="of noise, random orders and random weights")]


@with_groups
def saliency(
    source: Model,
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
    from neocog.api.see.evidence.saliency import saliency as run_saliency

    seen = run_saliency(
        source,
        image,
        target=target,
        methods=method or (),  # type: ignore[arg-type]  # the view checks the names
        baseline=baseline,  # type: ignore[arg-type]
        samples=samples,
        noise=noise,
        seed=seed,
        progress=Console(),
        **network.options(),
    )
    show(seen, "saliency", output, as_json)
