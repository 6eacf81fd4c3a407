"""neocog data show DATA"""

from __future__ import annotations

import re
from typing import Annotated

from typer import Option

from neocog.cli import reading
from neocog.cli.console import out, out_json


def show(
    data: reading.Data,
    aug: Annotated[
        str,
        Option(
            help="randaugment, trivialaugment, augmix, deit, alexnet-2012, vgg-2014, inception-2014, resnet-2015, "
            "resnet-cifar, digits, or a text such as rand-m9-n2"
        ),
    ] = "randaugment",
    n: Annotated[int, Option("-n", help="pictures")] = 6,
    draws: Annotated[int, Option(help="draws of each")] = 7,
    seed: Annotated[int, Option(help="another one draws other pictures and other changes")] = 0,
    img_size: Annotated[
        int | None,
        Option("--img-size", help="extent of the results; 224, of small pictures their own, at least 32"),
    ] = None,
    output: Annotated[
        str, Option("-o", "--output", help="FILE.png, .svg or .html; NAME-AUG.png if left out")
    ] = "",
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    quarantine: reading.Quarantine = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Draw pictures of DATA as they are and as an augmentation changes them."""
    from neocog.api.data.show import show_data
    from neocog.data.reading import make_reading
    from neocog.data.source import open_dataset

    told = reading.options(columns, classes, consensus, quarantine)
    dataset = open_dataset(data, make_reading(**told))
    place = output or re.sub(r"[^\w.-]+", "-", f"{dataset.name}-{aug}").strip("-.") + ".png"
    shown = show_data(dataset, aug=aug, n=n, draws=draws, seed=seed, img_size=img_size, output=place)
    sheet = shown.sheet
    if as_json:
        pictures = [{"class": row.name, "picture": row.detail} for row in sheet.rows]
        out_json({"output": place, "aug": aug, "settings": sheet.settings, "pictures": pictures})
    else:
        out(f"{sheet.title}: {sheet.settings}\nwritten {place}")
