"""Draws docs/corruptions.png: one photograph under every corruption at every severity."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from neocog.data.builtin import whole_photographs
from neocog.data.corruptions.catalogue import ALL, SEVERITIES, picture_seed
from neocog.data.preprocess import Preprocess
from neocog.draw.sheet import Row, Sheet

TARGET = Path(__file__).parents[1] / "docs" / "corruptions.png"
PHOTOGRAPH = 2  # chelsea the cat


if __name__ == "__main__":
    picture = np.asarray(Preprocess(size=(224, 224))(whole_photographs().read(PHOTOGRAPH)))
    rows = tuple(
        Row(
            one.name.replace("_compression", "").replace("_", " "),
            f"{one.kind}, extra" if one.extra else one.kind,
            (picture, *(one(picture, s, picture_seed(0, picture, one.name, s)) for s in SEVERITIES)),
        )
        for one in ALL
    )
    columns = ("clean", *(f"severity {s}" for s in SEVERITIES))
    sheet = Sheet(
        "Common corruptions",
        "after Hendrycks and Dietterich 2019; the ice of frost is our own",
        columns,
        rows,
    )
    drawn = Image.open(io.BytesIO(sheet.to_png(scale=1))).convert("RGB")
    drawn.quantize(64, dither=Image.Dither.NONE).save(TARGET, optimize=True)
