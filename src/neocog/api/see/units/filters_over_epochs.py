"""The filters of a run after each epoch whose weights it kept: a strip of them, and how near they are to the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.sources import reference_of
from neocog.api.networks import run_and_epoch
from neocog.api.see.opened import OpenOptions, opened
from neocog.bundle import snapshots
from neocog.draw.gallery import Plate, Room
from neocog.draw.kernels import strip
from neocog.draw.labelled import Sheet, Tile
from neocog.draw.trends import Trend, trends
from neocog.progress import Progress, Silent

if TYPE_CHECKING:
    from neocog.inside.kernels.filters import Bank

EPOCHS, FOLLOWED = 10, 16
"""columns and rows of the strip, at most"""
READ = 8
"""channels of a filter shown, where these are neither one nor three"""


def over_epochs(
    model: object, layer: str, told: Progress, options: OpenOptions
) -> dict[int, NDArray[np.float32]]:
    """The kernels after those epochs whose weights the run kept, at most `EPOCHS` of them, evenly chosen."""
    from neocog.inside.kernels.filters import bank_of

    if not isinstance(model, str | Path) or reference_of(str(model)) is not None:
        return {}
    folder, epoch = run_and_epoch(model)
    if folder is None or epoch is not None:
        return {}
    kept = [number for number, _ in snapshots(folder)]
    if len(kept) < 2:
        return {}
    chosen = sorted({kept[round(i)] for i in np.linspace(0, len(kept) - 1, min(EPOCHS, len(kept)))})
    found = {}
    with told.step("epochs", len(chosen)) as advance:
        for number in chosen:
            network = opened(f"{folder}@{number}", Silent(), options)
            found[number] = bank_of(network.net, network.size, layer).kernels
            advance(1)
    return found


def epochs_room(bank: Bank, epochs: dict[int, NDArray[np.float32]]) -> Room:
    """One filter a row, one epoch a column."""
    from neocog.inside.kernels.filters import norms

    chosen = np.sort(np.argsort(-norms(bank.kernels), kind="stable")[:FOLLOWED])
    history = list(epochs.values())
    cut = history if bank.pictorial else [kernels[:, :READ] for kernels in history]
    shown = [
        Tile(pixels=tile, label=f"{i}" if n == 0 else f"epoch {epoch}" if row == 0 else "")
        for row, i in enumerate(chosen)
        for n, (tile, epoch) in enumerate(zip(strip(cut, int(i), bank.pictorial), epochs, strict=True))
    ]
    plate = Plate(
        name="epochs",
        title=f"Epochs {min(epochs)} to {max(epochs)}, from left to right",
        caption=(
            f"One filter a row: the {len(chosen)} that are the longest in the end, by their number, from the weights "
            "that the run kept. Middle grey is 0. Each row has one scale, up to the number furthest from 0 at any "
            "epoch, so that what grows stands out."
        ),
        svg=Sheet(title="Filters over the epochs", tiles=shown, columns=len(epochs), side=56.0).svg(),
    )
    words = "How the filters came about (as Zeiler and Fergus 2014, figure 4, show it for feature maps)."
    return Room(title="Over the epochs", words=words, plates=(plate, _resemblance_plate(bank, epochs)))


def _resemblance_plate(bank: Bank, epochs: dict[int, NDArray[np.float32]]) -> Plate:
    from neocog.inside.kernels.filters import resemblance

    points = []
    for epoch, kernels in epochs.items():
        low, middle, high = np.quantile(resemblance(kernels, bank.kernels), (0.1, 0.5, 0.9))
        points.append((float(epoch), float(middle), float(low), float(high)))
    return Plate(
        name="epochs_cosine",
        title="How near the filters are to what they became",
        caption="Cosine of each filter with itself in the weights shown above: the median, and from the tenth to the "
        "ninetieth of a hundred.",
        svg=trends("cosine with the end", "epoch", [Trend("median filter", tuple(points))], most=1.0),
    )
