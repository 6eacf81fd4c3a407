"""The places that `make_edge_net.py` teaches: cut from photographs, each seen differently every time."""

import csv
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample

from neocog.api.names import IMAGENET_MEAN, IMAGENET_STD
from neocog.data.builtin import HERE

SIDE = 51  # pixels of a patch: 11 positions of conv1
SPACING = 48  # pixels between places
CLASSES = 1000
LARGEST = 800  # pixels; a photograph with more is halved; those of `WIDE` are seen at half that size, too
WIDE = ("astronaut", "camera", "chelsea", "coffee", "rocket", "china", "flower")
# augmentation: pixels, degrees, and factors drawn evenly on a logarithmic scale between 1/f and f
SHIFT, TURN, SCALE, CONTRAST, SATURATION = 8.0, 10.0, 1.35, 1.8, 1.8
BRIGHTNESS, TINT = 0.24, 0.2  # added to all channels; deviations along the colours' principal axes
GREY = 0.2  # share of views without colour

FLOWERS = """\
name|file|title|author|licence|source
china|china.jpg|A temple in China|danielbuechele|CC BY 2.0|https://www.flickr.com/photos/danielbuechele/6061409035/
flower|flower.jpg|A dahlia|vultilion|CC BY 2.0|https://www.flickr.com/photos/vultilion/6056698931/
"""


@dataclass(frozen=True)
class Source:
    """A photograph: its file, and whom it is from."""

    path: Path
    facts: dict[str, str]

    @property
    def name(self) -> str:
        return self.facts["name"]


@dataclass(frozen=True)
class Atlas:
    """All photographs on one sheet, and the places on it that are classes."""

    sheet: Tensor
    """(1, 3, height, width), 0 to 1"""
    places: Tensor
    """(classes, 2): row and column of each middle"""
    names: tuple[str, ...]
    axes: Tensor
    """(3, 3): the colours' principal axes, each as long as one deviation, in columns"""


def photographs() -> list[Source]:
    """Those that scikit-image and scikit-learn install."""
    lines = (HERE / "sources.csv").read_text("utf-8").splitlines()
    found = []
    for row in csv.DictReader(lines):
        facts = {key: row[key] for key in ("name", "title", "author", "licence", "source")}
        found.append(Source(Path(str(files("skimage.data") / row["scikit_image_file"])), facts))
    for row in csv.DictReader(FLOWERS.splitlines(), delimiter="|"):
        found.append(Source(Path(str(files("sklearn.datasets") / "images" / row.pop("file"))), row))
    return found


def scaled(sources: list[Source]) -> list[tuple[str, int, NDArray[np.float32]]]:
    """(name, how many times smaller than the file, pixels (height, width, 3) from 0 to 1)."""
    found = []
    for source in sources:
        photograph = Image.open(source.path).convert("RGB")
        first = 2 if max(photograph.size) > LARGEST else 1
        for factor in (first, 2 * first) if source.name in WIDE else (first,):
            size = (photograph.width // factor, photograph.height // factor)
            small = photograph.resize(size, Image.Resampling.LANCZOS) if factor > 1 else photograph
            found.append((source.name, factor, np.asarray(small, np.float32) / 255))
    return found


def atlas_of(sources: list[Source]) -> Atlas:
    """The places lie on a grid; those with the most contrast become classes."""
    pictures = scaled(sources)
    height, width = sum(p.shape[0] for *_, p in pictures), max(p.shape[1] for *_, p in pictures)
    sheet = np.zeros((height, width, 3), np.float32)
    found: list[tuple[float, float, float, str]] = []
    top, margin = 0, SIDE / 2 * math.sqrt(2) * 1.2
    for name, factor, pixels in pictures:
        rows, columns = pixels.shape[:2]
        sheet[top : top + rows, :columns] = pixels
        for y in np.arange(margin, rows - margin, SPACING):
            for x in np.arange(margin, columns - margin, SPACING):
                patch = pixels[int(y) - SIDE // 2 :, int(x) - SIDE // 2 :][:SIDE, :SIDE]
                title = f"{name} {int(x * factor)},{int(y * factor)}" + (f" 1:{factor}" if factor > 1 else "")
                found.append((float(patch.std((0, 1)).max()), top + float(y), float(x), title))
        top += rows
    best = sorted(sorted(found, reverse=True)[:CLASSES], key=lambda place: place[1:3])
    colours = np.concatenate([p.reshape(-1, 3) for *_, p in pictures])
    lengths, axes = np.linalg.eigh(np.cov(colours.T))
    return Atlas(
        torch.from_numpy(sheet.transpose(2, 0, 1).copy())[None],
        torch.tensor([place[1:3] for place in best], dtype=torch.float32),
        tuple(place[3] for place in best),
        torch.from_numpy((axes * np.sqrt(lengths.clip(0))).astype(np.float32)),
    )


def patches(atlas: Atlas, classes: Tensor, generator: torch.Generator) -> Tensor:
    """A view of each place, drawn anew: (n, 3, SIDE, SIDE), normalised."""
    seen = recoloured(placed(atlas, classes, generator), atlas.axes, generator)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return ((seen.clamp(0, 1) - mean) / std).contiguous(memory_format=torch.channels_last)


def placed(atlas: Atlas, classes: Tensor, generator: torch.Generator) -> Tensor:
    """The pixels around each place, shifted, turned and scaled: (n, 3, SIDE, SIDE), 0 to 1."""
    n = len(classes)
    along = torch.arange(SIDE) - (SIDE - 1) / 2
    down, right = torch.meshgrid(along, along, indexing="ij")
    angle, scale = torch.deg2rad(between(-TURN, TURN, n, generator)), factor(SCALE, n, generator)
    middle = atlas.places[classes].view(n, 2, 1, 1)
    y = (
        middle[:, 0]
        + between(-SHIFT, SHIFT, n, generator)
        + scale * (angle.sin() * right + angle.cos() * down)
    )
    x = (
        middle[:, 1]
        + between(-SHIFT, SHIFT, n, generator)
        + scale * (angle.cos() * right - angle.sin() * down)
    )
    height, width = atlas.sheet.shape[2:]
    grid = torch.stack([x * 2 / (width - 1) - 1, y * 2 / (height - 1) - 1], -1).view(1, n * SIDE, SIDE, 2)
    return grid_sample(atlas.sheet, grid, align_corners=True).view(3, n, SIDE, SIDE).transpose(0, 1)


def recoloured(seen: Tensor, axes: Tensor, generator: torch.Generator) -> Tensor:
    """Other saturation, contrast and brightness, and a tint along the colours' principal axes (as AlexNet's)."""
    n = len(seen)
    grey = seen.mean(1, keepdim=True)
    colour = factor(SATURATION, n, generator) * (between(0, 1, n, generator) > GREY)
    seen = grey + (seen - grey) * colour[:, None]
    level = seen.mean((1, 2, 3), keepdim=True)
    contrast, light = factor(CONTRAST, n, generator), between(-BRIGHTNESS, BRIGHTNESS, n, generator)
    seen = level + (seen - level) * contrast[:, None] + light[:, None]
    return seen + (TINT * torch.randn(n, 3, generator=generator) @ axes.T).view(n, 3, 1, 1)


def between(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return torch.empty(n, 1, 1).uniform_(low, high, generator=generator)


def factor(most: float, n: int, generator: torch.Generator) -> Tensor:
    return torch.exp(between(-math.log(most), math.log(most), n, generator))
